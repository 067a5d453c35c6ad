"""A known user returns to a server with three million profiles, and to one with a hundred thousand.

Goal: a request takes at most 1.3 times as long; over PostgreSQL at most 1.5 times, with ten million (`--store postgres
--large 10000000`). Both servers run side by side and are measured in turn.
"""

import argparse
from typing import Final

from bench.contest import Contender, Say, contest
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import arena, known_users, plan_of

TIME_AT_MOST: Final = {"sqlite": 1.3, "postgres": 1.5}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser)
    parser.add_argument("--small", type=int, default=100_000, help="users of the small server (%(default)s)")
    parser.add_argument("--large", type=int, default=3_000_000, help="users of the large server (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure the two beside the no-op."""
    with arena(options.cache, say, options.store) as place:
        contenders = [place.noop()]
        for name, profiles in (("small", options.small), ("large", options.large)):
            server = place.ours(name, Population(profiles), writes=False)
            contenders.append(Contender(name, [server], known_users(profiles), "known"))
        result = contest(contenders, plan_of(options), say)
        resident = {one.name: one.servers[0].resident_bytes() for one in contenders}
    goal = Goal(
        "time of a request, large to small", result.ratios("small", "large"), at_most=TIME_AT_MOST[options.store]
    )
    by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("small", "large")]
    return Finding([goal], {**result.document(), "cpu_ratios": by_cpu, "resident_bytes": resident})
