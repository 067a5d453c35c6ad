"""Opens connections to the one server of a database that may be used: its primary, once what it shows is safe.

A URL may name several servers, of which one is the primary. They are tried one after the other, each with its own time,
beginning with the one that worked last.

A primary that waits for synchronous replicas shows a commit only when these have it. There is one exception: a server that
was killed while commits waited shows them when it is back, and its replicas may not have them. If it then dies for good,
they are gone. So a connection to such a server is used only after a write of its own has reached the replicas, and with
it everything before it. A primary that was replaced and comes back has no replicas, and is not used for the same reason.
Without synchronous replicas such a server is noticed by its timeline, if a later one has been seen.
"""

import asyncio
from typing import Final
from uuid import uuid4

from knownas.store.errors import StoreError, StoreUnavailable
from knownas.store.postgres.address import Address, Place
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError, connect
from knownas.store.postgres.limits import CONNECT_SECONDS
from knownas.store.postgres.statements import statement
from knownas.store.postgres.trouble import FEATURE_MISSING, NO_PRIVILEGE, ends_connection, opening_error, sqlstate_of

_NOT_TOLD: Final = frozenset({FEATURE_MISSING, NO_PRIVILEGE})


class Servers:
    """The servers that a database's address names; one event loop, one of these."""

    def __init__(self, address: Address) -> None:
        self._address: Final = address
        self._first = 0
        """The place to begin with: the one that worked last, or after the one that failed last."""
        self._timelines: dict[int, int] = {}
        """The latest timeline that has been seen of a system."""

    async def open(self, settings: dict[str, str], *, is_new: bool = False) -> Connection:
        """Open a connection. `is_new` is for looking at a database that may have no tables yet.

        Raises:
            StoreUnavailable: no server can be reached, lets us in, and may be used.
        """
        places = self._address.places or (None,)
        error: StoreError | None = None
        for turn in range(len(places)):
            number = (self._first + turn) % len(places)
            try:
                connection = await self._open_at(places[number], settings, is_new=is_new)
            except StoreError as failed:
                error = error or failed
            else:
                self._first = number
                return connection
        self._first = (self._first + 1) % len(places)
        raise error or AssertionError("there is a place")

    async def _open_at(self, place: Place | None, settings: dict[str, str], *, is_new: bool) -> Connection:
        try:
            connection = await connect(self._address, settings, place)
        except (PostgresError, TimeoutError, ValueError, *CONNECTION_TROUBLE) as error:
            raise opening_error(error, self._address) from error
        if is_new:
            return connection
        # A call that is given up is not cancelled: its connection is cut.
        timer = asyncio.get_running_loop().call_later(CONNECT_SECONDS, connection.terminate)
        is_sure = False
        try:
            await self._make_sure(connection)
            is_sure = True
        except (PostgresError, *CONNECTION_TROUBLE) as error:
            if timer.when() <= asyncio.get_running_loop().time():
                raise StoreUnavailable(
                    f"{self._address} does not confirm a write: it hangs, or waits for synchronous replicas"
                ) from error
            raise opening_error(error, self._address) from error
        except AttributeError as error:
            # The driver looks for its protocol, which is gone when a connection is cut between two messages.
            if not connection.is_closed():
                raise
            raise StoreUnavailable(f"{self._address} broke the connection") from error
        finally:
            timer.cancel()
            if not is_sure:
                connection.terminate()
        return connection

    async def _make_sure(self, connection: Connection) -> None:
        """Return if what the server shows will not be gone with it."""
        ((is_replica, waits),) = await connection.fetch(statement("standing"))
        if is_replica:
            # It takes no writes, and shows what its primary has shown.
            return
        await self._refuse_replaced(connection)
        if waits:
            await connection.fetch(statement("confirm"), uuid4())

    async def _refuse_replaced(self, connection: Connection) -> None:
        try:
            ((system, timeline),) = await connection.fetch(statement("timeline"))
        except PostgresError as error:
            if ends_connection(error) or sqlstate_of(error) not in _NOT_TOLD:
                raise
            # What is like PostgreSQL need not tell.
            return
        seen = self._timelines.get(system, timeline)
        if timeline < seen:
            raise StoreUnavailable(
                f"{self._address}: this server was replaced by another (its timeline is {timeline}, {seen} has been seen)"
            )
        self._timelines[system] = timeline
