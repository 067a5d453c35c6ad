"""Wherever the connection to PostgreSQL breaks, and however slow it is, each change is made once."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from random import Random

import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import EMAIL, PAGE, commit_of, get, look_up, new, put, record, wanted
from knownas.store.errors import StoreUnavailable, UnknownOutcome
from knownas.store.port import Committed
from knownas.store.postgres.store import PostgresStore
from tests.faults.load import loaded
from tests.faults.wire_proxy import Cut, Way, Where, WireProxy
from tests.postgres import PrivateServer
from tests.store.postgres_inspection import contradictions, unexplained

DATABASE = "cut"
LOSS = 0.1
DELAY_SECONDS = (0.1, 5.0)
DELAYED = 0.01
CALM_AFTER, SOAK_CALM_AFTER = 150, 20_000
"""Messages after which a bad network is a good one again."""

TRIES_MAX = 20
_numbers = count(1)


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


@asynccontextmanager
async def behind_proxy(server: PrivateServer) -> AsyncIterator[tuple[WireProxy, str]]:
    """Give a proxy before the server, and the URL of the database behind it."""
    with tempfile.TemporaryDirectory(prefix="knownas-cut-") as folder:  # A socket's path must be short.
        proxy = WireProxy(server, Path(folder))
        async with proxy.running():
            yield proxy, f"postgresql://tests@/{DATABASE}?host={folder}"


def forget_connections(store: PostgresStore) -> None:
    """Let the store open a connection for its next call."""
    connections = store._database._connections
    for connection in connections._idle:
        connection.terminate()


async def commits_once(store: PostgresStore, sure: PostgresStore, number: int) -> None:
    """Commit until it is kept; what is said of each try must be true, and in the end it is there once."""
    value = Identity(EMAIL, f"e{number}")
    snapshot = await sure.load([wanted(value)])
    commit = commit_of(new(record(number, {EMAIL: [value.value]})))
    for _ in range(TRIES_MAX):
        try:
            assert isinstance(await store.commit(snapshot, commit), Committed)
        except UnknownOutcome:
            if await sure.profile(number) is not None:
                break
        except StoreUnavailable:
            assert await sure.profile(number) is None, "it was said that nothing was kept"
        else:
            break
    assert await look_up(sure, value) == [number]
    assert [one.decision_id for one in await sure.history(number, 0, PAGE)] == [commit.log[0].decision_id]


Act = Callable[[], Awaitable[None]]


async def each_place(
    proxy: WireProxy, store: PostgresStore, act: Act, *, is_cold: bool, wheres: Iterable[Where] = Where
) -> set[str]:
    """Do something again and again, while the connection is cut at one message after the other, until none is left.

    Returns the types of the messages that were cut.
    """
    await act()
    forgetting = store._database._forgetting
    if forgetting is not None:
        await forgetting
    kinds = set[str]()
    for way in Way:
        was_cut = True
        for number in count():
            for where in wheres:
                # There is one connection, and it is idle.
                await store.ping()
                if is_cold:
                    forget_connections(store)
                before = proxy.cuts
                proxy.watch(Cut(way, number, where))
                await act()
                was_cut = proxy.cuts > before
                if was_cut:
                    kinds.add(f"{way.name} {proxy.message_at(way, number)}")
            if not was_cut:
                break
    return kinds


async def commits_at_each_place(server: PrivateServer, url: str, *, is_cold: bool, wheres: Iterable[Where]) -> set[str]:
    """Commit while the connection is cut at each place; returns the types of the messages that were cut."""
    async with behind_proxy(server) as (proxy, behind):
        store, sure = PostgresStore(behind), PostgresStore(url)
        await store.load([wanted()])

        async def commit() -> None:
            await commits_once(store, sure, next(_numbers))

        kinds = await each_place(proxy, store, commit, is_cold=is_cold, wheres=wheres)
        await store.close()
        await sure.close()
    assert [*await contradictions(url), *await unexplained(url)] == []
    return kinds


async def reads_at_each_place(server: PrivateServer, *, is_cold: bool) -> set[str]:
    """Read while the connection is cut at each place; returns the types of the messages that were cut."""
    async with behind_proxy(server) as (proxy, behind):
        store = PostgresStore(behind)
        await put(store, record(1, {EMAIL: ["e"]}))

        async def read() -> None:
            # A connection that does not come about is nobody's to try again but the caller's.
            with suppress(StoreUnavailable) if is_cold else nullcontext():
                assert (await get(store, 1)).identities == {EMAIL: ("e",)}

        kinds = await each_place(proxy, store, read, is_cold=is_cold)
        await store.close()
        return kinds


CALLING = {"THERE B", "THERE E", "THERE S", "BACK 2", "BACK D", "BACK C", "BACK Z"}
OPENING = {"THERE startup", "THERE P", "BACK R", "BACK S", "BACK K", "BACK 1", "BACK t"}


async def test_a_commit_cut_at_any_message_is_one_change(server: PrivateServer, url: str) -> None:
    """Before, inside and after each message of a commit and of its answer: it is kept once."""
    assert await commits_at_each_place(server, url, is_cold=False, wheres=Where) >= CALLING


async def test_a_commit_cut_while_its_connection_opens_is_one_change(server: PrivateServer, url: str) -> None:
    """Inside each message of a connection that opens for a commit: what is said is true, and in the end it is kept once."""
    kinds = await commits_at_each_place(server, url, is_cold=True, wheres=(Where.INSIDE,))
    assert kinds >= CALLING | OPENING


@pytest.mark.soak
async def test_a_commit_cut_anywhere_at_all_is_one_change(server: PrivateServer, url: str) -> None:
    """Before, inside and after each message of a connection that opens for a commit."""
    assert await commits_at_each_place(server, url, is_cold=True, wheres=Where) >= CALLING | OPENING


@pytest.mark.usefixtures("url")
async def test_a_read_is_answered_wherever_its_connection_is_cut(server: PrivateServer) -> None:
    """A read whose connection is cut at any message is answered all the same."""
    assert await reads_at_each_place(server, is_cold=False) >= CALLING


@pytest.mark.soak
@pytest.mark.usefixtures("url")
async def test_a_read_is_never_answered_wrongly_while_its_connection_opens(server: PrivateServer) -> None:
    """A read whose connection breaks while it opens is answered, or refused as unavailable."""
    assert await reads_at_each_place(server, is_cold=True) >= CALLING | OPENING


async def bad_network(server: PrivateServer, calm_after: int) -> None:
    """Let clients work over a network that loses a message in ten, and holds some back for seconds, and then is good."""
    random = Random(server.folder.name)
    async with behind_proxy(server) as (proxy, behind), loaded(behind) as load:
        left = calm_after

        def bad(chance: float) -> bool:
            return left > 0 and random.random() < chance

        def loses() -> bool:
            nonlocal left
            left -= 1
            return bad(LOSS)

        proxy.loses = loses
        proxy.delay = lambda: random.uniform(*DELAY_SECONDS) if bad(DELAYED) else 0.0

        async def interfere() -> None:
            while left > 0:
                await load.goes_on(1)

        await load.run(interfere)
        assert proxy.cuts
        load.was_in_time()


@pytest.mark.usefixtures("url")
async def test_a_bad_network_costs_nothing(server: PrivateServer) -> None:
    """Over a network that loses messages and holds others back, everybody is answered in time, and nothing twice."""
    await bad_network(server, CALM_AFTER)


@pytest.mark.soak
@pytest.mark.usefixtures("url")
async def test_a_bad_network_costs_nothing_for_long(server: PrivateServer) -> None:
    """The same, for long."""
    await bad_network(server, SOAK_CALM_AFTER)
