"""The SQLite store: the port over one database file."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.store.audiences import AudienceStore
from knownas.store.census import CensusStore
from knownas.store.deliveries import DeliveryStore
from knownas.store.errors import StoreUnavailable
from knownas.store.groups import GroupStore
from knownas.store.port import (
    Activity,
    Commit,
    CommitOutcome,
    Committed,
    Conflict,
    LogEntry,
    Pool,
    SeenProfile,
    Sieve,
    Sifted,
    Snapshot,
    StoredPolicy,
    StoredProfile,
    Wanted,
)
from knownas.store.privacy import PrivacyStore
from knownas.store.sqlite.audiences import SqliteAudiences
from knownas.store.sqlite.census import SqliteCensus
from knownas.store.sqlite.committing import Writer
from knownas.store.sqlite.connection import (
    LOCK_BLOCKS_MS,
    Binding,
    LostRace,
    Row,
    SharedReads,
    Transactions,
    first_row,
    migrate,
    named_errors,
    open_connection,
)
from knownas.store.sqlite.deliveries import SqliteDeliveries
from knownas.store.sqlite.groups import SqliteGroups
from knownas.store.sqlite.loading import SqliteSnapshot, load, sole_holders
from knownas.store.sqlite.marking import mark_changed
from knownas.store.sqlite.privacy import SqlitePrivacy
from knownas.store.sqlite.rearranging import rearrange
from knownas.store.sqlite.rows import code_of, entry_from, record_from
from knownas.store.sqlite.statements import statements
from knownas.store.sqlite.user_data import SqliteUserData
from knownas.store.user_data import SectionKey, StoredSection, UserDataStore

LOCK_WAIT_SECONDS: Final = 5.0
"""How long a writer waits for another process to finish its transaction; then it says StoreBusy."""

READING_CACHE_KIB: Final = 128 * 1024
"""Of the file, what is kept in memory at most for somebody who reads much of it."""

READING_MAPPED_BYTES: Final = 64 * 1024 * 1024 * 1024
"""Of the file, what is read at most out of the memory in which the system has it anyway, by somebody who reads much of it.

