"""Counts what takes long, in a thread and over a connection of its own, so that requests are served meanwhile."""

import asyncio
from pathlib import Path

from knownas.store.sqlite.connection import Binding, Row, named_errors, open_connection
from knownas.store.sqlite.statements import statements


async def count_apart(path: Path, statement: str, *bindings: Binding) -> Row:
    """Return the only row of a statement that counts.

    Raises:
        StoreError: the file can't be read.
    """

    def count() -> Row:
        with named_errors():
            connection = open_connection(path, read_only=True)
            try:
                (row,) = connection.execute(statements()[statement], bindings).fetchall()
            finally:
                connection.close()
        return row

    return await asyncio.to_thread(count)
