"""Stands between a store and its PostgreSQL server and knows the messages they send: notes, delays, loses or cuts them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from tests.postgres import PrivateServer

SOCKET = ".s.PGSQL.5432"
_LENGTH_BYTES = 4


class Way(Enum):
    """The direction of a message."""

    THERE = auto()
    BACK = auto()


class Where(Enum):
    """Where a connection is cut, seen from a message."""

    BEFORE = auto()
    INSIDE = auto()
    AFTER = auto()


class Cut(NamedTuple):
    """A place to cut: at which message of a direction, counted from 0 since `watch`, and where."""

    way: Way
    number: int
    where: Where


class WireProxy:
    """Listens on a socket of its own and passes messages on, one by one. Cuts once at the place it is told."""

    def __init__(self, server: PrivateServer, folder: Path) -> None:
        self._target = server.folder / SOCKET
        self._socket = folder / SOCKET
        self._seen: dict[Way, list[str]] = {}
        self._cut: Cut | None = None
        self.delay: Callable[[], float] = lambda: 0.0
        """Returns how long the next message is held back, in seconds."""
        self.loses: Callable[[], bool] = lambda: False
        """Decides for each message whether the connection is cut at it."""
        self.cuts = 0
        self._serving: set[asyncio.Task[None]] = set()

    def watch(self, cut: Cut | None = None) -> None:
        """Begin to count messages, and cut at one if told."""
        self._seen = {way: [] for way in Way}
        self._cut = cut

    def message_at(self, way: Way, number: int) -> str:
        """Return the type of a message that was passed on since `watch`."""
        return self._seen[way][number]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen until the block ends."""
        self.watch()
        async with await asyncio.start_unix_server(self._serve, self._socket):
            try:
                yield
            finally:
                for one in self._serving:
                    one.cancel()
                await asyncio.gather(*self._serving)

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        with suppress(asyncio.CancelledError):
            await self._pass_on(near, to_near)
        self._serving.discard(serving)

    async def _pass_on(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            far, to_far = await asyncio.open_unix_connection(self._target)
        except OSError:
            to_near.transport.abort()
            return
        ways = (self._pass(Way.THERE, near, to_far), self._pass(Way.BACK, far, to_near))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for writer in (to_near, to_far):
                writer.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The first message of a client has no type.
        is_typed = way is Way.BACK
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(is_typed + _LENGTH_BYTES)
                length = int.from_bytes(head[-_LENGTH_BYTES:])
                message = head + await reader.readexactly(length - _LENGTH_BYTES)
                where = self._where(way, head[:1].decode("latin-1") if is_typed else "startup")
                is_typed = True
                pause = self.delay()
                if pause:
                    await asyncio.sleep(pause)
                end = {Where.BEFORE: 0, Where.INSIDE: len(message) // 2}.get(where, len(message))
                writer.write(message[:end])
                await writer.drain()
                if where is not None:
                    self.cuts += 1
                    return

    def _where(self, way: Way, kind: str) -> Where | None:
        """Return where to cut at this message, if at all."""
        number = len(self._seen[way])
        self._seen[way].append(kind)
        cut = self._cut
        if cut is not None and (cut.way, cut.number) == (way, number):
            self._cut = None
            return cut.where
        return Where.INSIDE if self.loses() else None
