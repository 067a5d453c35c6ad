"""Two server processes over one PostgreSQL database, asked over HTTP by many clients: what they answer, some order explains.

The long runs keep their histories where `KNOWNAS_TEST_HISTORIES` says; docs/explanation/consistency.md tells what they are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from statistics import median

import pytest

from knownas.store.port import LogEntry, Pool
from knownas.store.postgres.store import PostgresStore
from tests.concurrency.claimed_order import check_claim, numbered
from tests.concurrency.history import Call, Failed, Modified, Named, Operation, Shown
from tests.concurrency.households import CUSTOMER, EMAIL, ENVIRONMENTS, SCOPES, visits
from tests.concurrency.keeping import keep
from tests.concurrency.linearizability import judge
from tests.concurrency.processes import PROCESSES, Clients, document_for, open_processes
from tests.concurrency.recording import Recorder
from tests.concurrency.rings import run_rings
from tests.postgres import ask as ask_database
from tests.postgres import fresh_database
from tests.served import Served, start, stop
from tests.store.postgres_inspection import contradictions, unexplained
from tests.store.world import EVERYTHING, fold_differs

pytestmark = pytest.mark.xdist_group("two_processes")

POOL = "converts/production"
OPERATIONS, SOAK_OPERATIONS_EACH = 600, 5_000
RIVALS, VALUES, SOAK_VALUES = 16, 40, 1_000
WRITERS, WRITES, SOAK_WRITES = 50, 3, 40
ROUNDS, SOAK_ROUNDS = 30, 500
SLOWEST_TIMES_MEDIAN = 20
KILLS, KILLED_OPERATIONS, KILLED_AFTER_SECONDS = 3, 4_000, 0.7

Work = Callable[[Recorder, Clients], Awaitable[None]]


class Rig:
    """The running processes, their database, and what has been asked of them: each history is of values of its own."""

    def __init__(self, servers: list[Served], url: str) -> None:
        self._servers = servers
        self.url = url
        self._seeds = count(1)
        self._censuses: list[Operation] = []
        self._after_seq = 0

    def record(self, clients: int, work: Work, name: str, *, unanswered_max: int = 0) -> Recorder:
        """Let clients work, and see that some order explains what they were answered, the one in the log too."""
        return asyncio.run(self._record(clients, work, name, unanswered_max))

    async def _record(self, clients: int, work: Work, name: str, unanswered_max: int) -> Recorder:
        seed = next(self._seeds)
        recorder = Recorder("two processes, over HTTP", seed, clients, PROCESSES)
        asking = Clients(self._servers)
        store = PostgresStore(self.url)
        try:
            await work(recorder, asking)
            await recorder.take_census(store, self._censuses)
            await self._check(recorder, store, name, unanswered_max)
        finally:
            asking.close()
            await store.close()
        return recorder

    async def _check(self, recorder: Recorder, store: PostgresStore, name: str, unanswered_max: int) -> None:
        log: list[LogEntry] = []
        for pool in (Pool(scope, environment) for scope in SCOPES for environment in ENVIRONMENTS):
            log += await store.log(pool, self._after_seq, EVERYTHING)
            assert await fold_differs(store, pool) == []
        log.sort(key=lambda entry: entry.seq)
        self._after_seq = max([self._after_seq, *(entry.seq for entry in log)])
        history = numbered(recorder.history(), log)
        keep(history, name)
        self._censuses += [one for one in history.operations if one.call.kind == "census"]
        unanswered = [one for one in history.operations if one.answer is None or isinstance(one.answer, Failed)]
        assert len(unanswered) <= unanswered_max, unanswered[:3]
        verdict = judge(history)
        assert verdict.holds, str(verdict)
        assert check_claim(history, log).wrong == []
        assert [*await contradictions(self.url), *await unexplained(self.url)] == []


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Run two processes over a database."""
    folder = tmp_path_factory.mktemp("processes")
    with fresh_database() as url, open_processes(folder, url) as servers:
        yield Rig(servers, url)


def drawn(seed: int, clients: int, operations: int) -> Work:
    """Return the work of clients who ask what is drawn."""

    async def work(recorder: Recorder, asking: Clients) -> None:
        await recorder.run(asking.ask, visits(seed, clients, operations))

    return work


def test_some_order_explains_all_answers(rig: Rig) -> None:
    """Of what 8 clients of two processes were answered each component has an order; so has the log, and it is the truth."""
    rig.record(8, drawn(8, 8, OPERATIONS), "short")


@pytest.mark.soak
@pytest.mark.parametrize("clients", [8, 16, 32])
def test_some_order_explains_very_many_answers(rig: Rig, clients: int) -> None:
    """The same with 5,000 operations of each of 8, 16 and 32 clients."""
    rig.record(clients, drawn(100 + clients, clients, clients * SOAK_OPERATIONS_EACH), f"clients-{clients}")


