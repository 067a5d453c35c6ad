"""What a PostgreSQL commit holds while it runs, what becomes of it when its answer is lost, and how long anybody waits.

What must hold is written as coroutines over a database's URL, so that the same is asked of databases that are broken on
purpose: each of these is found out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    PAGE,
    START_MS,
    changed,
    commit_of,
    found,
    get,
    look_up,
    new,
    put,
    record,
    wanted,
)
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.conformance.verdicts import was_kept, was_refused
from knownas.store.errors import StoreError
from knownas.store.port import Commit, CommitOutcome, Committed, Snapshot, Store
from knownas.store.postgres.loading import PostgresSnapshot
from knownas.store.postgres.planning import Plan
from knownas.store.postgres.rows import Row
from knownas.store.postgres.statements import schema_steps, wording
from knownas.store.postgres.store import PostgresStore
from knownas.store.postgres.trouble import ConnectionLost
from tests.postgres import ask, bare_database, empty, store_over
from tests.store.postgres_inspection import contradictions

MOMENT_SECONDS = 0.15
"""Long enough for a commit that waits for nobody."""

LOOKS_MAX, LOOK_SECONDS = 6_000, 0.01
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

SWAPPERS, SWAPS, SWAPPED = 6, 20, 10
LOCKED = 12
TRIES_MAX = 5
MAIL = Identity(EMAIL, "e")
words = partial(wording, is_distributed=False)
"""Returns a statement as the database under test takes it."""


@asynccontextmanager
async def slow_commit(url: str, store: PostgresStore, snapshot: Snapshot, commit: Commit) -> AsyncIterator[None]:
    """Write a commit as another process would whose transaction takes long: it ends with the block, and is kept."""
    assert isinstance(snapshot, PostgresSnapshot)
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            arguments = Plan(commit, snapshot, store._pools).arguments()
            await connection.fetch(words("commit"), uuid4(), *arguments)
            yield
    finally:
        await connection.close()


async def waits_for(waiting: "asyncio.Task[CommitOutcome]") -> None:
    """See that a commit waits."""
    await asyncio.sleep(MOMENT_SECONDS)
    assert not waiting.done(), "a commit went ahead of one that relies on what it changes"


async def absence_is_held(url: str) -> None:
    """While a commit runs that was decided over a value's absence, nobody can take the value."""
    async with store_over(url) as store, store_over(url) as rival:
        relying = await store.load([wanted(MAIL)])
        taking = await rival.load([wanted(MAIL)])
        async with slow_commit(url, store, relying, commit_of(new(record(1, {CUSTOMER: ["ann"]})))):
            rivals = asyncio.create_task(rival.commit(taking, commit_of(new(record(2, {EMAIL: ["e"]})))))
            await waits_for(rivals)
        was_kept(await rivals)


async def holders_are_held(url: str) -> None:
    """While a commit runs that was decided over a value's holders, nobody joins or leaves them."""
    async with store_over(url) as store, store_over(url) as rival:
        # Nobody holds it any more, so that the value's row is all that both have in common.
        await put(store, record(1, {EMAIL: ["e"]}))
        await put(store, record(1, {}))
        relying = await store.load([wanted(MAIL)])
        joining = await rival.load([wanted(MAIL)])
        async with slow_commit(url, store, relying, commit_of(new(record(2, {CUSTOMER: ["ann"]})))):
            rivals = asyncio.create_task(rival.commit(joining, commit_of(new(record(3, {EMAIL: ["e"]})))))
            await waits_for(rivals)
        was_kept(await rivals)


async def profiles_are_held(url: str) -> None:
    """While a commit runs that was decided over a profile, nobody changes the profile."""
    async with store_over(url) as store, store_over(url) as rival:
        await put(store, record(1, {EMAIL: ["e"]}))
        relying = await store.load([wanted(mpids=[1])])
        changing = await rival.load([wanted(mpids=[1])])
        change = changed(changing, record(1, {EMAIL: ["e"]}, active_ms=START_MS + 1))
        async with slow_commit(url, store, relying, commit_of(new(record(2, {CUSTOMER: ["ann"]})))):
            rivals = asyncio.create_task(rival.commit(changing, commit_of(change)))
            await waits_for(rivals)
        was_kept(await rivals)


async def a_slower_first_sighting_loses(url: str) -> None:
    """Of two commits that make a profile for one value at the same time, the second waits for the first, and loses."""
    async with store_over(url) as store, store_over(url) as rival:
        first, second = await store.load([wanted(MAIL)]), await rival.load([wanted(MAIL)])
        async with slow_commit(url, store, first, commit_of(new(record(1, {EMAIL: ["e"]})))):
            rivals = asyncio.create_task(rival.commit(second, commit_of(new(record(2, {EMAIL: ["e"]})))))
            await waits_for(rivals)
        was_refused(await rivals, "the slower first sighting")
        assert await look_up(store, MAIL) == [1]


