"""Does something again and again beside what is served, with a pause between two times, until it is closed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from knownas.store.errors import StoreError


class Repeating:
    """One thing that is looked after now and then. One event loop, one of these."""

    def __init__(
        self, look: Callable[[], Awaitable[object]], every_seconds: float, log: logging.Logger, what: str, later: str
    ) -> None:
        """`look` is done every so many seconds. Where it fails, `log` is told of `what`, and that it is done `later`."""
        self._look: Final = look
        self._every_seconds: Final = every_seconds
        self._log: Final = log
        self._what: Final = what
        self._later: Final = later
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, a pause from now, if that has not been done."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._repeat())

    async def close(self) -> None:
        """Stop, also what is under way. May be called twice, or without a start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            try:
                await self._look()
            except StoreError as error:
                self._log.warning("%s: the store does not answer, %s: %s", self._what, self._later, error)
            except Exception:  # noqa: BLE001 - a fault of ours must not end it, and is told
                self._log.exception(self._what)


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for something, but only for a while; returns whether it has happened."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
