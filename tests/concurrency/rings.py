"""Profiles in a ring that take a unique value from each other, all at the same time: two of them cross."""

import asyncio
from collections.abc import Iterable
from random import Random

from tests.concurrency.history import Call, Named
from tests.concurrency.households import CUSTOMER
from tests.concurrency.recording import Ask, Recorder

POOL = "converts/production"
TURNS = 5
"""Rounds of one ring; the next one has profiles of its own."""

SIZES = (2, 2, 3, 2, 5, 2, 10)


async def run_rings(recorder: Recorder, ask: Ask, rounds: int, first: int = 0, at_once: int = 2) -> None:
    """Let rings turn, several at once, the `first` and more, until there were so many rounds in all."""
    left = iter(range(first, first + -(-rounds // TURNS)))

    async def work() -> None:
        for number in left:
            await run_ring(recorder, ask, SIZES[number % len(SIZES)], f"ring {number}")

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())


async def run_ring(recorder: Recorder, ask: Ask, size: int, name: str) -> None:
    """Make a profile for each of some values; then each profile takes the next one's value, all at once, turn by turn."""
    random = Random(name)
    values = [f"{name} {place}" for place in range(size)]

    async def asked(place: int, call: Call) -> object:
        return (await recorder.record(place, call, lambda call: ask(call, random))).answer

    mpids: list[int] = []
    for place, value in enumerate(values):
        answer = await asked(place, Call("login", POOL, ((CUSTOMER, value),)))
        assert isinstance(answer, Named)
        mpids.append(answer.mpid)
    for turn in range(1, TURNS + 1):
        takes = _takes(mpids, values, turn)
        await asyncio.gather(*(asked(place, call) for place, call in enumerate(takes)))


def _takes(mpids: Iterable[int], values: list[str], turn: int) -> list[Call]:
    return [
        Call("modify", POOL, mpid=mpid, changes=((CUSTOMER, None, values[(place + turn) % len(values)]),))
        for place, mpid in enumerate(mpids)
    ]
