"""Says what a request of a data subject would touch, before anybody asks for it: whom, where, how much, and what not.

Nothing is written for it, in the evidence neither. Of other people it tells only how many there are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Guard
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.privacy.request import Encoding, RequestType, Subject
from knownas.service.access_work import Finding
from knownas.service.directory import Directory, Place
from knownas.service.limits import PAGE_MAX, SHARERS_COUNTED_MAX
from knownas.service.resolver import Resolver
from knownas.service.subject_counting import Lines, holding_of, lines_about
from knownas.store.port import Store, StoredProfile
from knownas.store.privacy import Counts

PREVIEW_INPUT: Final = "privacy_preview"
"""The input name under which the search of a preview is decided; nothing keeps it."""


class Fate(StrEnum):
    """What a request would do with something."""

    ERASED = "erased"
    HANDED_OUT = "handed_out"
    KEPT = "kept"


class Unreached(NamedTuple):
    """Profiles that hold an identity of the request and can't be reached by it, and the guard that keeps them."""

    type: IdentityType
    profiles: int
    guard: Guard


class WorkspaceHas(NamedTuple):
    """How much a workspace of the scope has of the person, and what would become of it. `is_asked`: the request is its own."""

    workspace: int
    name: str
    is_asked: bool
    counts: Counts
    fate: Fate


class RecordFate(NamedTuple):
    """What would become of the identities, which belong to the scope, and who else knows the person.

    `kept_for` are other workspaces of the scope, `other_inputs` names of inputs that no workspace of the scope has now.
    """

    identities: int
    fate: Fate
    kept_for: Sequence[int]
    other_inputs: Sequence[str]


class Sharing(NamedTuple):
    """How many other profiles have an identity of the person's as well, in all and by type. `is_all` False: at least so many."""

    profiles: int
    by_type: Mapping[IdentityType, int]
    is_all: bool


@dataclass(frozen=True, slots=True)
class Touched:
    """The profile that a request would touch."""

    mpid: int
    environment: Environment
    is_known: bool
    workspaces: Sequence[WorkspaceHas]
    record: RecordFate
    sharing: Sharing
    lines: Lines
    readings: int
    """How often it was handed out by now, to readers of the Profile API and others."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would do; `touched` None: it reaches nobody."""

    type: RequestType
    touched: Touched | None
    unreached: Sequence[Unreached]


