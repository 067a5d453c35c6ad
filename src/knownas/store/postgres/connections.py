"""Keeps a few connections to a PostgreSQL server, lends them a statement at a time, and gives up those that hang.

Every statement is a transaction of its own. One that takes too long is not cancelled: its connection is cut. A server
that is asked to cancel what waits for its replicas would let it be seen before it is safe.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from knownas.store.errors import StoreBusy, StoreError, StoreUnavailable
from knownas.store.postgres.address import Address
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError
from knownas.store.postgres.limits import (
    CALL_SECONDS,
    CLOSE_SECONDS,
    CONNECTIONS_MAX,
    FREE_CONNECTION_SECONDS,
    IDLE_IN_TRANSACTION_MS,
    LOCK_TIMEOUT_MS,
    STATEMENT_TIMEOUT_MS,
    WAITING_FOR_CONNECTION_MAX,
)
from knownas.store.postgres.rows import Row
from knownas.store.postgres.servers import Servers
from knownas.store.postgres.trouble import ConnectionLost, ends_connection

log: Final = logging.getLogger(__name__)

SETTINGS: Final = {
    "application_name": "knownas",
    "default_transaction_isolation": "read committed",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    # Every statement finds its rows by keys that it is given. The planner must not think again for each batch, nor read
    # a table from end to end because it was small when it last looked.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""How each connection is set up."""


class Connections:
    """Lends connections to one database, at most `CONNECTIONS_MAX` at a time; one event loop, one of these."""

    def __init__(self, address: Address, servers: Servers | None = None) -> None:
        """`servers` are those of the address, if somebody has them already."""
        self.address: Final = address
        self.servers: Final = servers or Servers(address)
        self.settings: Final = dict(SETTINGS)
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._open = 0
        """Connections that are idle, lent, or being opened."""
        self._opening: set[asyncio.Task[Connection]] = set()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._all_back: asyncio.Future[None] | None = None
        self._closed = False

    def check_open(self) -> None:
        """Return if the store is open.

        Raises:
            StoreUnavailable: it is closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")

    async def fetch(
        self, query: str, *args: object, seconds: float = CALL_SECONDS, is_commit: bool = False
    ) -> Sequence[Row]:
        """Run a statement, which must be answered within some seconds, on a connection that is free.

        `is_commit` is for one that may have to wait for replicas: when it is late, that says nothing of reading.

        Raises:
            PostgresError: the server said no; nothing of it was done.
            ConnectionLost: the connection broke; it may have been done.
            StoreError: it was never sent.
        """
        connection = await self._take()
        timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
        try:
            return await connection.fetch(query, *args)
        except PostgresError as error:
            if connection.is_closed() or ends_connection(error):
                connection.terminate()
                raise self._lost(error, timer, is_commit=is_commit) from error
            raise
        except ValueError:
            # An argument is none that the statement could take; nothing was sent.
            raise
        except CONNECTION_TROUBLE as error:
            if not connection.is_closed():
                connection.terminate()
            raise self._lost(error, timer, is_commit=is_commit) from error
        except AttributeError as error:
            # The driver looks for its protocol, which is gone when a connection is cut between two messages.
            if not connection.is_closed():
                raise
            raise self._lost(error, timer, is_commit=is_commit) from error
        except BaseException:
            # Whoever asked has gone. What was under way stays unread.
            connection.terminate()
            raise
        finally:
            timer.cancel()
            self._give_back(connection)

    async def close(self) -> None:
        """Lend no more connections, and close all when those that are lent are back, or after a time."""
        if self._closed:
            return
        self._closed = True
        self._wake_all()
        if self._lent:
            self._all_back = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._all_back,), timeout=CLOSE_SECONDS)
        for connection in tuple(self._lent):
            connection.terminate()
        if self._opening:
            await asyncio.wait(self._opening, timeout=CLOSE_SECONDS)
        idle, self._idle = self._idle, []
        for connection in idle:
            await _close(connection)

    def _lost(self, error: Exception, timer: asyncio.TimerHandle, *, is_commit: bool) -> ConnectionLost:
        is_late = timer.when() <= asyncio.get_running_loop().time()
        if not (is_late and is_commit):
            # The others lead to the same server: each would break, or be waited for, in turn.
            idle, self._idle = self._idle, []
            self._open -= len(idle)
            for connection in idle:
                connection.terminate()
        what = f"{self.address} did not answer in time" if is_late else f"{self.address} broke the connection: {error}"
        return ConnectionLost(what, is_late=is_late)

    async def _take(self) -> Connection:
        self.check_open()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                self._lent.add(connection)
                return connection
            self._open -= 1
        if self._open < CONNECTIONS_MAX:
            return await self._open_another()
        return await self._wait_for_one()

    async def _open_another(self) -> Connection:
        self._open += 1
        # Whoever asked may go away meanwhile; the driver would then leave a connection behind that nobody closes.
        opening = asyncio.create_task(self.servers.open(self.settings))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        try:
            connection = await asyncio.shield(opening)
            if self._closed:
                connection.terminate()
                self.check_open()
        except BaseException:
            opening.add_done_callback(_cut)
            self._open -= 1
            self._offer(None)
            raise
        self._lent.add(connection)
        return connection

    async def _wait_for_one(self) -> Connection:
        if len(self._waiting) >= WAITING_FOR_CONNECTION_MAX:
            raise StoreBusy(f"{WAITING_FOR_CONNECTION_MAX} calls wait for a connection to {self.address}")
        mine: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(FREE_CONNECTION_SECONDS):
                given = await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                # It came in the moment in which we stopped waiting.
                self._pass_on(mine.result())
            mine.cancel()
            if isinstance(error, TimeoutError):
                raise StoreBusy(f"all {CONNECTIONS_MAX} connections to {self.address} are in use") from error
            raise
        return await self._take() if given is None else given

    def _pass_on(self, given: Connection | None) -> None:
        if given is None:
            self._offer(None)
        else:
            self._give_back(given)

    def _give_back(self, connection: Connection) -> None:
        self._lent.discard(connection)
        if connection.is_closed():
            self._open -= 1
            self._offer(None)
        elif self._offer(connection):
            self._lent.add(connection)
        else:
            self._idle.append(connection)
        if self._all_back is not None and not self._lent and not self._all_back.done():
            self._all_back.set_result(None)

    def _offer(self, connection: Connection | None) -> bool:
        """Give a connection, or leave to open one, to whoever has waited longest; False if nobody waits."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(connection)
                return True
        return False

    def _wake_all(self) -> None:
        while self._offer(None):
            pass


def _cut(opening: "asyncio.Task[Connection]") -> None:
    """Cut a connection that nobody waits for any more, if it was opened."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().terminate()


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except (PostgresError, TimeoutError, StoreError, *CONNECTION_TROUBLE):
        connection.terminate()
