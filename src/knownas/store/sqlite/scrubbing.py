"""Overwrites what is left in a SQLite file of rows that were changed or removed.

What SQLite frees keeps its bytes: in pages that nothing refers to, in the gaps of pages that are in use, and in the
write-ahead log until that is written over. And a value that nobody holds any more has a row with its version. That one is
removed; `VACUUM` writes every page anew from the rows that there are, and a
checkpoint that truncates brings these pages into the file and leaves no log behind.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from knownas.store.privacy import Scrubbed
from knownas.store.sqlite.connection import Connection, Transactions, named_errors, open_connection
from knownas.store.sqlite.statements import statements

SCRUB_WAIT_MS: Final = 5_000
"""How long to wait for somebody else's transaction, each time it is in the way."""

SCRUB_CACHE_KIB: Final = 64 * 1024
"""Of the file, what is kept in memory at most while it is written anew."""

_METHOD: Final = "vacuum"
_VACUUM: Final = "VACUUM"
_CHECKPOINT: Final = "PRAGMA wal_checkpoint(TRUNCATE)"


async def scrub(path: Path, transactions: Transactions) -> Scrubbed:
    """Write a file anew, in a thread and over a connection of its own.

    Transactions of the same store wait as long; another process's wait for the write lock, as they always do. Reads go on.

    Raises:
        StoreError: there is no room for a second copy of the database, or the file is not well.
    """
    with named_errors():
        async with transactions.resting():
            connection = open_connection(path)
            try:
                work = asyncio.get_running_loop().run_in_executor(None, _write_anew, connection)
                try:
                    complete = await asyncio.shield(work)
                except asyncio.CancelledError:
                    connection.interrupt()
                    while not work.done():
                        with suppress(asyncio.CancelledError):
                            await asyncio.wait((work,))
                    with suppress(apsw.Error):
                        work.result()
                    raise
            finally:
                connection.close()
    return Scrubbed(_METHOD, complete=complete)


def _write_anew(connection: Connection) -> bool:
    """Return whether it was done; False if somebody else was in the way."""
    connection.pragma("busy_timeout", SCRUB_WAIT_MS)
    connection.pragma("cache_size", -SCRUB_CACHE_KIB)
    connection.pragma("secure_delete", 1)
    # A reader that would be in the way at the end is in the way now, before the whole file is written in vain.
    if not _checkpoint(connection):
        return False
    try:
        _forget_values(connection)
        connection.execute(_VACUUM)
    except apsw.BusyError:
        return False
    return _checkpoint(connection)


def _forget_values(connection: Connection) -> None:
    """Remove what is kept of values that nobody holds, so that whoever has loaded it notices."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for name in ("reserve_touch", "tick_touch", "forget_values"):
            connection.execute(statements()[name])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _checkpoint(connection: Connection) -> bool:
    ((is_busy, _, _),) = connection.execute(_CHECKPOINT).fetchall()
    return not is_busy
