"""How long a profile takes to appear does not grow with its events."""

import time

import httpx

from tests.console.people_stage import event, identify, send_batch
from tests.console.stage import Stage, running

FEW, MANY, A_BATCH = 10, 10_000, 100
ROUNDS = 40
WORSE_MAX = 1.5


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


async def test_a_profile_with_many_events_appears_as_fast_as_one_with_few() -> None:
    """10,000 events against 10: each page takes less than 1.5 times as long, measured in turn; the events are there."""
    async with running() as stage:
        few, many = await populate(stage)
        browser = await stage.signed_in()
        assert "e-9999" in (await browser.get(f"/people/{many}/events")).text
        for page in ("", "/attributes", "/events"):
            times: tuple[list[float], list[float]] = ([], [])
            for turn in range(ROUNDS):
                for place in (0, 1) if turn % 2 else (1, 0):
                    times[place].append(await took(browser, f"/people/{(few, many)[place]}{page}"))
            # The least that each takes: what else runs on the machine only adds to it.
            ratio = min(times[1]) / min(times[0])
            assert ratio < WORSE_MAX, f"{page or 'overview'}: {ratio:.2f} times as long"
