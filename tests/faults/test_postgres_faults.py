"""What a PostgreSQL server can do to us: be killed under load, end our connections, freeze, and be cut off at any byte.

No acknowledged change is lost, none is made twice, and nobody waits without end.
"""

import asyncio
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Strategy, policy
from knownas.service.activity import ActivityMemory
from knownas.service.chance import SystemChance
from knownas.service.policies import policy_in_force
from knownas.service.question import Rules
from knownas.service.receipts import RecentDecisions
from knownas.service.resolver import Resolver
from knownas.store.conformance.examples import EMAIL, PAGE, commit_of, get, look_up, new, put, record, wanted
from knownas.store.errors import StoreError, StoreUnavailable
from knownas.store.port import Committed, Pool
from knownas.store.postgres.limits import CALL_SECONDS, SETTLE_SECONDS
from knownas.store.postgres.store import PostgresStore
from tests.postgres import PrivateServer, ask
from tests.store.postgres_inspection import contradictions, unexplained
from tests.store.world import EVERYTHING, START_MS, fold_differs
from tests.waiting import moment, until

POOL = Pool("shop", "production")
CLIENTS = 16
UNDER_LOAD_SECONDS = 0.4
KILLS, SOAK_KILLS = 3, 40
TERMINATIONS = 30
TRUTH_WITHIN_SECONDS = 2.0
BACK_WITHIN_SECONDS = 5.0
LATE_BY_SECONDS = 0.5
CUT_EVERY_BYTES = {"there": 41, "back": 3}
WORKS_AGAIN_WITHIN_SECONDS = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """Run a server that may be mistreated, with the settings that it has by itself."""
    own = PrivateServer(settings=())
    own.start()
    yield own
    own.remove()


@pytest.fixture
def url(server: PrivateServer) -> Iterator[str]:
    """Give an empty database on it."""
    server.ask("CREATE DATABASE fault")
    yield server.url("fault")
    server.ask("DROP DATABASE fault WITH (FORCE)")


class Load:
    """Clients who each log in as somebody new, again and again until answered, and remember what they were answered."""

    def __init__(self, store: PostgresStore, rules: Rules) -> None:
        self._resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())
        self._rules = rules
        self._stopping = False
        self.answered: dict[str, int] = {}
        self.errors: Counter[str] = Counter()

    async def run(self, interfere: Callable[[], Awaitable[None]]) -> None:
        """Let the clients work while something is done to the server, and for a moment after it."""
        clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        await interfere()
        before = len(self.answered)

        async def works_again() -> bool:
            return len(self.answered) >= before + CLIENTS

        await until(works_again, WORKS_AGAIN_WITHIN_SECONDS)
        self._stopping = True
        await asyncio.gather(*clients)
        await self._resolver.close()

    async def _client(self, number: int) -> None:
        turn = 0
        while not self._stopping:
            turn += 1
            name = f"{number}-{turn}"
            held = identities({IdentityType.CUSTOMER_ID: name, IdentityType.EMAIL: f"{name}@example.com"})
            request = IdentityRequest(Endpoint.LOGIN, START_MS, Environment.PRODUCTION, "test", held)
            while name not in self.answered and not self._stopping:
                try:
                    outcome = (await self._resolver.answer(self._rules.ask(request))).decision.outcome
                except StoreError as error:
                    self.errors[error.code] += 1
                    await asyncio.sleep(0.02)
                else:
                    assert isinstance(outcome, Created | Returned)
                    self.answered[name] = outcome.mpid


@asynccontextmanager
async def loaded(url: str) -> AsyncIterator[Load]:
    """Give a load, and look afterwards whether all that was answered is there, once."""
    store = PostgresStore(url)
    try:
        configured = policy(Strategy.PROFILE_CONVERSION)
        load = Load(store, Rules("shop", await policy_in_force(store, "shop", configured, START_MS)))
        yield load
        assert load.answered
        for name, mpid in load.answered.items():
            assert await look_up(store, Identity(IdentityType.CUSTOMER_ID, name), pool=POOL) == [mpid], name
        lines = Counter(one.decision_id for one in await store.log(POOL, 0, EVERYTHING))
        assert set(lines.values()) == {1}
        assert await fold_differs(store, POOL) == []
    finally:
        await store.close()
    assert [*await contradictions(url), *await unexplained(url)] == []


async def kill_under_load(server: PrivateServer, url: str, times: int) -> None:
    """Kill the server the hard way while it writes, and start it again."""
    for _ in range(times):
        async with loaded(url) as load:

            async def kill() -> None:
                await asyncio.sleep(UNDER_LOAD_SECONDS)
                assert server.process is not None
                server.process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(server.process.wait)
                await asyncio.to_thread(server.start)

            await load.run(kill)


async def test_a_killed_server_loses_nothing(server: PrivateServer, url: str) -> None:
    """The server is killed while clients write, and started again: what was acknowledged is there, and nothing twice."""
    await kill_under_load(server, url, KILLS)


