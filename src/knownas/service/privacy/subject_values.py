"""Finds out which identities are a person's own, so that nobody is shown another person's; and what became of each.

A value is the person's own if their profile has it now. One that it had before is still theirs to know, unless it has become
somebody else's: it moved to another profile, another profile has it now, or it was taken back since it was never theirs.
The same goes for a value that only their events name. Whatever can't be told is not shown.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from knownas.core.identity.decision import Change, ChangeKind
from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import Record
from knownas.service.history.subjects import subject_of
from knownas.service.identity.log_form import decision_from, is_correction
from knownas.service.limits import (
    HAPPENINGS_TRACED_MAX,
    IDENTITIES_TRACED_MAX,
    PAGE_MAX,
    SUBJECT_LINES_READ_MAX,
)
from knownas.store.port import LogEntry, Store, StoredProfile

_LOST: Final = frozenset({ChangeKind.REMOVED, ChangeKind.DROPPED})


class Came(NamedTuple):
    """Something that happened to an identity of a profile: when, by which decision, and what.

    `how` is "came", "moved_here", "went" or "moved_away".
    """

    at_ms: int
    decision_id: str
    how: str


class Traced(NamedTuple):
    """An identity that a profile has or had, and what happened to it, oldest first. `is_own`: it may be shown."""

    identity: Identity
    is_own: bool
    happened: Sequence[Came]


class SubjectValues:
    """The values of one profile. Remembers what it has found out: for one answer, not for longer."""

    def __init__(self, store: Store, stored: StoredProfile, person: Collection[int] = ()) -> None:
        """`person` are further profiles that are the same person's: what they have is this person's too."""
        self._store = store
        self._pool = stored.pool
        self._mpid = stored.record.mpid
        self._person = frozenset((self._mpid, *person))
        self._held = frozenset(_values_of(stored.record))
        self._shown: dict[Identity, bool] = dict.fromkeys(self._held, True)
        self._traced: dict[Identity, list[Came]] = {one: [] for one in _values_of(stored.record)}
        self._happened = 0
        self.is_whole = True
        """Whether everything that happened is told; a profile can have more history than is read at once."""

    async def trace(self) -> Sequence[Traced]:
        """Read the profile's history, and return all identities that it has or had, those that it has first.

        Raises:
            StoreError: the store does not answer.
        """
        after, foreign = 0, dict[Identity, bool]()
        while page := await self._store.history(self._mpid, after, PAGE_MAX):
            after = page[-1].seq
            for entry in page:
                self._follow(entry, foreign)
        for one in self._traced:
            if one not in self._held:
                # Whoever has it by now is asked only where nothing else says that it is not the person's.
                self._shown[one] = not foreign.get(one, False) and not await self._is_elsewhere(one, moved=True)
        return [Traced(one, self._shown[one], happened) for one, happened in self._traced.items()]

    def is_own(self, identity: Identity) -> bool:
        """Whether an identity is known to be the person's own."""
        return self._shown.get(identity, False)

    async def may_show(self, identity: Identity) -> bool:
        """Whether an identity is the person's own: also one that the profile never had and nobody else has either.

        Raises:
            StoreError: the store does not answer.
        """
        known = self._shown.get(identity)
        if known is not None:
            return known
        if len(self._shown) >= IDENTITIES_TRACED_MAX:
            return False
        self._shown[identity] = shown = not await self._is_elsewhere(identity, moved=False)
        return shown

    def _follow(self, entry: LogEntry, foreign: dict[Identity, bool]) -> None:
        """Note what a line did to the profile's identities. `foreign` are those that have left it for somebody else."""
        if self._mpid not in entry.touched:
            return
        changes = decision_from(entry.decision).changes
        gained_elsewhere = {one.identity for one in changes if one.mpid not in self._person and one.kind not in _LOST}
        for change in changes:
            how = _how(change, self._mpid)
            if how is None:
                continue
            one = change.identity
            if how == "went" and one in gained_elsewhere:
                how = "moved_away"
            stays = how == "moved_away" and change.from_mpid == self._mpid and change.mpid in self._person
            if how in ("came", "moved_here") or stays:
                foreign.pop(one, None)
            else:
                foreign[one] = how == "moved_away" or is_correction(entry.observation)
            self._note(one, Came(entry.at_ms, entry.decision_id, how))

    def _note(self, identity: Identity, came: Came) -> None:
        happened = self._traced.get(identity)
        if happened is None and len(self._traced) < IDENTITIES_TRACED_MAX:
            happened = self._traced.setdefault(identity, [])
        if happened is None or self._happened >= HAPPENINGS_TRACED_MAX:
            self.is_whole = False
            return
        self._happened += 1
        happened.append(came)

    async def _is_elsewhere(self, identity: Identity, *, moved: bool) -> bool:
        """Whether another profile can be looked up by it, or a line says it of another one without that.

        `moved`: the profile had it, so lines name it under its number that are the profile's own.
        """
        holders = await self._store.holders(self._pool, identity, len(self._person) + 1)
        if any(mpid not in self._person for mpid in holders):
            return True
        lines = await self._store.history(subject_of(self._pool, identity), 0, SUBJECT_LINES_READ_MAX)
        return len(lines) == SUBJECT_LINES_READ_MAX or any(self._is_others(one, identity, moved) for one in lines)

    def _is_others(self, entry: LogEntry, identity: Identity, moved: bool) -> bool:  # noqa: FBT001 - one of two questions
        """Whether a line says a value of another profile."""
        decision = decision_from(entry.decision)
        if any(one.identity == identity and one.mpid not in self._person for one in decision.changes):
            return True
        answered = decision.answered
        return not moved and answered is not None and answered not in self._person


def _how(change: Change, mpid: int) -> str | None:
    """Say what a change did to a profile; None if nothing."""
    if change.from_mpid == mpid:
        return "moved_away"
    if change.mpid != mpid:
        return None
    if change.kind in _LOST:
        return "went"
    return "came" if change.from_mpid is None else "moved_here"


def _values_of(record: Record) -> Iterator[Identity]:
    for values in (record.identities, record.carried):
        for kind, held in values.items():
            for value in held:
                yield Identity(kind, value)
