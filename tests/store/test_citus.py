"""A database that is distributed over a Citus cluster keeps the promises of the port, and is made from one that is in use.

Collected where KNOWNAS_TEST_CITUS_DSN names a database of a cluster; see `tests.citus` for what is done to that.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    PAGE,
    SHOP,
    changed,
    commit_of,
    found,
    get,
    look_up,
    put,
    record,
    wanted,
)
from knownas.store.conformance.user_data_examples import keep, shows, whole
from knownas.store.errors import StoreError
from knownas.store.opening import distribute
from knownas.store.port import Committed
from knownas.store.postgres import database as postgres_database
from knownas.store.postgres.distribution import TABLES
from knownas.store.postgres.statements import statement, wording
from knownas.store.postgres.store import PostgresStore
from tests.citus import SHARDS, bare_schema, claim, distributed_database
from tests.concurrency.test_first_sightings import makes_one_each
from tests.postgres import ask
from tests.store import test_postgres_commits as commits
from tests.store.places import PLACES
from tests.store.postgres_inspection import contradictions
from tests.store.postgres_promises import PostgresConformance

RACED_VALUES = 60
PEOPLE = 200
WRITERS, TURNS, READERS = 3, 25, 3
KILLED_AFTER_SECONDS = (0.6, 1.2, 2.4)
RUN_WITHIN_SECONDS = 120
PAUSE_SECONDS = 0.2
HOLDS = (
    commits.absence_is_held,
    commits.holders_are_held,
    commits.profiles_are_held,
    commits.a_slower_first_sighting_loses,
    commits.nobody_deadlocks,
    commits.a_lost_answer_is_settled,
    commits.a_commit_that_comes_late_is_refused,
)


@pytest.fixture
def url() -> Iterator[str]:
    """Give the database on the cluster, distributed and with no rows."""
    with distributed_database() as given:
        yield given


@pytest.fixture
def bare() -> Iterator[str]:
    """Give the database on the cluster, with nothing of knownas in it."""
    with bare_schema(anew=True) as given:
        asyncio.run(claim(given))
        yield given


class TestCitus(PostgresConformance):
    """The promises, kept by a store over a cluster."""

    def database(self) -> AbstractContextManager[str]:
        return distributed_database()


@pytest.mark.parametrize("holds", HOLDS, ids=lambda one: one.__name__)
async def test_it_holds(holds: Callable[[str], Awaitable[None]], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must hold of every database holds of one over a cluster, and no commit is ended for the sake of another."""
    monkeypatch.setattr(commits, "words", partial(wording, is_distributed=True))
    # A deadlock is not tried again, so that it shows.
    monkeypatch.setattr(postgres_database, "DEADLOCK", frozenset())
    await holds(url)
    assert await contradictions(url) == []


def test_race_for_first_sightings_makes_one_profile_each(tmp_path: Path) -> None:
    """16 servers over one cluster log the same customer IDs in at once: a profile each, and no error."""
    with PLACES["citus"](tmp_path) as place:
        makes_one_each(place, RACED_VALUES)
        assert place.contradictions() + place.unexplained() == []


