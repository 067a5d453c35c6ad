"""Looking beside a server: other processes answer as a look here does, and leave nothing behind."""

import asyncio
import os
import signal
from pathlib import Path

import apsw
import msgspec
import pytest

from knownas.batch import looking_beside
from knownas.batch.looking_beside import LooksBeside, looks_beside
from knownas.service.audience.looking import LooksHere, LookWork
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience.test_sweeping import crowd
from tests.service.audience_stage import WORKSPACE, open_stage
from tests.store.places import PLACES, Place
from tests.store.world import START_MS
from tests.waiting import wait_until


async def work_of(store: Store) -> LookWork:
    """Return a look at everybody."""
    stretch = await store.audiences.stretch(WORKSPACE, None, 1_000)
    assert stretch is not None
    told = [{"schema_version": "1.6.0", "audience": one} for one in (PLAN, bought(1))]
    definitions = {number: msgspec.json.encode(one) for number, one in enumerate(told, start=1)}
    return LookWork(WORKSPACE, None, stretch.until, START_MS, definitions, frozenset({9}))


async def sees_the_same(place: Place) -> None:
    """Look at a crowd here and by others, several at once."""
    stage = await open_stage(place.open())
    beside = LooksBeside(place.url, 2)
    try:
        await crowd(stage)
        work = await work_of(stage.service.store)
        here = await LooksHere(stage.service.store.audiences).look(work)
        assert len(here.stands) == 20
        assert await asyncio.gather(*(beside.look(work) for _ in range(3))) == [here] * 3
    finally:
        await beside.close()
        await stage.service.close()


@pytest.mark.parametrize("kind", PLACES)
def test_other_processes_see_what_is_seen_here(kind: str, tmp_path: Path) -> None:
    """Who stands how, and why."""
    with PLACES[kind](tmp_path) as place:
        asyncio.run(sees_the_same(place))


async def test_a_process_reads_nothing_from_before_it_was_asked(tmp_path: Path) -> None:
    """What was written since its last look is seen by the next, and while it waits it holds up nobody who tidies the file."""
    with PLACES["sqlite"](tmp_path) as place:
        stage = await open_stage(place.open())
        beside = LooksBeside(place.url, 1)
        try:
            people = await crowd(stage, 3)
            work = await work_of(stage.service.store)
            seen = await beside.look(work)
            assert people[1] not in [one.mpid for one in seen.stands]
            await stage.happen(mpid=people[1], attributes={"plan": "gold"})
            again = await beside.look(work)
            assert people[1] in [one.mpid for one in again.stands]
            await stage.happen(mpid=people[1], attributes={"plan": "tin"})
            file = apsw.Connection(place.url.removeprefix("sqlite:///"))
            try:
                blocked, written, moved = file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()[0]
            finally:
                file.close()
            assert blocked == 0
            assert written == moved, "all that was written is in the file"
        finally:
            await beside.close()
            await stage.service.close()


def test_what_is_in_memory_is_looked_at_here() -> None:
    """Nobody else sees it."""
    assert isinstance(looks_beside("memory://", MemoryStore()), LooksHere)


async def test_a_process_that_is_killed_is_told_and_replaced(tmp_path: Path) -> None:
    """What it was asked fails as a store that does not answer; the next one is asked of another process."""
    with PLACES["sqlite"](tmp_path) as place:
        stage = await open_stage(place.open())
        beside = LooksBeside(place.url, 1)
        try:
            await crowd(stage)
            work = await work_of(stage.service.store)
            looked = await beside.look(work)
            (child,) = beside._idle
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            wait_until(lambda: not child.is_alive, 10, lambda: "the process lives on")
            with pytest.raises(StoreUnavailable):
                await beside.look(work)
            assert await beside.look(work) == looked
        finally:
            await beside.close()
            await stage.service.close()


async def test_processes_end_that_have_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are started again when somebody looks."""
    monkeypatch.setattr(looking_beside, "IDLE_SECONDS", 0.05)
    with PLACES["sqlite"](tmp_path) as place:
        stage = await open_stage(place.open())
        beside = LooksBeside(place.url, 1)
        try:
            await crowd(stage)
            work = await work_of(stage.service.store)
            looked = await beside.look(work)
            (child,) = beside._idle
            await asyncio.to_thread(wait_until, lambda: not child.is_alive, 10, lambda: "the process stays")
            assert await beside.look(work) == looked
        finally:
            await beside.close()
            await stage.service.close()


async def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    """As it is here, with where it came from."""
    beside = LooksBeside(f"sqlite:///{tmp_path}/missing/knownas.db", 1)
    try:
        with pytest.raises(StoreUnavailable):
            await beside.look(LookWork(WORKSPACE, None, "1:1", 0, {}))
    finally:
        await beside.close()


async def test_whoever_waits_for_a_look_may_stop_waiting(tmp_path: Path) -> None:
    """The next one hears what was asked by it, and not what was asked before."""
    with PLACES["sqlite"](tmp_path) as place:
        stage = await open_stage(place.open())
        beside = LooksBeside(place.url, 1)
        try:
            await crowd(stage)
            work = await work_of(stage.service.store)
            waiting = asyncio.create_task(beside.look(work))
            await asyncio.sleep(0.01)
            waiting.cancel()
            other = msgspec.structs.replace(work, definitions={7: work.definitions[1]})
            looked = await beside.look(other)
            assert {change.audience for one in looked.stands for change in one.changes} == {7}
        finally:
            await beside.close()
            await stage.service.close()
