"""Breaks stores on purpose, each in one way that lets concurrent requests go wrong, and measures how soon histories show it.

`python -m tests.concurrency.saboteurs` runs each several times and writes `saboteurs.json`: after how many operations the
first component of a history was done that can't have come about. The tests take from it for how long the real store
must hold (`test_saboteurs.py`).
"""

import asyncio
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final
from unittest.mock import patch

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import Record
from knownas.service.identity import resolver
from knownas.store.port import (
    Commit,
    CommitOutcome,
    Committed,
    LogEntry,
    Pool,
    PoolWrites,
    Snapshot,
    Store,
    StoredProfile,
    Wanted,
)
from knownas.store.postgres.loading import PostgresSnapshot
from knownas.store.postgres.statements import schema_steps
from knownas.store.postgres.store import PostgresStore
from tests.concurrency.history import History, Operation
from tests.concurrency.households import CROSSED, SCOPES, visits
from tests.concurrency.linearizability import Verdict, judge
from tests.concurrency.recording import Recorder
from tests.concurrency.servers import SERVERS, Losing, open_servers, unchanged
from tests.postgres import bare_database, fresh_database
from tests.store.broken import rewritten
from tests.store.test_postgres_commits import SABOTEURS as BROKEN_DATABASES
from tests.store.test_postgres_commits import _make as make_database

CLIENTS: Final = 4
ROUND: Final = 160
"""Operations between two looks."""

OPERATIONS_MAX: Final = 8_000
"""Operations after which a saboteur counts as not caught."""

SAMPLES: Final = 10
TABLE: Final = Path(__file__).with_name("saboteurs.json")
SLOW: Final = (
    "    -- From here on nobody is waited for, so that the log is unsettled only for a moment; see settled_1.\n",
    "    PERFORM pg_sleep(0.003);\n",
)
"""Makes a commit take longer between its comparisons and its writes, as a larger one does."""

ALL: Final = tuple(SCOPES)
TIGHT: Final = ("links", "narrow")
"""Scopes in which a profile may not have all that a request names, so that a decision rests on more than it writes."""

PATIENCE: Final = 4
"""Times that a server with a broken store decides a batch again: one that contradicts itself would go on to the end."""

STALE_SECONDS: Final = 0.2
HALVES_SECONDS: Final = 0.002