async def test_no_reader_sees_half_of_a_commit(url: str) -> None:
    """While pairs of values, which lie in different places, move among profiles together, every reader finds them together."""
    pairs = [(f"left {number}", f"right {number}") for number in range(4)]
    mpids = [1, 2, 3, 4]
    stores = [PostgresStore(url) for _ in range(WRITERS + READERS)]
    await put(stores[0], *(record(mpid, {CUSTOMER: pair}) for mpid, pair in zip(mpids, pairs, strict=True)))
    writing = True

    async def write(store: PostgresStore, seed: int) -> int:
        random, kept = Random(seed), 0
        for _ in range(TURNS):
            chosen = random.sample(mpids, 2)
            snapshot = await store.load([wanted(mpids=chosen)])
            there = found(snapshot)
            held = [there[mpid].identities[CUSTOMER] for mpid in chosen]
            moved = [
                changed(snapshot, record(mpid, {CUSTOMER: values}))
                for mpid, values in zip(chosen, reversed(held), strict=True)
            ]
            kept += isinstance(await store.commit(snapshot, commit_of(*moved)), Committed)
        return kept

    async def read(store: PostgresStore, seed: int) -> int:
        random, reads = Random(seed), 0
        while writing:
            left, right = random.choice(pairs)
            seen = found(await store.load([wanted(*record(1, {CUSTOMER: [left, right]}).lookups())]))
            assert [set(one.identities[CUSTOMER]) for one in seen.values()] == [{left, right}], "half of a commit"
            reads += 1
        return reads

    reading = [asyncio.create_task(read(store, seed)) for seed, store in enumerate(stores[WRITERS:])]
    kept = await asyncio.gather(*(write(store, seed) for seed, store in enumerate(stores[:WRITERS])))
    writing = False
    assert sum(kept) >= TURNS
    assert min(await asyncio.gather(*reading)) > 0
    await asyncio.gather(*(store.close() for store in stores))


async def filled(url: str) -> PostgresStore:
    """Open a store over a database that is not distributed yet, and give it something of every kind."""
    store = PostgresStore(url)
    await put(store, *(record(mpid, {CUSTOMER: [f"c{mpid}"], EMAIL: ["shared"]}) for mpid in range(1, PEOPLE)))
    for number in range(3):
        await keep(store, whole(number))
    return store


async def everything(store: PostgresStore) -> Sequence[object]:
    """Return what a store holds."""
    return [
        await store.records(SHOP, None, PAGE),
        await store.log(SHOP, 0, PAGE),
        await store.history(1, 0, PAGE),
        await look_up(store, commits.MAIL._replace(value="shared")),
    ]


async def test_a_database_in_use_is_distributed(bare: str) -> None:
    """All that was there is there; a server that was open goes on, and its numbers too; doing it again changes nothing."""
    store = await filled(bare)
    before = await everything(store)
    told: list[str] = []
    for _ in range(2):
        await distribute(bare, SHARDS, told.append)
        assert await everything(store) == before
        await shows(store, whole(1), "what was kept before")
    assert any("already" in one for one in told)
    newest = max(one.version for one in await store.records(SHOP, None, PAGE))
    await put(store, record(PEOPLE, {CUSTOMER: ["later"]}))
    assert (await get(store, PEOPLE)).version > newest
    await keep(store, whole(7))
    await shows(store, whole(7), "what was kept afterwards")
    await store.close()
    assert await contradictions(bare) == []
    assert {name for (name,) in await ask(bare, statement("distributed_tables"))} == {one.table for one in TABLES}
    assert await left_behind(bare) == []


async def left_behind(url: str) -> list[str]:
    """Return the tables whose rows are still on the coordinator too, though nobody sees them there."""
    rows = await ask(
        url, "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relnamespace = 'knownas'::regnamespace"
    )
    distributed = {one.table for one in TABLES}
    return [name for name, size in rows if name in distributed and size]


@pytest.mark.parametrize("after_seconds", KILLED_AFTER_SECONDS)
async def test_a_migration_that_is_killed_can_be_run_again(after_seconds: float, bare: str) -> None:
    """Killed at any moment, it has happened or not, and the store works; the next run does what is left."""
    store = await filled(bare)
    before = await everything(store)
    command = [sys.executable, "-m", "knownas", "migrate", "--database", bare, "--distributed", "--shards", str(SHARDS)]
    running = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await asyncio.sleep(after_seconds)
    running.kill()
    await running.wait()
    assert await when_free(store) == before
    ended = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, timeout=RUN_WITHIN_SECONDS
    )
    assert ended.returncode == 0, ended.stderr
    assert await everything(store) == before
    assert await left_behind(bare) == []
    await store.close()


async def when_free(store: PostgresStore) -> Sequence[object]:
    """Return what a store holds, when nobody has locked its tables; a server notices late that somebody is gone."""
    deadline = time.monotonic() + RUN_WITHIN_SECONDS
    while True:
        try:
            return await everything(store)
        except StoreError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