class SubjectPreviews:
    """Previews of requests over one store."""

    def __init__(
        self, store: Store, directory: Directory, resolver: Resolver, finding: Finding, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._finding = finding
        self._clock = clock

    async def preview(self, place: Place, kind: RequestType, subject: Subject) -> Preview:
        """Say what a request of a workspace would touch. Writes nothing.

        Raises:
            Overloaded: too many look at records at once.
            StoreError: the store does not answer.
        """
        found = await self._finding.find(place, subject)
        unreached = await self._unreached(place, subject, found.mpid)
        stored = None if found.mpid is None else await self._store.profile(found.mpid)
        if stored is None or found.environment is None:
            return Preview(kind, None, unreached)
        return Preview(kind, await self._touched(place, kind, stored, found.environment), unreached)

    async def _touched(
        self, place: Place, kind: RequestType, stored: StoredProfile, environment: Environment
    ) -> Touched:
        record, mpid = stored.record, stored.record.mpid
        lines = await lines_about(self._store, mpid)
        sections = {key.workspace for key in await self._store.user_data.sections_of(mpid)}
        kept_for, other_inputs = self._others(place, sections, lines)
        fate = Fate.ERASED if kind is RequestType.ERASURE else Fate.HANDED_OUT
        is_kept = kind is RequestType.ERASURE and bool(kept_for or other_inputs)
        return Touched(
            mpid=mpid,
            environment=environment,
            is_known=record.known,
            workspaces=[await self._has(one, mpid, place, fate) for one in self._scope(place)],
            record=RecordFate(record.size, Fate.KEPT if is_kept else fate, kept_for, other_inputs),
            sharing=await self._sharing(stored),
            lines=lines,
            readings=await self._readings(mpid),
        )

    def _scope(self, place: Place) -> Sequence[Place]:
        """Return the workspaces of a workspace's scope, its own first."""
        scope = [one for one in self._directory.places if one.rules.scope == place.rules.scope]
        return sorted(scope, key=lambda one: (one.workspace.id != place.workspace.id, one.workspace.id))

    async def _has(self, one: Place, mpid: int, asked: Place, fate: Fate) -> WorkspaceHas:
        counts = await self._store.privacy.count(holding_of(self._directory, one, mpid))
        is_asked = one.workspace.id == asked.workspace.id
        return WorkspaceHas(one.workspace.id, one.workspace.name, is_asked, counts, fate if is_asked else Fate.KEPT)

    def _others(self, place: Place, sections: set[int], lines: Lines) -> tuple[Sequence[int], Sequence[str]]:
        """Say which other workspaces of the scope know the person, and inputs that none of them has."""
        own = {one.name for one in place.workspace.inputs}
        others = [one for one in self._scope(place) if one.workspace.id != place.workspace.id]
        knowing = {one.workspace.id for one in others if one.workspace.id in sections}
        unknown = set(lines.inputs) - own
        for one in others:
            names = {each.name for each in one.workspace.inputs}
            if names & unknown:
                knowing.add(one.workspace.id)
                unknown -= names
        return sorted(knowing), sorted(unknown)

    async def _sharing(self, stored: StoredProfile) -> Sharing:
        """Count the other profiles that can be found by an identity of this one."""
        sharers, by_type, is_all = set[int](), dict[IdentityType, int](), True
        for one in stored.record.lookups():
            holders = await self._store.holders(stored.pool, one, SHARERS_COUNTED_MAX)
            others = set(holders) - {stored.record.mpid}
            is_all = is_all and len(holders) < SHARERS_COUNTED_MAX
            if others:
                by_type[one.type] = by_type.get(one.type, 0) + len(others)
                sharers |= others
        return Sharing(len(sharers), by_type, is_all)

    async def _readings(self, mpid: int) -> int:
        rows = await self._store.privacy.audited(mpid, 0, PAGE_MAX)
        return len(rows)

    async def _unreached(self, place: Place, subject: Subject, reached: int | None) -> Sequence[Unreached]:
        """Say which profiles hold an identity that was named as it is, and may not be reached by it; of each type, how many."""
        raw = {one.identity.type: one.identity.value for one in subject.identities if one.encoding is Encoding.RAW}
        if not raw:
            return []
        named = identities(raw)
        found: dict[tuple[IdentityType, Guard], set[int]] = {}
        for environment in dict.fromkeys(place.rules.pool(one) for one in Environment):
            asked = Environment(environment.environment or Environment.PRODUCTION)
            for one, mpid, guard in await self._rejected(place, asked, named):
                if mpid != reached:
                    found.setdefault((one.type, guard), set()).add(mpid)
        return [Unreached(kind, len(mpids), guard) for (kind, guard), mpids in sorted(found.items())]

    async def _rejected(
        self, place: Place, environment: Environment, named: tuple[Identity, ...]
    ) -> Sequence[tuple[Identity, int, Guard]]:
        """Decide a search that nothing keeps, and return who was rejected by which guard."""
        request = IdentityRequest(Endpoint.SEARCH, self._clock(), environment, PREVIEW_INPUT, named)
        question = place.rules.ask(request, may_create=False, writes=False)
        records = await self._resolver.look(question.wanted())
        decision = decide(question.observation, place.rules.policy, records, NOT_MADE, may_create=False)
        return [(step.identity, one.mpid, one.guard) for step in decision.receipt.steps for one in step.rejected]


def preview_document(place: Place, preview: Preview) -> Document:
    """Show a preview the way the API answers it."""
    touched = preview.touched
    shown: Document = {
        "workspace": place.workspace.id,
        "scope": place.rules.scope,
        "subject_request_type": preview.type.value,
        "profile": None,
        "workspaces": [],
        "identity_record": None,
        "shared_with": None,
        "log_lines": None,
        "out_of_reach": [_unreached_document(one) for one in preview.unreached],
        "not_reached": [],
    }
    if touched is None:
        return shown
    return shown | {
        "profile": {"mpid": str(touched.mpid), "environment": touched.environment, "known": touched.is_known},
        "workspaces": [
            {
                "workspace": one.workspace,
                "name": one.name,
                "is_asked": one.is_asked,
                "outcome": one.fate,
                "counts": one.counts._asdict(),
            }
            for one in touched.workspaces
        ],
        "identity_record": {
            "identities": touched.record.identities,
            "outcome": touched.record.fate,
            "kept_for_workspaces": list(touched.record.kept_for),
            "kept_for_inputs": list(touched.record.other_inputs),
        },
        "shared_with": {
            "profiles": touched.sharing.profiles,
            "by_type": dict(sorted(touched.sharing.by_type.items())),
            "is_all": touched.sharing.is_all,
        },
        "log_lines": {"count": touched.lines.total, "is_all": touched.lines.is_all},
        "not_reached": list(_not_reached(preview.type, touched)),
    }


_GUARDED: Final[Mapping[Guard, str]] = {
    Guard.LOGIN: "They belong to known users, who are reached only with a login ID of theirs: a device alone never opens a known profile.",
    Guard.IMMUTABLE: "They have an immutable ID that the request does not name, and nothing else opens such a profile.",
    Guard.SEARCH_IMMUTABLE: "A search finds by immutable IDs only, and none of them led there.",
}


def _unreached_document(one: Unreached) -> Document:
    return {"identity_type": one.type, "profiles": one.profiles, "guard": one.guard, "sentence": _GUARDED[one.guard]}


def _not_reached(kind: RequestType, touched: Touched) -> Sequence[str]:
    """Say what an erasure could not reach."""
    if kind is not RequestType.ERASURE:
        return []
    told = ["Backups that were made before: whatever is restored from one has to be erased again."]
    if touched.readings:
        many = "at least " if touched.readings == PAGE_MAX else ""
        told.append(
            f"What was handed out already: the profile was read or changed from outside {many}{touched.readings} times."
        )
    if touched.sharing.profiles:
        told.append("Identities that other profiles have as well: they are theirs too, and stay with them.")
    if touched.record.fate is Fate.KEPT:
        told.append(
            "The identities themselves: other workspaces of the scope know the person, and each has to be asked."
        )
    elif touched.lines.total:
        told.append(
            "The times and types in the lines of the log: they stay, with values that nobody has in the place of the person's."
        )
    return told
