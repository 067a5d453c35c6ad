"""What came through an input first and last is remembered, over restarts and beside other processes."""

import pytest

from knownas.service.arrivals import Arrivals, Arrived, Kind, Thing
from knownas.service.limits import ARRIVALS_KEPT_AGAIN_MS
from knownas.store.errors import StoreBusy, StoreDamaged
from knownas.store.memory.store import MemoryStore
from tests.store.world import START_MS

FIRST, SECOND = Thing(START_MS, "one"), Thing(START_MS + 1, "two")


async def test_the_first_and_the_last_thing_are_told() -> None:
    """Each kind of each input by itself; of an input through which nothing came, nothing."""
    arrivals = Arrivals(MemoryStore())
    for thing in (FIRST, SECOND):
        arrivals.note("web", Kind.IDENTITY, thing.at_ms, thing.id)
    arrivals.note("web", Kind.EVENTS, SECOND.at_ms, SECOND.id)
    assert await arrivals.of_input("web") == {
        Kind.IDENTITY: Arrived(FIRST, SECOND),
        Kind.EVENTS: Arrived(SECOND, SECOND),
    }
    assert await arrivals.of_input("crm") == {}


async def test_it_is_there_after_a_restart() -> None:
    """What was noted is written when the server stops, and a later start adds to it."""
    store = MemoryStore()
    before = Arrivals(store)
    before.note("web", Kind.IDENTITY, *FIRST_)
    await before.close()
    after = Arrivals(store)
    after.note("web", Kind.IDENTITY, SECOND.at_ms, SECOND.id)
    assert (await after.all())["web"][Kind.IDENTITY] == Arrived(FIRST, SECOND)


async def test_two_processes_write_one_document() -> None:
    """Neither takes from the other what it has seen: the earliest is the first, the latest the last."""
    store = MemoryStore()
    one, other = Arrivals(store), Arrivals(store)
    one.note("web", Kind.IDENTITY, SECOND.at_ms, SECOND.id)
    other.note("web", Kind.IDENTITY, *FIRST_)
    other.note("crm", Kind.EVENTS, *FIRST_)
    assert await one.write()
    assert await other.write()
    assert await Arrivals(store).all() == {
        "web": {Kind.IDENTITY: Arrived(FIRST, SECOND)},
        "crm": {Kind.EVENTS: Arrived(FIRST, FIRST)},
    }


async def test_a_busy_input_is_written_once_a_minute() -> None:
    """The first thing at once; what follows only when what was written is old."""
    arrivals = Arrivals(MemoryStore())
    written: list[bool] = []
    for at_ms in (START_MS, START_MS + 1, START_MS + ARRIVALS_KEPT_AGAIN_MS):
        arrivals.note("web", Kind.IDENTITY, at_ms, "one")
        written.append(await arrivals.write())
    assert written == [True, False, True]
    assert not await arrivals.write()


async def test_what_it_can_not_write_it_says() -> None:
    """Where others are faster every time, and where what is kept is not what it wrote."""

    class Contended(MemoryStore):
        async def keep(self, name: str, document: bytes) -> bool:
            del name, document
            return False

    arrivals = Arrivals(Contended())
    arrivals.note("web", Kind.IDENTITY, *FIRST_)
    with pytest.raises(StoreBusy):
        await arrivals.write()
    store = MemoryStore()
    await store.keep("arrivals", b"[]")
    with pytest.raises(StoreDamaged):
        await Arrivals(store).all()


FIRST_ = (FIRST.at_ms, FIRST.id)
