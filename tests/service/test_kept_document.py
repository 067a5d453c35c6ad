"""Whoever changes a small document changes what is there then: no change of anybody is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from knownas.service import kept_document
from knownas.service.kept_document import put, rewrite
from knownas.service.limits import REWRITE_ATTEMPTS_MAX
from knownas.store.errors import StoreBusy
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.store.places import PLACES, Place

NAME = "counted"
PROCESSES, TIMES = 4, 10

AddOne = Callable[[Store], Awaitable[None]]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give an empty database of each kind."""
    with PLACES[request.param](tmp_path) as made:
        yield made


def one_more(kept: bytes | None) -> bytes:
    """Count on."""
    return b"%d" % (int(kept or b"0") + 1)


async def counted(place: Place, add_one: AddOne) -> int:
    """Let several processes count at once; return how far they have come together."""
    stores = [place.open() for _ in range(PROCESSES)]

    async def count(store: Store) -> None:
        for _ in range(TIMES):
            await add_one(store)

    try:
        await asyncio.gather(*(count(store) for store in stores))
        return int(await stores[0].kept(NAME) or b"0")
    finally:
        for store in stores:
            await store.close()


def test_no_change_is_lost(place: Place) -> None:
    """Each change is made of what is kept, however many make one at once."""
    assert asyncio.run(counted(place, lambda store: rewrite(store, NAME, one_more))) == PROCESSES * TIMES


def test_one_who_does_not_try_again_is_caught(place: Place) -> None:
    """The same trial finds out one who does not care that somebody was faster."""

    async def once(store: Store) -> None:
        before = await store.kept(NAME)
        await asyncio.sleep(0)
        await put(store, NAME, before, one_more(before))

    assert asyncio.run(counted(place, once)) < PROCESSES * TIMES


@pytest.mark.parametrize("make", [lambda kept: kept, lambda _: None], ids=["the same", "None"])
async def test_what_stays_is_not_written(
    make: Callable[[bytes | None], bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nothing changes, nothing is written, whether something is kept or not."""

    async def written(*what: object) -> bool:
        raise AssertionError(what)

    monkeypatch.setattr(kept_document, "put", written)
    store = MemoryStore()
    await rewrite(store, NAME, make)
    assert await store.kept(NAME) is None
    await store.keep(NAME, b"1")
    await rewrite(store, NAME, make)
    assert await store.kept(NAME) == b"1"


async def test_whoever_loses_each_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many times that somebody was faster it is given up, and the document is as that somebody wrote it."""
    made: list[bytes | None] = []

    async def no_pause(attempt: int) -> None:
        assert attempt == len(made) - 1

    class Faster(MemoryStore):
        async def kept(self, name: str) -> bytes | None:
            kept = await super().kept(name)
            if kept is None:
                await self.keep(name, b"1")
            else:
                await self.replace_kept(name, kept, one_more(kept))
            return kept

    def make(kept: bytes | None) -> bytes:
        made.append(kept)
        return b"ours"

    monkeypatch.setattr(kept_document, "pause_before_retry", no_pause)
    with pytest.raises(StoreBusy, match=NAME):
        await rewrite(Faster(), NAME, make)
    assert len(made) == REWRITE_ATTEMPTS_MAX
