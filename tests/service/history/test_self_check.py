"""When a server checks its database, and what it remembers of it."""

import asyncio

from knownas.config.values import SelfCheckSettings
from knownas.core.identity.document import Document
from knownas.service.history.folds import Tell
from knownas.service.history.self_check import SelfCheck
from knownas.service.jobs import Job, JobKind, Jobs
from knownas.service.turns import Turns
from knownas.store.memory.store import MemoryStore

HOUR_MS = 3_600_000
LOOKS_MAX = 2_000


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms


async def found_two(_job: Job, _tell: Tell) -> Document:
    """Stand for a check that finds two differences."""
    return {"differing": 2, "seconds": 1.5}


async def until_over(check: SelfCheck) -> Document:
    """Wait until nothing is under way any more."""
    for _ in range(LOOKS_MAX):
        document = await check.document()
        if document["under_way"] is None:
            return document
        await asyncio.sleep(0.01)
    raise AssertionError(document)


def check_of(store: MemoryStore, clock: Hands, every_hours: int | None) -> tuple[SelfCheck, Jobs]:
    """Make the checks of one process."""
    turns = Turns(store, clock)
    jobs = Jobs(store, {JobKind.SELF_CHECK: found_two}, clock, turns)
    return SelfCheck(jobs, SelfCheckSettings(every_hours), clock, turns), jobs


async def test_a_check_is_asked_for_when_it_is_due() -> None:
    """At first, and again when the hours are over; not before, and never if the settings say nothing."""
    store, clock = MemoryStore(), Hands()
    never, _ = check_of(store, clock, None)
    await never.look()
    assert (await never.document())["under_way"] is None
    check, jobs = check_of(store, clock, 2)
    jobs.start()
    try:
        await check.look()
        first = await until_over(check)
        await check.look()
        assert await check.document() == first
        clock.now_ms += 2 * HOUR_MS
        await check.look()
        second = await until_over(check)
        assert second["last"] != first["last"]
    finally:
        await jobs.close()


async def test_of_two_processes_one_asks() -> None:
    """Both see that a check is due, and one check is under way; who asks for one meanwhile gets the same."""
    store, clock = MemoryStore(), Hands()
    (one, _), (other, _) = check_of(store, clock, 1), check_of(store, clock, 1)
    await asyncio.gather(one.look(), other.look())
    jobs = await Jobs(store, {}, clock).listed(JobKind.SELF_CHECK, "")
    assert len(jobs) == 1
    assert await other.ask() == jobs[0].id


async def test_every_process_learns_what_was_found() -> None:
    """What the metrics show is known to processes that did not check, from their next look on."""
    store, clock = MemoryStore(), Hands()
    check, jobs = check_of(store, clock, 1)
    other, _ = check_of(store, clock, 1)
    jobs.start()
    try:
        await check.ask()
        await until_over(check)
    finally:
        await jobs.close()
    assert other.last is None
    await other.look()
    assert other.last is not None
    assert (other.last.differing, other.last.at_seconds, other.last.seconds) == (2, clock.now_ms / 1000, 1.5)
