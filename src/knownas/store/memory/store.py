"""The memory store: the port over the core's own collection of records."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.store.audiences import AudienceStore
from knownas.store.census import CensusStore
from knownas.store.deliveries import DeliveryStore
from knownas.store.errors import StoreUnavailable
from knownas.store.groups import GroupStore
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.memory.census import MemoryCensus
from knownas.store.memory.deliveries import MemoryDeliveries
from knownas.store.memory.groups import MemoryGroups
from knownas.store.memory.marks import MemoryMarks
from knownas.store.memory.privacy import MemoryPrivacy
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.port import (
    Activity,
    Commit,
    CommitOutcome,
    Committed,
    Conflict,
    Loaded,
    LogEntry,
    Pool,
    PoolWrites,
    SeenProfile,
    Sieve,
    Sifted,
    Snapshot,
    StoredPolicy,
    StoredProfile,
    Wanted,
)
from knownas.store.privacy import PrivacyStore
from knownas.store.user_data import UserDataStore


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """What was loaded, with the state of each wanted identity and record at that time."""

    pools: Mapping[Pool, Loaded]
    holders: Mapping[tuple[Pool, Identity], frozenset[int]]


@dataclass(slots=True)
class _PoolState:
    records: Records = field(default_factory=Records)
    holders: dict[Identity, set[int]] = field(default_factory=dict[Identity, set[int]])


class MemoryStore:
    """Keeps records and the log in memory. Implements `store.port.Store`.

    It compares what was loaded with what is there at commit, which is what the constraints and versions of a
    database come to.
    """

    def __init__(self) -> None:
        self._pools: dict[Pool, _PoolState] = {}
        self._log: list[LogEntry] = []
        self._policies: list[StoredPolicy] = []
        self._kept: dict[str, bytes] = {}
        self._versions = count(1)
        self._marks = MemoryMarks()
        self._user_data = MemoryUserData(self._marks)
        self._deliveries = MemoryDeliveries()
        self._groups = MemoryGroups()
        of_audiences = self._marks, self._user_data, self._deliveries, self._groups
        self._audiences = MemoryAudiences(*of_audiences, self._record_anywhere, self._kept)
        self._privacy = MemoryPrivacy(self._log, self._kept, self._user_data)
        self._census = MemoryCensus(self._everybody)
        self._closed = False

    @property
    def user_data(self) -> UserDataStore:
        """What is known of users."""
        return self._user_data

    @property
    def privacy(self) -> PrivacyStore:
        """What is kept for data subjects."""
        return self._privacy

    @property
    def audiences(self) -> AudienceStore:
        """Who is in which audience."""
        return self._audiences

    @property
    def deliveries(self) -> DeliveryStore:
        """What outputs are told."""
        return self._deliveries

    @property
    def groups(self) -> GroupStore:
        """Who is in which group."""
        return self._groups

    @property
    def census(self) -> CensusStore:
        """How many profiles there are."""
        return self._census

    async def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True
        self._audiences.close()
        self._deliveries.close()
        self._groups.close()
        self._user_data.close()
        self._privacy.close()

    async def ping(self) -> None:
        """Return while the store is open."""
        self._check_open()

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the requests of a batch need."""
        self._check_open()
        records: dict[Pool, dict[int, Record]] = {}
        crowded: dict[Pool, dict[Identity, None]] = {}
        holders: dict[tuple[Pool, Identity], frozenset[int]] = {}
        for one in wanted:
            pool = self._pools.get(one.pool) or _PoolState()
            seen = records.setdefault(one.pool, {})
            for identity in one.identities:
                holders[one.pool, identity] = frozenset(pool.holders.get(identity, ()))
                considered = pool.records.holders(identity)
                if considered.more:
                    crowded.setdefault(one.pool, {})[identity] = None
                for mpid in considered.mpids:
                    _see(seen, pool.records, mpid)
            for mpid in one.mpids:
                _see(seen, pool.records, mpid)
        pools = {pool: Loaded(list(seen.values()), list(crowded.get(pool, ()))) for pool, seen in records.items()}
        return MemorySnapshot(pools, holders)

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        """Return the record of each identity's only holder."""
        self._check_open()
        return [self._sole_holder(pool, identity) for pool, identity in wanted]

    def _sole_holder(self, pool: Pool, identity: Identity) -> Record | None:
        mpids = self._holders(pool, identity)
        return self._record(pool, next(iter(mpids))) if len(mpids) == 1 else None

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        """Check that nothing relied upon has changed, then take everything over."""
        self._check_open()
        if not isinstance(snapshot, MemorySnapshot):
            raise TypeError("the snapshot comes from another store")
        obstacles = (self._obstacle(pool, changed) for pool, changed in commit.pools.items())
        lost = self._changed_since(snapshot) or next((one for one in obstacles if one is not None), None)
        if lost is None and commit.rearranged is not None and not self._user_data.stands(commit.rearranged):
            lost = "what is known of a user changed"
        if lost is not None:
            return Conflict(lost)
        version = next(self._versions)
        for pool, changed in commit.pools.items():
            self._apply(self._pools.setdefault(pool, _PoolState()), changed, version)
            self._marks.changed(write.after.mpid for write in changed.writes if write.before is not None)
        for entry in commit.log:
            self._log.append(replace(entry, seq=len(self._log) + 1))
        if commit.rearranged is not None:
            self._user_data.rearrange(commit.rearranged)
        return Committed()

    def _changed_since(self, snapshot: MemorySnapshot) -> str | None:
        """Do what a database's versions do: say what is no longer as it was loaded."""
        for (pool, identity), before in snapshot.holders.items():
            if self._holders(pool, identity) != before:
                return f"the holders of {identity.type.value} changed"
        for pool, loaded in snapshot.pools.items():
            for record in loaded.records:
                if self._record(pool, record.mpid) != record:
                    return f"profile {record.mpid} changed"
        return None

    def _obstacle(self, pool: Pool, changed: PoolWrites) -> str | None:
        """Do what a database's constraints do: one profile an MPID, one holder a value taken as exclusive."""
        state = self._pools.get(pool) or _PoolState()
        taken = Counter[Identity]()
        given_up = Counter[Identity]()
        for write in changed.writes:
            mpid = write.after.mpid
            if write.before is None and any(self._record(other, mpid) is not None for other in self._pools):
                return f"profile {mpid} exists"
            if write.before is not None and state.records.record(mpid) != write.before:
                return f"profile {mpid} changed"
            given_up.update(_given_up(write))
            taken.update(one for one in _taken(write) if one.type in changed.exclusive)
        for one, times in taken.items():
            # A policy that came later does not judge what was there, but nobody joins it.
            if len(state.holders.get(one, ())) - given_up[one] + times > 1:
                return f"{one.type.value} is taken"
        return None

    def _apply(self, pool: _PoolState, changed: PoolWrites, version: int) -> None:
        for write in changed.writes:
            for one in _given_up(write):
                pool.holders[one].discard(write.after.mpid)
                if not pool.holders[one]:
                    del pool.holders[one]
        for write in changed.writes:
            for one in _taken(write):
                pool.holders.setdefault(one, set()).add(write.after.mpid)
        pool.records.apply(RecordWrite(write.before, write.after._replace(version=version)) for write in changed.writes)

    async def touch(self, activities: Sequence[Activity]) -> None:
        """Move last activities forward."""
        self._check_open()
        for activity in activities:
            for pool in self._pools.values():
                record = pool.records.record(activity.mpid)
                if record is not None and record.active_ms < activity.at_ms:
                    pool.records.replace(record._replace(active_ms=activity.at_ms))

    async def profile(self, mpid: int) -> StoredProfile | None:
        """Return a profile by its MPID."""
        self._check_open()
        found = ((pool, self._record(pool, mpid)) for pool in self._pools)
        return next((StoredProfile(pool, record) for pool, record in found if record is not None), None)

    async def seen_profile(self, mpid: int) -> SeenProfile | None:
        """Return a profile with what workspaces know of it."""
        stored = await self.profile(mpid)
        return None if stored is None else SeenProfile(stored, await self.user_data.sections_of(mpid))

    async def records(self, pool: Pool, after_mpid: int | None, limit: int) -> Sequence[Record]:
        """Return the records of a pool by ascending MPID."""
        self._check_open()
        state = self._pools.get(pool) or _PoolState()
        ordered = sorted(state.records, key=lambda record: record.mpid)
        start = 0 if after_mpid is None else bisect_right(ordered, after_mpid, key=lambda record: record.mpid)
        return ordered[start : start + limit]

    async def holders(self, pool: Pool, identity: Identity, limit: int) -> Sequence[int]:
        """Return the MPIDs of all profiles that can be looked up by an identity, at most so many."""
        self._check_open()
        return list(self._holders(pool, identity))[:limit]

    async def decision(self, decision_id: str) -> LogEntry | None:
        """Return a logged decision by its id."""
        self._check_open()
        return next((entry for entry in self._log if entry.decision_id == decision_id), None)

    async def history(self, mpid: int, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the entries that changed a profile, oldest first."""
        self._check_open()
        return [entry for entry in self._log[after_seq:] if mpid in entry.touched or mpid in entry.subjects][:limit]

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the entries that changed a profile, newest first."""
        self._check_open()
        before = reversed(self._log[: before_seq - 1])
        return list(islice((entry for entry in before if mpid in entry.touched or mpid in entry.subjects), limit))

    async def log(self, pool: Pool, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return a pool's log in order."""
        self._check_open()
        return [entry for entry in self._log[after_seq:] if entry.pool == pool][:limit]

    async def sift(self, pool: Pool, after_seq: int, limit: int, sieve: Sieve) -> Sifted:
        """Look through a pool's log for some lines."""
        seen = await self.log(pool, after_seq, limit)
        return Sifted([one for one in seen if _is_among(one, sieve)], seen[-1].seq if seen else after_seq)

    async def policies(self, scope: str) -> Sequence[StoredPolicy]:
        """Return all versions of a scope's policy."""
        self._check_open()
        return sorted((one for one in self._policies if one.scope == scope), key=lambda one: one.version)

    async def add_policy(self, policy: StoredPolicy) -> bool:
        """Keep a new version of a scope's policy."""
        if any(one.version == policy.version for one in await self.policies(policy.scope)):
            return False
        self._policies.append(policy)
        return True

    async def kept(self, name: str) -> bytes | None:
        """Return a kept document."""
        self._check_open()
        return self._kept.get(name)

    async def keep(self, name: str, document: bytes) -> bool:
        """Keep a document under a new name."""
        self._check_open()
        if name in self._kept:
            return False
        self._kept[name] = document
        return True

    async def replace_kept(self, name: str, before: bytes, after: bytes) -> bool:
        """Put a document in the place of another."""
        self._check_open()
        if self._kept.get(name) != before:
            return False
        self._kept[name] = after
        return True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _everybody(self) -> Mapping[Pool, Collection[Record]]:
        self._check_open()
        return {pool: list(state.records) for pool, state in self._pools.items()}

    def _record(self, pool: Pool, mpid: int) -> Record | None:
        state = self._pools.get(pool)
        return None if state is None else state.records.record(mpid)

    def _record_anywhere(self, mpid: int) -> Record | None:
        found = (self._record(pool, mpid) for pool in self._pools)
        return next((record for record in found if record is not None), None)

    def _holders(self, pool: Pool, identity: Identity) -> frozenset[int]:
        state = self._pools.get(pool)
        return frozenset() if state is None else frozenset(state.holders.get(identity, ()))


def _see(seen: dict[int, Record], records: Records, mpid: int) -> None:
    record = records.record(mpid)
    if record is not None:
        seen[mpid] = record


def _is_among(entry: LogEntry, sieve: Sieve) -> bool:
    return bool(entry.touched) and (
        entry.created_mpid is None
        or entry.observation.startswith(sieve.beginnings)
        or any(part in entry.decision for part in sieve.parts)
    )


def _given_up(write: RecordWrite) -> set[Identity]:
    return _held(write.before) - _held(write.after)


def _taken(write: RecordWrite) -> set[Identity]:
    return _held(write.after) - _held(write.before)


def _held(record: Record | None) -> set[Identity]:
    return set() if record is None else set(record.lookups())
