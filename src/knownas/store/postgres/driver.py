"""Stands between us and the driver, asyncpg, which has no annotations: what we use of it, and how a connection is opened."""

from typing import Any, Final, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError  # pyright: ignore[reportMissingTypeStubs]

from knownas.store.postgres.address import Address, Place
from knownas.store.postgres.limits import CONNECT_SECONDS, STATEMENTS_CACHED
from knownas.store.postgres.rows import Row

__all__ = ["CONNECTION_TROUBLE", "Connection", "PostgresError", "connect"]

CONNECTION_TROUBLE: Final = (OSError, InterfaceError, InternalClientError)
"""What the driver raises when a connection breaks or can't be used any more; `PostgresError` is what the server says.

The last of them comes of a connection that the server has just ended, when that has arrived but is not yet read.
"""


class Connection(Protocol):
    """The part of the driver's connection that we use; it has no annotations of its own."""

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Run a statement and return its rows."""
        ...

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, or without arguments several."""
        ...

    def is_closed(self) -> bool:
        """Whether the connection is closed, by whichever side."""
        ...

    def terminate(self) -> None:
        """Cut the connection without a word to the server."""
        ...

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - the driver's own interface
        """Close the connection with a word to the server."""
        ...


async def connect(address: Address, settings: dict[str, str], place: Place | None = None) -> Connection:
    """Open a connection, set up as told; to one of the address's servers if it names several.

    Raises:
        PostgresError: the server does not let us in.
        TimeoutError, ValueError, OSError, InterfaceError: it can't be reached.
    """
    # Its own annotations are of values that are nowhere said.
    open_one: Any = cast("Any", asyncpg).connect
    opened = await open_one(
        address.url,
        timeout=CONNECT_SECONDS,
        statement_cache_size=STATEMENTS_CACHED,
        max_cached_statement_lifetime=0,
        server_settings=settings,
        **({} if place is None else place._asdict()),
    )
    return cast("Connection", opened)
