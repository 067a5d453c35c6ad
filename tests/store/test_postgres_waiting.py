"""How much a PostgreSQL store asks for, how long it waits, and what becomes of calls whose connection is lost."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    PAGE,
    START_MS,
    changed,
    commit_of,
    get,
    new,
    put,
    record,
    wanted,
)
from knownas.store.conformance.user_data_examples import keep, load, shows, whole
from knownas.store.conformance.verdicts import was_kept
from knownas.store.errors import StoreBusy, UnknownOutcome
from knownas.store.port import Activity
from knownas.store.postgres import connections as postgres_connections
from knownas.store.postgres.connections import Connections
from knownas.store.postgres.rows import Row
from knownas.store.postgres.trouble import ConnectionLost
from tests.postgres import ask, store_over
from tests.store.postgres_inspection import contradictions

MOMENT_SECONDS = 0.15
"""Long enough for a statement that waits for nobody."""

GROWTH, READS_A_ROW = 400, 25
MAIL = Identity(EMAIL, "e")


async def test_a_batch_is_one_round_trip_each_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a batch is, its read is one statement and its write another one."""
    async with store_over(url) as store:
        mpids = range(1, 200)
        await put(store, *(record(mpid, {EMAIL: [f"e{mpid}"]}) for mpid in mpids))
        sent: list[str] = []
        fetch = Connections.fetch

        async def counted(self: Connections, query: str, *args: object, **more: Any) -> Sequence[Row]:
            if "commit_token" not in query:  # Old tokens are removed now and then, beside all this.
                sent.append(query)
            return await fetch(self, query, *args, **more)

        monkeypatch.setattr(Connections, "fetch", counted)
        snapshot = await store.load([wanted(Identity(EMAIL, f"e{mpid}"), mpids=[mpid]) for mpid in mpids])
        assert len(sent) == 1
        writes = [changed(snapshot, record(mpid, {EMAIL: [f"f{mpid}"]})) for mpid in mpids]
        # These values are new to the snapshot, so whose they are is looked up first.
        was_kept(await store.commit(snapshot, commit_of(*writes)))
        assert len(sent) == 3
        looked = [wanted(Identity(EMAIL, f"f{mpid}"), Identity(EMAIL, f"g{mpid}")) for mpid in mpids]
        snapshot = await store.load(looked)
        writes = [changed(snapshot, record(mpid, {EMAIL: [f"g{mpid}"]})) for mpid in mpids]
        was_kept(await store.commit(snapshot, commit_of(*writes)))
        assert len(sent) == 5


