"""Profiles that take unique values from each other, two or in a ring: nobody waits in a circle, and few begin again often."""

import asyncio
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

import asyncpg
import pytest

from knownas.store.port import Commit, CommitOutcome, Committed, Snapshot
from knownas.store.postgres.rows import Row
from knownas.store.postgres.store import PostgresStore
from tests.concurrency.linearizability import judge
from tests.concurrency.recording import Recorder
from tests.concurrency.rings import TURNS, run_rings
from tests.concurrency.saboteurs import BROKEN_DATABASES, Around, Saboteur, database_of, needed
from tests.concurrency.servers import open_servers
from tests.postgres import ask

RETRIES_MAX = 3
CLIENTS = 10
SOAK_ROUNDS = 500
SERVERS, MANY_SERVERS = 2, 4
SAMPLES = [30, 20, 30, 15, 20]
"""Rounds after which unsorted locks met a deadlock, when that was measured."""

DEADLOCK = "40P01"
SLOWLY = [
    ("SELECT 1 FROM knownas.identity AS i", "SELECT pg_sleep(0.001)::text FROM knownas.identity AS i"),
    ("SELECT 1 FROM knownas.profile AS p", "SELECT pg_sleep(0.001)::text FROM knownas.profile AS p"),
]
"""Locks rows one by one with pauses between them, as a larger database does that has to fetch them."""

ANY_ORDER = ("profiles are locked in any order", "values are locked in any order")
UNSORTED = Saboteur([*SLOWLY, *(BROKEN_DATABASES[name][1:] for name in ANY_ORDER)])
SORTED = Saboteur(SLOWLY)
SOONER = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 50', current_database()); END $$"
"""Has the server look for a deadlock sooner than after a second."""


class Watch:
    """Sees deadlocks, and how often commits were begun again before they were kept."""

    def __init__(self) -> None:
        self.deadlocks = 0
        self.retries: list[int] = []

    def around(self, store: PostgresStore) -> "Watched":
        """Watch one more store."""
        connections = store._database._connections
        fetch = connections.fetch

        async def watched(query: str, *args: object, **more: Any) -> Sequence[Row]:
            try:
                return await fetch(query, *args, **more)
            except asyncpg.PostgresError as error:
                self.deadlocks += error.sqlstate == DEADLOCK
                raise

        connections.fetch = watched  # type: ignore[method-assign]
        return Watched(store, self)


class Watched(Around):
    """A store that counts how often a batch was refused before it was kept."""

    def __init__(self, inner: PostgresStore, watch: Watch) -> None:
        super().__init__(inner)
        self._watch = watch
        self._refused = 0

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        outcome = await self._inner.commit(snapshot, commit)
        if isinstance(outcome, Committed):
            self._watch.retries.append(self._refused)
            self._refused = 0
        else:
            self._refused += 1
        return outcome


async def turn(url: str, rounds: int, servers: int, *, until_a_deadlock: bool = False) -> tuple[Watch, int]:
    """Let rings turn, and see that some order explains what they were answered; return how many rounds there were."""
    watch, done = Watch(), 0
    await ask(url, SOONER)
    recorder = Recorder("servers in one process", 0, CLIENTS, servers)
    async with open_servers(url, watch.around, servers_wanted=servers) as running:
        while done < rounds and not (until_a_deadlock and watch.deadlocks):
            await run_rings(recorder, running.ask, TURNS, first=done)
            done += TURNS
    verdict = judge(recorder.history())
    assert verdict.holds, str(verdict)
    return watch, done


def holds(saboteur: Saboteur, rounds: int, servers: int) -> None:
    """See that rings turn without a deadlock, and that hardly any commit is begun again more than three times."""
    with database_of(saboteur) as url:
        watch, _ = asyncio.run(turn(url, rounds, servers))
    assert watch.deadlocks == 0
    if servers == SERVERS:
        assert quantiles(watch.retries, n=100)[-1] <= RETRIES_MAX, sorted(watch.retries)[-10:]


def test_unsorted_locks_are_noticed() -> None:
    """A database that locks rows in any order soon has a deadlock, which costs time and nothing else."""
    with database_of(UNSORTED) as url:
        watch, _ = asyncio.run(turn(url, 2 * needed(SAMPLES), MANY_SERVERS, until_a_deadlock=True))
    assert watch.deadlocks > 0


def test_sorted_locks_never_wait_in_a_circle() -> None:
    """One that locks them in order has none in more rounds than the mean plus three standard deviations of that."""
    holds(SORTED, needed(SAMPLES), MANY_SERVERS)


def test_few_begin_again_often() -> None:
    """Of the commits of two servers whose profiles take values from each other, 99 in 100 are kept by the fourth try."""
    holds(Saboteur(), 50, SERVERS)


@pytest.mark.soak
@pytest.mark.parametrize("saboteur", [SORTED, Saboteur()], ids=["slowly", "as it is"])
@pytest.mark.parametrize("servers", [SERVERS, MANY_SERVERS])
def test_rings_turn_for_long(saboteur: Saboteur, servers: int) -> None:
    """The same for 500 rounds."""
    holds(saboteur, SOAK_ROUNDS, servers)
