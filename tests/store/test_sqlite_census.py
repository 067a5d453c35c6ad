"""Counting a SQLite file ends in time."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite import counting
from knownas.store.sqlite.store import SqliteStore

ENDLESS = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n;"


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