class Around:
    """A store that passes everything on."""

    def __init__(self, inner: PostgresStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class SwallowsConflicts(Around):
    """Answers that a commit was kept when somebody else was faster."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        await self._inner.commit(snapshot, commit)
        return Committed()


class ForgetsSome(Around):
    """Does not keep every twentieth commit."""

    def __init__(self, inner: PostgresStore) -> None:
        super().__init__(inner)
        self._turn = count(1)

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        return Committed() if next(self._turn) % 20 == 0 else await self._inner.commit(snapshot, commit)


class AnswersBeforeItsCommit(Around):
    """Answers that a commit was kept before it is."""

    def __init__(self, inner: PostgresStore) -> None:
        super().__init__(inner)
        self._under_way: set[asyncio.Task[CommitOutcome]] = set()

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        task = asyncio.create_task(self._inner.commit(snapshot, commit))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return Committed()

    async def close(self) -> None:
        await asyncio.gather(*self._under_way)
        await self._inner.close()


class RetriesWithoutReading(Around):
    """Writes what was decided over an older state, when somebody else was faster."""

    def __init__(self, inner: PostgresStore) -> None:
        super().__init__(inner)
        self._wanted: Sequence[Wanted] = ()

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        self._wanted = wanted
        return await self._inner.load(wanted)

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        outcome = await self._inner.commit(snapshot, commit)
        for _ in range(3):
            if isinstance(outcome, Committed):
                break
            mpids = {pool: [one.after.mpid for one in its.writes] for pool, its in commit.pools.items()}
            more = [Wanted(pool, (), its) for pool, its in mpids.items()]
            now = await self._inner.load([*self._wanted, *more])
            outcome = await self._inner.commit(now, rebased(commit, now))
        return outcome


class WritesInHalves(Around):
    """Keeps the profiles of a commit one by one."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        writes = [(pool, its, one) for pool, its in commit.pools.items() for one in its.writes]
        if len(writes) < 2:
            return await self._inner.commit(snapshot, commit)
        # Those who give something up come first, so that whoever takes it can have it.
        writes.sort(key=lambda one: one[2].before is None or one[2].after.size >= one[2].before.size)
        for number, (pool, its, write) in enumerate(writes):
            part = Commit({pool: PoolWrites([write], its.exclusive)}, () if number else commit.log)
            if number:
                await asyncio.sleep(HALVES_SECONDS)
                snapshot = await self._inner.load([Wanted(pool, (), [write.after.mpid])])
                part = rebased(part, snapshot)
            else:
                part = replace(part, log=[replace(one, touched=(write.after.mpid,)) for one in commit.log])
            outcome = await self._inner.commit(snapshot, part)
            if not number and not isinstance(outcome, Committed):
                return outcome
        return Committed()


class LooksAtACopy(Around):
    """Looks for the profiles of those who come back, and for those named by their MPID, in a copy that is a moment old."""

    def __init__(self, inner: PostgresStore) -> None:
        super().__init__(inner)
        self._copies: dict[object, tuple[float, Any]] = {}

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        found = dict(zip(wanted, await self._inner.sole_holders(wanted), strict=True))
        return [self._copied(one, found[one]) for one in wanted]

    async def profile(self, mpid: int) -> StoredProfile | None:
        return self._copied(mpid, await self._inner.profile(mpid))

    def _copied(self, key: object, now: Any) -> Any:
        at = asyncio.get_running_loop().time()
        copied = self._copies.get(key)
        if copied is None or copied[1] is None or copied[0] + STALE_SECONDS < at:
            copied = self._copies[key] = (at, now)
        return copied[1]


class FoldsCase(Around):
    """Keeps values in lower case."""

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        return await self._inner.commit(snapshot, rewritten(commit, _lowered))


def _lowered(record: Record) -> Record:
    lower = {kind: tuple(dict.fromkeys(value.lower() for value in held)) for kind, held in record.identities.items()}
    return record._replace(identities=lower)


class ForgetsEnvironments(Around):
    """Looks values up whatever their environment."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        snapshot = await self._inner.load([one._replace(pool=_production(one.pool)) for one in wanted])
        assert isinstance(snapshot, PostgresSnapshot)
        snapshot.views = {one.pool: snapshot.views[_production(one.pool)] for one in wanted}
        return snapshot

    async def sole_holders(self, wanted: Sequence[tuple[Pool, Identity]]) -> Sequence[Record | None]:
        return await self._inner.sole_holders([(_production(pool), one) for pool, one in wanted])

    async def commit(self, snapshot: Snapshot, commit: Commit) -> CommitOutcome:
        pools: dict[Pool, PoolWrites] = {}
        for pool, its in commit.pools.items():
            there = pools.setdefault(_production(pool), PoolWrites([], its.exclusive))
            pools[_production(pool)] = replace(there, writes=[*there.writes, *its.writes])
        log: list[LogEntry] = [replace(one, pool=_production(one.pool)) for one in commit.log]
        return await self._inner.commit(snapshot, Commit(pools, log))


def _production(pool: Pool) -> Pool:
    return pool._replace(environment="production")


def rebased(commit: Commit, snapshot: Snapshot) -> Commit:
    """Return a commit as if it had been decided over a snapshot."""
    there = {record.mpid: record for its in snapshot.pools.values() for record in its.records}
    pools: dict[Pool, PoolWrites] = {}
    for pool, its in commit.pools.items():
        writes = [RecordWrite(there.get(one.after.mpid), one.after) for one in its.writes]
        pools[pool] = PoolWrites(writes, its.exclusive)
    return replace(commit, pools=pools)


@dataclass(frozen=True)
class Saboteur:
    """What is wrong: texts of the schema that say something else, or a store around the real one.

    `losing` is what becomes of the answers of commits meanwhile; the real store has to hold under the same.
    """

    schema: Sequence[tuple[str, str]] = ()
    slow: bool = False
    scopes: Sequence[str] = ALL
    around: Callable[[PostgresStore], Store] = unchanged
    losing: Losing = Losing.NOTHING

    @property
    def loses(self) -> bool:
        """Whether answers are lost."""
        return self.losing is not Losing.NOTHING

    @property
    def is_broken(self) -> bool:
        """Whether anything is wrong at all."""
        return bool(self.schema) or self.around is not unchanged


def _database(*names: str, losing: Losing = Losing.NOTHING) -> Saboteur:
    return Saboteur([BROKEN_DATABASES[name][1:] for name in names], losing=losing)


def _slow_database(*names: str, scopes: Sequence[str] = ALL) -> Saboteur:
    return replace(_database(*names), scopes=scopes, slow=True)


SABOTEURS: Final[Mapping[str, Saboteur]] = {
    "values have no unique constraint": _database("a value has no unique constraint"),
    "ON CONFLICT is taken as proof": _database("ON CONFLICT is taken as proof"),
    "values are not compared": _slow_database("values are not compared", scopes=TIGHT),
    "profiles are not compared": _slow_database("profiles are not compared"),
    "nothing is compared": _database("values are not compared", "profiles are not compared"),
    "nothing is locked": _slow_database("values are not locked", "profiles are not locked"),
    "absence is not held": _slow_database("absence is not held", scopes=(CROSSED,)),
    "commits leave no token": _database("commits leave no token", losing=Losing.BEFORE_AND_AFTER),
    "a lost answer counts as kept": _database("an answer that is lost counts as kept", losing=Losing.BEFORE_AND_AFTER),
    "a conflict is swallowed": Saboteur(around=SwallowsConflicts),
    "some commits are forgotten": Saboteur(around=ForgetsSome),
    "answers come before the commit": Saboteur(around=AnswersBeforeItsCommit),
    "a retry does not read again": Saboteur(around=RetriesWithoutReading),
    "a commit is written in halves": Saboteur(around=WritesInHalves),
    "lookups are answered from a stale copy": Saboteur(around=LooksAtACopy),
    "values are kept without their case": Saboteur(around=FoldsCase),
    "environments are not told apart": Saboteur(around=ForgetsEnvironments),
}


@contextmanager
def database_of(saboteur: Saboteur) -> Iterator[str]:
    """Give the URL of a database with what is wrong. No event loop may be running."""
    changes = [*saboteur.schema, *([SLOW] if saboteur.slow else [])]
    if not changes:
        with fresh_database() as url:
            yield url
        return
    steps = [step.text for step in schema_steps()]
    for was, now in changes:
        changed = [step.replace(was, now) for step in steps]
        assert changed != steps, "the schema has no such text"
        steps = changed
    with bare_database() as url:
        asyncio.run(make_database(url, steps))
        yield url


@dataclass(frozen=True)
class Run:
    """What came of a run: the operations it took until the first wrong component was done; None if none was wrong."""

    caught_after: int | None
    operations: int
    verdict: Verdict


def run_against(saboteur: Saboteur, seed: int, operations_max: int) -> Run:
    """Let clients ask servers over a database, a round at a time, until a component is wrong."""
    patience = PATIENCE if saboteur.is_broken else resolver.COMMIT_ATTEMPTS_MAX
    with database_of(saboteur) as url, patch.object(resolver, "COMMIT_ATTEMPTS_MAX", patience):
        return asyncio.run(_run(url, saboteur, seed, operations_max))


async def _run(url: str, saboteur: Saboteur, seed: int, operations_max: int) -> Run:
    done = 0
    known: list[Operation] = []
    verdict = Verdict()
    async with open_servers(url, saboteur.around, saboteur.losing, seed) as servers:
        while done < operations_max and verdict.holds:
            recorder = Recorder("servers in one process", seed, CLIENTS, SERVERS)
            await recorder.run(
                servers.ask, visits(seed, CLIENTS, min(ROUND, operations_max - done), done, saboteur.scopes)
            )
            await recorder.take_census(servers.store, known)
            history = recorder.history()
            known += [one for one in history.operations if one.call.kind == "census"]
            verdict = judge(history)
            if not verdict.holds:
                return Run(done + _ended(verdict, history), done, verdict)
            done += sum(one.call.kind != "census" for one in history.operations)
    return Run(None, done, verdict)


def _ended(verdict: Verdict, history: History) -> int:
    """Return how many operations had begun when the first wrong component was done."""
    asked = [one for one in history.operations if one.call.kind != "census"]
    lasts = [
        max((one.number for one in wrong.operations if one.call.kind != "census"), default=len(asked))
        for wrong in verdict.wrong
    ]
    last = min(lasts)
    return sum(one.number <= last for one in asked)


def needed(samples: Sequence[int]) -> int:
    """Return how many operations the real store must make: the mean plus three standard deviations."""
    return math.ceil(mean(samples) + 3 * stdev(samples))


def main() -> None:
    """Measure saboteurs, all or those that are named, and keep the table."""
    names = sys.argv[1:] or list(SABOTEURS)
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    for name in names:
        runs = [run_against(SABOTEURS[name], seed, OPERATIONS_MAX) for seed in range(SAMPLES)]
        samples = [run.caught_after for run in runs]
        print(name, samples, flush=True)  # noqa: T201 - it says what it measures
        if None in samples:
            table.pop(name, None)
            continue
        table[name] = samples
        rows = [f"  {json.dumps(one)}: {json.dumps(table[one])}" for one in SABOTEURS if one in table]
        TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
