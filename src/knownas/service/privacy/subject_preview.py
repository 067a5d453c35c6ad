"""Says what a request of a data subject would touch, before anybody asks for it: whom, where, how much, and what not.

Nothing is written for it, in the evidence neither. Of other people it tells only how many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.identity.decision import Guard
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.privacy.request import RequestType, Subject
from knownas.service.access.readers import readings_of
from knownas.service.identity.knowing import holding_of, others_of_scope
from knownas.service.limits import READINGS_COUNTED_MAX, SHARERS_COUNTED_MAX
from knownas.service.privacy.subject_counting import Lines, lines_about
from knownas.service.privacy.subject_finding import Found, SubjectFinding, Why, environment_of
from knownas.service.security.auditing import is_operator
from knownas.service.security.directory import Directory, Place
from knownas.store.port import Store, StoredProfile
from knownas.store.privacy import Counts


class Fate(StrEnum):
    """What a request would do with something."""

    ERASED = "erased"
    HANDED_OUT = "handed_out"
    KEPT = "kept"


class OutOfReach(NamedTuple):
    """Profiles that hold an identity of the request and can't be reached by it, how many, and the guard that keeps them."""

    type: IdentityType
    profiles: int
    guard: Guard


class WorkspaceHas(NamedTuple):
    """How much a workspace of the scope has of the person, and what would become of it.

    `is_asked`: the request is its own. `residency` is where it says that its data lie, None if it says nothing.
    """

    workspace: int
    name: str
    is_asked: bool
    counts: Counts
    fate: Fate
    residency: str | None


class RecordFate(NamedTuple):
    """What would become of the identities, which belong to the scope; `kept_for` are other workspaces that know the person."""

    identities: int
    fate: Fate
    kept_for: Sequence[int]


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
    """How often it was read or changed by now through credentials; the operator's own looks are left aside."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would do to one of those whom it names; `touched` None: it reaches nobody.

    `unmatched` counts the digests that are of nobody's value.
    """

    type: RequestType
    why: Why
    touched: Touched | None
    out_of_reach: Sequence[OutOfReach]
    unmatched: int


class SubjectPreviews:
    """Previews of requests over one store."""

    def __init__(self, store: Store, directory: Directory, finding: SubjectFinding) -> None:
        self._store = store
        self._directory = directory
        self._finding = finding

    async def preview(self, place: Place, kind: RequestType, subject: Subject) -> Sequence[Preview]:
        """Say what a request of a workspace would touch, for each profile that it names or leads to. Writes nothing.

        Raises:
            Overloaded: too many look at records at once.
            StoreError: the store does not answer.
        """
        return [await self._preview(place, kind, one) for one in await self._finding.find(place, subject)]

    async def _preview(self, place: Place, kind: RequestType, found: Found) -> Preview:
        stored = None if found.mpid is None else await self._store.profile(found.mpid)
        touched = None
        if stored is not None and found.environment is not None:
            touched = await self._touched(place, kind, stored, found)
        return Preview(kind, found.why, touched, _out_of_reach(found), found.unmatched)

    async def _touched(self, place: Place, kind: RequestType, stored: StoredProfile, found: Found) -> Touched:
        record, mpid = stored.record, stored.record.mpid
        fate = Fate.ERASED if kind is RequestType.ERASURE else Fate.HANDED_OUT
        kept_for = [one.workspace for one in found.knowing]
        is_kept = kind is RequestType.ERASURE and bool(kept_for)
        scope = [place, *sorted(others_of_scope(self._directory, place), key=lambda one: one.workspace.id)]
        return Touched(
            mpid=mpid,
            environment=environment_of(stored.pool),
            is_known=record.known,
            workspaces=[await self._has(one, mpid, place, fate) for one in scope],
            record=RecordFate(record.size, Fate.KEPT if is_kept else fate, sorted(kept_for)),
            sharing=await self._sharing(stored),
            lines=await lines_about(self._store, mpid),
            readings=await self._readings(mpid),
        )

    async def _readings(self, mpid: int) -> int:
        counted, rows = 0, 0
        async for one in readings_of(self._store.privacy, mpid):
            rows += 1
            # Whoever looks at a person as the operator, also by a preview, hands nothing out.
            counted += 0 if is_operator(one.who) else one.times
            if rows >= READINGS_COUNTED_MAX:
                break
        return counted

    async def _has(self, one: Place, mpid: int, asked: Place, fate: Fate) -> WorkspaceHas:
        counts = await self._store.privacy.count(holding_of(self._directory, one.workspace.id, mpid))
        is_asked = one.workspace.id == asked.workspace.id
        outcome = fate if is_asked else Fate.KEPT
        residency = one.workspace.settings.privacy.residency
        return WorkspaceHas(one.workspace.id, one.workspace.name, is_asked, counts, outcome, residency)

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


def _out_of_reach(found: Found) -> Sequence[OutOfReach]:
    """Count the profiles that a guard keeps from being reached, by type and guard."""
    kept: dict[tuple[IdentityType, Guard], set[int]] = {}
    for one in found.unreached:
        kept.setdefault((one.type, one.guard), set()).add(one.mpid)
    return [OutOfReach(kind, len(mpids), guard) for (kind, guard), mpids in sorted(kept.items())]


def preview_document(place: Place, previews: Sequence[Preview]) -> Document:
    """Show previews the way the API answers them: the first, and in its `further` those of other profiles."""
    first, *further = [_document(place, one) for one in previews]
    return {**first, "further": further}


def _document(place: Place, preview: Preview) -> Document:
    touched = preview.touched
    shown: Document = {
        "workspace": place.workspace.id,
        "scope": place.rules.scope,
        "subject_request_type": preview.type.value,
        "why": preview.why,
        "unmatched_digests": preview.unmatched,
        "profile": None,
        "workspaces": [],
        "identity_record": None,
        "shared_with": None,
        "log_lines": None,
        "out_of_reach": [_guarded_document(one) for one in preview.out_of_reach],
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
                "residency": one.residency,
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


def _guarded_document(one: OutOfReach) -> Document:
    return {"identity_type": one.type, "profiles": one.profiles, "guard": one.guard, "sentence": _GUARDED[one.guard]}


def _not_reached(kind: RequestType, touched: Touched) -> Sequence[str]:
    """Say what an erasure could not reach."""
    if kind is not RequestType.ERASURE:
        return []
    told = ["Backups that were made before: what `knownas restore` restores from one is erased again, by the ledger."]
    if touched.readings:
        many = "at least " if touched.readings >= READINGS_COUNTED_MAX else ""
        often = f"{many}{touched.readings} {'time' if touched.readings == 1 else 'times'}"
        told.append(f"What was handed out already: the profile was read or changed from outside {often}.")
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
