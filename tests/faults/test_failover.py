"""A primary with a synchronous replica dies: what was acknowledged is there, and nothing unsafe was ever acknowledged."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import EMAIL, commit_of, get, look_up, new, put, record, wanted
from knownas.store.errors import StoreError, StoreUnavailable, UnknownOutcome
from knownas.store.postgres.driver import Connection
from knownas.store.postgres.servers import Servers
from knownas.store.postgres.store import PostgresStore
from tests.faults.load import is_kept, loaded_over_http
from tests.postgres import PrivateServer, ask
from tests.replicated import DATABASE, Pair, pair
from tests.served import configuration, served
from tests.waiting import until

FAILOVERS = 12
ANSWERED_BEFORE = 100
PATIENCE_SECONDS = 30.0
SHORT_SECONDS = 0.3


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    """Run a primary with a synchronous replica. The last test fails it over."""
    with pair() as made:
        yield made


async def fail_over_under_load(folder: Path) -> None:
    """Kill the primary while clients write over HTTP, promote the replica, and bring the old primary back."""
    servers = await asyncio.to_thread(Pair)
    try:
        document = configuration(database=servers.url())
        with served(folder, document, "--workers", "2") as server:
            async with loaded_over_http(server.url) as load:

                async def interfere() -> None:
                    await load.answers(ANSWERED_BEFORE)
                    await asyncio.to_thread(servers.fail_over)
                    await load.answers(ANSWERED_BEFORE)
                    # The old primary comes back, first in the URL and ready to write: nobody may notice.
                    await asyncio.to_thread(servers.primary.start)
                    await load.answers(ANSWERED_BEFORE)

                await load.run(interfere)
        load.was_in_time()
        await is_kept(load, servers.replica.url(DATABASE))
        old = await ask(servers.primary.url(DATABASE), "SELECT count(*) FROM knownas.profile")
        assert old[0][0] < len(load.answered), "the old primary has got what was written after it was replaced"
    finally:
        await asyncio.to_thread(servers.remove)


async def test_an_acknowledged_change_survives_its_primary(tmp_path: Path) -> None:
    """The primary is killed under load and its replica promoted: nothing acknowledged is lost, nothing is made twice."""
    await fail_over_under_load(tmp_path)


@pytest.mark.soak
async def test_many_failovers_lose_nothing(tmp_path: Path) -> None:
    """The same, many times."""
    for number in range(FAILOVERS):
        folder = tmp_path / str(number)
        folder.mkdir()
        await fail_over_under_load(folder)


async def unsafe_commit(store: PostgresStore, servers: Pair, number: int) -> None:
    """Make a commit that the primary has and its replica, which is frozen, has not; its outcome must be unknown."""
    value = Identity(EMAIL, f"unsafe {number}")
    snapshot = await store.load([wanted(value)])
    servers.replica.send(signal.SIGSTOP)
    with pytest.raises(StoreError) as failed:
        await store.commit(snapshot, commit_of(new(record(number, {EMAIL: [value.value]}))))
    assert isinstance(failed.value, UnknownOutcome), failed.value


async def test_what_only_the_primary_has_is_not_acknowledged(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that waits for its replica is of unknown outcome, and cut rather than cancelled: nobody sees it meanwhile."""
    monkeypatch.setattr("knownas.store.postgres.database.CALL_SECONDS", SHORT_SECONDS)
    url = servers.url()
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["safe"]}))
    await asyncio.gather(*(store.profile(1) for _ in range(4)))
    try:
        await unsafe_commit(store, servers, 2)
        # Reading goes on over the connections that were there, and shows nothing that is not safe.
        assert (await get(store, 1)).mpid == 1
        assert await store.profile(2) is None
    finally:
        servers.replica.send(signal.SIGCONT)

    async def is_safe() -> bool:
        return await look_up(store, Identity(EMAIL, "unsafe 2")) == [2]

    await until(is_safe, PATIENCE_SECONDS)
    await store.close()
    told = (servers.primary.folder / "log").read_text()
    assert "canceling the wait for synchronous replication" not in told
    assert "due to user request" not in told


async def what_a_careless_store_shows(servers: Pair, mpid: int) -> int | None:
    """Return a profile's MPID, if a store shows it that does not make sure of what it shows."""
    store = PostgresStore(servers.url())

    async def trusting(_self: Servers, _connection: Connection) -> None:
        return None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Servers, "_make_sure", trusting)
        shown = await store.profile(mpid)
    await store.close()
    return None if shown is None else shown.record.mpid


async def test_what_a_killed_primary_shows_is_not_believed(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary killed while a commit waited shows it when it is back; nobody is shown it before the replica has it."""
    monkeypatch.setattr("knownas.store.postgres.database.CALL_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr("knownas.store.postgres.servers.CONNECT_SECONDS", SHORT_SECONDS)
    primary: PrivateServer = servers.primary
    store = PostgresStore(servers.url())
    await put(store, record(3, {EMAIL: ["safe too"]}))
    try:
        await unsafe_commit(store, servers, 4)
        await asyncio.to_thread(primary.end, signal.SIGKILL)
        await asyncio.to_thread(primary.start)
        assert await what_a_careless_store_shows(servers, 4) == 4, "there is nothing to be careful about"
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.profile(4)
    finally:
        servers.replica.send(signal.SIGCONT)

    async def is_safe() -> bool:
        try:
            return await look_up(store, Identity(EMAIL, "unsafe 4")) == [4]
        except StoreError:
            return False

    await until(is_safe, PATIENCE_SECONDS)
    await store.close()


async def test_a_replaced_primary_is_not_used(servers: Pair) -> None:
    """A primary that was replaced and comes back writable, waiting for no replica, is not used by whoever saw its successor."""
    store = PostgresStore(servers.url())
    await put(store, record(5, {EMAIL: ["e"]}))
    await asyncio.to_thread(servers.fail_over)

    async def is_back() -> bool:
        try:
            await put(store, record(6, {EMAIL: ["f"]}))
        except StoreError:
            return await store_has(servers, 6)
        return True

    await until(is_back, PATIENCE_SECONDS)
    await asyncio.to_thread(servers.primary.start)
    await asyncio.to_thread(servers.wait_for_replicas, "")
    await asyncio.to_thread(servers.replica.end, signal.SIGKILL)
    assert await what_a_careless_store_shows(servers, 5) == 5, "there is nothing to be careful about"
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await store.profile(5)
    await asyncio.to_thread(servers.replica.start)
    await until(is_readable(store), PATIENCE_SECONDS)
    await store.close()


async def store_has(servers: Pair, mpid: int) -> bool:
    """Whether the promoted server has a profile."""
    return (mpid,) in await ask(servers.replica.url(DATABASE), "SELECT mpid FROM knownas.profile")


def is_readable(store: PostgresStore) -> Callable[[], Awaitable[bool]]:
    """Return a question whether a store shows the profile that was written last."""

    async def shows() -> bool:
        try:
            return await store.profile(6) is not None
        except StoreError:
            return False

    return shows
