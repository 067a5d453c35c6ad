"""Profiles are counted now and then, by one server, and what was counted is remembered with its time."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.service.health.census import CensusTaking
from knownas.service.health.limits import CENSUS_AGAIN_MS, CENSUS_RESTS_TIMES, CENSUS_SHARES, CROWDS_SHOWN_MAX
from knownas.service.turns import Turns
from knownas.store.census import CROWD_SIZES, Crowd, CrowdCounts, ProfileCounts
from knownas.store.conformance.census import visitors
from knownas.store.conformance.examples import CUSTOMER, SHOP, STAMP, put, record
from knownas.store.errors import StoreBusy, StoreDamaged, StoreUnavailable
from knownas.store.memory.census import MemoryCensus
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool

NOW_MS = 1_800_000_000_000


class Clock:
    """The time, which a test moves."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Slow(MemoryCensus):
    """Can't count more than a part of all profiles in time, nor what devices have; counts how often it is asked."""

    def __init__(self, store: MemoryStore, parts: int, *, knows_devices: bool = False) -> None:
        super().__init__(store._everybody)
        self.parts = parts
        self.knows_devices = knows_devices
        self.asked = 0

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        self.asked += 1
        if (last_mpid - first_mpid + 1) * self.parts > 2**64:
            raise StoreUnavailable("it takes too long")
        return await super().profiles(first_mpid, last_mpid)

    async def crowds(self, types: Collection[IdentityType]) -> Mapping[Pool, CrowdCounts]:
        if not self.knows_devices:
            raise StoreUnavailable("it takes too long")
        return await super().crowds(types)


async def populated() -> MemoryStore:
    store = MemoryStore()
    await put(store, record(1, {CUSTOMER: ["c"]}), record(2, {}), *visitors(CROWD_SIZES[1], 10, "shared"))
    return store


async def test_what_was_counted_is_remembered_with_its_time() -> None:
    """Profiles by kind, how crowded devices are, and one profile of each of the largest crowds: nobody's identities."""
    store, clock = await populated(), Clock()
    taking = CensusTaking(store, clock)
    assert await taking.last() is None
    await taking.take()
    clock.now_ms += 1
    last = await CensusTaking(store, clock).last()
    assert last is not None
    assert last.counted is not None
    assert last.crowds is not None
    assert (last.at_ms, last.counted.at_ms, last.counted.parts, last.crowds.at_ms) == (NOW_MS, NOW_MS, 1, NOW_MS)
    assert last.counted.profiles == {SHOP: ProfileCounts(1, CROWD_SIZES[1], 1)}
    assert last.crowds.crowds == {SHOP: CrowdCounts(1, (1, 1, 0, 0))}
    assert last.crowds.largest == {SHOP: [Crowd(STAMP, CROWD_SIZES[1], 10)]}
    assert b"shared" not in store._kept["health/census"]


async def test_it_is_counted_again_when_that_is_old() -> None:
    """And not before, whoever looks; counting that takes long rests longer."""
    store, clock = await populated(), Clock()
    slow = Slow(store, 1)
    store._census = slow
    servers = [CensusTaking(store, clock, Turns(store, clock)) for _ in range(3)]
    for one in servers:
        await one.look()
    clock.now_ms += CENSUS_AGAIN_MS - 1
    for one in servers:
        await one.look()
    assert slow.asked == 1
    clock.now_ms += 1
    for one in servers:
        await one.look()
    assert slow.asked == 2
    last = await servers[1].last()
    assert last is not None
    long = last.__class__(last.counted, last.crowds, last.at_ms, CENSUS_AGAIN_MS)
    assert long.again_ms == last.at_ms + CENSUS_AGAIN_MS * CENSUS_RESTS_TIMES


async def test_while_one_server_counts_no_other_does() -> None:
    """Who has the turn counts, though nothing is remembered yet."""
    store, clock = await populated(), Clock()
    one, other = (CensusTaking(store, clock, Turns(store, clock)) for _ in range(2))
    looked: list[str] = []

    class Meanwhile(MemoryCensus):
        async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
            looked.append("counts")
            await other.look()
            return await super().profiles(first_mpid, last_mpid)

    store._census = Meanwhile(store._everybody)
    await one.look()
    assert looked == ["counts"]


@pytest.mark.parametrize("parts", CENSUS_SHARES)
async def test_where_there_is_no_time_for_all_a_part_is_counted(parts: int) -> None:
    """And stands for the whole, which is said."""
    store = MemoryStore()
    inside, step = 3, 2**64 // parts
    await put(store, *(record(MPID_MIN + number, {CUSTOMER: [f"c{number}"]}) for number in range(inside)))
    if parts > 1:
        await put(store, record(MPID_MIN + step, {CUSTOMER: ["outside"]}), record(MPID_MAX, {}))
    store._census = Slow(store, parts)
    taking = CensusTaking(store, Clock())
    await taking.take()
    last = await taking.last()
    assert last is not None
    assert last.counted is not None
    assert last.counted.parts == parts
    assert last.counted.profiles == {SHOP: ProfileCounts(inside * parts, 0, 0)}
    assert last.crowds is None


async def test_what_can_not_be_counted_is_as_old_as_it_says() -> None:
    """Where counting fails, what was counted before stays, with its own time; the next try waits like any other."""
    store, clock = await populated(), Clock()
    taking = CensusTaking(store, clock)
    await taking.take()
    clock.now_ms += CENSUS_AGAIN_MS
    store._census = slow = Slow(store, 2**60)
    await taking.look()
    last = await taking.last()
    assert last is not None
    assert last.counted is not None
    assert last.crowds is not None
    assert (last.at_ms, last.counted.at_ms, last.crowds.at_ms) == (clock.now_ms, NOW_MS, NOW_MS)
    assert slow.asked == len(CENSUS_SHARES)
    await taking.look()
    assert slow.asked == len(CENSUS_SHARES)


async def test_what_it_can_not_keep_or_read_it_says() -> None:
    """Where others are faster every time, and where what is kept is not what it wrote."""

    class Contended(MemoryStore):
        async def keep(self, name: str, document: bytes) -> bool:
            del name, document
            return False

    with pytest.raises(StoreBusy):
        await CensusTaking(Contended(), Clock()).take()
    store = MemoryStore()
    await store.keep("health/census", b"{}")
    with pytest.raises(StoreDamaged):
        await CensusTaking(store, Clock()).last()


async def test_only_devices_are_looked_at() -> None:
    """That many anonymous profiles have one e-mail address is not what is asked; and only a few are named."""
    asked: list[Any] = []

    class Asked(MemoryCensus):
        async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping[Pool, Sequence[Crowd]]:
            asked.extend((types, limit))
            return await super().largest(types, limit)

    store = MemoryStore()
    store._census = Asked(store._everybody)
    await CensusTaking(store, Clock()).take()
    assert asked == [DEVICE_TYPES, CROWDS_SHOWN_MAX]
