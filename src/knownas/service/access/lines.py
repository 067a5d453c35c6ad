"""Reads what a workspace knows of a person, line by line: the profile, identities, devices, consent, decisions, recipients.

Of the scope's other workspaces nothing is told but what belongs to the scope: identities, and the decisions about them. Of
other people nothing is told at all (`service.privacy.subject_values`, `core.privacy.disclosure`).
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from knownas.core.identity.decision import Change
from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.observation import Correction, Observation
from knownas.core.identity.policy import Policy
from knownas.core.privacy.disclosure import told_of_answer, told_of_changes
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.consent import ConsentChange
from knownas.core.profile.device import Device
from knownas.core.profile.section import Section
from knownas.service.access.form import (
    AttributeShown,
    AttributionShown,
    ChangeShown,
    ConsentLine,
    CopyShown,
    DecisionLine,
    DeviceLine,
    HappenedShown,
    IdentityLine,
    ProfileLine,
    RecipientLine,
    StatementShown,
)
from knownas.service.access.readers import readings_of
from knownas.service.history.subjects import profile_named_in
from knownas.service.identity.log_form import decision_from, observation_from
from knownas.service.identity.policies import policies_of
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import ACCESS_LINES_A_READ, COPIES_TOLD_MAX, RECIPIENTS_TOLD_MAX
from knownas.service.privacy.subject_values import SubjectValues, Traced
from knownas.service.profile.consent_history import changes_of as changes_of_consent
from knownas.service.profile.sections import read
from knownas.service.security.auditing import ADMIN, is_operator
from knownas.service.security.directory import Place
from knownas.store.port import LogEntry, Store, StoredProfile
from knownas.store.user_data import AliasRow, SectionKey

SHARED: Final = "shared"
"""The environment of a profile in a scope whose environments are not kept apart."""


_NO_VALUES: Final[Mapping[str, str | list[str]]] = {}


class Known:
    """What a workspace knows of one profile, as it was when it was read."""

    def __init__(
        self,
        store: Store,
        place: Place,
        stored: StoredProfile,
        sections: Mapping[SectionKey, Section],
        traced: Sequence[Traced],
        values: SubjectValues,
        strangers: Collection[str] = (),
    ) -> None:
        """`strangers` are credentials that reach other workspaces only: what they were told is not this one's to tell."""
        self.store: Final = store
        self.place: Final = place
        self.stored: Final = stored
        self.sections: Final = sections
        self.traced: Final = traced
        self.values: Final = values
        self._strangers = strangers
        self._inputs = frozenset(one.name for one in place.workspace.inputs)

    @property
    def mpid(self) -> int:
        """The profile's MPID."""
        return self.stored.record.mpid

    async def profile(self, calculations: WorkspaceCalculations | None, now_ms: int) -> AsyncIterator[ProfileLine]:
        """Yield the profile, once for each environment in which the workspace has seen it, at least once.

        Raises:
            StoreError: the store does not answer.
        """
        for key in sorted(self.sections):
            section, values = self.sections[key], _NO_VALUES
            if calculations is not None:
                values = calculations.shown(section.calculated, now_ms)
            copies = await self._copies(key.environment)
            yield msgspec.structs.replace(
                self._profile(key.environment, section), calculated_attributes=values, copies=copies
            )
        if not self.sections:
            yield self._profile(self.stored.pool.environment or SHARED, None)

    def _profile(self, environment: str, section: Section | None) -> ProfileLine:
        record = self.stored.record
        held: dict[IdentityType, list[str]] = {}
        for values in (record.identities, record.carried):
            for kind in values:
                held.setdefault(kind, []).extend(values[kind])
        return ProfileLine(
            mpid=str(record.mpid),
            workspace=self.place.workspace.id,
            environment=environment,
            known=record.known,
            created_at=rfc3339(record.created_ms),
            last_active_at=rfc3339(record.active_ms),
            first_seen_at=None if section is None else rfc3339(section.first_seen_ms),
            last_seen_at=None if section is None else rfc3339(section.last_seen_ms),
            linked_to_an_earlier_profile=record.source_mpid is not None,
            identities={kind: held[kind] for kind in sorted(held) if kind not in DEVICE_TYPES},
            device_identities={kind: held[kind] for kind in sorted(held) if kind in DEVICE_TYPES},
            attributes={}
            if section is None
            else {name: _attribute(section.attributes[name]) for name in sorted(section.attributes)},
            calculated_attributes=_NO_VALUES,
            attributions=[]
            if section is None
            else [AttributionShown(one.publisher, one.campaign, rfc3339(one.at_ms)) for one in section.attributions],
            opted_out=None if section is None else section.opted_out,
            inputs={} if section is None else {name: rfc3339(at) for name, at in sorted(section.inputs.items())},
            copies=[],
        )

    async def _copies(self, environment: str) -> list[CopyShown]:
        rows = await self.store.user_data.aliases_about(self.place.workspace.id, environment, [self.mpid])
        return [self._copy(one) for one in rows[:COPIES_TOLD_MAX]]

    def _copy(self, row: AliasRow) -> CopyShown:
        came = row.destination_mpid == self.mpid
        return CopyShown(
            "from_another_profile" if came else "to_another_profile",
            row.state.value,
            rfc3339(row.start_ms),
            rfc3339(row.end_ms),
            rfc3339(row.requested_ms),
        )

    def identities(self) -> Iterator[IdentityLine]:
        """Yield all identities that the profile has or had."""
        record = self.stored.record
        for one in self.traced:
            kind, value = one.identity
            state = (
                "held"
                if record.holds(one.identity)
                else "carried"
                if value in record.carried.get(kind, ())
                else "former"
            )
            history = [HappenedShown(rfc3339(each.at_ms), each.how, each.decision_id) for each in one.happened]
            yield IdentityLine(str(self.mpid), kind, value if one.is_own else None, state, history)

    async def devices(self) -> AsyncIterator[DeviceLine]:
        """Yield the devices, those seen last first."""
        for key in sorted(self.sections):
            for one in self.sections[key].devices:
                yield await self._device(key.environment, one)

    async def _device(self, environment: str, device: Device) -> DeviceLine:
        named = [Identity(kind, value) for kind, value in device.ids.items()]
        if device.stamp is not None:
            named.append(Identity(IdentityType.DEVICE_APPLICATION_STAMP, device.stamp))
        shown = [one for one in named if await self.values.may_show(one)]
        return DeviceLine(
            str(self.mpid),
            environment,
            {one.type: one.value for one in sorted(shown)},
            device.platform,
            device.facts,
            rfc3339(device.first_seen_ms),
            rfc3339(device.last_seen_ms),
            sorted({one.type for one in named} - {one.type for one in shown}),
        )

    def consents(self) -> Iterator[ConsentLine]:
        """Yield what counts now of the statements of consent, each with how it came to that."""
        for key in sorted(self.sections):
            changes = changes_of_consent(self.sections[key])
            for purpose, one in sorted(self.sections[key].consents.items()):
                yield ConsentLine(
                    str(self.mpid),
                    key.environment,
                    purpose.regulation.value,
                    purpose.name,
                    one.consented,
                    rfc3339(one.at_ms),
                    one.document,
                    one.location,
                    one.hardware_id,
                    [_statement(each) for each in changes if each.purpose == purpose],
                )

    async def decisions(self) -> AsyncIterator[DecisionLine]:
        """Yield the decisions about the profile that the log keeps, the oldest first.

        Raises:
            StoreError: the store does not answer.
        """
        policies = await policies_of(self.store, self.stored.pool.scope)
        after = 0
        while page := await self.store.history(self.mpid, after, ACCESS_LINES_A_READ):
            after = page[-1].seq
            for entry in page:
                told = self._decision(entry, policies.get(entry.policy_version))
                if told is not None:
                    yield told

    def _decision(self, entry: LogEntry, policy: Policy | None) -> DecisionLine | None:
        observation, decision = observation_from(entry.observation), decision_from(entry.decision)
        changes = [one for one in decision.changes if self.mpid in (one.mpid, one.from_mpid)]
        is_own = self.mpid in (decision.answered, profile_named_in(observation))
        if not is_own and not changes:
            return None
        if is_own:
            about = "this_profile"
            told = told_of_answer(observation, decision, policy, self.mpid, self.values.is_own)
        else:
            corrected = isinstance(observation, Correction)
            about = "correction" if corrected else "another_profile"
            told = told_of_changes(changes, self.mpid, self.values.is_own, corrected=corrected)
        return DecisionLine(
            str(self.mpid),
            rfc3339(entry.at_ms),
            entry.decision_id,
            about,
            observation.endpoint,
            observation.environment.value,
            self._input(observation),
            entry.policy_version,
            told.headline,
            list(told.sentences),
            [self._change(one) for one in changes],
        )

    def _input(self, observation: Observation) -> str | None:
        return observation.input if observation.input in self._inputs else None

    def _change(self, change: Change) -> ChangeShown:
        one = change.identity
        moved = None if change.from_mpid is None else "here" if change.mpid == self.mpid else "away"
        return ChangeShown(change.kind, one.type, one.value if self.values.is_own(one) else None, moved)

    async def recipients(self) -> AsyncIterator[RecipientLine]:
        """Yield who read or changed what is known of the profile, and how often on each day.

        Raises:
            StoreError: the store does not answer.
        """
        times: Counter[tuple[str, str, str]] = Counter()
        async for one in readings_of(self.store.privacy, self.mpid):
            # Who of the operator's people it was is theirs to know.
            who = ADMIN if is_operator(one.who) else one.who
            asked = (rfc3339(one.at_ms)[: len("2026-01-01")], who, one.what)
            if one.who not in self._strangers and (asked in times or len(times) < RECIPIENTS_TOLD_MAX):
                times[asked] += one.times
        for day, who, what in sorted(times):
            yield RecipientLine(str(self.mpid), day, who, what, times[day, who, what])


async def known_of(
    store: Store, place: Place, stored: StoredProfile, strangers: Collection[str] = (), person: Collection[int] = ()
) -> Known:
    """Read what a workspace knows of a profile, but for what is read piece by piece.

    `person` are further profiles that are the same person's.

    Raises:
        StoreError: the store does not answer.
    """
    values = SubjectValues(store, stored, person)
    traced = await values.trace()
    found = await store.user_data.sections_of(stored.record.mpid)
    sections = {key: read(one) for key, one in found.items() if key.workspace == place.workspace.id}
    return Known(store, place, stored, sections, traced, values, strangers)


def _statement(one: ConsentChange) -> StatementShown:
    said = one.consent
    received = None if one.received_ms is None else rfc3339(one.received_ms)
    return StatementShown(
        said.consented, rfc3339(said.at_ms), received, one.input, said.document, said.location, said.hardware_id
    )


def _attribute(one: Attribute) -> AttributeShown:
    value: Any = list(one.value) if isinstance(one.value, tuple) else one.value
    return AttributeShown(value, rfc3339(one.at_ms))
