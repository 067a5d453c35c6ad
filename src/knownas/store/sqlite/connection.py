"""Opens connections to a knownas database file, brings its layout up to date, and names what goes wrong."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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
CHECKPOINT_PAGES: Final = 4_000
STATEMENTS_CACHED: Final = 256

OLDEST_SAFE_SQLITE: Final = (3, 51, 3)
"""Older libraries can lose writes when two connections use the WAL at once."""


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

    def changes(self) -> int:
        """Return how many rows the last statement changed."""
        ...

    def pragma(self, name: str, value: int | str | None = None) -> object:
        """Read or set a pragma."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


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


@contextmanager
def named_errors() -> Generator[None]:
    """Turn SQLite's errors into the store's vocabulary."""
    try:
        yield
    except apsw.Error as error:
        raise store_error(error) from error


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
