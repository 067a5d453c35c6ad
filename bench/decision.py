"""The decision alone, over records in memory: its time, and what a profile takes in memory and on the disk.

There is no server here and so no no-op beside it. The database for the disk's share is made the way a server
makes one, log and all, since that is how it grows.
"""

import argparse
import asyncio
import random
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import apsw

from bench.contest import Say
from bench.population import CREATED_MS, CROWDED_STAMP, FRESH_MS, POLICY, identities_of, user, visitor
from bench.report import Finding
from bench.seeding import CROWD_IDENTITY, seed_through_resolver
from knownas.core.identity.decision import Created, Decision, Returned
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.core.identity.resolve import resolve
from knownas.core.limits import HOLDERS_CONSIDERED_MAX

FRESH_MPID: Final = 7
MILLION: Final = 1_000_000
_SIZES: Final = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--profiles", type=int, default=200_000, help="records in memory (%(default)s)")
    parser.add_argument("--stored", type=int, default=100_000, help="profiles in the measured file (%(default)s)")
    parser.add_argument("--decisions", type=int, default=20_000, help="decisions in each sample (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="samples of each kind (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure times, then sizes."""
    measured = {
        "us_per_decision": _times(options.profiles, options.decisions, options.rounds, say),
        "memory": _memory(options.profiles, say),
        "sqlite": _stored(options.stored, options.cache, say),
    }
    return Finding(measured=measured)


def _times(profiles: int, decisions: int, rounds: int, say: Say) -> dict[str, object]:
    known, anonymous = Records(), Records()
    known.load(user(number, FRESH_MS) for number in range(1, profiles + 1))
    anonymous.load(visitor(number, _device(number).value, FRESH_MS) for number in range(1, profiles + 1))
    chance = random.Random(1)
    numbers = [chance.randint(1, profiles) for _ in range(decisions)]
    back = [_asks(identities_of(number)) for number in numbers]
    new = [_asks(identities_of(profiles + number)) for number in numbers]
    device, crowd = [_asks((CROWD_IDENTITY,))] * decisions, _crowd()
    kinds: dict[str, Callable[[], float]] = {
        "known_user_returns": lambda: _time(back, known, _is_returned),
        "new_profile": lambda: _time(new, known, _is_created),
        "conversion": lambda: _time(back, anonymous, _is_conversion),
        "crowded_device": lambda: _time(device, crowd, _is_returned),
    }
    samples: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, sample in kinds.items():
            samples[name].append(sample() / decisions * 1e6)
    for name, of_kind in samples.items():
        say(f"{name}: {median(of_kind):.2f} us")
    return {
        name: {"median": round(median(of_kind), 3), "samples": [round(sample, 3) for sample in of_kind]}
        for name, of_kind in samples.items()
    }


def _crowd() -> Records:
    """Return what a store loads of a crowd: the few that a lookup considers, and that there are more."""
    records = Records()
    few = [visitor(number, CROWDED_STAMP, FRESH_MS - number) for number in range(1, HOLDERS_CONSIDERED_MAX + 1)]
    records.load(few, (CROWD_IDENTITY,))
    return records


def _device(number: int) -> Identity:
    return next(one for one in identities_of(number) if one.type is IdentityType.DEVICE_APPLICATION_STAMP)


def _asks(identities: tuple[Identity, ...]) -> IdentityRequest:
    return IdentityRequest(Endpoint.IDENTIFY, CREATED_MS, Environment.PRODUCTION, "web", identities)


def _time(requests: Sequence[IdentityRequest], records: Records, expected: Callable[[Decision], bool]) -> float:
    """Return the seconds that the decisions took. None is applied, so that the next sample finds the same."""
    if not expected(resolve(requests[0], POLICY, records, FRESH_MPID)):
        raise AssertionError("the decision is not the one to be measured")
    start = perf_counter()
    for request in requests:
        resolve(request, POLICY, records, FRESH_MPID)
    return perf_counter() - start


def _is_returned(decision: Decision) -> bool:
    return isinstance(decision.outcome, Returned) and not decision.writes


def _is_created(decision: Decision) -> bool:
    return isinstance(decision.outcome, Created)


def _is_conversion(decision: Decision) -> bool:
    return isinstance(decision.outcome, Returned) and decision.outcome.became_known


def _memory(profiles: int, say: Say) -> dict[str, object]:
    """Measure a collection of records with all that it holds, as Python's allocator counts it."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        records = Records()
        records.load(_as_loaded(number) for number in range(1, profiles + 1))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    per_million = round((after - before) / len(records) * MILLION)
    say(f"memory: {per_million / 1e6:.0f} MB per million profiles")
    return {"profiles": len(records), "bytes_per_million": per_million}


def _as_loaded(number: int) -> Record:
    return user(number, CREATED_MS + number)


def _stored(profiles: int, cache: Path, say: Say) -> dict[str, object]:
    """Measure a database that a server has filled, as a whole and by table."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as folder:
        file = Path(folder, "stored.db")
        start = perf_counter()
        asyncio.run(seed_through_resolver(file, profiles))
        seconds = perf_counter() - start
        whole = file.stat().st_size
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            tables = {str(name): int(size) for name, size in connection.execute(_SIZES)}
        finally:
            connection.close()
    per_million = round(whole / profiles * MILLION)
    say(f"SQLite: {per_million / 1e6:.0f} MB per million profiles, made at {profiles / seconds:.0f} a second")
    return {
        "profiles": profiles,
        "bytes_per_million": per_million,
        "bytes_per_million_by_table": {name: round(size / profiles * MILLION) for name, size in tables.items()},
        "profiles_made_per_second": round(profiles / seconds, 1),
    }
