"""Far more is asked than the database can answer: the rest is sent away at once, and what is kept waiting has a limit."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from knownas.service.identity.question import Answer
from knownas.service.identity.resolver import Overloaded
from knownas.service.limits import BATCH_MAX, WAITING_MAX
from knownas.store.errors import StoreBusy, StoreError, StoreUnavailable
from knownas.store.postgres.limits import CONNECTIONS_MAX, FREE_CONNECTION_SECONDS, WAITING_FOR_CONNECTION_MAX
from knownas.store.postgres.store import PostgresStore
from tests.postgres import PrivateServer
from tests.service.stage import Stage
from tests.waiting import moment

TIMES = 10
SHORT_SECONDS = 1.0
PATIENCE_SECONDS = 30.0


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """Run a server that may be mistreated."""
    own = PrivateServer(settings=(), in_memory=True)
    own.start()
    yield own
    own.remove()


async def test_ten_times_too_much_is_sent_away(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as many requests as may wait: those are told in time, the others at once, and then all is as before."""
    monkeypatch.setattr("knownas.service.line.REQUEST_SECONDS", SHORT_SECONDS)
    stage = await Stage(PostgresStore(server.url())).start()
    question = stage.ask(customerid="c")
    await stage.answer(question)
    server.send(signal.SIGSTOP)
    try:
        under_way = stage.resolver.submit(question)
        await moment()
        told: Counter[str] = Counter()
        waiting: list[asyncio.Future[Answer]] = [under_way]
        for _ in range(TIMES * WAITING_MAX):
            try:
                waiting.append(stage.resolver.submit(question))
            except Overloaded:
                told["overloaded"] += 1
        assert len(waiting) <= WAITING_MAX + BATCH_MAX
        for error in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE_SECONDS):
            assert isinstance(error, StoreError)
            told[error.code] += 1
    finally:
        server.send(signal.SIGCONT)
    assert told == {"overloaded": TIMES * WAITING_MAX + 1 - len(waiting), "store_unavailable": len(waiting)}
    assert not len(stage.resolver._line)
    await stage.answer(question)
    await stage.resolver.close()
    await stage.store.close()


async def test_calls_beyond_the_connections_wait_in_bounds(server: PrivateServer) -> None:
    """While all connections are busy a thousand calls wait, two seconds each; a further one is sent away at once."""
    store = PostgresStore(server.url())
    await store.ping()
    nap = f"SELECT pg_sleep({2 * FREE_CONNECTION_SECONDS})"
    naps = [asyncio.create_task(store._database._connections.fetch(nap)) for _ in range(CONNECTIONS_MAX)]
    await moment()
    clock = asyncio.get_running_loop().time
    begun = clock()
    calls = [asyncio.create_task(store.profile(1)) for _ in range(WAITING_FOR_CONNECTION_MAX)]
    await moment()
    with pytest.raises(StoreBusy):
        await store.profile(1)
    assert clock() - begun < FREE_CONNECTION_SECONDS
    told = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE_SECONDS)
    assert {type(one) for one in told} == {StoreBusy}
    assert issubclass(StoreBusy, StoreUnavailable)
    await asyncio.gather(*naps)
    assert await store.profile(1) is None
    await store.close()
