"""After an erasure nothing of a person is left in the files of a PostgreSQL server, its log included, byte by byte."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from knownas.store.conformance.examples import EMAIL, get, put, record
from knownas.store.postgres import scrubbing
from knownas.store.postgres.store import PostgresStore
from tests.postgres import PrivateServer, ask
from tests.store.canaries import Canaries, erase, found_in, others_are_there, plant

SCRUBBED = scrubbing.Scrubbed("tables+samples+log", complete=True)
SETTINGS = ("fsync=off", "autovacuum=off", "wal_recycle=off", "max_wal_size=64MB", "min_wal_size=32MB")
WAIT_SECONDS = 0.3


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """Start a server whose operator has set what is advised."""
    made = PrivateServer(SETTINGS, in_memory=True)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def url(server: PrivateServer) -> Iterator[str]:
    """Give a database of its own on it."""
    server.ask("CREATE DATABASE mine")
    yield server.url("mine")
    server.ask("DROP DATABASE mine WITH (FORCE)")


NOTHING_OF_A_PERSON = {
    *("layout", "pool", "policy", "commit_token", "scrub_mark"),
    *("watch", "audience_document"),
    # They stay: each holds the numbers of profiles at most, which are nobody's by then.
    *("tombstone", "evidence", "audit"),
}
OF_AUDIENCES = {"mark", "standing", "membership_change", "held", "passed", "output_delivery"}
NUMBERS_ALONE = {"touched", "member"}
"""Tables of whom is known what, without a word."""

LOOK = "SELECT '{0}' WHERE EXISTS (SELECT 1 FROM knownas.{0} AS t WHERE t::text ~ 'canary|63616e617279')"
"""Looks for a word in a table: as text, and in bytes as these are shown."""


async def tables_of(url: str) -> set[str]:
    """Return the tables of a database."""
    return {name for (name,) in await ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'knownas'")}


def left_out(tables: set[str]) -> set[str]:
    """Return the tables that may hold something of a person and are not written anew."""
    return tables - NOTHING_OF_A_PERSON - set(scrubbing.TABLES)


async def test_no_table_is_left_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is written anew, or it is said that it holds nothing of a person; one that is neither is noticed."""
    store = PostgresStore(url)
    await store.ping()
    await store.close()
    tables = await tables_of(url)
    assert left_out(tables) == set()
    assert set(scrubbing.TABLES) | NOTHING_OF_A_PERSON == tables
    assert left_out(tables | {"new"}) == {"new"}
    monkeypatch.setattr(scrubbing, "TABLES", scrubbing.TABLES[1:])
    assert len(left_out(tables)) == 1


async def test_words_stand_in_all_of_these_tables(url: str) -> None:
    """So the scan for them is about each; afterwards they stand in none."""
    store = PostgresStore(url)
    await plant(store, Canaries())
    looks = [LOOK.format(name) for name in sorted(await tables_of(url))]
    there = {name for look in looks for (name,) in await ask(url, look)}
    assert there == set(scrubbing.TABLES) - NUMBERS_ALONE
    await erase(store)
    assert await store.privacy.scrub() == SCRUBBED
    assert [name for look in looks for (name,) in await ask(url, look)] == []
    await store.close()


async def erased(store: PostgresStore) -> Canaries:
    """Plant words, have the planner take samples, and erase them."""
    canaries = Canaries()
    await plant(store, canaries)
    await erase(store)
    return canaries


def data_of(server: PrivateServer) -> Path:
    """Return the folder of everything that a server keeps."""
    return server.data


async def test_nothing_is_left_of_what_was_erased(server: PrivateServer, url: str) -> None:
    """None of the words stands in a file of the server any more while everybody goes on; the others are still there."""
    store, other = PostgresStore(url), PostgresStore(url)
    canaries = Canaries()
    await plant(store, canaries)
    await ask(url, "ANALYZE")
    await ask(url, "CHECKPOINT")
    before = found_in(data_of(server), canaries.words)
    assert any("pg_wal" in one for one in before)
    assert any("base" in one for one in before)
    await erase(store)
    assert await store.privacy.scrub() == SCRUBBED
    assert found_in(data_of(server), canaries.words) == []
    for one, mpid in ((store, 90_000), (other, 90_001)):
        await others_are_there(one)
        await put(one, record(mpid, {EMAIL: [f"after {mpid}"]}))
        assert (await get(one, mpid)).mpid == mpid
    await store.close()
    await other.close()


@pytest.mark.parametrize(
    "left_out",
    ["samples", "log", "audiences", *(pytest.param(one, marks=pytest.mark.soak) for one in ("tables", "values"))],
)
async def test_what_is_left_would_be_found(
    left_out: str, server: PrivateServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one of the things that are done, the same scan finds words."""
    done = {"tables": (), "audiences": tuple(one for one in scrubbing.TABLES if one not in OF_AUDIENCES)}
    monkeypatch.setattr(scrubbing, "TABLES", done.get(left_out, scrubbing.TABLES))
    for step in ("samples", "log", "values"):
        if left_out == step:

            async def nothing(_: object) -> bool:
                return True

            monkeypatch.setattr(scrubbing._Scrubbing, f"_{step}", nothing)
    store = PostgresStore(url)
    canaries = Canaries()
    await plant(store, canaries)
    await ask(url, "ANALYZE")
    await erase(store)
    await store.privacy.scrub()
    await ask(url, "CHECKPOINT")
    assert found_in(data_of(server), canaries.words)
    await store.close()


async def test_who_still_sees_what_was_removed_is_not_waited_for_without_end(
    server: PrivateServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody has a transaction from before it is not done; afterwards it is."""
    monkeypatch.setattr(scrubbing, "SCRUB_WAIT_SECONDS", WAIT_SECONDS)
    store = PostgresStore(url)
    canaries = await erased(store)
    other = await asyncpg.connect(url)
    try:
        async with other.transaction():
            await other.fetch("SELECT pg_current_xact_id()")
            done = await store.privacy.scrub()
            assert not done.complete
            await put(store, record(90_000, {EMAIL: ["meanwhile"]}))
    finally:
        await other.close()
    assert await store.privacy.scrub() == SCRUBBED
    assert found_in(data_of(server), canaries.words) == []
    await store.close()


async def test_requests_are_answered_while_it_waits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants a table that is to be written anew waits only for moments while somebody else holds it."""
    monkeypatch.setattr(scrubbing, "SCRUB_WAIT_SECONDS", 4 * WAIT_SECONDS)
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["e"]}))
    other = await asyncpg.connect(url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE knownas.identity IN ACCESS SHARE MODE")
            scrubs = asyncio.ensure_future(store.privacy.scrub())
            number = 0
            while not scrubs.done():
                number += 1
                await put(store, record(100 + number, {EMAIL: [f"meanwhile {number}"]}))
            assert not (await scrubs).complete
            assert number > 1
    finally:
        await other.close()
    await store.close()


async def test_a_role_without_rights_over_the_log_does_the_rest(server: PrivateServer) -> None:
    """What a role may not do is left out, and the method says what was done."""
    await ask(server.url(), "CREATE ROLE modest LOGIN")
    await ask(server.url(), "CREATE DATABASE modest OWNER modest")
    url = f"postgresql://modest@/modest?host={server.folder}"
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["e"]}))
    assert await store.privacy.scrub() == scrubbing.Scrubbed("tables+samples", complete=True)
    await store.close()
    await ask(server.url(), "DROP DATABASE modest WITH (FORCE)")
    await ask(server.url(), "DROP ROLE modest")
