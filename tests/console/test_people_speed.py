"""How long a profile takes to appear does not grow with its events, whatever keeps them."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from knownas.core.profile.section import Section
from knownas.service.profile.sections import Sections
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.user_data import SectionKey
from tests.console.people_stage import event, identify, send_batch
from tests.console.stage import Stage, running
from tests.store.places import PLACES

FEW, MANY, A_BATCH = 10, 10_000, 100
ROUNDS, LONGER_TIMES = 40, 10
WORSE_MAX = 1.5
PAGES = ("", "/attributes", "/events", "/story", "/graph")
MEMORY = "memory"


@pytest.fixture(params=[MEMORY, *PLACES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each store in turn, with nothing in it."""
    with ExitStack() as made:
        if request.param == MEMORY:
            yield MemoryStore()
        else:
            yield made.enter_context(PLACES[request.param](tmp_path)).open()


async def populate(stage: Stage) -> tuple[str, str]:
    """Make somebody with few events and somebody with many, who is alike otherwise."""
    mpids: list[str] = []
    for name, count in (("few", FEW), ("many", MANY)):
        mpid = await identify(stage, customerid=name)
        for first in range(0, count, A_BATCH):
            events = [event(f"e-{number}", number=number) for number in range(first, min(first + A_BATCH, count))]
            await send_batch(stage, mpid, events=events)
        mpids.append(mpid)
    return mpids[0], mpids[1]


async def took(browser: httpx.AsyncClient, path: str) -> float:
    """Return how long a page took, in seconds."""
    began = time.perf_counter()
    answer = await browser.get(path)
    taken = time.perf_counter() - began
    assert answer.status_code == 200
    return taken


async def worse(browser: httpx.AsyncClient, few: str, many: str, page: str, rounds: int = ROUNDS) -> float:
    """Return how many times as long a page takes for many events as for few, asked in turn.

    The least that each takes is compared: what else runs on the machine only adds to it. Where that seems to be too long, it is
    measured for longer, so that both have had a quiet moment; pages that are slow by themselves stay so.
    """
    least = [float("inf"), float("inf")]
    for turn in range(rounds * LONGER_TIMES):
        for place in (0, 1) if turn % 2 else (1, 0):
            least[place] = min(least[place], await took(browser, f"/people/{(few, many)[place]}{page}"))
        if turn + 1 >= rounds and least[1] < WORSE_MAX * least[0]:
            break
    return least[1] / least[0]


@asynccontextmanager
async def with_people(store: Store) -> AsyncIterator[tuple[Stage, str, str]]:
    """Run the console over a store in which there is somebody with few events and somebody with many."""
    async with running(store=store) as stage:
        yield stage, *await populate(stage)


async def test_a_profile_with_many_events_appears_as_fast_as_one_with_few(store: Store) -> None:
    """10,000 events against 10: each page takes less than 1.5 times as long, measured in turn; the events are there."""
    async with with_people(store) as (stage, few, many):
        browser = await stage.signed_in()
        assert "e-9999" in (await browser.get(f"/people/{many}/events")).text
        ratios = {page: await worse(browser, few, many, page) for page in PAGES}
    assert {page: ratio for page, ratio in ratios.items() if ratio >= WORSE_MAX} == {}, ratios


async def test_pages_that_read_all_events_are_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is known of a profile is read together with all its events, a page takes far longer for many than for few."""
    of_profile = Sections.of_profile
    async with with_people(store) as (stage, few, many):
        event_pages = stage.service.event_pages

        async def slow(self: Sections, mpid: int) -> Mapping[SectionKey, Section]:
            found = await of_profile(self, mpid)
            for key in found:
                page = await event_pages.back(key, None, A_BATCH)
                while page.next is not None:
                    page = await event_pages.back(key, page.next, A_BATCH)
            return found

        monkeypatch.setattr(Sections, "of_profile", slow)
        browser = await stage.signed_in()
        assert await worse(browser, few, many, "", rounds=3) >= 2 * WORSE_MAX
