"""Lets several processes do the work of a fold, each over connections of its own to the database.

Work and what it came to go through pipes; lines and records stay where they are, in files or with whoever folds them. A
process ends with the one that has started it, whatever ends that one: then nothing more comes through the pipe.
"""

import asyncio
import gc
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from random import SystemRandom
from types import TracebackType
from typing import Final, Protocol, Self

from knownas.batch.child import Child, Pipe, Trade, answer_each, settle_in
from knownas.batch.folding_limits import STOP_SECONDS
from knownas.batch.folding_working import FoldWorker, Plan, Work
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store, open_whole
from knownas.store.port import Store
from knownas.store.whole import WholeReader

_SEED: Final = "PYTHONHASHSEED"
_SEEDS: Final = 2**32
"""The environment variable that a starting Python takes the seed of its hashes from, and how many there are."""


class DoesWork(Protocol):
    """Does one piece of work after the other, here or in another process."""

    async def do(self, work: Work) -> object:
        """See `FoldWorker.do`."""
        ...


_TRADE: Final = Trade("knownas-fold", "a process that folds", StoreUnavailable, STOP_SECONDS, hasty=True)


class FoldProcess(Child):
    """A `FoldWorker` in a process of its own. Used as a context, which ends with the process."""

    def __init__(self, plan: Plan, niceness: int, seed: int) -> None:
        """Start the process. `niceness` is how much it gives way to others, `seed` is that of its hashes."""
        with _same_hashes(seed):
            super().__init__(_TRADE, work_from, plan, niceness)

    async def do(self, work: Work) -> object:
        """Let the process do a piece of work.

        Raises:
            StoreUnavailable: the process is gone.
            Exception: whatever it came to there.
        """
        return await asyncio.to_thread(self.ask, work)


@contextmanager
def _same_hashes(seed: int) -> Generator[None]:
    """Let a process that is started meanwhile hash names as its fellows do."""
    before = os.environ.get(_SEED)
    os.environ[_SEED] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SEED]
        else:
            os.environ[_SEED] = before


def work_from(pipe: Pipe, plan: Plan, niceness: int) -> None:
    """Do the work that comes through a pipe, and answer each piece with what it came to."""
    settle_in()
    os.nice(niceness)
    # A fold makes very many values that hold no cycles, and this process does nothing else.
    gc.disable()
    asyncio.run(_work_from(pipe, plan))


async def _work_from(pipe: Pipe, plan: Plan) -> None:
    async with AsyncExitStack() as opened:
        worker: FoldWorker | None = None

        async def done(work: Work) -> object:
            nonlocal worker
            try:
                worker = worker or await _opened(plan, opened)
                return await worker.do(work)
            finally:
                gc.collect(0)

        await answer_each(pipe, done)


async def _opened(plan: Plan, opened: AsyncExitStack) -> FoldWorker:
    store = open_store(plan.database)
    opened.push_async_callback(store.close)
    whole = open_whole(plan.database)
    opened.push_async_callback(whole.close)
    return FoldWorker(plan, store, whole)


Over = tuple[Store, WholeReader]
"""A store and a reader of it that are open already."""


class Crew:
    """Those who do the work of a fold: other processes, or this one alone. Used as a context."""

    def __init__(self, plan: Plan, processes: int, niceness: int = 0, over: Over | None = None) -> None:
        """`processes` 0 lets this process do it, which takes the event loop for long; then `over` may be open already."""
        self._over = over
        self._plan = plan
        self._processes = processes
        self._niceness = niceness
        self._opened = AsyncExitStack()
        self._workers: Sequence[DoesWork] = ()

    async def __aenter__(self) -> Self:
        if self._processes:
            seed = 1 + SystemRandom().randrange(_SEEDS - 1)
            self._workers = [
                self._opened.enter_context(FoldProcess(self._plan, self._niceness, seed))
                for _ in range(self._processes)
            ]
        elif self._over is not None:
            self._workers = [FoldWorker(self._plan, *self._over)]
        else:
            self._workers = [await _opened(self._plan, self._opened)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.__aexit__(kind, error, trace)

    async def do(self, all_work: Sequence[Work], done: Callable[[object], None] = lambda _: None) -> list[object]:
        """Do all of a round; return what each piece came to. `done` is told of each when it has come to its end.

        Raises:
            StoreError: the database does not answer, or a process is gone.
        """
        left = iter(enumerate(all_work))
        results: dict[int, object] = {}

        async def work_on(worker: DoesWork) -> None:
            for number, work in left:
                results[number] = await worker.do(work)
                done(results[number])

        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(work_on(worker))
        except BaseExceptionGroup as several:
            # What one came to has ended the work of all.
            raise several.exceptions[0] from None
        return [results[number] for number in range(len(all_work))]
