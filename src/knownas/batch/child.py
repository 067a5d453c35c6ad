"""Lets another process do work for this one: what is asked goes through a pipe, and so does each answer.

A process ends with the one that has started it, whatever ends that one: then nothing more comes through the pipe.
"""

import asyncio
import os
import signal
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, TypeAlias

Pipe: TypeAlias = "Connection[Any, Any]"
"""One end of what two processes say to each other."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What kind of process it is: its name for the system, what people call it, and what its end is to whoever asks it.

    It may take so many seconds to end; a `hasty` one is ended at once when something has gone wrong here.
    """

    name: str
    called: str
    gone: Callable[[str], Exception]
    stop_seconds: float
    hasty: bool = False


class Child:
    """A process that answers what it is asked. Used as a context, which ends with the process."""

    def __init__(self, trade: Trade, work: Callable[..., None], *arguments: object) -> None:
        """Start the process: `work` gets its end of the pipe and the arguments there."""
        self._trade = trade
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *arguments), name=trade.name, daemon=True)
        self._process.start()
        # Only the other process may hold its end, or nobody would notice that it is gone.
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the process that nothing more comes, and wait until it has ended."""
        self._pipe.close()
        if kind is not None and self._trade.hasty:
            self._process.terminate()
        self._process.join(self._trade.stop_seconds)
        if self.is_alive:
            self._process.kill()
            self._process.join()

    def ask(self, asked: object) -> Any:
        """Return what the process answers.

        Raises:
            Exception: the trade's, if the process is gone; otherwise whatever it came to there.
        """
        try:
            self._pipe.send(asked)
            answer = self._pipe.recv()
        except (OSError, EOFError) as error:
            raise self._trade.gone(f"{self._trade.called} is gone ({type(error).__name__})") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def settle_in() -> None:
    """Make this process one that works for another."""
    # A terminal's interrupt goes to all processes; the first one says when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)


async def answer_each(pipe: Pipe, work: Callable[[Any], Awaitable[object]]) -> None:
    """Answer each piece of work that comes through a pipe with what it came to, until nothing more comes."""
    # Without the first process there is nobody to hear from or to answer.
    with suppress(EOFError, OSError):
        while True:
            # What was left for the end of this turn comes first, such as the end of a transaction: waiting here holds up all else.
            await asyncio.sleep(0)
            asked = pipe.recv()
            try:
                answer = await work(asked)
            except Exception as error:  # noqa: BLE001 - the other process raises this one too
                answer = explained(error)
            pipe.send(answer)


def explained(error: Exception) -> Exception:
    """Return an error as it can be raised in the other process, with where it came from."""
    error.add_note(traceback.format_exc())
    return error