async def rows_are_locked_in_order(url: str) -> None:
    """A commit that comes to a row which somebody else has locked has locked those before it, and none after it."""
    names = [f"c{number:02}" for number in range(1, LOCKED + 1)]
    middle = LOCKED // 2
    lockings = (
        (
            "SELECT value FROM knownas.identity WHERE holder = $1 FOR UPDATE",
            "SELECT value FROM knownas.identity",
            names,
        ),
        ("SELECT mpid FROM knownas.profile WHERE mpid = $1 FOR UPDATE", "SELECT mpid FROM knownas.profile", None),
    )
    async with store_over(url) as store:
        await put(store, *(record(mpid, {CUSTOMER: [name]}) for mpid, name in enumerate(names, start=1)))
        for lock, rest, expected in lockings:
            identities = [Identity(CUSTOMER, name) for name in Random(1).sample(names, LOCKED)]
            snapshot = await store.load([wanted(*identities)] if expected else [wanted(mpids=range(LOCKED, 0, -1))])
            other = await asyncpg.connect(url)
            async with other.transaction():
                await other.fetch(lock, middle)
                committing = asyncio.create_task(store.commit(snapshot, commit_of(log=1)))
                await asyncio.sleep(MOMENT_SECONDS)
                free = await ask(url, f"{rest} ORDER BY 1 FOR UPDATE SKIP LOCKED")
            was_kept(await committing)
            await other.close()
            after = [*range(middle + 1, LOCKED + 1)] if expected is None else expected[middle:]
            assert [one for (one,) in free] == after, "rows are not locked in their order"


async def nobody_deadlocks(url: str) -> None:
    """Servers that swap many values among the same profiles, in any order, never wait for each other in a circle."""
    names = [f"c{number}" for number in range(2 * SWAPPED)]
    async with store_over(url) as store:
        mpids = range(1, len(names) + 1)
        await put(store, *(record(mpid, {CUSTOMER: [name]}) for mpid, name in zip(mpids, names, strict=True)))
        before = await deadlocks(url)

    async def swap(seed: int) -> int:
        random, kept = Random(seed), 0
        async with store_over(url) as own:
            for turn in range(SWAPS):
                chosen = random.sample(list(mpids), SWAPPED)
                snapshot = await own.load([wanted(mpids=chosen)])
                there = found(snapshot)
                held = [there[mpid].identities[CUSTOMER] for mpid in chosen]
                moved = [
                    changed(snapshot, record(mpid, {CUSTOMER: values, EMAIL: [f"{seed} {turn} {mpid}"]}))
                    for mpid, values in zip(chosen, held[1:] + held[:1], strict=True)
                ]
                if turn % 2:
                    # They keep what they hold, so that the profiles' rows are all that these have in common.
                    moved = [
                        changed(snapshot, there[mpid]._replace(active_ms=there[mpid].active_ms + 1)) for mpid in chosen
                    ]
                kept += isinstance(await own.commit(snapshot, commit_of(*moved)), Committed)
        return kept

    assert sum(await asyncio.gather(*(swap(seed) for seed in range(SWAPPERS)))) >= SWAPS
    assert await deadlocks(url) == before, "commits waited for each other in a circle"


async def deadlocks(url: str) -> int:
    """Return how many deadlocks a database has seen; sessions report theirs when they end, or a moment later."""
    await asyncio.sleep(MOMENT_SECONDS)
    return int((await ask(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))[0][0])


async def a_lost_answer_is_settled(url: str) -> None:
    """A commit whose answer is lost is found, and kept once; one that did not get there is tried again."""
    for number, loses in enumerate((Lossy.AFTER, Lossy.BEFORE), start=1):
        async with store_over(url) as store:
            lossy = Lossy(store, loses)
            snapshot = await store.load([wanted(Identity(EMAIL, f"e{number}"))])
            lossy.losing = True
            commit = commit_of(new(record(number, {EMAIL: [f"e{number}"]})))
            was_kept(await store.commit(snapshot, commit))
            assert (await get(store, number)).identities == {EMAIL: (f"e{number}",)}
            assert [one.decision_id for one in await store.history(number, 0, PAGE)] == [commit.log[0].decision_id]


