"""The PostgreSQL store: the port over one database, shared by any number of processes."""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.store.audiences import AudienceStore
from knownas.store.census import CensusStore
from knownas.store.deliveries import DeliveryStore
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
from knownas.store.postgres.address import Address, read_address
from knownas.store.postgres.arrays import array_text
from knownas.store.postgres.audiences import PostgresAudiences
from knownas.store.postgres.census import PostgresCensus
from knownas.store.postgres.database import Database
from knownas.store.postgres.deliveries import PostgresDeliveries
from knownas.store.postgres.groups import PostgresGroups
from knownas.store.postgres.limits import LOG_PAUSE_SECONDS, LOG_SETTLED_SECONDS, TOUCH_ATTEMPTS_MAX
from knownas.store.postgres.loading import PostgresSnapshot, Question, question_of, snapshot_of
from knownas.store.postgres.planning import Plan, unseen
from knownas.store.postgres.privacy import PostgresPrivacy
from knownas.store.postgres.rearranging import rearranged_rows, rearrangement_arguments
from knownas.store.postgres.rows import Row, code_of, entry_of, record_of
from knownas.store.postgres.touching import latest, moves
from knownas.store.postgres.trouble import LostRace
from knownas.store.postgres.user_data import PostgresUserData
from knownas.store.privacy import PrivacyStore
from knownas.store.user_data import SectionKey, StoredSection, UserDataStore

_NO_POOL: Final = 0
"""No pool's number; they begin at 1."""


