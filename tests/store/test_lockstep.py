"""All adapters give the same answers to the same history, and the log alone gives their records again."""

import asyncio
from pathlib import Path

import pytest

from knownas.core.identity.observation import Environment
from knownas.service import resolver
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool
from knownas.store.sqlite.store import SqliteStore
from tests.store.histories import SCOPES, draw_history
from tests.store.inspection import contradictions, unexplained
from tests.store.world import EVERYTHING, World, fold_differs, records_in

HISTORIES, STEPS, AT_ONCE = 300, 40, 25
POOLS = [Pool(scope, name) for scope in SCOPES for name in ("", *(one.value for one in Environment))]


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
async def test_stores_agree(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and SQLite give the same answers and receipts, and keep the same records and log, byte for byte."""
    # What is put off is written when the history says so, not when the real clock does.
    monkeypatch.setattr(resolver, "FLUSH_AFTER_SECONDS", 3_600)
    for seed in range(first, first + AT_ONCE):
        file = tmp_path / f"{seed}.db"
        policies, history = draw_history(seed, STEPS)
        worlds = [World(MemoryStore(), seed), World(SqliteStore(file), seed)]
        for world in worlds:
            await world.start(policies)
            await world.play(history)
        memory, sqlite = worlds
        assert sqlite.answers == memory.answers, f"history {seed}"
        for pool in POOLS:
            assert await sqlite.store.log(pool, 0, EVERYTHING) == await memory.store.log(pool, 0, EVERYTHING)
            assert await records_in(sqlite.store, pool) == await records_in(memory.store, pool), f"history {seed}"
            assert await fold_differs(sqlite.store, pool) == [], f"history {seed}"
        await asyncio.gather(*(world.store.close() for world in worlds))
        assert contradictions(file) + unexplained(file) == [], f"history {seed}"
