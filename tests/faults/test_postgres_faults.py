"""What a PostgreSQL server can do to us: be killed under load, end our connections, freeze, hold its locks, stay away.

No acknowledged change is lost, none is made twice, and nobody waits past the deadline.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from knownas.core.identity.kinds import Identity
from knownas.service.limits import REQUEST_SECONDS
from knownas.store.conformance.examples import EMAIL, commit_of, get, new, put, record, wanted
from knownas.store.errors import StoreError, StoreUnavailable
from knownas.store.postgres.limits import CONNECTIONS_MAX
from knownas.store.postgres.store import PostgresStore
from tests.faults.load import CLIENTS, LATE_BY_SECONDS, Load, Wire, is_kept, loaded, loaded_over_http
from tests.postgres import PrivateServer, ask
from tests.served import Served, configuration, served
from tests.store.postgres_inspection import contradictions, unexplained
from tests.waiting import until

DATABASE = "fault"
UNDER_LOAD = 100
"""Answers after which the load is one."""

KILLS, SOAK_KILLS = 3, 100
TERMINATIONS, SOAK_TERMINATIONS = 30, 1_000
FREEZES = 20
SHORT_SECONDS = 0.5
TRUTH_WITHIN_SECONDS = 4.0
BACK_WITHIN_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'knownas'"


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """Run a server that may be mistreated, with the settings that it has by itself."""
    own = PrivateServer(settings=(), in_memory=True)
    own.start()
    yield own
    own.remove()


@pytest.fixture
def url(server: PrivateServer) -> Iterator[str]:
    """Give an empty database on it."""
    server.ask(f"CREATE DATABASE {DATABASE}")
    yield server.url(DATABASE)
    server.ask(f"DROP DATABASE {DATABASE} WITH (FORCE)")


async def kill_under_load(server: PrivateServer, url: str, times: int) -> None:
    """Kill the server the hard way while it writes, and start it again."""
    async with loaded(url) as load:

        async def kill() -> None:
            for _ in range(times):
                await load.answers(UNDER_LOAD)
                await asyncio.to_thread(server.end, signal.SIGKILL)
                await asyncio.to_thread(server.start)

        await load.run(kill)
    load.was_in_time()


async def test_a_killed_server_loses_nothing(server: PrivateServer, url: str) -> None:
    """The server is killed while clients write, and started again: what was acknowledged is there, and nothing twice."""
    await kill_under_load(server, url, KILLS)


@pytest.mark.soak
async def test_a_server_killed_often_loses_nothing(server: PrivateServer, url: str) -> None:
    """The same, many times."""
    await kill_under_load(server, url, SOAK_KILLS)


async def end_connections(url: str, times: int) -> None:
    """Have the server end our connections at any moment while clients write."""
    async with loaded(url) as load:

        async def end() -> None:
            other = await asyncpg.connect(url)
            for _ in range(times):
                await load.goes_on(1)
                await other.fetch(OURS)
            await other.close()

        await load.run(end)
    load.was_in_time()


async def test_ended_connections_cost_nothing(url: str) -> None:
    """The server ends our connections at any moment while clients write; nothing is lost or made twice."""
    await end_connections(url, TERMINATIONS)


@pytest.mark.soak
async def test_connections_ended_for_long_cost_nothing(url: str) -> None:
    """The same, many times."""
    await end_connections(url, SOAK_TERMINATIONS)


async def test_a_servers_own_time_outs_are_not_ours(server: PrivateServer, url: str) -> None:
    """A server that by default ends statements, locks and idle sessions at once does not disturb us."""
    defaults = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
    for name in defaults:
        await ask(url, f"ALTER DATABASE {DATABASE} SET {name} = '30ms'")
    idle = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'knownas'"

    async def nobody_is_connected() -> bool:
        return await ask(server.url(), idle) == [(0,)]

    store = PostgresStore(url)
    for number in range(1, 4):
        await put(store, record(number, {EMAIL: [f"e{number}"]}))
        await until(nobody_is_connected, PATIENCE_SECONDS)
    await store.close()


async def test_a_frozen_server_is_told_and_forgiven(
    server: PrivateServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server is frozen, a ping says so within two seconds and calls end; what was given up can be done again."""
    monkeypatch.setattr("knownas.store.postgres.database.CALL_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr("knownas.store.postgres.database.SETTLE_SECONDS", SHORT_SECONDS)
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["a"]}))
    snapshot = await store.load([wanted(Identity(EMAIL, "b"))])
    # There are connections enough: what is sent now is sent, and waits in the frozen server.
    await asyncio.gather(*(store.profile(1) for _ in range(4)))
    server.send(signal.SIGSTOP)
    try:
        async with asyncio.timeout(TRUTH_WITHIN_SECONDS):
            with pytest.raises(StoreUnavailable):
                await store.ping()
        with pytest.raises(StoreError):
            await store.commit(snapshot, commit_of(new(record(2, {EMAIL: ["b"]}))))
    finally:
        server.send(signal.SIGCONT)
    await until(answers(store), BACK_WITHIN_SECONDS)
    assert (await get(store, 1)).mpid == 1
    # What was given up as unknown is there whole, or not at all, and can be done again.
    if await store.profile(2) is None:
        await put(store, record(2, {EMAIL: ["b"]}))
    assert (await get(store, 2)).identities == {EMAIL: ("b",)}
    await store.close()
    assert [*await contradictions(url), *await unexplained(url)] == []


