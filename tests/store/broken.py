"""Memory stores that are each broken in one way, to show that the conformance suite notices."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import Record
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.store.memory.store import MemorySnapshot, MemoryStore
from knownas.store.port import (
    Activity,
    Commit,
    CommitOutcome,
    Committed,
    Loaded,
    LogEntry,
    Pool,
    PoolWrites,
    Sieve,
    Sifted,
    Snapshot,
    StoredPolicy,
    StoredProfile,
    Wanted,
)


def rewritten(commit: Commit, change: Any) -> Commit:
    """Return a commit whose records were each changed on their way in."""
    pools = {
        pool: PoolWrites([RecordWrite(one.before, change(one.after)) for one in writes.writes], writes.exclusive)
        for pool, writes in commit.pools.items()
    }
    return replace(commit, pools=pools)


class Folding(MemoryStore):
    """Looks values up without regard to case."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        wider: list[Wanted] = []
        for one in wanted:
            state = self._pools.get(one.pool)
            known = list(state.holders) if state else []
            folded = {(held.type, held.value.casefold()) for held in one.identities}
            alike = [held for held in known if (held.type, held.value.casefold()) in folded]
            wider.append(one._replace(identities=[*one.identities, *alike]))
        return await super().load(wider)


class Trimming(MemoryStore):
    """Cuts values to 255 characters."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        return await super().commit(snapshot, rewritten(commit, self._trimmed))

    @staticmethod
    def _trimmed(record: Record) -> Record:
        cut = {kind: tuple(value[:255] for value in values) for kind, values in record.identities.items()}
        return record._replace(identities=cut)


class Sorting(MemoryStore):
    """Gives a type's values back in alphabetical order."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        return await super().commit(snapshot, rewritten(commit, self._sorted))

    @staticmethod
    def _sorted(record: Record) -> Record:
        return record._replace(identities={kind: tuple(sorted(held)) for kind, held in record.identities.items()})


class DroppingCarried(MemoryStore):
    """Forgets what a record carries."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        return await super().commit(snapshot, rewritten(commit, lambda record: record._replace(carried={})))


class Unchecked(MemoryStore):
    """Never looks whether what was loaded still stands."""

    def _changed_since(self, _snapshot: MemorySnapshot) -> str | None:
        return None


class HoldersUnchecked(MemoryStore):
    """Looks only whether the loaded records still stand, not who holds the wanted identities."""

    def _changed_since(self, snapshot: MemorySnapshot) -> str | None:
        return super()._changed_since(MemorySnapshot(snapshot.pools, {}))


class Suspicious(MemoryStore):
    """Refuses a commit if anybody has written anything since."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: list[tuple[Snapshot, int]] = []

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        snapshot = await super().load(wanted)
        self._taken.append((snapshot, len(self._log)))
        return snapshot

    def _changed_since(self, snapshot: MemorySnapshot) -> str | None:
        lines = next(lines for one, lines in self._taken if one is snapshot)
        return None if lines == len(self._log) else "somebody wrote something"


class Unconstrained(MemoryStore):
    """Gives an exclusive value to whoever asks."""

    def _obstacle(self, pool: Pool, changed: PoolWrites) -> str | None:
        return super()._obstacle(pool, replace(changed, exclusive=frozenset()))


class Overruling(MemoryStore):
    """Takes exclusive for a matter of the type, and forgets since when."""

    def _obstacle(self, pool: Pool, changed: PoolWrites) -> str | None:
        for write in changed.writes:
            for one in write.after.lookups():
                if one.type in changed.exclusive and self._holders(pool, one) - {w.after.mpid for w in changed.writes}:
                    return "taken"
        return super()._obstacle(pool, changed)


class HalfDone(MemoryStore):
    """Logs before it finds out whether it may."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        kept = len(self._log)
        for entry in commit.log:
            self._log.append(replace(entry, seq=len(self._log) + 1))
        outcome = await super().commit(snapshot, replace(commit, log=()))
        assert len(self._log) == kept + len(commit.log)
        return outcome


class OnePoolADay(MemoryStore):
    """Keeps what it wrote to the first pool when the second is refused."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        outcome: CommitOutcome = Committed()
        for pool, writes in list(commit.pools.items())[:-1]:
            outcome = await super().commit(snapshot, Commit({pool: writes}))
        if isinstance(outcome, Committed):
            last = dict(list(commit.pools.items())[-1:])
            return await super().commit(await self.load([]), Commit(last, commit.log))
        return outcome


