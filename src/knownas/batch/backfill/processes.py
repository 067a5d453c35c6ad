"""Lets several processes fold buckets, each of which it takes and gives back as files.

A process ends with the one that has started it, whatever ends that one: then nothing more comes through its pipe.
"""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

from knownas.batch.backfill.buckets import Buckets
from knownas.batch.backfill.folding import FoldJob
from knownas.batch.backfill.limits import STOP_SECONDS


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


class FoldingProcess:
    """Folds buckets in a process of its own. Used as a context, which ends with the process."""

    def __init__(self, folder: Path, job: FoldJob) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_fold_from, args=(theirs, folder, job), name="knownas-backfill", daemon=True
        )
        self._process.start()
        # Only the other process may hold its end, or nobody would notice that it is gone.
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the process that nothing more comes, and wait until it has ended."""
        self._pipe.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def fold(self, number: int) -> int:
        """Let the process fold a bucket, and return how many rows it has.

        Raises:
            FoldingStopped: the process is gone.
            Exception: whatever it came to there.
        """
        try:
            self._pipe.send(number)
            answer: int | Exception = self._pipe.recv()
        except (OSError, EOFError) as error:
            raise FoldingStopped(f"a process of the backfill is gone ({type(error).__name__})") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _fold_from(pipe: "Connection[Any, Any]", folder: Path, job: FoldJob) -> None:
    """Fold the buckets that come through a pipe, and answer each."""
    # A terminal's interrupt goes to all processes; the first one says when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    buckets = Buckets(folder)
    # Without the first process there is nobody to hear from or to answer.
    with suppress(EOFError, OSError):
        while True:
            number = pipe.recv()
            try:
                answer: int | Exception = buckets.fold(number, job)
            except Exception as error:  # noqa: BLE001 - the other process raises it
                error.add_note(traceback.format_exc())
                answer = error
            pipe.send(answer)
