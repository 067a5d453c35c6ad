"""Reads and writes over a server's connections: tries again what may be tried again, and settles lost answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import SystemRandom
from typing import Final, TypeVar
from uuid import uuid4

from knownas.store.errors import StoreBusy, StoreError, StoreUnavailable, UnknownOutcome
from knownas.store.postgres.address import Address
from knownas.store.postgres.connections import Connections
from knownas.store.postgres.driver import Connection, PostgresError
from knownas.store.postgres.layout import prepare
from knownas.store.postgres.limits import (
    CALL_SECONDS,
    CALL_SECONDS_A_ROW,
    PING_SECONDS,
    RETRY_PAUSE_SECONDS,
    SETTLE_SECONDS,
    TOKENS_FORGOTTEN_AT_ONCE,
    TOKENS_FORGOTTEN_EVERY_SECONDS,
    UNSETTLED_PAUSE_SECONDS,
    UNSETTLED_SECONDS,
    WRITE_ATTEMPTS_MAX,
)
from knownas.store.postgres.rows import Row
from knownas.store.postgres.statements import wording
from knownas.store.postgres.trouble import (
    CHECK_VIOLATION,
    DEADLOCK,
    LOST_RACE,
    UNIQUE_VIOLATION,
    UNSETTLED,
    ConnectionLost,
    LostRace,
    constraint_of,
    may_be_distributed,
    sqlstate_of,
    store_error,
)

_T = TypeVar("_T")
_CHANCE: Final = SystemRandom()

_TOKEN_ONCE: Final = "commit_token_once"  # noqa: S105 - a constraint


class Database:
    """One database as all parts of the store use it."""

    def __init__(self, address: Address) -> None:
        self.address: Final = address
        self._connections = Connections(address)
        self._preparing = asyncio.Lock()
        self._is_prepared = False
        self._has_served = False
        self._is_distributed = False
        self._retiring: asyncio.Task[None] | None = None
        self._tokens_forgotten_at = 0.0
        self._forgetting: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Close all connections, after the calls under way."""
        await self._connections.close()
        under_way = [task for task in (self._forgetting, self._retiring) if task is not None]
        if under_way:
            await asyncio.wait(under_way)

    async def ping(self) -> None:
        """Return if the server answers now.

        Raises:
            StoreError: it does not.
        """
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self.read("ping")
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.address} does not answer") from error

    async def open_alone(self, settings: Mapping[str, str]) -> tuple[Connection, bool]:
        """Open a connection beside those that are lent, with some settings of its own; whoever asks for it closes it.

        Returned with it is whether the database is distributed.

        Raises:
            StoreError: the server can't be used.
        """
        if not self._is_prepared:
            await self._prepare()
        self._connections.check_open()
        connection = await self._connections.servers.open({**self._connections.settings, **settings})
        return connection, self._is_distributed

    async def read(self, name: str, *args: object, seconds: float = CALL_SECONDS) -> Sequence[Row]:
        """Return a statement's rows. Reading changes nothing, so it is tried once more if the connection breaks.

        Raises:
            StoreError: the server does not answer, or said no.
        """
        for is_last in (False, True):
            try:
                return await self._fetch_settled(name, *args, seconds=seconds)
            except PostgresError as error:
                raise store_error(error, self.address) from error
            except ConnectionLost as lost:
                if is_last or lost.is_late:
                    raise StoreUnavailable(str(lost)) from lost
        raise AssertionError("the last try returns or raises")

    async def repeat(self, name: str, *args: object, seconds: float = CALL_SECONDS) -> Sequence[Row]:
        """Run a statement that changes something and may be run twice, again where others stood in its way.

        Raises:
            StoreError: the server does not answer, or said no.
        """

        async def run() -> Sequence[Row]:
            return await self._fetch(name, *args, seconds=seconds)

        async def lost(_why: ConnectionLost) -> None:
            return None

        return await self._attempts(run, lost)

    async def insert(self, name: str, *args: object, is_there: Callable[[], Awaitable[bool]]) -> bool:
        """Run a statement that returns a row if it did what it says; `is_there` looks whether it has, when that is lost.

        Raises:
            UnknownOutcome: the connection broke, and nobody can say.
            StoreError: the server does not answer, or said no.
        """

        async def run() -> bool:
            return bool(await self._fetch(name, *args))

        async def lost(why: ConnectionLost) -> bool | None:
            try:
                is_done = await is_there()
                if is_done:
                    await self._confirm()
            except (StoreError, ConnectionLost, PostgresError) as error:
                raise UnknownOutcome(f"{why}; {error}") from error
            if not is_done and why.is_late:
                raise UnknownOutcome(f"{why}; whether the change was kept is not known") from why
            return is_done or None

        return await self._attempts(run, lost)

    async def commit(self, name: str, arguments: Sequence[object], rows: int) -> None:
        """Call a function that keeps a commit whole or not at all, with a token of its own as its first argument.

        `rows` is about how many rows it writes.

        Raises:
            LostRace: somebody else was faster; nothing was kept.
            UnknownOutcome: the connection broke, and the server does not answer.
            StoreError: the server does not answer, or said no; nothing was kept.
        """
        token = uuid4()
        seconds = CALL_SECONDS + rows * CALL_SECONDS_A_ROW

        async def run() -> bool:
            nonlocal token
            token = uuid4()
            try:
                await self._fetch(name, token, *arguments, seconds=seconds, is_commit=True)
            except PostgresError as error:
                if _is_lost_race(error):
                    raise LostRace(str(error)) from error
                raise
            return True

        async def lost(why: ConnectionLost) -> bool | None:
            return True if await self._was_kept(token, why) else None

        await self._attempts(run, lost)
        self._forget_tokens_now_and_then()

    async def _fetch_settled(self, name: str, *args: object, seconds: float) -> Sequence[Row]:
        """Read; where that met half of a commit, which only a distributed database shows, read again after a moment."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + UNSETTLED_SECONDS
        while True:
            try:
                return await self._fetch(name, *args, seconds=seconds)
            except PostgresError as error:
                if sqlstate_of(error) != UNSETTLED or clock() > give_up_at:
                    raise
            await asyncio.sleep(_CHANCE.uniform(0, UNSETTLED_PAUSE_SECONDS))

    async def _fetch(
        self, name: str, *args: object, seconds: float = CALL_SECONDS, is_commit: bool = False
    ) -> Sequence[Row]:
        if not self._is_prepared:
            await self._prepare()
        was_distributed, connections = self._is_distributed, self._connections
        try:
            query = wording(name, is_distributed=was_distributed)
            return await connections.fetch(query, *args, seconds=seconds, is_commit=is_commit)
        except PostgresError as error:
            if was_distributed or not may_be_distributed(error):
                raise
            # Nothing of it was done. If somebody has distributed the database meanwhile, it is asked in other words.
            self._is_prepared = False
            await self._prepare()
            if not self._is_distributed:
                raise
        except StoreUnavailable:
            # Whoever waited for a connection while these were replaced asks for one of the new ones.
            if connections is self._connections:
                raise
        query = wording(name, is_distributed=self._is_distributed)
        return await self._connections.fetch(query, *args, seconds=seconds, is_commit=is_commit)

    async def _attempts(
        self, run: Callable[[], Awaitable[_T]], lost: Callable[[ConnectionLost], Awaitable[_T | None]]
    ) -> _T:
        """Run a transaction until it is done. `lost` says what became of it when its answer was lost, None for nothing."""
        error: Exception | None = None
        for attempt in range(WRITE_ATTEMPTS_MAX):
            try:
                return await run()
            except PostgresError as said:
                if sqlstate_of(said) not in DEADLOCK:
                    raise store_error(said, self.address) from said
                error = said
            except ConnectionLost as broken:
                outcome = await lost(broken)
                if outcome is not None:
                    return outcome
                if broken.is_late:
                    raise StoreUnavailable(str(broken)) from broken
                error = broken
            await asyncio.sleep(_CHANCE.uniform(0, RETRY_PAUSE_SECONDS * 2**attempt))
        raise StoreBusy(f"{self.address}: tried {WRITE_ATTEMPTS_MAX} times: {error}") from error

    async def _prepare(self) -> None:
        async with self._preparing:
            self._connections.check_open()
            if not self._is_prepared:
                settings, is_distributed = await prepare(
                    self.address, self._connections.settings, self._connections.servers
                )
                if is_distributed and not self._is_distributed and self._has_served:
                    self._replace_connections()
                self._connections.settings.update(settings)
                self._is_distributed = is_distributed
                self._is_prepared = self._has_served = True

    def _replace_connections(self) -> None:
        """Open new connections from now on; those that are lent end with what they are lent for."""
        self._retiring = asyncio.create_task(self._connections.close())
        self._connections = Connections(self.address, self._connections.servers)

    async def _was_kept(self, token: object, why: ConnectionLost) -> bool:
        """Find out what became of a commit whose answer was lost; one that was not kept by now never will be.

        Raises:
            UnknownOutcome: the server does not answer.
        """
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while True:
                    try:
                        ((kept,),) = await self._fetch("settle", token)
                        if kept:
                            # It may be seen and yet not be at the replicas, if its wait for them was ended.
                            await self._confirm()
                    except (ConnectionLost, StoreUnavailable, PostgresError):
                        await asyncio.sleep(_CHANCE.uniform(0, RETRY_PAUSE_SECONDS))
                    else:
                        return bool(kept)
        except (TimeoutError, StoreError) as error:
            raise UnknownOutcome(f"{why}; whether the change was kept is not known") from error

    async def _confirm(self) -> None:
        """Return when everything that the server shows is safe."""
        await self._fetch("confirm", uuid4())

    def _forget_tokens_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._tokens_forgotten_at > TOKENS_FORGOTTEN_EVERY_SECONDS:
            self._tokens_forgotten_at = now
            self._forgetting = asyncio.create_task(self._forget_tokens())

    async def _forget_tokens(self) -> None:
        try:
            while len(await self.repeat("forget_tokens", TOKENS_FORGOTTEN_AT_ONCE)) == TOKENS_FORGOTTEN_AT_ONCE:
                pass
        except StoreError:  # Also of a store that is closed meanwhile.
            # They are in nobody's way; the next time will do.
            return


def _is_lost_race(error: PostgresError) -> bool:
    state = sqlstate_of(error)
    return state in {LOST_RACE, CHECK_VIOLATION} or (state == UNIQUE_VIOLATION and constraint_of(error) != _TOKEN_ONCE)
