"""Lets several processes fold buckets, each of which it takes and gives back as files.

A process ends with the one that has started it, whatever ends that one: then nothing more comes through its pipe.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Final

from knownas.batch.backfill.buckets import Buckets
from knownas.batch.backfill.folding import FoldJob
from knownas.batch.backfill.limits import STOP_SECONDS
from knownas.batch.child import Child, Pipe, Trade, answer_each, settle_in


class FoldingStopped(Exception):
    """A process that folded is gone; run again, the backfill goes on with the buckets that are left."""


def fold_all(folder: Path, numbers: Sequence[int], job: FoldJob, processes: int, watch: Callable[[int], None]) -> None:
    """Fold buckets by so many processes, or here if it is one; `watch` is told the rows of each.

    Raises:
        FoldingStopped: a process is gone.
    """
    if processes == 1 or len(numbers) == 1:
        for number in numbers:
            watch(Buckets(folder).fold(number, job))
        return
    left, failed = iter(numbers), Event()

    def work(folding: "FoldingProcess") -> None:
        try:
            while not failed.is_set() and (number := next(left, None)) is not None:
                watch(folding.fold(number))
        except BaseException:
            failed.set()
            raise

    with ExitStack() as started, ThreadPoolExecutor(processes) as threads:
        crew = [started.enter_context(FoldingProcess(folder, job)) for _ in range(min(processes, len(numbers)))]
        for done in [threads.submit(work, one) for one in crew]:
            done.result()


_TRADE: Final = Trade("knownas-backfill", "a process of the backfill", FoldingStopped, STOP_SECONDS)


class FoldingProcess(Child):
    """Folds buckets in a process of its own. Used as a context, which ends with the process."""

    def __init__(self, folder: Path, job: FoldJob) -> None:
        """Start the process."""
        super().__init__(_TRADE, _fold_from, folder, job)

    def fold(self, number: int) -> int:
        """Let the process fold a bucket, and return how many rows it has.

        Raises:
            FoldingStopped: the process is gone.
            Exception: whatever it came to there.
        """
        return self.ask(number)


def _fold_from(pipe: Pipe, folder: Path, job: FoldJob) -> None:
    """Fold the buckets that come through a pipe, and answer each."""
    settle_in()
    buckets = Buckets(folder)

    async def fold(number: int) -> int:
        return buckets.fold(number, job)

    asyncio.run(answer_each(pipe, fold))
