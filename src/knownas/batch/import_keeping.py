"""Keeps what rows say of their users, chunk by chunk behind the decisions, here or in a process of its own.

Who is decided to be whom never depends on what is known of them. So while the next chunk is being decided, a second
process keeps what the last one says. The two share no memory and send no rows to each other: both read the same file
in the same order, and only what the rows came to goes from the one to the other. The second process ends with the
first, whatever ends that one: then nothing more comes through the pipe between them.
"""

import asyncio
import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from knownas.batch.import_garbage import collected_afterwards
from knownas.batch.import_limits import STOP_SECONDS
from knownas.batch.import_reading import ImportFile, Row, RowReader, RowRefusal, UnreadableFile
from knownas.batch.import_rows import Reading, RowInterpreter, event_batch
from knownas.batch.import_sections import Said, keep_sections
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store
from knownas.store.user_data import UserDataStore


@dataclass(frozen=True, slots=True)
class Source:
    """The rows to be kept: of which file, read how, for which workspace and input, as said at one time."""

    file: ImportFile
    reading: Reading
    workspace: int
    input: str
    begun_ms: int
    after_row: int
    """Rows up to this one were kept by an earlier run."""


class CameTo(NamedTuple):
    """What the next rows came to, each to the profile with an MPID, or to none. `fresh` are those made just now."""

    last_row: int
    mpids: Sequence[int | None]
    fresh: frozenset[int]


class Keeper(Protocol):
    """Keeps what rows say of profiles. After each `begin` comes `end`, before the next one."""

    def begin(self, came_to: CameTo) -> None:
        """Take over what the next rows came to."""
        ...

    async def end(self) -> None:
        """Return when what was begun is durable. It can be done again by a later run.

        Raises:
            StoreError: it is not, or not all of it.
            UnreadableFile: the file has changed.
        """
        ...


class RowKeeper:
    """Reads the rows and folds them into sections, in this process."""

    def __init__(self, source: Source, store: UserDataStore) -> None:
        self._source = source
        self._store = store
        self._interpreter = RowInterpreter(source.reading)
        self._rows: Iterator[Row] = (row for row in RowReader(source.file) if row.number > source.after_row)
        self._begun: CameTo | None = None

    def begin(self, came_to: CameTo) -> None:
        """Take over what the next rows came to."""
        self._begun = came_to

    async def end(self) -> None:
        """Keep what was begun; see `Keeper`."""
        if self._begun is not None:
            begun, self._begun = self._begun, None
            await self.keep(begun)

    async def keep(self, came_to: CameTo) -> None:
        """Keep what the next rows say of the profiles that they came to; see `Keeper.end`."""
        with collected_afterwards():
            await self._keep(came_to)

    async def _keep(self, came_to: CameTo) -> None:
        source = self._source
        rows = list(islice(self._rows, len(came_to.mpids)))
        if len(rows) < len(came_to.mpids) or rows[-1].number != came_to.last_row:
            raise UnreadableFile(f"{source.file.path.name} has changed while it was imported")
        said: list[Said] = []
        for row, mpid in zip(rows, came_to.mpids, strict=True):
            if mpid is not None:
                content = self._interpreter.content(row)
                if not isinstance(content, RowRefusal):
                    batch = event_batch(content, source.reading, source.input, source.begun_ms)
                    said.append(Said(mpid, batch))
        await keep_sections(self._store, source.workspace, said, came_to.fresh)


class KeeperProcess:
    """A `RowKeeper` in a process of its own. Used as a context, which ends with the process."""

    def __init__(self, source: Source, database: str) -> None:
        """Start the process; it opens the database for itself."""
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=keep_from, args=(theirs, source, database), name="knownas-import", daemon=True
        )
        self._process.start()
        # Only the other process may hold its end, or nobody would notice that it is gone.
        theirs.close()
        self._is_under_way = False

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
        self._process.join(STOP_SECONDS)
        if self.is_alive:
            self._process.kill()
            self._process.join()

    def begin(self, came_to: CameTo) -> None:
        """Send what the next rows came to."""
        try:
            self._pipe.send(came_to)
        except OSError as error:
            raise _gone(error) from error
        self._is_under_way = True

    async def end(self) -> None:
        """Wait for the other process to have kept it; see `Keeper`."""
        if self._is_under_way:
            self._is_under_way = False
            failure = await asyncio.to_thread(self._answer)
            if failure is not None:
                raise failure

    def _answer(self) -> BaseException | None:
        try:
            return self._pipe.recv()
        except (OSError, EOFError) as error:
            return _gone(error)


def _gone(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"the process that keeps what rows say is gone ({type(error).__name__})")


def keep_from(pipe: "Connection[Any, Any]", source: Source, database: str) -> None:
    """Keep what comes through a pipe, and answer each with None or the exception that it came to."""
    # A terminal's interrupt goes to both processes; the first one says when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    asyncio.run(_keep_from(pipe, source, database))


async def _keep_from(pipe: "Connection[Any, Any]", source: Source, database: str) -> None:
    async with AsyncExitStack() as opened:
        keeper: RowKeeper | None = None
        # Without the first process there is nobody to hear from or to answer.
        with suppress(EOFError, OSError):
            while True:
                came_to: CameTo = pipe.recv()
                failure: Exception | None = None
                try:
                    if keeper is None:
                        store = open_store(database)
                        opened.push_async_callback(store.close)
                        keeper = RowKeeper(source, store.user_data)
                    await keeper.keep(came_to)
                except Exception as error:  # noqa: BLE001 - whatever it is, the other process raises it
                    error.add_note(traceback.format_exc())
                    failure = error
                pipe.send(failure)