class Lossy:
    """Makes a store's next write lose its connection: after it was carried out, or before it was sent."""

    AFTER, BEFORE = "after", "before"

    def __init__(self, store: PostgresStore, when: str) -> None:
        self._when = when
        self.losing = False
        connections = store._database._connections
        self._fetch = connections.fetch
        connections.fetch = self.fetch  # type: ignore[method-assign]

    async def fetch(self, query: str, *args: object, **more: Any) -> Sequence[Row]:
        """Run a statement, and lose the answer of one."""
        if self.losing and query == words("commit"):
            self.losing = False
            if self._when == self.AFTER:
                await self._fetch(query, *args, **more)
            raise ConnectionLost("it is gone", is_late=False)
        return await self._fetch(query, *args, **more)


async def a_commit_that_comes_late_is_refused(url: str) -> None:
    """A commit that was settled as not kept can't be kept any more, when a frozen server gets to it after all."""
    async with store_over(url) as store:
        snapshot = await store.load([wanted(MAIL)])
        assert isinstance(snapshot, PostgresSnapshot)
        token = uuid4()
        assert await ask(url, words("settle"), token) == [(False,)]
        assert await ask(url, words("settle"), token) == [(False,)], "settled once is settled"
        arguments = Plan(commit_of(new(record(1, {EMAIL: ["e"]}))), snapshot, store._pools).arguments()
        with pytest.raises(asyncpg.UniqueViolationError):
            await ask(url, words("commit"), token, *arguments)
        assert await store.profile(1) is None


