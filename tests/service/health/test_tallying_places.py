"""Servers over one database of each kind count together, and nothing twice: while they write at once, stop and start."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from knownas.core.health.intervals import Span
from knownas.service.health.census import CensusTaking
from knownas.service.health.tallying import Tallying
from knownas.store.conformance.census import visitors
from knownas.store.conformance.examples import SHOP, put
from tests.service.health.test_tallying import NOW_MS, Clock, note, now
from tests.store.places import PLACES, Place

SERVERS, TURNS = 4, 5


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give an empty database of each kind."""
    with PLACES[request.param](tmp_path) as made:
        yield made


async def test_servers_over_a_database_count_together(place: Place) -> None:
    """What each has counted is in the sum once, also what one noted that was closed in between."""
    stores = [place.open() for _ in range(SERVERS)]
    clock, total = Clock(), 0
    servers = [Tallying(store, clock) for store in stores]
    for turn in range(TURNS):
        for number, one in enumerate(servers):
            note(one, number + 1, NOW_MS)
            total += number + 1
        await asyncio.gather(*(one.write() for one in servers))
        await servers[turn % SERVERS].close()
        servers[turn % SERVERS] = Tallying(stores[turn % SERVERS], clock)
    for span in Span:
        assert sum((await now(servers[0], span)).values()) == total
    for store in stores:
        await store.close()


async def test_profiles_are_counted_over_each_kind_of_database(place: Place) -> None:
    """And what was counted is read by another server."""
    stores = [place.open() for _ in range(2)]
    await put(stores[0], *visitors(7, 1, "shared"))
    await CensusTaking(stores[0], Clock()).take()
    last = await CensusTaking(stores[1], Clock()).last()
    assert last is not None
    assert last.counted is not None
    assert last.crowds is not None
    assert last.counted.profiles[SHOP] == (0, 7, 0)
    assert last.crowds.largest[SHOP][0].anonymous == 7
    for store in stores:
        await store.close()
