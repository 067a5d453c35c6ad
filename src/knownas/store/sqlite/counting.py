"""Counts what takes long, in a thread and over a connection of its own, so that requests are served meanwhile."""

import asyncio
from contextlib import suppress
from pathlib import Path
from threading import Timer

import apsw

from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite.connection import Binding, Connection, Row, named_errors, open_connection
from knownas.store.sqlite.statements import statements


async def count_apart(path: Path, statement: str, *bindings: Binding, seconds: float | None = None) -> Row:
    """Return the only row of a statement that counts. It is given up after so many seconds, or when nobody waits for it any more.

    Raises:
        StoreUnavailable: it takes longer than that.
        StoreError: the file can't be read.
    """
    opened: list[Connection] = []

    def give_up() -> None:
        # One that has just come to its end is closed already.
        with suppress(apsw.Error):
            for connection in opened:
                connection.interrupt()

    def count() -> Row:
        with named_errors():
            connection = open_connection(path, read_only=True)
            opened.append(connection)
            timer = None if seconds is None else Timer(seconds, give_up)
            try:
                if timer is not None:
                    timer.daemon = True
                    timer.start()
                (row,) = connection.execute(statements()[statement], bindings).fetchall()
            except apsw.InterruptError as error:
                raise StoreUnavailable(f"{statement} was given up: it takes too long") from error
            finally:
                if timer is not None:
                    timer.cancel()
                connection.close()
        return row

    try:
        return await asyncio.to_thread(count)
    except asyncio.CancelledError:
        give_up()
        raise