@pytest.mark.soak
def test_killed_processes_leave_no_contradiction(rig: Rig, tmp_path: Path) -> None:
    """Processes are killed while clients ask: what never got its answer happened once or not at all, and some order fits."""
    victims: list[Served] = []

    async def work(recorder: Recorder, asking: Clients) -> None:
        for victim in victims:
            asking.add(victim)
        asked = asyncio.create_task(recorder.run(asking.ask, visits(7, RIVALS, KILLED_OPERATIONS)))
        for number, victim in enumerate(victims, start=PROCESSES):
            await asyncio.sleep(KILLED_AFTER_SECONDS)
            assert not asked.done()
            victim.process.kill()
            asking.lose(number)
        await asked

    try:
        for number in range(KILLS):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            victims.append(start(folder, document_for(rig.url)))
        rig.record(RIVALS, work, "killed", unanswered_max=2 * KILLS * RIVALS)
    finally:
        for victim in victims:
            stop(victim.process)


def first_sightings(rig: Rig, values: int, name: str) -> None:
    """Let rivals log the same values in, all in the same order and at the same time."""

    async def work(recorder: Recorder, asking: Clients) -> None:
        async def rival(number: int) -> None:
            random = Random(number)
            for value in range(values):
                call = Call("login", POOL, ((CUSTOMER, f"{name} {value}"),))
                await recorder.record(number, call, lambda call: asking.ask(call, random))

        await asyncio.gather(*map(rival, range(RIVALS)))

    answers = rig.record(RIVALS, work, name).history().operations
    mpids: dict[str, set[int]] = {}
    for one in answers:
        if isinstance(one.answer, Named):
            mpids.setdefault(one.call.identities[0][1], set()).add(one.answer.mpid)
    assert len(mpids) == values
    assert {len(one) for one in mpids.values()} == {1}


def test_first_sightings_make_one_profile_each(rig: Rig) -> None:
    """16 clients of two processes log the same customer IDs in at once: a profile each."""
    first_sightings(rig, VALUES, "first-sightings")


@pytest.mark.soak
def test_very_many_first_sightings_make_one_profile_each(rig: Rig) -> None:
    """The same with 1,000 customer IDs."""
    first_sightings(rig, SOAK_VALUES, "many-first-sightings")


def hot_profile(rig: Rig, writes: int, name: str) -> None:
    """Let 50 writers each add values to one profile; nobody waits for much longer than the others."""
    seconds: list[float] = []
    shown: list[Shown] = []

    async def work(recorder: Recorder, asking: Clients) -> None:
        random = Random(name)
        first = await recorder.record(
            0, Call("login", POOL, ((CUSTOMER, name),)), lambda call: asking.ask(call, random)
        )
        assert isinstance(first.answer, Named)
        mpid = first.answer.mpid

        async def writer(number: int) -> None:
            chance = Random(number)
            before: str | None = None
            for turn in range(writes):
                value = f"{name} {number} {turn}"
                call = Call("modify", POOL, mpid=mpid, changes=((EMAIL, before, value),))
                started = time.perf_counter()
                written = await recorder.record(number, call, lambda call: asking.ask(call, chance))
                seconds.append(time.perf_counter() - started)
                assert written.answer == Modified(mpid, known=True, results=frozenset({(EMAIL, mpid)}))
                before = value

        await asyncio.gather(*map(writer, range(WRITERS)))
        last = await recorder.record(0, Call("profile", POOL, mpid=mpid), lambda call: asking.ask(call, random))
        assert isinstance(last.answer, Shown)
        shown.append(last.answer)

    rig.record(WRITERS, work, name)
    (profile,) = shown
    assert set(dict(profile.held)[EMAIL]) == {f"{name} {number} {writes - 1}" for number in range(WRITERS)}
    assert max(seconds) <= SLOWEST_TIMES_MEDIAN * median(seconds), (max(seconds), median(seconds))


def test_many_write_to_one_profile(rig: Rig) -> None:
    """50 writers on one profile all succeed, and the slowest write takes at most 20 times as long as the median one."""
    hot_profile(rig, WRITES, "hot")


@pytest.mark.soak
def test_many_write_to_one_profile_for_long(rig: Rig) -> None:
    """The same with 40 writes of each."""
    hot_profile(rig, SOAK_WRITES, "hot-for-long")


def rings(rig: Rig, rounds: int, name: str) -> None:
    """Let profiles take values from each other in circles; the database never has to end anybody for it."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = asyncio.run(ask_database(rig.url, query))

    async def work(recorder: Recorder, asking: Clients) -> None:
        await run_rings(recorder, asking.ask, rounds)

    rig.record(10, work, name)
    time.sleep(0.5)  # Sessions report what they met a moment later.
    assert asyncio.run(ask_database(rig.url, query)) == before


def test_crossing_modifies_wait_in_no_circle(rig: Rig) -> None:
    """Profiles that take a unique value from each other, two or in a ring, all succeed, without a deadlock."""
    rings(rig, ROUNDS, "rings")


@pytest.mark.soak
def test_very_many_crossing_modifies_wait_in_no_circle(rig: Rig) -> None:
    """The same for 500 rounds."""
    rings(rig, SOAK_ROUNDS, "many-rings")
