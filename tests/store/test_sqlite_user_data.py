"""What a SQLite file does with user data when it is older, held by somebody else, or gone after a restart."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from knownas.store.conformance.examples import EMAIL, get, put, record
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.conformance.user_data import UserDataPromises
from knownas.store.conformance.user_data_examples import ANN, keep, section, shows, whole
from knownas.store.errors import StoreBusy, StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite import connection as sqlite_connection
from knownas.store.sqlite import store as sqlite_store
from knownas.store.sqlite.statements import schema_steps
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import UserDataCommit
from tests.store.inspection import contradictions

PROMISES = [name for name in dir(UserDataPromises) if name.startswith("test_")]
LATE_SECONDS = 0.3
WRITES = 40


async def test_user_data_that_is_gone_after_a_restart_is_found_out() -> None:
    """A store that comes back empty breaks the promise of keeping everything."""

    class Tested(StoreConformance, UserDataPromises):
        async def open_store(self) -> Store:
            return MemoryStore()

        async def reopen(self) -> Store:
            return MemoryStore()

    with pytest.raises(ExceptionGroup):
        await run_all(Tested, PROMISES)


async def test_a_file_of_the_first_layout_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database from before there were user data keeps its records and gets a place for user data, once."""
    file = tmp_path / "knownas.db"
    first = apsw.Connection(str(file))
    version, step = schema_steps()[0]
    first.execute(step)
    first.pragma("user_version", version)
    first.close()
    monkeypatch.setattr(sqlite_connection, "schema_steps", lambda: schema_steps()[:1])
    old = SqliteStore(file)
    await put(old, record(1, {EMAIL: ["e"]}))
    await old.close()
    monkeypatch.undo()
    for number in range(2):
        store = SqliteStore(file)
        assert (await get(store, 1)).identities == {EMAIL: ("e",)}
        await keep(store, whole(number))
        for kept in range(number + 1):
            await shows(store, whole(kept), "what was kept since")
        await store.close()
    assert contradictions(file) == []


def hold(file: Path) -> apsw.Connection:
    """Hold a database's write lock as another process would, until the connection is closed."""
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_user_data_wait_for_another_process(tmp_path: Path) -> None:
    """While another process holds the lock, a commit waits for it; reads go on, and the other half waits its turn."""
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    await keep(store, whole(1))
    other = hold(file)
    writing = [
        asyncio.create_task(keep(store, whole(2))),
        asyncio.create_task(put(store, record(1, {EMAIL: ["e"]}))),
    ]
    async with asyncio.timeout(LATE_SECONDS * 20):
        for _ in range(WRITES):
            await asyncio.sleep(LATE_SECONDS / WRITES)
            await shows(store, whole(1), "what is there")
    assert not any(task.done() for task in writing)
    other.close()
    await asyncio.gather(*writing)
    await shows(store, whole(2), "what waited")
    await store.close()


async def test_user_data_give_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that waits too long for the lock fails with StoreBusy, leaves nothing, and works later."""
    monkeypatch.setattr(sqlite_store, "LOCK_WAIT_SECONDS", LATE_SECONDS)
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    other = hold(file)
    with pytest.raises(StoreBusy):
        await store.user_data.commit(whole(1))
    with pytest.raises(StoreBusy):
        await store.user_data.forget_older(events_ms=0, requests_ms=0, sections_ms=0, limit=1)
    other.close()
    assert await store.user_data.alias("number 1") is None
    await keep(store, whole(1))
    await store.close()


async def test_closing_does_not_wait_for_another_process(tmp_path: Path) -> None:
    """A store that is closed while a commit waits for another process's lock fails that commit, and is closed soon."""
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    other = hold(file)
    writing = [asyncio.create_task(store.user_data.commit(whole(number))) for number in range(3)]
    await asyncio.sleep(LATE_SECONDS / 10)
    async with asyncio.timeout(LATE_SECONDS * 10):
        await store.close()
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(one) for one in outcomes] == [StoreUnavailable] * 3
    other.close()


async def test_a_cancelled_commit_is_whole_or_not_there(tmp_path: Path) -> None:
    """A commit that is cancelled at any point, even twice, is kept whole or not at all, and others go on."""
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    for number in range(WRITES):
        writing = asyncio.create_task(store.user_data.commit(whole(number)))
        for _ in range(number % 5):
            await asyncio.sleep(0.0002 * (number % 7))
        writing.cancel()
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        if not await store.user_data.commit(whole(number)):
            await shows(store, whole(number), "a cancelled commit that was kept")
    await store.close()
    assert contradictions(file) == []


def test_halves_of_two_servers_share_a_file(tmp_path: Path) -> None:
    """Servers that write both halves of one file at once lose nothing: each change of a section is on top of another."""
    file = tmp_path / "knownas.db"

    async def serve(number: int) -> None:
        store = SqliteStore(file)
        for turn in range(WRITES):
            await put(store, record(1 + number * WRITES + turn, {EMAIL: [f"{number} {turn}"]}))
            done = False
            while not done:
                seen = (await store.user_data.load([ANN])).sections.get(ANN)
                times, version = (0, None) if seen is None else (int(seen.document), seen.version)
                write = section(ANN, str(times + 1).encode(), version)
                done = await store.user_data.commit(UserDataCommit(sections=[write]))
        await store.close()

    def run(number: int) -> None:
        asyncio.run(serve(number))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))

    async def count() -> int:
        store = SqliteStore(file)
        document = (await store.user_data.load([ANN])).sections[ANN].document
        await store.close()
        return int(document)

    assert asyncio.run(count()) == 2 * WRITES
    assert contradictions(file) == []
