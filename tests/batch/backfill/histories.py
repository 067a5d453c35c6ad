"""Draws histories, sends them one observation after the other, backfills them, and says where the two differ."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from knownas.batch.backfill.folding import FoldJob, Sender, fold_job, stored_policy
from knownas.batch.backfill.jobs import BackfillJob, Engine
from knownas.batch.backfill.kinds import ENDPOINTS
from knownas.batch.backfill.limits import LARGEST_COMPONENT
from knownas.batch.backfill.local import LocalEngine
from knownas.batch.backfill.names import Names
from knownas.batch.backfill.reading import HistoryReading
from knownas.batch.backfill.running import Report, Target, WorkFolder, backfill
from knownas.batch.backfill.screening import Screening
from knownas.batch.import_mapping import HISTORY_WORDS, ColumnMapping
from knownas.batch.import_reading import open_import_file
from knownas.batch.import_rows import Reading
from knownas.core.identity.kinds import Identity, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Capture, EnvironmentPools, Policy
from knownas.core.identity.record import Record
from knownas.core.profile.event import Channel
from knownas.service.history.subjects import subject_of
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import screened_rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.toxic.list import NOTHING_LISTED, ToxicValue
from knownas.store.memory.store import MemoryStore
from knownas.store.opening import open_bulk_end
from knownas.store.port import LogEntry, Pool, Store, Wanted
from tests.properties.comparison import policy_of
from tests.properties.programs import RULES_BYTES, TYPES, rules_from
from tests.store.places import Place
from tests.store.world import EVERYTHING, fold_differs, records_in

START_MS: Final = 1_600_000_000_000
SECRET: Final = bytes(range(32))
SENDERS: Final = tuple(
    Sender(name, may_create=makes, workspace=100, channel=Channel.SERVER)
    for name, makes in (("web", True), ("crm", False))
)
SCOPE: Final = "shop"
OPEN: Final = ColumnMapping({}, HISTORY_WORDS)
READING: Final = HistoryReading(
    Reading(OPEN, Environment.PRODUCTION, Channel.SERVER), {sender.name: place for place, sender in enumerate(SENDERS)}
)


@dataclass(frozen=True)
class Observation:
    """A row of a history."""

    at_ms: int
    identities: tuple[Identity, ...]
    endpoint: Endpoint = Endpoint.IDENTIFY
    environment: Environment = Environment.PRODUCTION
    input: int = 0

    def cells(self) -> dict[str, Any]:
        """Return the row as a line of JSON has it."""
        return {
            "time": self.at_ms,
            "endpoint": self.endpoint.value,
            "environment": self.environment.value,
            "input": SENDERS[self.input].name,
            "identities": {one.type.value: one.value for one in self.identities},
        }


def draw_policy(chance: random.Random) -> Policy:
    """Draw a policy: any strategy, any priority and flags, any settings."""
    drawn = policy_of(rules_from(chance.randbytes(RULES_BYTES)))
    pools = chance.choice([EnvironmentPools.SEPARATE, EnvironmentPools.SHARED])
    capture = chance.choice([Capture.CHANGES, Capture.CHANGES, Capture.ALL])
    return replace(drawn, settings=replace(drawn.settings, environment_pools=pools, capture=capture))


def draw_history(chance: random.Random, histories: int, steps: int) -> list[Observation]:
    """Draw histories, each over values of its own, so few that they meet all the time, and mix their rows.

    Some values have so many holders that a lookup does not consider all. Times repeat, and are in no order.
    """
    rows: list[Observation] = []
    for history in range(histories):
        values = chance.choice([2, 3, 12, 60])
        for _ in range(chance.randint(1, 2 * steps)):
            chosen = [kind for kind in TYPES if chance.random() < 0.5] or [chance.choice(TYPES)]
            held = {kind: f"{history}:{chance.randrange(values if index else 2)}" for index, kind in enumerate(chosen)}
            rows.append(
                Observation(
                    START_MS + chance.randrange(steps),
                    identities(held),
                    chance.choice([*ENDPOINTS, Endpoint.IDENTIFY, Endpoint.LOGOUT]),
                    chance.choice([Environment.PRODUCTION, Environment.PRODUCTION, Environment.DEVELOPMENT]),
                    chance.choice([0, 0, 0, 1]),
                )
            )
    chance.shuffle(rows)
    return rows


class NamedChance:
    """Gives out the names that a backfill draws for the row that is asked."""

    def __init__(self) -> None:
        self._names = Names(SECRET)
        self.number = 0

    def fresh_mpid(self) -> int:
        """Return the MPID of a profile that the row makes."""
        return self._names.mpids([self.number])[0]

    def decision_id(self, at_ms: int) -> str:
        """Return the id of the row's decision."""
        return self._names.decision_ids([self.number], [at_ms])[0].hex()


