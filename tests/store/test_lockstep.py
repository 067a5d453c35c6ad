"""All adapters give the same answers to the same history, and the log alone gives their records again."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from knownas.core.identity.observation import Environment
from knownas.service.identity import resolver
from knownas.store.memory.store import MemoryStore
from knownas.store.port import LogEntry, Pool, Store
from tests.citus import CITUS_DSN
from tests.store.histories import SCOPES, draw_history
from tests.store.places import PLACES, Place, key_by_key
from tests.store.world import EVERYTHING, World, fold_differs, records_in

HISTORIES, STEPS, AT_ONCE = 300, 40, 25
QUICK_HISTORIES, QUICK_AT_ONCE = 40, 10
KEY_BY_KEY_HISTORIES, CITUS_HISTORIES = 6, 60
SOAK_HISTORIES = 3_000
ALL_PLACES = {**PLACES, "key by key": key_by_key}
POOLS = [Pool(scope, name) for scope in SCOPES for name in ("", *(one.value for one in Environment))]


async def play(seed: int, places: Sequence[Place]) -> None:
    """Lead a server over a memory store, and one over each place, through a history, and compare them."""
    policies, history = draw_history(seed, STEPS)
    memory, *others = worlds = [World(store, seed) for store in (MemoryStore(), *(place.open() for place in places))]
    for world in worlds:
        await world.start(policies)
        await world.play(history)
    for other in others:
        where = f"history {seed}, {type(other.store).__name__}"
        assert other.answers == memory.answers, where
        for pool in POOLS:
            assert await lines_in(other.store, pool) == await lines_in(memory.store, pool), where
            assert await records_in(other.store, pool) == await records_in(memory.store, pool), where
            assert await fold_differs(other.store, pool) == [], where
    await asyncio.gather(*(world.store.close() for world in worlds))


async def lines_in(store: Store, pool: Pool) -> list[LogEntry]:
    """Return a pool's log without the numbers of the lines, which may have gaps."""
    return [replace(entry, seq=0) for entry in await store.log(pool, 0, EVERYTHING)]


def agree(seeds: Iterable[int], folder: Path, monkeypatch: pytest.MonkeyPatch, kinds: Collection[str]) -> None:
    """Play histories over memory and other stores, and look into these afterwards."""
    # What is put off is written when the history says so, not when the real clock does.
    monkeypatch.setattr(resolver, "FLUSH_AFTER_SECONDS", 3_600)
    for seed in seeds:
        with ExitStack() as made:
            places = [made.enter_context(ALL_PLACES[kind](folder)) for kind in kinds]
            asyncio.run(play(seed, places))
            for place in places:
                assert place.contradictions() + place.unexplained() == [], f"history {seed}"


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
def test_stores_agree(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and SQLite give the same answers and receipts, and keep the same records and log, byte for byte."""
    agree(range(first, first + AT_ONCE), tmp_path, monkeypatch, ["sqlite"])


@pytest.mark.parametrize("first", range(0, QUICK_HISTORIES, QUICK_AT_ONCE))
def test_postgres_agrees(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and PostgreSQL give the same answers and receipts, and keep the same records and log, byte for byte."""
    agree(range(first, first + QUICK_AT_ONCE), tmp_path, monkeypatch, ["postgres"])


def test_key_by_key_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is asked like a distributed one gives the same answers and receipts, and keeps the same."""
    agree(range(KEY_BY_KEY_HISTORIES), tmp_path, monkeypatch, ["key by key"])


if CITUS_DSN:

    @pytest.mark.parametrize("first", range(0, CITUS_HISTORIES, QUICK_AT_ONCE), ids=lambda first: f"citus-{first}")
    def test_citus_agrees(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Memory and a database over a cluster give the same answers and receipts, and keep the same, byte for byte."""
        agree(range(first, first + QUICK_AT_ONCE), tmp_path, monkeypatch, ["citus"])


@pytest.mark.soak
def test_all_stores_agree_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory, SQLite and PostgreSQL agree about many more histories."""
    agree(range(SOAK_HISTORIES), tmp_path, monkeypatch, ALL_PLACES)
