"""Opens the store that a configuration's `database` names."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from knownas.store.bulk import BulkEnd
from knownas.store.copying import CopyEnd
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite.bulk import SqliteBulkEnd
from knownas.store.sqlite.copying import SqliteCopyEnd
from knownas.store.sqlite.migrating import migrate as migrate_file
from knownas.store.sqlite.store import SqliteStore
from knownas.store.sqlite.whole import SqliteWhole
from knownas.store.whole import WholeReader

SQLITE: Final = "sqlite:///"
MEMORY: Final = "memory://"
POSTGRES: Final = ("postgresql://", "postgres://")


def open_store(database: str, *, reads_much: bool = False) -> Store:
    """Open `sqlite:///file`, `postgresql://user@host/name` or `memory://`.

    A file is relative to the working directory; `sqlite:////file` is absolute. A PostgreSQL server is first asked when
    the store is. Whoever `reads_much` of a file has more of it kept in memory.

    Raises:
        StoreError: it can't be opened, or no adapter serves such an address.
    """
    if database.startswith(SQLITE):
        return SqliteStore(Path(database.removeprefix(SQLITE)), reads_much=reads_much)
    if database.startswith(POSTGRES):
        return _open_postgres(database)
    if database == MEMORY:
        return MemoryStore()
    scheme = database.partition(":")[0]
    raise StoreUnavailable(f"no store serves {scheme!r}; {_KEEPING}")


def open_copy_end(database: str, *, makes: bool = False, is_snapshot: bool = False) -> CopyEnd:
    """Open a database to copy from or into; with `makes`, a file that is not there is made.

    With `is_snapshot` it is only read, all of it as of one moment, whoever writes meanwhile.

    Raises:
        StoreError: it can't be opened, or is not of a kind that keeps anything.
    """
    if database.startswith(SQLITE):
        return SqliteCopyEnd(Path(database.removeprefix(SQLITE)), makes=makes, is_snapshot=is_snapshot)
    if database.startswith(POSTGRES):
        with _driver():
            from knownas.store.postgres.copying import PostgresCopyEnd  # noqa: PLC0415 - only an extra brings its driver
        return PostgresCopyEnd(database, is_snapshot=is_snapshot)
    raise StoreUnavailable(f"nothing can be copied from or to {database!r}; {_KEEPING}")


async def migrate(database: str, tell: Callable[[str], None]) -> None:
    """Bring a database's layout up to date, which the start of a server does too, and tell in sentences what was done.

    Raises:
        StoreError: it can't be opened, or is for a newer knownas.
    """
    if database.startswith(SQLITE):
        migrate_file(Path(database.removeprefix(SQLITE)), tell)
    elif database.startswith(POSTGRES):
        with _driver():
            from knownas.store.postgres import migrating  # noqa: PLC0415 - only an extra brings its driver
            from knownas.store.postgres.address import read_address  # noqa: PLC0415
        await migrating.migrate(read_address(database), tell)
    else:
        raise StoreUnavailable(f"{database!r} keeps nothing; {_KEEPING}")


async def distribute(database: str, shards: int, tell: Callable[[str], None]) -> None:
    """Distribute a database over the servers of a Citus cluster, and tell in sentences what was done.

    Raises:
        StoreError: it is none that can be distributed.
    """
    if not database.startswith(POSTGRES):
        scheme = database.partition(":")[0]
        raise StoreUnavailable(
            f"{scheme!r} is on one machine; only PostgreSQL with the extension Citus can be distributed: `knownas copy` "
            "brings everything there"
        )
    with _driver():
        from knownas.store.postgres import migrating  # noqa: PLC0415 - only an extra brings its driver
        from knownas.store.postgres.address import read_address  # noqa: PLC0415
    await migrating.distribute(read_address(database), shards, tell)


def open_whole(database: str) -> WholeReader:
    """Open a database that is to be read as a whole.

    Raises:
        StoreError: it can't be opened, or is not of a kind that keeps anything.
    """
    if database.startswith(SQLITE):
        return SqliteWhole(Path(database.removeprefix(SQLITE)))
    if database.startswith(POSTGRES):
        with _driver():
            from knownas.store.postgres.whole import PostgresWhole  # noqa: PLC0415 - only an extra brings its driver
        return PostgresWhole(database)
    raise StoreUnavailable(f"{database!r} keeps nothing that could be read as a whole; {_KEEPING}")


def open_bulk_end(database: str) -> BulkEnd:
    """Open a database to put new pools into.

    Raises:
        StoreError: it can't be opened, or is not of a kind that keeps anything.
    """
    if database.startswith(SQLITE):
        return SqliteBulkEnd(Path(database.removeprefix(SQLITE)))
    if database.startswith(POSTGRES):
        with _driver():
            from knownas.store.postgres.bulk import PostgresBulkEnd  # noqa: PLC0415 - only an extra brings its driver
        return PostgresBulkEnd(database)
    raise StoreUnavailable(f"nothing can be put into {database!r} at once; {_KEEPING}")


_KEEPING: Final = f"use {SQLITE}knownas.db or {POSTGRES[0]}user@host/name"


def is_shared(database: str) -> bool:
    """Whether many server processes are meant to work over such a database at once."""
    return database.startswith(POSTGRES)


def _open_postgres(database: str) -> Store:
    with _driver():
        from knownas.store.postgres.store import PostgresStore  # noqa: PLC0415 - only an extra brings its driver
    return PostgresStore(database)


@contextmanager
def _driver() -> Generator[None]:
    """Say what to install where the driver is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"{POSTGRES[0]} needs the package {error.name!r}: install knownas with it, `pip install knownas[postgres]`"
        ) from error