@dataclass(frozen=True)
class Outcome:
    """All that can be seen of a pool: records, the log without its numbers, and who holds each value.

    `found` are the decisions that are found from each profile and each value.
    """

    records: Mapping[int, Record]
    log: Sequence[LogEntry]
    holders: Mapping[Identity, tuple[Sequence[int], bool]]
    found: Mapping[int, Sequence[str]]


async def one_by_one(
    policy: Policy, rows: Sequence[Observation], listed: Sequence[ToxicValue] = ()
) -> Mapping[Pool, Outcome]:
    """Send the observations one after the other, in the order of their times, as a server answers them.

    `listed` are the toxic values that are listed before the first.
    """
    store, activity, chance = MemoryStore(), ActivityMemory(), NamedChance()
    rules = screened_rules(SCOPE, policy)
    if rules.screen is not None:
        judged = NOTHING_LISTED.after(listed, 0)
        rules.screen.take_up(judged.quarantined(), judged.released())
    resolver = Resolver(store, chance, RecentDecisions(), activity)
    for number, row in enumerate(sorted(rows, key=lambda one: one.at_ms), start=1):
        chance.number = number
        sender = SENDERS[row.input]
        request = IdentityRequest(row.endpoint, row.at_ms, row.environment, sender.name, row.identities)
        await resolver.answer(rules.ask(request, may_create=sender.may_create))
    resolver._make_flush_due()
    await resolver.close()
    pools = {rules.pool(row.environment) for row in rows}
    found = {pool: await outcome_in(store, pool, rows) for pool in pools}
    for pool, outcome in found.items():
        late = {
            mpid: record._replace(active_ms=max(record.active_ms, activity.last(mpid) or 0))
            for mpid, record in outcome.records.items()
        }
        found[pool] = replace(outcome, records=late)
    await store.close()
    return found


async def outcome_in(store: Store, pool: Pool, rows: Sequence[Observation]) -> Outcome:
    """Look at all of a pool."""
    held: dict[Identity, tuple[Sequence[int], bool]] = {}
    for one in {one for row in rows for one in row.identities}:
        loaded = (await store.load([Wanted(pool, [one])])).pools.get(pool)
        if loaded is not None:
            mpids = sorted(record.mpid for record in loaded.records)
            # Which of a crowd are the last that were active, the two may know to the hour or exactly.
            held[one] = ([] if loaded.crowded else mpids, bool(loaded.crowded))
    log = [replace(entry, seq=0) for entry in await store.log(pool, 0, EVERYTHING)]
    records = await records_in(store, pool)
    subjects = {*records, *(subject_of(pool, one) for row in rows for one in row.identities)}
    found = {one: [entry.decision_id for entry in await store.history(one, 0, EVERYTHING)] for one in subjects}
    return Outcome(records, log, held, found)


def job_of(
    policy: Policy, paths: Sequence[Path], largest: int = LARGEST_COMPONENT, listed: Sequence[ToxicValue] = ()
) -> BackfillJob:
    """Return the backfill of some files under a policy, with some toxic values listed."""
    files = tuple(open_import_file(path) for path in paths)
    reading = replace(READING, screening=Screening(stored_policy(policy, SCOPE), tuple(listed)))
    return BackfillJob(files, reading, policy, fold_of(policy), largest)


