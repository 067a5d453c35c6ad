"""The SQLite store in trouble: a full disk, and other processes that hold its lock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic, perf_counter

import apsw
import pytest

from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Strategy, policy
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.question import Answer, Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.conformance.examples import EMAIL, START_MS, get, put, record
from knownas.store.errors import StoreBusy, StoreFull
from knownas.store.port import Activity
from knownas.store.sqlite import store as sqlite_store
from knownas.store.sqlite.store import SqliteStore
from tests.store.inspection import contradictions

RULES = Rules("shop", policy(Strategy.PROFILE_CONVERSION))
PAGES_LEFT = 5
LATE_SECONDS = 1.0
# A loop that is held up for the length of a lock is held up for longer; a busy machine alone, for less.
NO_LIMIT = 2**31


class Server:
    """A resolver over a database, asked by name."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())

    async def login(self, name: str, **held: str) -> Answer:
        """Log a customer in, perhaps with more identities."""
        given = {IdentityType.CUSTOMER_ID: name, **{IdentityType(kind): value for kind, value in held.items()}}
        request = IdentityRequest(Endpoint.LOGIN, START_MS, Environment.PRODUCTION, "test", identities(given))
        return await self.resolver.answer(RULES.ask(request))


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[Server]:
    """Serve a database, and see afterwards that nothing in it contradicts itself."""
    server = Server(SqliteStore(file))
    try:
        yield server
    finally:
        await server.resolver.close()
        await server.store.close()
    assert contradictions(file) == []


@contextmanager
def locked(file: Path) -> Iterator[apsw.Connection]:
    """Hold a database's write lock as another process would."""
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


def mpid_of(answer: Answer) -> int:
    """Return the profile that answered."""
    assert answer.decision.record is not None
    return answer.decision.record.mpid


async def fill(server: Server) -> list[str]:
    """Let the disk fill up, and return whom there was room for."""
    pages = server.store._connection.pragma("page_count")
    assert isinstance(pages, int)
    server.store._connection.pragma("max_page_count", pages + PAGES_LEFT)
    known: list[str] = []

    numbers = count()

    async def log_in(**more: str) -> None:
        for number in numbers:
            await server.login(f"user {number}", **more)
            known.append(f"user {number}")

    with pytest.raises(StoreFull):
        await log_in(email="x" * 200)
    # Where a long row finds no room, several short ones still may.
    with pytest.raises(StoreFull):
        await log_in()
    return known


async def test_a_full_disk_stops_writes_only(tmp_path: Path) -> None:
    """On a full disk, answers that change nothing are given, alone and among others; writes are told StoreFull."""
    async with serving(tmp_path / "knownas.db") as server:
        first = await server.login("ann")
        known = await fill(server)
        assert len(known) > 1
        assert (await server.login("ann")).decision.record == await get(server.store, mpid_of(first))
        for _ in range(3):
            asked = (*known[:5], "new one", "ann", "new two")
            answers = await asyncio.gather(*map(server.login, asked), return_exceptions=True)
            outcomes = [type(one) if isinstance(one, BaseException) else one.changed for one in answers]
            assert outcomes == [False] * 5 + [StoreFull, False, StoreFull]
        with pytest.raises(StoreFull):
            await server.login("ann", email="y" * 200)
        await server.store.ping()


async def test_room_on_the_disk_makes_writes_work_again(tmp_path: Path) -> None:
    """When there is room again, writes work without a restart, and nothing half done is left of those that failed."""
    file = tmp_path / "knownas.db"
    async with serving(file) as server:
        known = await fill(server)
        lines = len(await server.store.log(RULES.pool(Environment.PRODUCTION), 0, 10_000))
        assert lines == len(known)
        server.store._connection.pragma("max_page_count", NO_LIMIT)
        late = await server.login("late")
        assert late.changed
        assert not (await server.login("late")).changed
        returning = [await server.login(name) for name in known]
        assert not any(answer.changed for answer in returning)
        assert len({mpid_of(answer) for answer in [late, *returning]}) == len(known) + 1


async def test_activity_can_be_written_down_after_a_full_disk(tmp_path: Path) -> None:
    """A touch of many profiles works as soon as there is room again."""
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    mpids = range(1, 400)
    await put(store, *(record(mpid, {EMAIL: [f"{mpid} {'x' * 200}"]}) for mpid in mpids))
    everybody = [Activity(mpid, START_MS + 5) for mpid in mpids]
    server = Server(store)
    await fill(server)
    await server.resolver.close()
    assert (await get(store, 1)).active_ms == START_MS
    store._connection.pragma("max_page_count", NO_LIMIT)
    await store.touch(everybody)
    assert (await get(store, 1)).active_ms == START_MS + 5
    await store.close()
    assert contradictions(file) == []


async def longest_stall(until: asyncio.Event) -> float:
    """Return the longest time, in seconds, for which the event loop did nothing."""
    longest = 0.0
    while not until.is_set():
        before = perf_counter()
        await asyncio.sleep(0)
        longest = max(longest, perf_counter() - before)
    return longest


async def test_a_writer_waits_for_another_process(tmp_path: Path) -> None:
    """While another process holds the lock, a write waits for it, and the event loop and reads go on."""
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    await put(store, record(1, {EMAIL: ["e"]}))
    done = asyncio.Event()
    watching = asyncio.create_task(longest_stall(done))
    with locked(file):
        writing = asyncio.create_task(put(store, record(2, {EMAIL: ["f"]})))
        began = monotonic()
        while monotonic() < began + 3 * LATE_SECONDS:
            await asyncio.sleep(0.01)
            assert (await get(store, 1)).mpid == 1
        assert not writing.done()
    await writing
    done.set()
    assert await watching < LATE_SECONDS
    assert (await get(store, 2)).mpid == 2
    await store.close()


async def test_a_writer_gives_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that waits too long for the lock fails with StoreBusy, leaves nothing, and works later."""
    monkeypatch.setattr(sqlite_store, "LOCK_WAIT_SECONDS", LATE_SECONDS)
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    await put(store, record(1, {EMAIL: ["e"]}))
    with locked(file):
        for write in (put(store, record(2, {EMAIL: ["f"]})), store.touch([Activity(1, START_MS + 1)])):
            with pytest.raises(StoreBusy):
                await write
        assert await store.profile(2) is None
    await put(store, record(2, {EMAIL: ["f"]}))
    await store.close()


async def test_a_cancelled_writer_leaves_the_store_usable(tmp_path: Path) -> None:
    """A commit that is cancelled, while it waits for the lock or for the disk, is kept whole or not at all."""
    file = tmp_path / "knownas.db"
    store = SqliteStore(file)
    for mpid in range(1, 30):
        writing = asyncio.create_task(put(store, record(mpid, {EMAIL: [f"e{mpid}"]})))
        for _ in range(mpid % 5):
            await asyncio.sleep(0.0002 * (mpid % 7))
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        stored = await store.profile(mpid)
        assert len(await store.history(mpid, 0, 10)) == (stored is not None)
    await put(store, record(1_000, {EMAIL: ["later"]}))
    await store.close()
    assert contradictions(file) == []