async def test_whoever_finds_no_free_connection_gives_up_in_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls beyond the connections wait for one, for a while; the others are not disturbed, and later all go on."""
    monkeypatch.setattr(postgres_connections, "FREE_CONNECTION_SECONDS", MOMENT_SECONDS)
    async with store_over(url) as store:
        await store.keep("name", b"document")
        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute("LOCK TABLE knownas.kept IN ACCESS EXCLUSIVE MODE")
            lucky = [asyncio.create_task(store.kept("name")) for _ in range(postgres_connections.CONNECTIONS_MAX)]
            await asyncio.sleep(MOMENT_SECONDS)
            with pytest.raises(StoreBusy):
                await store.ping()
            late = [asyncio.create_task(store.kept("name")) for _ in range(3)]
            await asyncio.sleep(0)
        assert [await one for one in (*lucky, *late)] == [b"document"] * (len(lucky) + len(late))
        await other.close()


async def test_a_lock_is_not_waited_for_for_ever(url: str) -> None:
    """A write that waits for a lock for too long fails with StoreBusy; it works when the lock is gone."""
    async with store_over(url) as store:
        store._database._connections.settings["lock_timeout"] = "100"
        await put(store, record(1, {EMAIL: ["a"]}))
        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.fetch("SELECT 1 FROM knownas.profile FOR UPDATE")
            with pytest.raises(StoreBusy):
                await put(store, record(1, {EMAIL: ["b"]}))
            with pytest.raises(StoreBusy):
                await store.touch([Activity(1, START_MS + 5)])
        await put(store, record(1, {EMAIL: ["b"]}))
        await other.close()


async def test_a_cancelled_commit_is_whole_or_not_there(url: str) -> None:
    """A commit of user data that is cancelled at any point is kept whole or not at all, and others go on."""
    async with store_over(url) as store:
        for number in range(30):
            writing = asyncio.create_task(store.user_data.commit(whole(number)))
            await asyncio.sleep(0.0004 * (number % 8))
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if not await store.user_data.commit(whole(number)):
                await shows(store, whole(number), "a cancelled commit that was kept")
    assert await contradictions(url) == []


async def test_connections_that_the_server_ends_are_replaced(url: str) -> None:
    """When the server ends all connections, idle or not, the next call opens another one; a read is tried again."""
    async with store_over(url) as store:
        await put(store, record(1, {EMAIL: ["a"]}))
        for turn in range(5):
            await asyncio.gather(*(store.profile(1) for _ in range(6)))
            await ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'knownas'")
            assert (await get(store, 1)).mpid == 1
            await put(store, record(1, {EMAIL: [f"turn {turn}"]}))


async def test_an_unknown_outcome_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit whose answer is lost, and that nobody can be asked about, fails with UnknownOutcome in time."""
    monkeypatch.setattr("knownas.store.postgres.database.SETTLE_SECONDS", MOMENT_SECONDS)
    async with store_over(url) as store:
        snapshot = await store.load([wanted(MAIL)])

        async def gone(_self: Connections, _query: str, *_args: object, **_more: object) -> Sequence[Row]:
            raise ConnectionLost("it is gone", is_late=False)

        with monkeypatch.context() as patched:
            patched.setattr(Connections, "fetch", gone)
            with pytest.raises(UnknownOutcome):
                await store.commit(snapshot, commit_of(new(record(1, {EMAIL: ["e"]}))))
            with pytest.raises(UnknownOutcome):
                await store.keep("name", b"document")
        assert await store.profile(1) is None


COUNTS = {
    "identity": "SELECT count(*) FROM knownas.identity",
    "profile": "SELECT count(*) FROM knownas.profile",
    "section": "SELECT count(*) FROM knownas.section",
    "request": "SELECT count(*) FROM knownas.request",
    "message": "SELECT count(*) FROM knownas.message",
}


async def test_a_database_that_was_empty_when_looked_at_is_fast(url: str) -> None:
    """Statements find rows by their keys even if the database thinks that its tables are empty, as they were once."""
    await ask(url, "VACUUM ANALYZE")
    # The database has served other tests, whose reads were counted too.
    await ask(url, "SELECT pg_stat_reset()::text")
    async with store_over(url) as store:
        read: list[float] = []
        for turn in range(3):
            mpids = range(turn * GROWTH + 1, (turn + 1) * GROWTH + 1)
            await put(store, *(record(mpid, {EMAIL: [f"e{mpid}"], CUSTOMER: [f"c{mpid}"]}) for mpid in mpids))
            await put(store, *(record(mpid, {EMAIL: [f"f{mpid}"], CUSTOMER: [f"c{mpid}"]}) for mpid in mpids))
            await store.touch([Activity(mpid, START_MS + 9) for mpid in mpids])
            for number in mpids:
                if number % 20 == 0:
                    await keep(store, whole(number))
                    await load(store, whole(number))
                    await store.history(number, 0, PAGE)
        await store.close()
        await asyncio.sleep(MOMENT_SECONDS)
        for table, count in COUNTS.items():
            query = """SELECT sum(i.idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables AS t WHERE t.relid = i.relid)
                FROM pg_stat_user_indexes AS i WHERE i.relid = $1::regclass GROUP BY i.relid"""
            ((rows,),) = await ask(url, count)
            read.append(int((await ask(url, query, f"knownas.{table}"))[0][0]) / rows)
    # Each row is read a few times; from end to end for each batch it would be as often as there are batches.
    assert max(read) < READS_A_ROW, read
