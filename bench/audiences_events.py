"""A server sends batches of events while a hundred audiences are kept up to date, beside the same where there are none.

Goal: at least 0.7 of the rate; of what is accepted while users are judged, and of what is accepted and judged, counting the time until nobody
waits to be judged any more. Told too is how many waited when the load ended, and how long they were worked off.
"""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Final

import apsw

from bench.audience_mix import database_url, define, hundred, opened, settled
from bench.contest import Contender, Plan, Say
from bench.facts import write_facts
from bench.load import LoadFailed, Question
from bench.population import Population
from bench.report import Finding, Goal
from bench.seeding import copied, seeded
from bench.served import add_options as add_served_options
from bench.served import arena, plan_of
from bench.serving import WEB_SECRET
from knownas.service.server import system_clock

RATE_AT_LEAST: Final = 0.7
WARM_UP_REQUESTS: Final = 5_000
LOOK_SECONDS: Final = 0.05
WORKED_OFF_WITHIN_SECONDS: Final = 600


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser, warm_up=WARM_UP_REQUESTS)
    parser.add_argument("--profiles", type=int, default=100_000, help="seeded users (%(default)s)")
    parser.add_argument("--events", type=int, default=5, help="events that are known of each before (%(default)s)")
    parser.add_argument("--audiences", type=int, default=100, help="of the hundred audiences, so many (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure a server with audiences beside one without."""
    if options.store != "sqlite":
        raise LoadFailed("what waits to be judged is counted in a SQLite file only")
    question = Question("events", {"profiles": options.profiles, "secret": WEB_SECRET, "at": system_clock()})
    with arena(options.cache, say) as place:
        population = Population(options.profiles)
        seed = seeded(population, options.cache, say)
        plain, judging = (copied(seed, place.folder / f"{name}.db") for name in ("plain", "judging"))
        # They are defined before anything is known of anybody: a hundred backfills are not what is measured.
        _define(judging, options.audiences)
        for file in (plain, judging):
            write_facts(population, options.events, system_clock(), file, say)
        without = Contender("without", [place.over("without", plain)], question, "kept")
        audiences = Contender("audiences", [place.over("audiences", judging)], question, "kept")
        rounds = _rounds(without, audiences, judging, plan_of(options), say)
    goals = [
        Goal(f"{measure} beside that without audiences", [one[name] for one in rounds], at_least=RATE_AT_LEAST)
        for measure, name in (("rate accepted", "accepted_ratio"), ("rate accepted and judged", "judged_ratio"))
    ]
    medians = {name: round(median(one[name] for one in rounds), 4) for name in rounds[0]}
    return Finding(goals, {**medians, "samples": rounds})


def _define(database: Path, audiences: int) -> None:
    async def defined() -> None:
        async with opened(database_url(database)) as service:
            for number, expression in enumerate(hundred()[:audiences], start=1):
                await define(service, f"audience {number}", expression)
            await settled(service)

    asyncio.run(defined())


def _rounds(without: Contender, audiences: Contender, judging: Path, plan: Plan, say: Say) -> list[Mapping[str, float]]:
    for one in (without, audiences):
        asked = 0
        while asked < plan.warm_up_requests:
            asked += one.load(plan, plan.seconds, look=True).requests
        say(f"{one.name} is warm after {asked} requests")
    _worked_off(judging)
    rounds: list[Mapping[str, float]] = []
    for number in range(1, plan.rounds + 1):
        before = without.load(plan, plan.seconds)
        cpu = audiences.cpu_seconds()
        load = audiences.load(plan, plan.seconds)
        waiting = _waiting(judging)
        seconds = _worked_off(judging)
        judged = load.requests / (load.seconds + seconds)
        found = {
            "accepted_ratio": round(load.rate / before.rate, 4),
            "judged_ratio": round(judged / before.rate, 4),
            "rate_without": round(before.rate, 1),
            "rate_accepted": round(load.rate, 1),
            "rate_judged": round(judged, 1),
            "p99_without_ms": before.p99_ms,
            "p99_ms": load.p99_ms,
            "cpu_us_per_batch": round((audiences.cpu_seconds() - cpu) / load.requests * 1e6, 1),
            "waiting_at_the_end": waiting,
            "seconds_until_none_waits": round(seconds, 3),
        }
        say(f"round {number}: {found}")
        rounds.append(found)
    return rounds


def _waiting(database: Path) -> int:
    """Return how many marks wait: users of whom something became known that nobody has looked at."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        ((waiting,),) = connection.execute("SELECT count(*) FROM mark").fetchall()
    finally:
        connection.close()
    return int(waiting)


def _worked_off(database: Path) -> float:
    """Wait until nobody waits to be judged; return how long that took (seconds).

    Raises:
        LoadFailed: it takes too long.
    """
    began = perf_counter()
    while _waiting(database):
        if perf_counter() - began > WORKED_OFF_WITHIN_SECONDS:
            raise LoadFailed(f"users wait to be judged after {WORKED_OFF_WITHIN_SECONDS} seconds")
        sleep(LOOK_SECONDS)
    return perf_counter() - began
