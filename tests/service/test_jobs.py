"""Jobs that take minutes: one at a time among processes, in their order, past the end of any process."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from knownas.core.identity.document import Document
from knownas.service import jobs as jobs_module
from knownas.service.history.folds import Stage, Tell
from knownas.service.jobs import Job, JobKind, Jobs, JobState, TooManyWait
from knownas.service.limits import JOB_ATTEMPTS_MAX, JOB_TURN_MS, JOBS_KEPT_MAX, JOBS_WAITING_MAX
from knownas.service.turns import Turns
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.store.places import PLACES, Place
from tests.waiting import until

SCOPE = "shop"
PATIENCE_SECONDS = 20


class Time:
    """A clock that goes on by a millisecond whenever it is looked at."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        self.now_ms += 1
        return self.now_ms


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes look for jobs all the time."""
    monkeypatch.setattr(jobs_module, "JOB_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(jobs_module, "JOB_TELL_SECONDS", 0.02)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give an empty database of each kind."""
    with PLACES[request.param](tmp_path) as made:
        yield made


class Worker:
    """Does rehearsals, and remembers which; waits while it is told to, and fails with what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.under_way = self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None

    async def work(self, job: Job, tell: Tell) -> Document:
        """Do a job."""
        self.begun.append(job.id)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            tell(Stage("folding", 1, 2))
            await asyncio.sleep(0)
            await self.open.wait()
            if self.failure is not None:
                raise self.failure
            return {"about": job.asked}
        finally:
            self.under_way -= 1


def process(store: Store, worker: Worker, clock: Callable[[], int], *, shares: bool = False) -> Jobs:
    """Return the jobs of one process."""
    turns = Turns(store, clock) if shares else None
    return Jobs(store, {JobKind.REHEARSAL: worker.work}, clock, turns)


async def until_it_is(state: JobState, jobs: Jobs, job: Job) -> tuple[Job, Document | None]:
    """Wait until a job is in a state."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await jobs.find(JobKind.REHEARSAL, SCOPE, job.id)
            assert found is not None
            if found[0].state is state:
                return found
            await asyncio.sleep(0.01)


def played(play: Coroutine[Any, Any, None]) -> None:
    """Play to the end."""
    asyncio.run(play)


def test_jobs_are_done_one_at_a_time_in_their_order(place: Place) -> None:
    """Of several processes one does each job, the oldest first, and the report is what came of it."""

    async def play() -> None:
        clock, worker = Time(), Worker()
        stores = [place.open() for _ in range(3)]
        processes = [process(store, worker, clock, shares=True) for store in stores]
        asked = [await processes[number % 3].add(JobKind.REHEARSAL, SCOPE, {"number": number}) for number in range(5)]
        for one in processes:
            one.start()
        for number, job in enumerate(asked):
            _, report = await until_it_is(JobState.DONE, processes[0], job)
            assert report == {"about": {"number": number}}
        assert worker.begun == [job.id for job in asked]
        assert worker.most == 1
        for one, store in zip(processes, stores, strict=True):
            await one.close()
            await store.close()

    played(play())


