"""Opens connections to a knownas database file, brings its layout up to date, and names what goes wrong.

The connections of one store take turns at writing (`Transactions`).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Any, Final, Protocol, cast

import apsw

from knownas.store.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from knownas.store.sqlite.statements import schema_steps

BUSY_TIMEOUT_MS: Final = 10_000
"""How long SQLite itself waits for a lock; only where no event loop has to wait with it."""

CACHE_KIB: Final = 512 * 1024
"""Of the file, what the connection that decides keeps in memory at most: a million profiles with three identities."""

READER_CACHE_KIB: Final = 16 * 1024
"""Of the file, what a connection that only reads keeps in memory at most."""

CHECKPOINT_PAGES: Final = 4_000
"""Pages of the write-ahead log after which it is written back into the file."""

STATEMENTS_CACHED: Final = 256
"""Statements that a connection keeps compiled."""

LOCK_PAUSE_SECONDS: Final = 0.004
"""The longest pause between two tries to take the write lock; each is random, so that nobody always comes last."""

LOCK_BLOCKS_MS: Final = 5
"""How long one try to take the write lock may hold up the event loop."""

OLDEST_SAFE_SQLITE: Final = (3, 51, 3)
"""Older libraries can lose writes when two connections use the WAL at once."""

_CHANCE: Final = SystemRandom()

Row = tuple[Any, ...]
Binding = int | str | bytes | None


class Cursor(Protocol):
    """The rows of a statement."""

    def __iter__(self) -> Iterator[Row]: ...
    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        ...


class Connection(Protocol):
    """The part of apsw's connection that we use; its own annotations are only whole from Python 3.12 on."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, statements: str, bindings: Sequence[Binding] = ()) -> Cursor:
        """Run a statement."""
        ...

    def executemany(self, statements: str, sequenceofbindings: Iterable[Sequence[Binding]]) -> Cursor:
        """Run a statement once for each of the bindings."""
        ...

    def changes(self) -> int:
        """Return how many rows the last statement changed."""
        ...

    def total_changes(self) -> int:
        """Return how many rows were changed since the connection was opened."""
        ...

    def interrupt(self) -> None:
        """End the statement under way, in whichever thread it runs, with an error."""
        ...

    def pragma(self, name: str, value: int | str | None = None) -> object:
        """Read or set a pragma."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class LostRace(Exception):
    """Somebody else was faster, or changed what a commit relied on: nothing of it may be kept."""


def first_row(connection: Connection, statement: str, bindings: Sequence[Binding] = ()) -> Row | None:
    """Run a statement and return the first of its rows, None if it has none."""
    return next(iter(connection.execute(statement, bindings)), None)


def open_connection(path: Path, *, read_only: bool = False) -> Connection:
    """Open a connection with the settings that our guarantees rest on.

    WAL with `synchronous=FULL`: a commit that returned survives `kill -9` and power loss. No memory mapping.

    Raises:
        StoreError: the file can't be opened, is no database, or the library is too old.
    """
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < OLDEST_SAFE_SQLITE:
        raise StoreUnavailable(f"SQLite {apsw.sqlite_lib_version()} is too old to be safe; 3.51.3 is needed")
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with named_errors():
        opened = apsw.Connection(str(path), flags=flags, statementcachesize=STATEMENTS_CACHED)
        opened.set_busy_timeout(BUSY_TIMEOUT_MS)
        # The planner must not look at bound values: with a partial index in sight it prepares anew for each.
        opened.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection = cast("Connection", opened)
        connection.pragma("cache_size", -(READER_CACHE_KIB if read_only else CACHE_KIB))
        if not read_only:
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    return connection


def migrate(connection: Connection) -> None:
    """Bring an empty or older database to this version's layout, in one transaction.

    Raises:
        StoreTooNew: a newer knownas has written it.
    """
    with named_errors():
        # The write lock comes before the version is read, so that two servers starting at once don't both migrate.
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply_steps(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _apply_steps(connection: Connection) -> None:
    current = cast("int", connection.pragma("user_version"))
    newest = schema_steps()[-1][0]
    if current > newest:
        raise StoreTooNew(f"the database has layout {current}, this knownas knows {newest}")
    for version, step in schema_steps():
        if version > current:
            connection.execute(step)
            connection.pragma("user_version", version)


class Transactions:
    """The write transactions of one store: one at a time, whichever of its connections they are on.

    SQLite has one write lock a file. Taking turns here keeps the store's own connections from waiting for each other
    inside SQLite, where waiting would hold up the event loop.
    """

    def __init__(self, wait_seconds: float) -> None:
        """`wait_seconds` is how long a transaction waits for another process's before it raises BusyError."""
        self._wait_seconds = wait_seconds
        self._turn = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="knownas-sqlite")
        self._closed = False

    @asynccontextmanager
    async def writing(self, connection: Connection) -> AsyncGenerator[None]:
        """Run what stands inside in a transaction: durable when it ends without an exception, undone otherwise.

        Raises:
            StoreUnavailable: no more transactions are begun.
            apsw.Error: the lock or the disk would not have it.
        """
        async with self._turn:
            await self._begin(connection)
            try:
                yield
                await self._end(connection)
            except BaseException:
                # After a full disk, for one, SQLite has rolled back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @asynccontextmanager
    async def resting(self) -> AsyncGenerator[None]:
        """Begin no transaction while what stands inside runs; those that are wanted meanwhile wait.

        Raises:
            StoreUnavailable: no more transactions are begun.
        """
        async with self._turn:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            yield

    async def close(self) -> None:
        """Begin no more transactions, and return when the one under way has ended."""
        self._closed = True
        async with self._turn:
            await asyncio.to_thread(self._disk.shutdown)

    async def _begin(self, connection: Connection) -> None:
        """Take the write lock, waiting for another process without holding up the event loop."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + self._wait_seconds
        while not self._closed:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                if clock() > give_up_at:
                    raise
                await asyncio.sleep(_CHANCE.uniform(0, LOCK_PAUSE_SECONDS))
            else:
                return
        raise StoreUnavailable("the store is closed")

    async def _end(self, connection: Connection) -> None:
        """Make the transaction durable, off the event loop's thread; no cancellation leaves it half done."""
        done = asyncio.get_running_loop().run_in_executor(self._disk, connection.execute, "COMMIT")
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            while not done.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((done,))
            raise