class PostgresStore:
    """Keeps records and the log in a PostgreSQL database. Implements `store.port.Store`.

    Nothing is opened before the first call, which brings the database's layout up to date. A store belongs to the event
    loop that it is first used on.
    """

    def __init__(self, address: Address | str) -> None:
        """Take an address or a URL.

        Raises:
            StoreUnavailable: the URL can't be read.
        """
        self._database: Final = Database(read_address(address) if isinstance(address, str) else address)
        self._user_data: Final = PostgresUserData(self._database)
        self._privacy: Final = PostgresPrivacy(self._database)
        self._audiences: Final = PostgresAudiences(self._database)
        self._deliveries: Final = PostgresDeliveries(self._database)
        self._groups: Final = PostgresGroups(self._database)
        self._census: Final = PostgresCensus(self._database)
        self._pools: dict[Pool, int] = {}
        self._names: dict[int, Pool] = {}

    @property
    def user_data(self) -> UserDataStore:
        """What is known of users, in the same database and over the same connections."""
        return self._user_data

    @property
    def privacy(self) -> PrivacyStore:
        """What is kept for data subjects, in the same database and over the same connections."""
        return self._privacy

    @property
    def audiences(self) -> AudienceStore:
        """Who is in which audience, in the same database and over the same connections."""
        return self._audiences

    @property
    def deliveries(self) -> DeliveryStore:
        """What outputs are told, in the same database and over the same connections."""
        return self._deliveries

    @property
    def groups(self) -> GroupStore:
        """Who is in which group, in the same database and over the same connections."""
        return self._groups

    @property
    def census(self) -> CensusStore:
        """How many profiles there are, in the same database."""
        return self._census

    async def close(self) -> None:
        """Close all connections, after the calls under way."""
        await self._database.close()

    async def ping(self) -> None:
        """Return if the server answers within a second."""
        await self._database.ping()

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the requests of a batch need, by one statement."""
        pools = {one.pool for one in wanted}
        await self._learn(pools)
        return await self._load(question_of(wanted, self._pools), pools)

    async def _load(self, question: Question, pools: set[Pool]) -> PostgresSnapshot:
        rows: Sequence[Row] = await self._database.read("load", *question.arguments(), seconds=question.seconds)
        return snapshot_of(question, self._pools, pools, rows)

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        """Return the record of each identity's only holder, by one statement."""
        if not all(pool in self._pools for pool, _ in wanted):
            await self._learn({pool for pool, _ in wanted})
        pools = self._pools
        found: list[Record | None] = [None] * len(wanted)
        values = [value for _, (_, value) in wanted]
        codes = [code_of(kind) for _, (kind, _) in wanted]
        numbers = [pools[pool] for pool, _ in wanted]
        for row in await self._database.read(
            "sole_holders", array_text(values), array_text(codes), array_text(numbers)
        ):
            place, *held = row
            found[place - 1] = record_of(*held)
        return found

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        """Keep all of a commit by one call; it has waited for the disk when it returns."""
        if not isinstance(snapshot, PostgresSnapshot):
            raise TypeError("the snapshot comes from another store")
        await self._learn({*commit.pools, *(entry.pool for entry in commit.log)})
        try:
            plan = Plan(commit, await self._seen(snapshot, commit), self._pools)
            change = commit.rearranged
            if change is not None and not change.is_empty:
                arguments = [*plan.arguments(), *plan.revised(), *rearrangement_arguments(change)]
                await self._database.commit("rearrange", arguments, plan.rows + rearranged_rows(change))
            else:
                name = "correct" if plan.revisions else "commit"
                await self._database.commit(name, [*plan.arguments(), *plan.revisions], plan.rows)
        except LostRace as race:
            return Conflict(str(race))
        return Committed()

    async def _seen(self, snapshot: PostgresSnapshot, commit: Commit) -> PostgresSnapshot:
        """Return a snapshot in which everything has been looked up that a commit gives or takes."""
        missing = unseen(commit, snapshot, self._pools)
        if not missing:
            return snapshot
        whole = PostgresSnapshot(identities=dict(snapshot.identities))
        whole.add(snapshot)
        whole.add(await self._load(Question(missing, ()), {*commit.pools}))
        return whole

    async def touch(self, activities: Sequence[Activity]) -> None:
        """Move last activities forward: profiles are read, and moved where they are still as they were."""
        wanted: dict[int, int] = latest(activities)
        for _ in range(TOUCH_ATTEMPTS_MAX):
            if not wanted:
                break
            rows = await self._database.read("profiles", list(wanted))
            arguments = moves(rows, wanted)
            if not arguments:
                break
            ((changed,),) = await self._database.repeat("touch", *arguments)
            wanted = {mpid: wanted[mpid] for mpid in changed}

    async def profile(self, mpid: int) -> StoredProfile | None:
        """Return a profile by its MPID."""
        for pool, *held in await self._database.read("profiles", [mpid]):
            return StoredProfile(await self._pool_named(pool), record_of(*held))
        return None

    async def seen_profile(self, mpid: int) -> SeenProfile | None:
        """Return a profile with what workspaces know of it, by one statement."""
        rows = await self._database.read("seen_profile", mpid)
        if not rows:
            return None
        pool, *held = rows[0][:9]
        # A profile without a section comes as one row whose section is NULL.
        sections = {
            SectionKey(workspace, environment, mpid): StoredSection(document, version)
            for *_, workspace, environment, document, version in rows
            if workspace is not None
        }
        return SeenProfile(StoredProfile(await self._pool_named(pool), record_of(*held)), sections)

    async def holders(self, pool: Pool, identity: Identity, limit: int) -> Sequence[int]:
        """Return the MPIDs of all profiles that can be looked up by an identity, at most so many."""
        kind, value = identity
        number = await self._pool_number(pool)
        return [row[0] for row in await self._database.read("all_holders", number, code_of(kind), value, limit)]

    async def records(self, pool: Pool, after_mpid: int | None, limit: int) -> Sequence[Record]:
        """Return the records of a pool by ascending MPID."""
        first = MPID_MIN if after_mpid is None else after_mpid + 1
        if first > MPID_MAX:
            return []
        number = await self._pool_number(pool)
        return [record_of(*row) for row in await self._database.read("profiles_from", number, first, limit)]

    async def decision(self, decision_id: str) -> LogEntry | None:
        """Return a logged decision by its id."""
        for entry in await self._entries(await self._database.read("decision", bytes.fromhex(decision_id))):
            return entry
        return None

    async def history(self, mpid: int, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the entries that changed a profile, oldest first.

        They are settled: who changes a profile holds its row, so its lines are numbered one commit after another.
        """
        return await self._entries(await self._database.read("history", mpid, after_seq, limit))

    async def history_back(self, mpid: int, before_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return the entries that changed a profile, newest first. They are settled, as those of `history` are."""
        return await self._entries(await self._database.read("history_back", mpid, before_seq, limit))

    async def log(self, pool: Pool, after_seq: int, limit: int) -> Sequence[LogEntry]:
        """Return a pool's log in order, as far as no line can still appear in between."""
        number = await self._pool_number(pool)
        settled = await self._settled()
        return await self._entries(await self._database.read("log_after", number, after_seq, settled, limit))

    async def sift(self, pool: Pool, after_seq: int, limit: int, sieve: Sieve) -> Sifted:
        """Look through a pool's log for some lines, as far as no line can still appear in between."""
        number = await self._pool_number(pool)
        ((_, settled),) = await self._database.read("settled")
        ((until,),) = await self._database.read("end_of_share", number, after_seq, settled, limit)
        if until is None:
            return Sifted([], after_seq)
        rows = await self._database.read("sift", number, after_seq, until, *sieve.beginnings, *sieve.parts)
        return Sifted(await self._entries(rows), until)

    async def _settled(self) -> int:
        """Return up to which seq the log is settled: past all that is acknowledged by now, if others let it be."""
        ((given, settled),) = await self._database.read("settled")
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + LOG_SETTLED_SECONDS
        while settled < given and clock() < give_up_at:
            await asyncio.sleep(LOG_PAUSE_SECONDS)
            ((_, settled),) = await self._database.read("settled")
        return settled

    async def policies(self, scope: str) -> Sequence[StoredPolicy]:
        """Return all versions of a scope's policy."""
        return [StoredPolicy(*row) for row in await self._database.read("policies", scope)]

    async def add_policy(self, policy: StoredPolicy) -> bool:
        """Keep a new version of a scope's policy."""

        async def is_there() -> bool:
            return policy in await self.policies(policy.scope)

        row = (policy.scope, policy.version, policy.since_ms, policy.document)
        return await self._database.insert("add_policy", *row, is_there=is_there)

    async def kept(self, name: str) -> bytes | None:
        """Return a kept document."""
        for row in await self._database.read("kept", name):
            return cast("bytes", row[0])
        return None

    async def keep(self, name: str, document: bytes) -> bool:
        """Keep a document under a new name."""

        async def is_there() -> bool:
            return await self.kept(name) == document

        return await self._database.insert("keep", name, document, is_there=is_there)

    async def replace_kept(self, name: str, before: bytes, after: bytes) -> bool:
        """Put a document in the place of another. What was there is overwritten when the table is next vacuumed."""

        async def is_there() -> bool:
            return await self.kept(name) == after

        return await self._database.insert("replace_kept", name, before, after, is_there=is_there)

    async def _learn(self, pools: set[Pool]) -> None:
        """Learn the numbers of pools, giving them one if nobody has yet."""
        for pool in pools - self._pools.keys():
            if await self._pool_number(pool) == _NO_POOL:
                await self._database.repeat("add_pool", pool.scope, pool.environment)
                await self._read_pools()

    async def _pool_number(self, pool: Pool) -> int:
        """Return a pool's number for reading; one that nobody has is a pool that is empty."""
        if pool not in self._pools:
            await self._read_pools()
        return self._pools.get(pool, _NO_POOL)

    async def _pool_named(self, wanted: int) -> Pool:
        """Return the pool with a number; what a number means never changes."""
        if wanted not in self._names:
            await self._read_pools()
        return self._names[wanted]

    async def _read_pools(self) -> None:
        for number, *names in await self._database.read("pools"):
            pool = Pool(*names)
            self._pools[pool] = number
            self._names[number] = pool

    async def _entries(self, rows: Sequence[Row]) -> list[LogEntry]:
        return [entry_of(row, await self._pool_named(row[2])) for row in rows]