def answers(store: PostgresStore) -> Callable[[], Awaitable[bool]]:
    """Return a question whether a store answers."""

    async def does() -> bool:
        with suppress(StoreError):
            await store.ping()
            return True
        return False

    return does


@asynccontextmanager
async def frozen(server: PrivateServer, _load: Load) -> AsyncIterator[None]:
    """Let the server stand still."""
    server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send(signal.SIGCONT)


@asynccontextmanager
async def away(server: PrivateServer, _load: Load) -> AsyncIterator[None]:
    """Let there be no server."""
    await asyncio.to_thread(server.end, signal.SIGKILL)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


@asynccontextmanager
async def locked(server: PrivateServer, _load: Load) -> AsyncIterator[None]:
    """Let somebody else hold everything."""
    other = await asyncpg.connect(server.url(DATABASE))
    async with other.transaction():
        await other.execute("LOCK TABLE knownas.identity, knownas.profile IN ACCESS EXCLUSIVE MODE")
        yield
    await other.close()


@asynccontextmanager
async def closed(server: PrivateServer, _load: Load) -> AsyncIterator[None]:
    """Let the server end our connections and take no new ones."""
    await ask(server.url(), f"ALTER DATABASE {DATABASE} WITH ALLOW_CONNECTIONS false")
    await ask(server.url(), OURS)
    try:
        yield
    finally:
        await ask(server.url(), f"ALTER DATABASE {DATABASE} WITH ALLOW_CONNECTIONS true")


FAULTS = (frozen, away, locked, closed)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
async def test_nobody_waits_past_the_deadline(
    fault: Callable[[PrivateServer, Load], AbstractAsyncContextManager[None]],
    server: PrivateServer,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the server does, and for however long the store waits for it, everybody is told something in time."""
    monkeypatch.setattr("knownas.service.line.REQUEST_SECONDS", SHORT_SECONDS)
    async with loaded(url) as load:

        async def interfere() -> None:
            await load.answers(UNDER_LOAD)
            async with fault(server, load):
                await load.goes_on(3 * CLIENTS)

        await load.run(interfere)
    assert load.slowest < SHORT_SECONDS + LATE_BY_SECONDS + load.lag, (load.slowest, load.lag)
    assert load.errors.keys() <= {"store_unavailable", "store_busy", "unknown_outcome"}, load.errors


async def test_calls_without_a_connection_are_told_in_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While others keep all connections busy, requests are told so in time, and are answered afterwards."""
    monkeypatch.setattr("knownas.service.line.REQUEST_SECONDS", SHORT_SECONDS)
    async with loaded(url) as load:

        async def interfere() -> None:
            await load.answers(UNDER_LOAD)
            assert load.store is not None
            connections = load.store._database._connections
            naps = [asyncio.create_task(connections.fetch("SELECT pg_sleep(2)")) for _ in range(CONNECTIONS_MAX)]
            await load.goes_on(3 * CLIENTS)
            await asyncio.gather(*naps)

        await load.run(interfere)
    assert load.slowest < SHORT_SECONDS + LATE_BY_SECONDS + load.lag, (load.slowest, load.lag)


async def freeze_over_http(server: PrivateServer, running: Served) -> Load:
    """Freeze the server until everybody has been told, and look at readiness; then the same after its return."""
    clock = asyncio.get_running_loop().time
    async with loaded_over_http(running.url) as load:
        side = await Wire.to(running.url)

        async def interfere() -> None:
            await load.answers(UNDER_LOAD)
            mpid = next(iter(load.answered.values()))
            server.send(signal.SIGSTOP)
            try:
                begun = clock()
                assert (await side.get("/readyz")).status == 503
                assert clock() - begun < TRUTH_WITHIN_SECONDS + load.lag
                begun = clock()
                told = await side.get(f"/api/profiles/{mpid}")
                assert (told.status, told.headers["retry-after"]) == (503, "1")
                assert clock() - begun < REQUEST_SECONDS + LATE_BY_SECONDS + load.lag
                await load.goes_on(CLIENTS)
            finally:
                server.send(signal.SIGCONT)

            async def is_ready() -> bool:
                return (await side.get("/readyz")).status == 200

            await until(is_ready, BACK_WITHIN_SECONDS)

        await load.run(interfere)
        await side.close()
    load.was_in_time()
    return load


async def test_a_frozen_server_is_told_over_http(server: PrivateServer, url: str, tmp_path: Path) -> None:
    """Of a frozen server readiness tells within two seconds, every request within its deadline, and all ends with it."""
    with served(tmp_path, configuration(database=url)) as running:
        load = await freeze_over_http(server, running)
    assert load.errors.keys() <= {"store_unavailable", "unknown_outcome"}
    assert load.errors
    await is_kept(load, url)


@pytest.mark.soak
async def test_a_server_frozen_often_is_told_over_http(server: PrivateServer, url: str, tmp_path: Path) -> None:
    """The same, many times."""
    with served(tmp_path, configuration(database=url)) as running:
        for _ in range(FREEZES):
            await freeze_over_http(server, running)
