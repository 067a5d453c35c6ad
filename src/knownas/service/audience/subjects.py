"""Makes of what a store has of a profile what audiences are judged by, and what is translated for destinations."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from knownas.core.audience.dates import NEVER
from knownas.core.audience.subject import JUDGED_EVENTS_MAX, PastEvent, Subject
from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.attributes import Attribute, AttributeValue
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.event import Event, EventBatch
from knownas.core.profile.section import Section
from knownas.core.profile.whole import whole_of
from knownas.core.profile.window import TICK_MS
from knownas.core.translation.forwarding_rules import ForwardedUser
from knownas.core.translation.view import ProfileView, view_of
from knownas.service.group.grouping import Grouping
from knownas.service.group.values import NO_VALUES, Values
from knownas.service.profile.kept_batches import kept_from
from knownas.service.profile.sections import read, section_from
from knownas.service.security.directory import Directory
from knownas.store.audiences import StoredSubject
from knownas.store.user_data import SectionKey, StoredEvents

_DATA: Final = msgspec.json.Decoder(dict[str, Any])


class KeptUser(msgspec.Struct, frozen=True, array_like=True):
    """What a store has of a user of a workspace and an environment, as far as audiences are judged by it: documents are not read yet.

    `section` is what the workspace knows, `elsewhere` what others of the scope do. `events` are kept batches by ascending `seq`,
    `grouped` is what the user's groups have come to.
    """

    mpid: int
    is_known: bool
    identities: Mapping[IdentityType, tuple[str, ...]]
    section: bytes
    elsewhere: Sequence[bytes]
    events: Sequence[tuple[int, bytes]]
    grouped: Mapping[str, AttributeValue] = {}


def subject_of(user: KeptUser, calculations: WorkspaceCalculations | None, now_ms: int) -> Subject:
    """Read what a store has of a user, and return them as their workspace knows them at a time."""
    section = section_from(user.section)
    whole = whole_of([section, *map(section_from, user.elsewhere)])
    calculated: Mapping[str, str | list[str]] = (
        {} if calculations is None else calculations.shown(section.calculated, now_ms)
    )
    return Subject(
        mpid=user.mpid,
        is_known=user.is_known,
        identities=user.identities,
        section=with_grouped(section, user.grouped, now_ms),
        is_opted_out=whole.opted_out,
        limit_ad_tracking=whole.limit_ad_tracking,
        first_seen_ms=whole.first_seen_ms,
        events=past_events(user.events),
        calculated=calculated,
        calculated_until_ms=NEVER if calculations is None else _next_tick(calculations, now_ms),
    )


Logins = Mapping[int, frozenset[IdentityType]]
"""The login types of workspaces, by their ids: who has one of them is known (idsync §1.3)."""


def kept_user(
    key: SectionKey,
    stored: StoredSubject,
    events: Sequence[StoredEvents],
    login_types: frozenset[IdentityType] | None,
    grouped: Values = NO_VALUES,
) -> KeptUser | None:
    """Return what audiences are judged by; None if the workspace does not know the user.

    Without the login types of the workspace, whoever was known when they were written counts as known.
    """
    mine, record = stored.sections.get(key), stored.record
    if mine is None or record is None:
        return None
    return KeptUser(
        key.mpid,
        record.known if login_types is None else not login_types.isdisjoint(record.identities),
        {**record.carried, **record.identities},
        mine.document,
        [one.document for of, one in stored.sections.items() if of != key and of.environment == key.environment],
        [(one.seq, one.document) for one in events],
        grouped,
    )


class Subjects:
    """Makes subjects, by the policies of scopes and the calculated attributes of workspaces; what groups come to is found by `grouping`."""

    def __init__(
        self, directory: Directory, calculations: Mapping[int, WorkspaceCalculations], grouping: Grouping
    ) -> None:
        self.grouping: Final = grouping
        self._rules = {place.workspace.id: place.rules for place in directory.places}
        self._calculations = calculations

    @property
    def logins(self) -> Logins:
        """The login types of all workspaces now."""
        return {workspace: rules.policy.login_types for workspace, rules in self._rules.items()}

    def subject(
        self,
        key: SectionKey,
        stored: StoredSubject,
        events: Sequence[StoredEvents],
        now_ms: int,
        grouped: Values = NO_VALUES,
    ) -> Subject | None:
        """Return a user as one workspace knows them, with what their groups have come to; None if it does not know them."""
        rules = self._rules.get(key.workspace)
        user = kept_user(key, stored, events, None if rules is None else rules.policy.login_types, grouped)
        return None if user is None else subject_of(user, self._calculations.get(key.workspace), now_ms)

    def view(self, key: SectionKey, stored: StoredSubject) -> ProfileView | None:
        """Return what is translated of a user; None if nobody knows them any more."""
        if stored.record is None:
            return None
        mine = stored.sections.get(key)
        elsewhere = [
            read(one) for of, one in stored.sections.items() if of != key and of.environment == key.environment
        ]
        return view_of(stored.record, None if mine is None else read(mine), elsewhere)

    def forwarded(
        self, key: SectionKey, stored: StoredSubject, batch: EventBatch, now_ms: int, grouped: Values = NO_VALUES
    ) -> ForwardedUser | None:
        """Return the user of a batch that is forwarded, with what it brings; None if their workspace knows them no more.

        What their groups have come to and calculated attributes are among the attributes, and shadow others of their names (platform §2.6).
        """
        mine, rules = stored.sections.get(key), self._rules.get(key.workspace)
        if stored.record is None or mine is None or rules is None:
            return None
        section, policy = read(mine), rules.policy
        elsewhere = [
            read(one) for of, one in stored.sections.items() if of != key and of.environment == key.environment
        ]
        guarded = policy.login_ids | policy.unique_ids | policy.immutable_ids
        own = self._calculations.get(key.workspace)
        calculated: Mapping[str, str | list[str]] = {} if own is None else own.shown(section.calculated, now_ms)
        shadowing = {
            name: Attribute(tuple(value) if isinstance(value, list) else value, now_ms)
            for name, value in calculated.items()
        }
        return ForwardedUser(
            view_of(stored.record, section, elsewhere, batch, frozenset(guarded)),
            {**with_grouped(section, grouped, now_ms).attributes, **shadowing},
            section.attributions,
        )


def with_grouped(section: Section, grouped: Values, now_ms: int) -> Section:
    """Return a section as it is shown, with what the user's groups have come to in place of attributes of these names. Nobody keeps it."""
    if not grouped:
        return section
    derived = {name: Attribute(value, now_ms) for name, value in grouped.items()}
    return section._replace(attributes={**section.attributes, **derived})


def past_events(kept: Sequence[tuple[int, bytes]]) -> Sequence[PastEvent]:
    """Return the events of kept batches by their time, the newest `JUDGED_EVENTS_MAX`."""
    events: list[PastEvent] = []
    for seq, document in kept:
        batch = kept_from(document)
        if not batch.is_aside:
            events += [
                PastEvent(f"{seq}.{place}", Event(of.type, of.at_ms, of.message_id, _DATA.decode(of.data)))
                for place, of in enumerate(batch.events)
            ]
    events.sort(key=lambda one: one.event.at_ms)
    return events[-JUDGED_EVENTS_MAX:]


def _next_tick(own: WorkspaceCalculations, now_ms: int) -> int:
    """Return when a value may be another one by the time alone."""
    return NEVER if own.tick(now_ms) == 0 else (now_ms // TICK_MS + 1) * TICK_MS