def fold_of(policy: Policy) -> FoldJob:
    """Return the part of a backfill that folds."""
    return fold_job(policy, SCOPE, SENDERS, SECRET)


def write_rows(path: Path, rows: Sequence[Observation]) -> Path:
    """Write a history as JSON Lines."""
    path.write_text("".join(json.dumps(row.cells()) + "\n" for row in rows))
    return path


def local_engine(folder: Path, job: BackfillJob) -> Engine:
    """Return the engine of one machine, with one process, since histories here are small."""
    return LocalEngine(folder, job, processes=1)


MakesEngine = Callable[[Path, BackfillJob], Engine]


@contextmanager
def opened(place: Place, policy: Policy) -> Iterator[tuple[Target, asyncio.Runner]]:
    """Open a place for a backfill, the policy published."""
    with asyncio.Runner() as runner:

        async def make() -> Target:
            store = place.open()
            await policy_in_force(store, SCOPE, policy, START_MS)
            return Target(store, open_bulk_end(place.url), screened_rules(SCOPE, policy), lambda: START_MS)

        target = runner.run(make())
        try:
            yield target, runner
        finally:
            runner.run(target.database.close())
            runner.run(target.store.close())


def backfill_into(place: Place, job: BackfillJob, folder: Path, engine: MakesEngine = local_engine) -> Report:
    """Backfill files into a place, from the beginning or from wherever an earlier run was stopped."""
    with opened(place, job.policy) as (target, runner):
        work = WorkFolder(folder)
        state = replace_secret(work, work.open("about"))
        report = runner.run(
            backfill(job, engine(folder, job), work, state, target, folder.with_suffix(".csv"), lambda _: None)
        )
        work.remove()
        return report


def replace_secret(work: WorkFolder, state: Any) -> Any:
    """Let names be drawn from the tests' secret."""
    if state.secret != SECRET.hex():
        state = type(state)(state.about, SECRET.hex())
        work.save(state)
    return state


def differences(
    place: Place,
    policy: Policy,
    rows: Sequence[Observation],
    folder: Path,
    engine: MakesEngine = local_engine,
    listed: Sequence[ToxicValue] = (),
) -> list[str]:
    """Backfill a history and say where that differs from sending it one observation after the other."""
    path = write_rows(folder / "history.jsonl", rows)
    backfill_into(place, job_of(policy, [path], listed=listed), folder / "work", engine)
    return place.contradictions() + asyncio.run(_differences(place, policy, rows, listed))


async def _differences(
    place: Place, policy: Policy, rows: Sequence[Observation], listed: Sequence[ToxicValue]
) -> list[str]:
    found: list[str] = []
    store = place.open()
    try:
        for pool, expected in (await one_by_one(policy, rows, listed)).items():
            actual = await outcome_in(store, pool, rows)
            for mpid in expected.records.keys() | actual.records.keys():
                one, other = expected.records.get(mpid), actual.records.get(mpid)
                if one != other:
                    found.append(f"{pool} {mpid}: one by one {one}, backfilled {other}")
            if list(expected.log) != list(actual.log):
                pairs = zip(expected.log, actual.log, strict=False)
                first = next((pair for pair in pairs if pair[0] != pair[1]), None)
                found.append(f"{pool}: logs of {len(expected.log)} and {len(actual.log)} lines differ: {first}")
            found += [
                f"{pool} {one}: held by {expected.holders[one]}, backfilled {actual.holders.get(one)}"
                for one in expected.holders
                if expected.holders[one] != actual.holders.get(one)
            ]
            found += [
                f"{pool} subject {one}: leads to {led}, backfilled {actual.found.get(one)}"
                for one, led in expected.found.items()
                if led != actual.found.get(one)
            ]
            found += await fold_differs(store, pool)
    finally:
        await store.close()
    return found