class Forgetful(MemoryStore):
    """Acknowledges every third commit without keeping it."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = count(1)

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        return Committed() if next(self._turn) % 3 == 0 else await super().commit(snapshot, commit)


class Versionless(MemoryStore):
    """Gives every record the same version."""

    def _apply(self, pool: Any, changed: PoolWrites, _version: int) -> None:
        super()._apply(pool, changed, 1)


class PoolsMpids(MemoryStore):
    """Thinks that an MPID may exist once in each pool."""

    def _obstacle(self, pool: Pool, changed: PoolWrites) -> str | None:
        met = super()._obstacle(pool, changed)
        here = any(self._record(pool, write.after.mpid) is not None for write in changed.writes)
        return met if here or met is None or not met.endswith("exists") else None


class LeakyMpids(MemoryStore):
    """Loads a wanted MPID from whatever pool it is in."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        snapshot = await super().load(wanted)
        assert isinstance(snapshot, MemorySnapshot)
        pools = dict(snapshot.pools)
        for one in wanted:
            strangers = [
                record
                for other, state in self._pools.items()
                for mpid in one.mpids
                if other != one.pool and (record := state.records.record(mpid)) is not None
            ]
            pools[one.pool] = Loaded([*pools[one.pool].records, *strangers], pools[one.pool].crowded)
        return replace(snapshot, pools=pools)


class Environmentless(MemoryStore):
    """Looks identities up without regard to the environment."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        return await super().load([one._replace(pool=Pool(one.pool.scope, "production")) for one in wanted])


class Crowdless(MemoryStore):
    """Loads all holders, however many."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        snapshot = await super().load(wanted)
        assert isinstance(snapshot, MemorySnapshot)
        pools = dict(snapshot.pools)
        for (pool, _), mpids in snapshot.holders.items():
            records = {one.mpid: one for one in pools[pool].records}
            for mpid in mpids:
                records[mpid] = self._pools[pool].records.record(mpid) or records[mpid]
            pools[pool] = Loaded(list(records.values()), ())
        return replace(snapshot, pools=pools)


class FirstOfSeveral(MemoryStore):
    """Takes the first holder for the only one."""

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        holders = [sorted(self._holders(pool, identity)) for pool, identity in wanted]
        return [
            self._record(pool, mpids[0]) if mpids else None for (pool, _), mpids in zip(wanted, holders, strict=True)
        ]


class OldestFirst(MemoryStore):
    """Orders a crowd by when its members were made."""

    async def touch(self, _activities: Sequence[Activity]) -> None:
        self._check_open()


class Rewinding(MemoryStore):
    """Lets a touch move a profile's activity back."""

    async def touch(self, activities: Sequence[Activity]) -> None:
        await super().touch(activities)
        for activity in activities:
            for state in self._pools.values():
                record = state.records.record(activity.mpid)
                if record is not None:
                    state.records.replace(record._replace(active_ms=activity.at_ms))


class Backwards(MemoryStore):
    """Shows a history with the newest first."""

    async def history(self, mpid: int, after_seq: int, limit: int) -> Sequence[LogEntry]:
        return list(await super().history(mpid, after_seq, limit))[::-1]


class Subjectless(MemoryStore):
    """Finds lines by the profiles that they changed only."""

    async def history(self, mpid: int, after_seq: int, limit: int) -> Sequence[LogEntry]:
        return [entry for entry in self._log[after_seq:] if mpid in entry.touched][:limit]


class BackFromTheBeginning(MemoryStore):
    """Reads a history back from its oldest lines, which comes out right where all fit on a page."""

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        found = [one for one in await self.history(mpid, 0, limit) if one.seq < before_seq]
        return found[::-1]


class BackWithTheLine(MemoryStore):
    """Reads a history back with the line before which it shall be."""

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        return await super().history_back(mpid, before_seq + 1, limit)


class BackWithoutSubjects(MemoryStore):
    """Reads a history back without the lines that only name the number."""

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        found = [one for one in self._log if mpid in one.touched and one.seq < before_seq]
        return found[::-1][:limit]


class BackForth(MemoryStore):
    """Reads the newest lines of a history, and shows them oldest first."""

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        return list(await super().history_back(mpid, before_seq, limit))[::-1]


class BackWithoutTheFirst(MemoryStore):
    """Reads a history back and leaves out the line that made the profile."""

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        found = await super().history_back(mpid, before_seq, limit)
        return [one for one in found if one.created_mpid != mpid]