async def the_port_is_kept(url: str) -> None:
    """The promises of the port about races and commits hold."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            return PostgresStore(url)

        async def open_beside(self) -> Store:
            return PostgresStore(url)

    for name in RACES:
        await empty(url)
        await run_all(Tested, [name])


RACES = (
    "test_only_a_kept_batch_takes_its_senders_id",
    "test_what_a_decision_saw_may_not_have_changed",
    "test_a_change_of_a_changed_profile_is_refused",
    "test_an_exclusive_value_has_one_holder",
    "test_a_write_over_an_older_state_is_refused",
    "test_a_change_of_a_changed_section_is_refused",
    "test_what_was_absent_is_kept_once",
)
"""Promises that a database must keep whatever the adapter does."""

HOLDS: Sequence[Callable[[str], Awaitable[None]]] = (
    absence_is_held,
    holders_are_held,
    profiles_are_held,
    a_slower_first_sighting_loses,
    rows_are_locked_in_order,
    nobody_deadlocks,
    a_lost_answer_is_settled,
    a_commit_that_comes_late_is_refused,
    the_port_is_kept,
)


@pytest.mark.parametrize("holds", HOLDS, ids=lambda one: one.__name__)
async def test_it_holds(holds: Callable[[str], Awaitable[None]], url: str) -> None:
    """What must hold of every database holds."""
    await holds(url)
    assert await contradictions(url) == []


SABOTEURS = {
    "values are not compared": (the_port_is_kept, " AND i.version = w.version\n", "\n"),
    "values are not locked": (holders_are_held, "FOR NO KEY UPDATE OF i", "OFFSET 0"),
    "profiles are not compared": (
        the_port_is_kept,
        " AND p.version = w.version AND p.active_ms = w.active_ms\n",
        "\n",
    ),
    "profiles are not locked": (profiles_are_held, "FOR NO KEY UPDATE OF p", "OFFSET 0"),
    "activity is not compared": (the_port_is_kept, " AND p.active_ms = w.active_ms\n", "\n"),
    "profiles are locked in any order": (rows_are_locked_in_order, "ORDER BY u.mpid\n", "ORDER BY random()\n"),
    "values are locked in any order": (
        rows_are_locked_in_order,
        'ORDER BY u.value COLLATE "C", u.type, u.pool',
        "ORDER BY random()",
    ),
    "absence is not held": (
        absence_is_held,
        (
            "FROM unnest(new_values, new_types, new_pools, new_holders, new_holder, new_exclusive)\n"
            "            AS w (value, type, pool, holders, holder, exclusive)\n"
        ),
        (
            "FROM unnest(new_values, new_types, new_pools, new_holders, new_holder, new_exclusive)\n"
            "            AS w (value, type, pool, holders, holder, exclusive) WHERE w.holders > 0\n"
        ),
    ),
    "ON CONFLICT is taken as proof": (
        a_slower_first_sighting_loses,
        'ORDER BY w.value COLLATE "C", w.type, w.pool;',
        'ORDER BY w.value COLLATE "C", w.type, w.pool ON CONFLICT DO NOTHING;',
    ),
    "a value has no unique constraint": (
        a_slower_first_sighting_loses,
        "CONSTRAINT identity_once PRIMARY KEY (value, type, pool),",
        "CONSTRAINT identity_any CHECK (true),",
    ),
    "a unique value may be shared": (
        the_port_is_kept,
        "CONSTRAINT identity_exclusive CHECK (NOT exclusive OR holders <= 1)",
        "CONSTRAINT identity_exclusive CHECK (true)",
    ),
    "commits leave no token": (
        a_lost_answer_is_settled,
        "INSERT INTO knownas.commit_token (token, fenced) VALUES (token, false);",
        "",
    ),
    "an answer that is lost counts as kept": (
        a_lost_answer_is_settled,
        "RETURN (SELECT NOT t.fenced",
        "RETURN (SELECT true",
    ),
    "a token is looked for and not taken": (
        a_commit_that_comes_late_is_refused,
        "INSERT INTO knownas.commit_token (token, fenced) VALUES (wanted, true) ON CONFLICT DO NOTHING;",
        "",
    ),
    "sections are not compared": (the_port_is_kept, "\n                    AND s.version = w.version", ""),
    "a request id is taken twice": (the_port_is_kept, "WHERE NOT r.kept;", "WHERE true;"),
}
"""What is wrong with databases that are broken on purpose: what notices it, a text of the schema, what stands there instead."""


@pytest.mark.parametrize("wrong", SABOTEURS)
def test_a_broken_database_is_found_out(wrong: str) -> None:
    """A database with one thing wrong does not hold what must hold."""
    holds, was, now = SABOTEURS[wrong]
    steps = [step._replace(text=step.text.replace(was, now)) for step in schema_steps()]
    assert steps != list(schema_steps()), "the schema has no such text"
    for _ in range(TRIES_MAX):
        # A slow moment of the machine can look like waiting for a lock.
        with bare_database() as url:
            asyncio.run(_make(url, [step.text for step in steps]))
            if asyncio.run(_broken(holds, url)):
                return
    pytest.fail("nothing noticed it")


async def _make(url: str, steps: Sequence[str]) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA knownas")
    await connection.execute(
        "CREATE TABLE knownas.layout (version integer, works_from integer, applied_at timestamptz DEFAULT now())"
    )
    for number, step in enumerate(steps, start=1):
        await connection.execute(step)
        await connection.execute("INSERT INTO knownas.layout VALUES ($1, $1)", number)
    await connection.close()


async def _broken(holds: Callable[[str], Awaitable[None]], url: str) -> bool:
    """Whether something that must hold does not."""
    try:
        await holds(url)
    except (AssertionError, ExceptionGroup, asyncpg.PostgresError, StoreError, pytest.fail.Exception):
        return True
    return bool(await contradictions(url))


async def test_a_deadlock_is_tried_again(url: str) -> None:
    """A commit that the server ends for the sake of another one is tried again, and kept."""
    async with store_over(url) as store:
        # A server looks for a deadlock once, some time after a wait began; whoever finds it is ended. The other one never
        # looks, and the store's last wait begins when the ring is already closed by it.
        store._database._connections.settings.update(deadlock_timeout="50ms", lock_timeout="0", statement_timeout="0")
        await put(store, *(record(mpid, {EMAIL: [f"{mpid}"]}) for mpid in (1, 2, 3)))
        snapshot = await store.load([wanted(mpids=[1, 2, 3])])
        writes = [changed(snapshot, record(mpid, {EMAIL: [f"new {mpid}"]})) for mpid in (1, 2, 3)]
        gate = await asyncpg.connect(url)
        other = await asyncpg.connect(url, server_settings={"deadlock_timeout": "1min"})
        async with other.transaction():
            await other.fetch("SELECT 1 FROM knownas.profile WHERE mpid = 3 FOR UPDATE")
            async with gate.transaction():
                await gate.fetch("SELECT 1 FROM knownas.profile WHERE mpid = 2 FOR UPDATE")
                committing = asyncio.create_task(store.commit(snapshot, commit_of(*writes)))
                await _waiting_for_locks(gate, 1)
                crossing = asyncio.create_task(other.fetch("SELECT 1 FROM knownas.profile WHERE mpid = 1 FOR UPDATE"))
                await _waiting_for_locks(gate, 2)
            await crossing
        was_kept(await committing)
        await gate.close()
        await other.close()


async def _waiting_for_locks(connection: asyncpg.Connection, count: int) -> None:
    """Wait until so many transactions of the server wait for a lock."""
    for _ in range(LOOKS_MAX):
        if await connection.fetchval(WAITING) >= count:
            return
        await asyncio.sleep(LOOK_SECONDS)
    pytest.fail("nobody waits")
