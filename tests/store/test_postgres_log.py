"""The log of many writers: a reader is shown no line before one that can still appear."""

import asyncio
from collections.abc import Iterator, Sequence
from uuid import uuid4

import asyncpg
import pytest

from knownas.store.conformance.examples import EMAIL, PAGE, SHOP, commit_of, entry, new, record, wanted
from knownas.store.conformance.verdicts import was_kept
from knownas.store.port import Commit, LogEntry
from knownas.store.postgres import store as postgres_store
from knownas.store.postgres.loading import PostgresSnapshot
from knownas.store.postgres.planning import Plan
from knownas.store.postgres.statements import call
from knownas.store.postgres.store import PostgresStore
from tests.postgres import fresh_database

WRITERS, COMMITS = 4, 40


@pytest.fixture
def url() -> Iterator[str]:
    """Give a database."""
    with fresh_database() as given:
        yield given


async def number_lines(connection: asyncpg.Connection, store: PostgresStore, lines: Sequence[LogEntry]) -> None:
    """Write a commit of lines on a connection that has begun a transaction, as another process would; not yet its end."""
    await store.load([wanted()])
    arguments = Plan(Commit(log=lines), PostgresSnapshot(), store._pools).arguments()
    await connection.fetch(call("commit"), uuid4(), *arguments)


async def test_no_line_appears_before_one_that_was_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a commit is under way, lines with larger numbers are held back; then all are shown, in their order."""
    monkeypatch.setattr(postgres_store, "LOG_SETTLED_SECONDS", 0.05)
    store = PostgresStore(url)
    slow = await asyncpg.connect(url)
    early, late, fast = entry(), entry(), entry()
    was_kept(await store.commit(await store.load([]), Commit(log=[early])))
    transaction = slow.transaction()
    await transaction.start()
    await number_lines(slow, store, [late])
    was_kept(await store.commit(await store.load([]), Commit(log=[fast])))
    assert [one.decision_id for one in await store.log(SHOP, 0, PAGE)] == [early.decision_id]
    await transaction.commit()
    shown = [one.decision_id for one in await store.log(SHOP, 0, PAGE)]
    assert shown == [one.decision_id for one in (early, late, fast)]
    await slow.close()
    await store.close()


async def test_a_reader_waits_for_a_commit_under_way(url: str) -> None:
    """A reader who asks while a commit is about to end is shown what it wrote, and all that was acknowledged before."""
    store = PostgresStore(url)
    slow = await asyncpg.connect(url)
    late, fast = entry(), entry()
    transaction = slow.transaction()
    await transaction.start()
    await number_lines(slow, store, [late])
    was_kept(await store.commit(await store.load([]), Commit(log=[fast])))
    reading = asyncio.create_task(store.log(SHOP, 0, PAGE))
    await asyncio.sleep(0.05)
    assert not reading.done()
    await transaction.rollback()
    assert [one.decision_id for one in await reading] == [fast.decision_id]
    await slow.close()
    await store.close()


async def test_transactions_of_others_hold_nothing_back(url: str) -> None:
    """Somebody else's transaction, however long, does not keep the log's end from being shown."""
    store = PostgresStore(url)
    other = await asyncpg.connect(url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("CREATE TABLE elsewhere (number integer)")
    await other.execute("SELECT pg_advisory_xact_lock_shared(1, 1)")
    was_kept(await store.commit(await store.load([]), commit_of(new(record(1, {EMAIL: ["e"]})))))
    assert len(await store.log(SHOP, 0, PAGE)) == 1
    await transaction.rollback()
    await other.close()
    await store.close()


async def test_followers_miss_nothing(url: str) -> None:
    """Readers who follow the log by its numbers while several servers write see each line once, in one order."""
    stores = [PostgresStore(url) for _ in range(WRITERS + 1)]
    writing = True

    async def write(store: PostgresStore) -> None:
        for _ in range(COMMITS):
            was_kept(await store.commit(await store.load([]), Commit(log=[entry(), entry()])))

    async def follow(limit: int) -> list[str]:
        seen: list[str] = []
        after, last = 0, False
        while not last:
            last = not writing
            while page := await stores[-1].log(SHOP, after, limit):
                seen += [one.decision_id for one in page]
                after = page[-1].seq
            await asyncio.sleep(0)
        return seen

    followers = [asyncio.create_task(follow(limit)) for limit in (1, 3, PAGE)]
    await asyncio.gather(*(write(store) for store in stores[:-1]))
    writing = False
    seen = await asyncio.gather(*followers)
    written = [one.decision_id for one in await stores[-1].log(SHOP, 0, PAGE)]
    assert len(written) == 2 * WRITERS * COMMITS
    assert seen == [written] * len(seen)
    await asyncio.gather(*(store.close() for store in stores))