def test_jobs_that_ask_for_no_turn_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: of processes that all believe to have the turn, several do one job."""

    async def always(_: Jobs) -> bool:
        return True

    async def play() -> None:
        clock, store, worker = Time(), MemoryStore(), Worker()
        worker.open.clear()
        processes = [process(store, worker, clock, shares=True) for _ in range(3)]
        job = await processes[0].add(JobKind.REHEARSAL, SCOPE, {})
        for one in processes:
            one.start()

        async def meet() -> bool:
            return worker.most > 1

        await until(meet, PATIENCE_SECONDS)
        assert set(worker.begun) == {job.id}
        for one in processes:
            await one.close()

    monkeypatch.setattr(Jobs, "_turn", always)
    played(play())


def test_a_job_is_begun_again_where_its_process_has_gone(place: Place) -> None:
    """What a process has left is taken by another one when the turn is over, and not before."""

    async def play() -> None:
        clock, lost, worker = Time(), Worker(), Worker()
        lost.open.clear()
        stores = [place.open() for _ in range(2)]
        first, second = (
            process(store, one, clock, shares=True) for store, one in zip(stores, (lost, worker), strict=True)
        )
        job = await first.add(JobKind.REHEARSAL, SCOPE, {})
        first.start()
        await until_it_is(JobState.RUNNING, first, job)
        # It dies: nothing of it is done any more, and nobody is told.
        first._put = never  # type: ignore[method-assign]
        task = first._task
        assert task is not None
        task.cancel()
        await asyncio.wait((task,))
        second.start()
        await asyncio.sleep(0.2)
        assert worker.begun == []
        clock.now_ms += JOB_TURN_MS
        found, _ = await until_it_is(JobState.DONE, second, job)
        assert (worker.begun, found.attempts) == ([job.id], 2)
        await second.close()
        for store in stores:
            await store.close()

    async def never(*_: object, **__: object) -> Job:
        raise StoreUnavailable("the process is gone")

    played(play())


def test_a_job_that_is_stopped_waits_again() -> None:
    """A server that is told to stop puts its job back; the next one does it, as if it were the first."""

    async def play() -> None:
        clock, store, stopped, worker = Time(), MemoryStore(), Worker(), Worker()
        stopped.open.clear()
        first = process(store, stopped, clock)
        job = await first.add(JobKind.REHEARSAL, SCOPE, {})
        first.start()
        found, _ = await until_it_is(JobState.RUNNING, first, job)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not found.doing:
                await asyncio.sleep(0.01)
                found, _ = await until_it_is(JobState.RUNNING, first, job)
        assert (found.doing, found.done, found.of) == ("folding", 1, 2)
        await first.close()
        await until_it_is(JobState.QUEUED, first, job)
        second = process(store, worker, clock)
        second.start()
        found, _ = await until_it_is(JobState.DONE, second, job)
        assert found.attempts == 1
        await second.close()

    played(play())


def test_a_job_that_fails_says_why() -> None:
    """A store that does not answer is asked again some times; anything else ends the job, and the next one is done."""

    async def play() -> None:
        clock, store, worker = Time(), MemoryStore(), Worker()
        jobs = process(store, worker, clock)
        jobs.start()
        worker.failure = StoreUnavailable("no answer")
        job = await jobs.add(JobKind.REHEARSAL, SCOPE, {})
        found, report = await until_it_is(JobState.FAILED, jobs, job)
        assert (found.why, report, len(worker.begun)) == ("no answer", None, JOB_ATTEMPTS_MAX)
        worker.failure = ValueError("a fault of ours")
        found, _ = await until_it_is(JobState.FAILED, jobs, await jobs.add(JobKind.REHEARSAL, SCOPE, {}))
        assert (found.why, found.attempts) == ("ValueError: a fault of ours", 1)
        worker.failure = None
        await until_it_is(JobState.DONE, jobs, await jobs.add(JobKind.REHEARSAL, SCOPE, {}))
        await jobs.close()

    played(play())


def test_few_jobs_wait_and_the_oldest_are_forgotten() -> None:
    """As many wait as may; of those that are over the oldest makes room, with its report."""

    async def play() -> None:
        clock, store, worker = Time(), MemoryStore(), Worker()
        jobs = process(store, worker, clock)
        waiting = [await jobs.add(JobKind.REHEARSAL, SCOPE, {}) for _ in range(JOBS_WAITING_MAX)]
        with pytest.raises(TooManyWait):
            await jobs.add(JobKind.REHEARSAL, SCOPE, {})
        jobs.start()
        await until_it_is(JobState.DONE, jobs, waiting[-1])
        for number in range(JOBS_KEPT_MAX):
            job = await jobs.add(JobKind.REHEARSAL, SCOPE, {"number": number})
            _, report = await until_it_is(JobState.DONE, jobs, job)
            assert report == {"about": {"number": number}}
        assert len(await jobs.listed(JobKind.REHEARSAL, SCOPE)) == JOBS_KEPT_MAX
        assert await jobs.find(JobKind.REHEARSAL, SCOPE, waiting[0].id) is None
        assert await jobs.find(JobKind.RESOLUTION, SCOPE, job.id) is None
        assert await jobs.find(JobKind.REHEARSAL, "club", job.id) is None
        await jobs.close()

    played(play())