class FewHolders(MemoryStore):
    """Tells no more holders of a value than a lookup considers."""

    async def holders(self, pool: Pool, identity: Identity, limit: int) -> Sequence[int]:
        return await super().holders(pool, identity, min(limit, HOLDERS_CONSIDERED_MAX))


class Unrevised(MemoryStore):
    """Keeps when a profile was made, and from whom, as it was first."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        first = {one.mpid: one for state in self._pools.values() for one in state.records}

        def unrevised(record: Record) -> Record:
            was = first.get(record.mpid, record)
            return record._replace(created_ms=was.created_ms, source_mpid=was.source_mpid)

        return await super().commit(snapshot, rewritten(commit, unrevised))


class Overlapping(MemoryStore):
    """Begins a page of the log with the last line of the one before."""

    async def log(self, pool: Pool, after_seq: int, limit: int) -> Sequence[LogEntry]:
        return await super().log(pool, max(0, after_seq - 1), limit)


class Unsifted(MemoryStore):
    """Passes over lines that changed a profile without making one."""

    async def sift(self, pool: Pool, after_seq: int, limit: int, sieve: Sieve) -> Sifted:
        found = await super().sift(pool, after_seq, limit, sieve)
        return found._replace(lines=[one for one in found.lines if one.created_mpid is not None])


class Unlimited(MemoryStore):
    """Has pages of records without an end."""

    async def records(self, pool: Pool, after_mpid: int | None, _limit: int) -> Sequence[Record]:
        return await super().records(pool, after_mpid, 10**9)


class Unsigned(MemoryStore):
    """Pages records from MPID 1 on."""

    async def records(self, pool: Pool, after_mpid: int | None, limit: int) -> Sequence[Record]:
        return await super().records(pool, 0 if after_mpid is None else after_mpid, limit)


class WrongPool(MemoryStore):
    """Says of every profile that it lives in the first pool."""

    async def profile(self, mpid: int) -> StoredProfile | None:
        stored = await super().profile(mpid)
        return stored and StoredProfile(next(iter(self._pools)), stored.record)


class Replacing(MemoryStore):
    """Replaces a policy's version, and a kept document."""

    async def add_policy(self, policy: StoredPolicy) -> bool:
        self._policies = [one for one in self._policies if (one.scope, one.version) != (policy.scope, policy.version)]
        return await super().add_policy(policy)


class Overwriting(MemoryStore):
    """Replaces a kept document whatever it is by now."""

    async def replace_kept(self, name: str, before: bytes, after: bytes) -> bool:
        return await super().replace_kept(name, self._kept.get(name, before), after)


class Renaming(MemoryStore):
    """Keeps documents under names without regard to case."""

    async def keep(self, name: str, document: bytes) -> bool:
        return await super().keep(name.lower(), document)

    async def kept(self, name: str) -> bytes | None:
        return await super().kept(name.lower())


class Unsorted(MemoryStore):
    """Shows policies in the order in which they came."""

    async def policies(self, scope: str) -> Sequence[StoredPolicy]:
        return [one for one in self._policies if one.scope == scope]


class Undead(MemoryStore):
    """Goes on after it was closed."""

    async def close(self) -> None:
        return


class GivenUp(MemoryStore):
    """Still leads to a profile by values that it gave up."""

    def _apply(self, pool: Any, changed: PoolWrites, version: int) -> None:
        before = {one: set(mpids) for one, mpids in pool.holders.items()}
        super()._apply(pool, changed, version)
        lost: dict[Identity, set[int]] = {one: mpids - pool.holders[one] for one, mpids in before.items()}
        for one, mpids in lost.items():
            pool.records._holders[one] |= mpids


BROKEN = [
    Subjectless,
    BackFromTheBeginning,
    BackWithTheLine,
    BackWithoutSubjects,
    BackForth,
    BackWithoutTheFirst,
    FewHolders,
    Unrevised,
    Folding,
    Trimming,
    Sorting,
    DroppingCarried,
    Unchecked,
    HoldersUnchecked,
    Suspicious,
    Unconstrained,
    Overruling,
    HalfDone,
    OnePoolADay,
    Forgetful,
    Versionless,
    PoolsMpids,
    LeakyMpids,
    Environmentless,
    Crowdless,
    FirstOfSeveral,
    OldestFirst,
    Rewinding,
    Backwards,
    Overlapping,
    Unsifted,
    Unlimited,
    Unsigned,
    WrongPool,
    Replacing,
    Overwriting,
    Renaming,
    Unsorted,
    Undead,
    GivenUp,
]