class SharedReads:
    """Lets all reads of one turn of the event loop share a transaction, since beginning one costs more than most reads.

    It ends before anything runs that was called for after it began. So whoever asks because of an acknowledgement,
    ours or another process's, is answered from a transaction that began after the acknowledged commit.
    """

    def __init__(self, connection: Connection) -> None:
        """Read over a connection that only reads, and that nobody else begins transactions on."""
        self._connection = connection
        self._begun = False

    def connection(self) -> Connection:
        """Return the connection, inside the transaction of this turn of the running event loop."""
        if not self._begun:
            self._connection.execute("BEGIN")
            self._begun = True
            asyncio.get_running_loop().call_soon(self.end)
        return self._connection

    def end(self) -> None:
        """End the transaction if one has begun."""
        if self._begun:
            self._begun = False
            self._connection.execute("COMMIT")


class _NamedErrors(AbstractContextManager[None]):
    """Has no state, so that one serves all: it stands around every statement, where a generator would be felt."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, apsw.Error):
            raise store_error(error) from error


_NAMED_ERRORS: Final = _NamedErrors()


def named_errors() -> AbstractContextManager[None]:
    """Turn SQLite's errors into the store's vocabulary."""
    return _NAMED_ERRORS


def store_error(error: apsw.Error) -> StoreError:
    """Name a SQLite error in the store's vocabulary."""
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(str(error))
        case apsw.FullError():
            return StoreFull(str(error))
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreReadOnly(str(error))
        case apsw.CorruptError() | apsw.NotADBError():
            return StoreDamaged(str(error))
        case _:
            return StoreUnavailable(f"{type(error).__name__}: {error}")
