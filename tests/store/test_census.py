"""The promises about counting leave nothing out, and the suite notices stores that break them."""

import asyncio
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knownas.store.census import CensusStore
from knownas.store.conformance import census
from knownas.store.conformance.census import CensusPromises
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.census import MemoryCensus
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite import counting
from knownas.store.sqlite.store import SqliteStore
from tests.store.broken_census import BROKEN

METHODS = {name for name, _ in inspect.getmembers(CensusStore, inspect.isfunction) if not name.startswith("_")}
PROMISES = [name for name in dir(CensusPromises) if name.startswith("test_")]
ENDLESS = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n;"


def subject(part: type[MemoryCensus]) -> StoreConformance:
    """Put a memory store with another seventh part to the test."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            store = MemoryStore()
            store._census = part(store._everybody)
            return store

    return Tested()


def test_no_method_is_left_out() -> None:
    """Each method of the seventh part is tested for what it answers when closed."""
    assert set(census.CALLS) == METHODS


async def test_a_sound_store_passes() -> None:
    """The memory store as it is keeps all promises about counting when it is put to the test like the broken ones."""
    await run_all(lambda: subject(MemoryCensus), PROMISES)


@pytest.mark.parametrize("part", BROKEN, ids=lambda part: part.__name__)
async def test_a_broken_seventh_part_is_found_out(part: type[MemoryCensus]) -> None:
    """A store with one thing wrong breaks at least one promise, and the report names it."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(part), PROMISES)
    broken = found.value.exceptions
    assert any(isinstance(error, AssertionError) for error in broken)
    assert all("the promise test_" in error.__notes__[0] for error in broken)
    assert len(broken) < len(PROMISES) * 3 / 4, "it is broken in one way, not in all"


async def test_counting_a_file_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it takes too long, and where nobody waits for it any more; the file is not held open by it."""
    monkeypatch.setattr(counting, "statements", lambda: {"endless": ENDLESS})
    store = SqliteStore(tmp_path / "knownas.db")
    await store.close()
    threads = ThreadPoolExecutor(2)
    asyncio.get_running_loop().set_default_executor(threads)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await counting.count_apart(tmp_path / "knownas.db", "endless", seconds=0.2)
    waiting = asyncio.ensure_future(counting.count_apart(tmp_path / "knownas.db", "endless", seconds=60))
    await asyncio.sleep(0.3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    threads.shutdown(wait=True)
    assert time.monotonic() - began < 20
