"""Folding beside a server: another program answers as a fold here does, and leaves nothing behind when it is not wanted."""

import asyncio
import json
import tempfile
from pathlib import Path
from random import Random

import pytest

from knownas.batch.rehearsing import RehearsingHow, differing, rehearse, report_document
from knownas.batch.rehearsing_beside import ProcessFolds
from knownas.batch.rehearsing_here import StoreFolds
from knownas.service.history.folds import Stage, ToRehearse
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from tests.store.histories import draw_history, draw_policy
from tests.store.places import PLACES, Place
from tests.store.world import World

SEED = 5
SCOPE = "shop"


async def play(place: Place) -> None:
    """Lead a server through a history."""
    policies, history = draw_history(SEED, 40)
    world = World(place.open(), SEED)
    await world.start(policies)
    await world.play(history)
    await world.store.close()


@pytest.mark.parametrize("kind", PLACES)
def test_another_program_answers_what_is_folded_here(kind: str, tmp_path: Path) -> None:
    """The report and the components that differ come through the pipe as they are."""
    with PLACES[kind](tmp_path) as place:
        asyncio.run(play(place))
        asked = ToRehearse(SCOPE, draw_policy(Random(SEED)))
        here = asyncio.run(rehearse(place.url, asked, RehearsingHow(processes=0, tells_starts=True)))
        told: list[Stage] = []
        beside = ProcessFolds(place.url)
        report = asyncio.run(beside.rehearse(asked, told.append))
        assert report == json.loads(json.dumps(report_document(here)))
        assert told
        assert asyncio.run(beside.differing(SCOPE, asked.policy, told.append)) == list(differing(here))


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """What the other program comes to is what whoever asked it comes to."""
    beside = ProcessFolds(f"sqlite:///{tmp_path}/missing/knownas.db")
    with pytest.raises(StoreUnavailable):
        asyncio.run(beside.rehearse(ToRehearse(SCOPE, draw_policy(Random(SEED))), print))


def test_a_fold_that_is_not_wanted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled, the other program ends and takes its files away."""
    left = tmp_path / "temporary"
    left.mkdir()
    monkeypatch.setenv("TMPDIR", str(left))
    monkeypatch.setattr(tempfile, "tempdir", None)

    async def cancel(place: Place) -> None:
        begun = asyncio.Event()
        folds = ProcessFolds(place.url, processes=1)
        work = asyncio.ensure_future(
            folds.rehearse(ToRehearse(SCOPE, draw_policy(Random(SEED))), lambda _: begun.set())
        )
        await begun.wait()
        work.cancel()
        await asyncio.wait((work,))
        assert work.cancelled()

    with PLACES["sqlite"](tmp_path) as place:
        asyncio.run(play(place))
        asyncio.run(cancel(place))
        assert list(left.iterdir()) == []


def test_a_store_in_memory_is_folded_here() -> None:
    """There is no other process that could reach it; nothing observed, nothing to tell."""
    policy = draw_policy(Random(SEED))
    report = asyncio.run(StoreFolds(MemoryStore()).rehearse(ToRehearse(SCOPE, policy), print))
    assert (report["pools"], report["policy_version"]) == ([], 1)