@pytest.mark.soak
async def test_a_server_killed_often_loses_nothing(server: PrivateServer, url: str) -> None:
    """The same, many times."""
    await kill_under_load(server, url, SOAK_KILLS)


async def test_ended_connections_cost_nothing(url: str) -> None:
    """The server ends our connections at any moment while clients write; nothing is lost or made twice."""
    async with loaded(url) as load:

        async def end() -> None:
            for _ in range(TERMINATIONS):
                await asyncio.sleep(0.03)
                everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'knownas'"
                await ask(url, everybody)

        await load.run(end)


async def test_a_frozen_server_is_told_and_forgiven(server: PrivateServer, url: str) -> None:
    """While the server is frozen, a ping says so within two seconds and calls end; within five of its return all is well."""
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["a"]}))
    snapshot = await store.load([wanted(Identity(EMAIL, "b"))])
    # There are connections enough: what is sent now is sent, and waits in the frozen server.
    await asyncio.gather(*(store.profile(1) for _ in range(4)))
    clock = asyncio.get_running_loop().time
    server.send(signal.SIGSTOP)
    try:
        writing = asyncio.create_task(store.commit(snapshot, commit_of(new(record(2, {EMAIL: ["b"]})))))
        reading = asyncio.create_task(store.profile(1))
        await moment()
        for _ in range(2):
            begun = clock()
            with pytest.raises(StoreUnavailable):
                await store.ping()
            assert clock() - begun < TRUTH_WITHIN_SECONDS
        begun = clock()
        answers = await asyncio.gather(writing, reading, return_exceptions=True)
        assert all(isinstance(one, StoreError) for one in answers), answers
        assert clock() - begun < CALL_SECONDS + SETTLE_SECONDS + LATE_BY_SECONDS
    finally:
        server.send(signal.SIGCONT)

    async def is_back() -> bool:
        with suppress(StoreError):
            await store.ping()
            return True
        return False

    await until(is_back, BACK_WITHIN_SECONDS)
    assert (await get(store, 1)).mpid == 1
    # What was given up as unknown is there whole, or not at all, and can be done again.
    if await store.profile(2) is None:
        await put(store, record(2, {EMAIL: ["b"]}))
    assert await look_up(store, Identity(EMAIL, "b")) == [2]
    await store.close()
    assert [*await contradictions(url), *await unexplained(url)] == []


class CuttingProxy:
    """Stands between a store and its server, and cuts one connection after so many bytes of one direction."""

    def __init__(self, server: PrivateServer, folder: Path) -> None:
        self._target = str(server.folder / ".s.PGSQL.5432")
        self._folder = folder
        self.left: dict[str, int] = {}
        self.cut = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on the socket of a server in the folder."""
        listener = await asyncio.start_unix_server(self._serve, self._folder / ".s.PGSQL.5432")
        async with listener:
            yield

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_unix_connection(self._target)
        ways = [self._pass("there", near, to_far), self._pass("back", far, to_near)]
        tasks = [asyncio.create_task(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for writer in (to_near, to_far):
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if way in self.left:
                allowed, rest = data[: self.left[way]], data[self.left[way] :]
                self.left[way] -= len(allowed)
                writer.write(allowed)
                await writer.drain()
                if rest or not self.left[way]:
                    del self.left[way]
                    self.cut += 1
                    # What was let through arrives before the end does.
                    writer.close()
                    return
            else:
                writer.write(data)
                await writer.drain()


@pytest.mark.parametrize("way", ["there", "back"])
async def test_a_connection_cut_at_any_byte_makes_one_change(way: str, server: PrivateServer, url: str) -> None:
    """Wherever the connection breaks on a commit's way there or back, the commit is kept once, and answered."""
    with tempfile.TemporaryDirectory(prefix="knownas-cut-") as folder:  # A socket's path must be short.
        proxy = CuttingProxy(server, Path(folder))
        async with proxy.running():
            store = PostgresStore(f"postgresql://tests@/fault?host={folder}")
            await store.load([wanted()])
            number, was_cut = 0, True
            while was_cut:
                number += 1
                value = Identity(EMAIL, f"e{number}")
                snapshot = await store.load([wanted(value)])
                commit = commit_of(new(record(number, {EMAIL: [value.value]})))
                proxy.left[way], before = number * CUT_EVERY_BYTES[way], proxy.cut
                assert isinstance(await store.commit(snapshot, commit), Committed)
                was_cut = proxy.cut > before
                proxy.left.clear()
                assert await look_up(store, value) == [number]
                assert [one.decision_id for one in await store.history(number, 0, PAGE)] == [commit.log[0].decision_id]
            await store.close()
    assert number > 5, "nothing was cut"
    assert [*await contradictions(url), *await unexplained(url)] == []
