"""After an erasure nothing of a person is left in a SQLite file, its write-ahead log or its index, byte by byte."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path

import apsw
import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import EMAIL, commit_of, get, look_up, new, put, record, wanted
from knownas.store.conformance.verdicts import was_refused
from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite import scrubbing
from knownas.store.sqlite.connection import Connection
from knownas.store.sqlite.store import SqliteStore
from tests.store.canaries import Canaries, erase, found_in, others_are_there, plant
from tests.store.inspection import contradictions

SCRUBBED = scrubbing.Scrubbed("vacuum", complete=True)
NOT_SCRUBBED = scrubbing.Scrubbed("vacuum", complete=False)
WAIT_MS = 50


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open a store, and another one beside it as another process would."""
    async with AsyncExitStack() as opened:
        stores = [SqliteStore(tmp_path / "knownas.db") for _ in range(2)]
        for one in stores:
            opened.push_async_callback(one.close)
        await stores[1].ping()
        yield stores[0]


async def erased(store: SqliteStore, folder: Path) -> Canaries:
    """Plant words and erase them; the scan finds them before that."""
    canaries = Canaries()
    await plant(store, canaries)
    assert found_in(folder, canaries.words)
    await erase(store)
    return canaries


async def test_nothing_is_left_of_what_was_erased(store: SqliteStore, tmp_path: Path) -> None:
    """None of the words stands in any file any more, while the store is open; everybody else is still there."""
    canaries = await erased(store, tmp_path)
    assert await store.privacy.scrub() == SCRUBBED
    assert found_in(tmp_path, canaries.words) == []
    await others_are_there(store)
    await put(store, record(90_000, {EMAIL: ["after"]}))
    assert (await get(store, 90_000)).mpid == 90_000


@pytest.mark.parametrize("left_out", ["_VACUUM", "_CHECKPOINT"])
async def test_what_is_left_would_be_found(
    left_out: str, store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without writing the file anew, or without truncating the log, the same scan finds words."""
    canaries = await erased(store, tmp_path)
    instead = {"_VACUUM": "SELECT 1", "_CHECKPOINT": "PRAGMA wal_checkpoint(PASSIVE)"}
    monkeypatch.setattr(scrubbing, left_out, instead[left_out])
    assert await store.privacy.scrub() == SCRUBBED
    assert found_in(tmp_path, canaries.words)


@pytest.mark.parametrize("holds", ["BEGIN; SELECT count(*) FROM log", "BEGIN IMMEDIATE"])
async def test_who_is_in_the_way_is_not_waited_for_without_end(
    holds: str, store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process reads or writes in one long transaction it is not done, and it is afterwards."""
    monkeypatch.setattr(scrubbing, "SCRUB_WAIT_MS", WAIT_MS)
    canaries = await erased(store, tmp_path)
    other = apsw.Connection(str(tmp_path / "knownas.db"))
    try:
        other.execute(holds).fetchall()
        await put(store, record(90_000, {})) if "IMMEDIATE" not in holds else None
        assert await store.privacy.scrub() == NOT_SCRUBBED
        other.execute("ROLLBACK")
        assert await store.privacy.scrub() == SCRUBBED
    finally:
        other.close()
    assert found_in(tmp_path, canaries.words) == []


async def test_reads_go_on_while_a_file_is_written_anew(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is not held up: reads are answered, and a commit waits until it is done, then is kept."""
    begun, go_on = threading.Event(), threading.Event()
    was = scrubbing._write_anew

    def held_up(connection: Connection) -> bool:
        begun.set()
        assert go_on.wait(10)
        return was(connection)

    monkeypatch.setattr(scrubbing, "_write_anew", held_up)
    await put(store, record(1, {EMAIL: ["e"]}))
    scrubs = asyncio.ensure_future(store.privacy.scrub())
    assert await asyncio.to_thread(begun.wait, 10)
    assert (await get(store, 1)).mpid == 1
    commits = asyncio.ensure_future(put(store, record(2, {EMAIL: ["f"]})))
    await asyncio.sleep(0.02)
    assert not commits.done()
    go_on.set()
    assert await scrubs == SCRUBBED
    await commits
    assert (await get(store, 2)).mpid == 2


async def test_what_was_decided_before_is_decided_again(store: SqliteStore, tmp_path: Path) -> None:
    """A value that nobody held is gone with its version; a commit that had loaded it is refused, and the next one is kept."""
    await put(store, record(1, {EMAIL: ["e"]}))
    await put(store, record(1, {EMAIL: ["f"]}))
    snapshot = await store.load([wanted(Identity(EMAIL, "e"))])
    assert await store.privacy.scrub() == SCRUBBED
    was_refused(await store.commit(snapshot, commit_of(new(record(2, {EMAIL: ["e"]})))), "a commit from before")
    await put(store, record(2, {EMAIL: ["e"]}))
    assert await look_up(store, Identity(EMAIL, "e")) == [2]
    assert contradictions(tmp_path / "knownas.db") == []


async def test_a_scrub_that_is_given_up_ends(store: SqliteStore, tmp_path: Path) -> None:
    """Cancelled at any moment it ends, and the store goes on as before; the next one does it."""
    canaries = await erased(store, tmp_path)
    for turns in range(8):
        scrubs = asyncio.ensure_future(store.privacy.scrub())
        for _ in range(turns):
            await asyncio.sleep(0.001)
        # On a slow machine one may have come to its end before; the first one has not even begun.
        is_under_way = scrubs.cancel()
        assert is_under_way or turns
        with pytest.raises(asyncio.CancelledError) if is_under_way else nullcontext():
            await scrubs
        await put(store, record(80_000 + turns, {EMAIL: [f"after {turns}"]}))
    await others_are_there(store)
    assert await store.privacy.scrub() == SCRUBBED
    assert found_in(tmp_path, canaries.words) == []


async def test_a_store_that_is_closed_meanwhile_waits_for_it(store: SqliteStore) -> None:
    """Closing ends after the scrub that is under way, or that is refused."""
    scrubs = asyncio.ensure_future(store.privacy.scrub())
    await asyncio.sleep(0)
    await store.close()
    assert await scrubs == SCRUBBED
    with pytest.raises(StoreUnavailable):
        await store.privacy.scrub()