A disk that fails then ends the process, so nobody who answers requests reads so.
"""

JUDGING_CACHE_KIB: Final = 16 * 1024
"""Of the file, what the connection that writes audiences and deliveries keeps in memory at most."""


class SqliteStore:
    """Keeps records and the log in one SQLite file. Implements `store.port.Store`.

    One connection loads and commits, another serves the remaining reads; `user_data` has two of its own, `privacy` one, `audiences` and
    `deliveries` one together. Statements
    take microseconds and run on the event loop's thread; only the end of a transaction, which waits for the disk,
    has a thread of its own.
    """

    def __init__(self, path: Path, *, reads_much: bool = False) -> None:
        """Open the file, creating it and bringing its layout up to date.

        `reads_much`: more of it is kept in memory for reading, in a process that serves nobody else.

        Raises:
            StoreError: it can't be opened, is damaged, or a newer knownas wrote it.
        """
        self._path = path
        self._connection = open_connection(path)
        try:
            migrate(self._connection)
            self._connection.pragma("busy_timeout", LOCK_BLOCKS_MS)
            self._transactions = Transactions(LOCK_WAIT_SECONDS)
            self._user_data = SqliteUserData(path, self._transactions)
            self._reader = open_connection(path, read_only=True)
            if reads_much:
                self._reader.pragma("cache_size", -READING_CACHE_KIB)
                self._reader.pragma("mmap_size", READING_MAPPED_BYTES)
            self._reads = SharedReads(self._reader)
            self._privacy = SqlitePrivacy(path, self._reads, self._transactions)
            self._judging = open_connection(path)
            self._judging.pragma("cache_size", -JUDGING_CACHE_KIB)
            self._judging.pragma("busy_timeout", LOCK_BLOCKS_MS)
            self._audiences = SqliteAudiences(path, self._judging, self._reads, self._transactions)
            self._deliveries = SqliteDeliveries(path, self._judging, self._reads, self._transactions)
            self._groups = SqliteGroups(path, self._reads)
            self._census = SqliteCensus(path)
        except BaseException:
            self._connection.close()
            raise
        self._pools: dict[Pool, int] = {}
        self._names: dict[int, Pool] = {}
        self._closed = False

    @property
    def user_data(self) -> UserDataStore:
        """What is known of users, in the same file."""
        return self._user_data

    @property
    def privacy(self) -> PrivacyStore:
        """What is kept for data subjects, in the same file."""
        return self._privacy

    @property
    def audiences(self) -> AudienceStore:
        """Who is in which audience, in the same file."""
        return self._audiences

    @property
    def deliveries(self) -> DeliveryStore:
        """What outputs are told, in the same file."""
        return self._deliveries

    @property
    def groups(self) -> GroupStore:
        """Who is in which group, in the same file."""
        return self._groups

    @property
    def census(self) -> CensusStore:
        """How many profiles there are, in the same file."""
        return self._census

    async def close(self) -> None:
        """Close all connections, after the transaction under way if there is one."""
        if not self._closed:
            self._closed = True
            await self._transactions.close()
            self._audiences.close()
            self._deliveries.close()
            self._groups.close()
            self._census.close()
            self._judging.close()
            self._privacy.close()
            self._user_data.close()
            self._reads.end()
            self._reader.close()
            self._connection.close()

    async def ping(self) -> None:
        """Read the layout's version, and look whether the file is still where it was."""
        self._check_open()
        with named_errors():
            self._reader.pragma("user_version")
        if not self._path.exists():
            raise StoreUnavailable(f"{self._path} is gone")

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the requests of a batch need; a handful of statements, however large the batch."""
        self._check_open()
        with named_errors():
            for one in wanted:
                if one.pool not in self._pools:
                    await self._find_pool(one.pool)
            return load(self._connection, self._pools, wanted)

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        """Return the record of each identity's only holder, by one statement for each 96 of them."""
        self._check_open()
        with named_errors():
            pools = self._pools
            for pool, _ in wanted:
                if pool not in pools:
                    await self._find_pool(pool)
            keys = [(pools[pool], code_of(kind), value) for pool, (kind, value) in wanted]
            return sole_holders(self._connection, keys)

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        """Write all of a commit and wait until it is on the disk."""
        self._check_open()
        if not isinstance(snapshot, SqliteSnapshot):
            raise TypeError("the snapshot comes from another store")
        with named_errors():
            for pool in (*commit.pools, *(entry.pool for entry in commit.log)):
                if pool not in self._pools:
                    await self._find_pool(pool)
            try:
                async with self._transactions.writing(self._connection):
                    Writer(self._connection, self._pools, snapshot).write(commit)
                    mark_changed(self._connection, _changed(commit))
                    if commit.rearranged is not None:
                        rearrange(self._connection, commit.rearranged)
            except LostRace as race:
                return Conflict(str(race))
        return Committed()

    async def touch(self, activities: Sequence[Activity]) -> None:
        """Move last activities forward, in one transaction."""
        self._check_open()
        sql = statements()
        with named_errors():
            async with self._transactions.writing(self._connection):
                self._connection.execute(sql["reserve_touch"])
                self._connection.execute(sql["tick_touch"])
                for activity in activities:
                    row = first_row(self._connection, sql["profile"], (activity.mpid,))
                    if row is not None:
                        self._touch(row[0], record_from(row[1:]), activity.at_ms)

    def _touch(self, pool: int, record: Record, at_ms: int) -> None:
        if at_ms <= record.active_ms:
            return
        sql = statements()
        self._connection.execute(sql["touch_profile"], (at_ms, record.mpid))
        if not record.known:
            for kind, value in record.lookups():
                for identity, _, holders, _ in self._connection.execute(
                    sql["find_identity"], (pool, code_of(kind), value)
                ):
                    if holders > 1:
                        place = (0, at_ms, identity, 0, record.active_ms, record.mpid)
                        self._connection.execute(sql["move_holding"], place)

    async def profile(self, mpid: int) -> StoredProfile | None:
        """Return a profile by its MPID."""
        for row in self._read("profile", mpid):
            return StoredProfile(self._pool_named(row[0]), record_from(row[1:]))
        return None

    async def seen_profile(self, mpid: int) -> SeenProfile | None:
        """Return a profile with what workspaces know of it, by one statement."""
        rows = self._read("seen_profile", mpid)
        if not rows:
            return None
        stored = StoredProfile(self._pool_named(rows[0][0]), record_from(rows[0][1:9]))
        # A profile without a section comes as one row whose section is NULL.
        sections = {
            SectionKey(workspace, environment, mpid): StoredSection(document, version)
            for *_, workspace, environment, document, version in rows
            if workspace is not None
        }
        return SeenProfile(stored, sections)

    async def holders(self, pool: Pool, identity: Identity, limit: int) -> Sequence[int]:
        """Return the MPIDs of all profiles that can be looked up by an identity, at most so many."""
        kind, value = identity
        return [row[0] for row in self._read("all_holders", self._pool_number(pool), code_of(kind), value, limit)]

    async def records(self, pool: Pool, after_mpid: int | None, limit: int) -> Sequence[Record]:
        """Return the records of a pool by ascending MPID."""
        first = MPID_MIN if after_mpid is None else after_mpid + 1
        if first > MPID_MAX:
            return []
        return [record_from(row[1:]) for row in self._read("profiles_from", self._pool_number(pool), first, limit)]

    async def decision(self, decision_id: str) -> LogEntry | None:
        """Return a logged decision by its id."""
        for row in self._read("decision", bytes.fromhex(decision_id)):
            return entry_from(row)
        return None

    async def history(self, mpid: int, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the entries that changed a profile, oldest first."""
        rows = [*self._read("first_entry", mpid, after_seq), *self._read("history", mpid, after_seq, limit)]
        return [entry_from(row) for row in rows[:limit]]

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the entries that changed a profile, newest first."""
        rows = [
            *self._read("history_back", mpid, before_seq, limit),
            *self._read("first_entry_before", mpid, before_seq),
        ]
        return sorted(map(entry_from, rows), key=lambda one: one.seq, reverse=True)[:limit]

    async def log(self, pool: Pool, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return a pool's log in order."""
        return [entry_from(row) for row in self._read("log_after", self._pool_number(pool), after_seq, limit)]

    async def sift(self, pool: Pool, after_seq: int, limit: int, sieve: Sieve) -> Sifted:
        """Look through a pool's log for some lines."""
        number = self._pool_number(pool)
        ((until,),) = self._read("end_of_share", number, after_seq, limit)
        if until is None:
            return Sifted([], after_seq)
        (one, other), parts = sieve.beginnings, sieve.parts
        rows = self._read("sift", number, after_seq, until, len(one), one, len(other), other, *parts)
        return Sifted([entry_from(row) for row in rows], until)

    async def policies(self, scope: str) -> Sequence[StoredPolicy]:
        """Return all versions of a scope's policy."""
        return [StoredPolicy(*row) for row in self._read("policies", scope)]

    async def add_policy(self, policy: StoredPolicy) -> bool:
        """Keep a new version of a scope's policy."""
        return await self._write_row("add_policy", policy.scope, policy.version, policy.since_ms, policy.document)

    async def kept(self, name: str) -> bytes | None:
        """Return a kept document."""
        for row in self._read("kept", name):
            return cast("bytes", row[0])
        return None

    async def keep(self, name: str, document: bytes) -> bool:
        """Keep a document under a new name."""
        return await self._write_row("keep", name, document)

    async def replace_kept(self, name: str, before: bytes, after: bytes) -> bool:
        """Put a document in the place of another, and overwrite that one with zeros."""
        return await self._write_row("replace_kept", after, name, before, overwriting=True)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _read(self, statement: str, *bindings: Binding) -> Sequence[Row]:
        self._check_open()
        with named_errors():
            return self._reads.connection().execute(statements()[statement], bindings).fetchall()

    async def _write_row(self, statement: str, *bindings: Binding, overwriting: bool = False) -> bool:
        """Write a row on a connection of its own, since the writing one may be inside a transaction."""
        self._check_open()

        def write() -> bool:
            with named_errors():
                connection = open_connection(self._path)
                try:
                    connection.pragma("secure_delete", int(overwriting))
                    connection.execute(statements()[statement], bindings)
                    return connection.changes() == 1
                finally:
                    connection.close()

        return await asyncio.to_thread(write)

    async def _find_pool(self, pool: Pool) -> None:
        """Learn a pool's number, giving it one if nobody has yet."""
        if self._pool_number(pool) == _NO_POOL:
            async with self._transactions.writing(self._connection):
                self._connection.execute(statements()["add_pool"], pool)
        self._pools[pool] = self._pool_number(pool)

    def _pool_number(self, pool: Pool) -> int:
        """Return a pool's number for reading; one that nobody has is a pool that is empty."""
        return next((number for number, *names in self._read("pools") if Pool(*names) == pool), _NO_POOL)

    def _pool_named(self, wanted: int) -> Pool:
        """Return the pool with a number; what a number means never changes."""
        if wanted not in self._names:
            self._names = {number: Pool(*names) for number, *names in self._read("pools")}
        return self._names[wanted]


def _changed(commit: Commit) -> Sequence[int]:
    """Return the profiles whose record a commit changes; those that it makes have nothing yet that could be judged."""
    writes = (write for pool in commit.pools.values() for write in pool.writes)
    return [write.after.mpid for write in writes if write.before is not None]


_NO_POOL: Final = 0
