"""A process that is killed while it takes a decision back leaves everything as it was, or everything as it is to be."""

import asyncio
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from knownas.service.history.correcting import HistoryCorrected
from knownas.service.identity.log_form import observation_from
from knownas.store.sqlite.store import SqliteStore
from tests.service.sorting_stage import POOL, SortingStage
from tests.store.world import EVERYTHING

SEED = 5
STEPS = 60
KILLS = 2
KILLS_SOAKED = 60
KILL_WITHIN_SECONDS = 0.12
READY_WITHIN_SECONDS = 60

UNDOES = """
import asyncio, sys
from pathlib import Path
from knownas.store.sqlite.store import SqliteStore
from tests.service.sorting_stage import SortingStage

async def main():
    stage = await SortingStage(int(sys.argv[2]), SqliteStore(Path(sys.argv[1])), int(sys.argv[4])).open()
    print("ready", flush=True)
    await stage.service.undoing.undo(sys.argv[3])
    await stage.close()

asyncio.run(main())
"""


async def everything(stage: SortingStage) -> dict[str, Any]:
    """Return all that a correction can change, in both halves of the store."""
    records = await stage.store.records(POOL, None, EVERYTHING)
    held = {one.mpid: (one.identities, one.carried) for one in records}
    return {"records": held, **await stage.everything()}


async def prepared(file: Path) -> tuple[str, int, dict[str, Any], dict[str, Any]]:
    """Play a history into a file; return a decision to take back, the time, and what there is before and after that."""
    stage = await SortingStage(SEED, SqliteStore(file)).open()
    await stage.play(STEPS)
    before, now_ms = await everything(stage), stage.now_ms + 5
    taken = ""
    for entry in await stage.log():
        told = await stage.service.undoing.undo(entry.decision_id, preview=True)
        if isinstance(told, HistoryCorrected) and len(told.moved) > 1:
            assert observation_from(entry.observation)
            taken = entry.decision_id
            break
    await stage.close()
    assert taken, "no decision of the history moves anything"
    shutil.copy(file, file.with_suffix(".undone"))
    done = await SortingStage(SEED, SqliteStore(file.with_suffix(".undone")), now_ms).open()
    done.aliased = stage.aliased
    assert isinstance(await done.service.undoing.undo(taken), HistoryCorrected)
    after = await everything(done)
    await done.close()
    return taken, now_ms, before, after


async def found(file: Path, aliased: dict[int, str]) -> dict[str, Any]:
    """Return what a file holds."""
    stage = await SortingStage(SEED, SqliteStore(file)).open()
    stage.aliased = aliased
    try:
        return await everything(stage)
    finally:
        await stage.close()


def killed(file: Path, taken: str, now_ms: int, after_seconds: float) -> None:
    """Let a process take a decision back, and kill it a while after it has begun."""
    command = [sys.executable, "-c", UNDOES, str(file), str(SEED), taken, str(now_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after_seconds)
        process.kill()
        process.wait(READY_WITHIN_SECONDS)


def some_kills(folder: Path, kills: int) -> set[str]:
    """Kill so many processes at random moments; return in which states they left the file."""
    file = folder / "knownas.db"
    taken, now_ms, before, after = asyncio.run(prepared(file))
    assert before != after
    aliased = {number: row.request_id for number, row in enumerate(before["aliases"])}
    states: set[str] = set()
    for number in range(kills):
        copy = folder / f"{number}.db"
        shutil.copy(file, copy)
        killed(copy, taken, now_ms, random.uniform(0, KILL_WITHIN_SECONDS))
        left = asyncio.run(found(copy, aliased))
        assert left in (before, after), "a killed correction left half of what it does"
        states.add("before" if left == before else "after")
    return states


def test_a_correction_is_whole_or_not_there(tmp_path: Path) -> None:
    """Killed at a few random moments, both halves of the store are as before, or both as after."""
    assert some_kills(tmp_path, KILLS)


@pytest.mark.soak
def test_a_correction_is_whole_or_not_there_at_length(tmp_path: Path) -> None:
    """The same for many kills, some of which come before and some after the commit."""
    assert some_kills(tmp_path, KILLS_SOAKED) == {"before", "after"}
