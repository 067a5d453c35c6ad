"""Of several processes one at a time has a turn at a job."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from knownas.service.turns import Turns
from tests.store.places import PLACES, Place

MINUTE_MS = 60_000
PROCESSES = 6


class Time:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give an empty database of each kind."""
    with PLACES[request.param](tmp_path) as made:
        yield made


def test_one_process_has_a_turn(place: Place) -> None:
    """Of processes that ask at once one gets the turn; it may have it longer, the others when it is over or given back."""

    async def play() -> None:
        clock = Time()
        stores = [place.open() for _ in range(PROCESSES)]
        all_turns = [Turns(store, clock) for store in stores]
        for _ in range(5):
            got = await asyncio.gather(*(one.take("sweep", MINUTE_MS) for one in all_turns))
            assert sum(one is not None for one in got) == 1
            holder, other = (
                next(turns for turns, one in zip(all_turns, got, strict=True) if one),
                all_turns[got.index(None)],
            )
            assert await holder.take("sweep", MINUTE_MS)
            assert not await other.take("sweep", MINUTE_MS)
            assert await other.take("another job", MINUTE_MS)
            await other.give_back("sweep")
            assert not await other.take("sweep", MINUTE_MS)
            await holder.give_back("sweep")
            assert await other.take("sweep", MINUTE_MS)
            assert not await holder.take("sweep", MINUTE_MS)
            await other.give_back("another job")
            clock.now_ms += MINUTE_MS
        for store in stores:
            await store.close()

    asyncio.run(play())
