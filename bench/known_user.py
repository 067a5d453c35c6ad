"""A known user returns: any of a million, with three identities, by key alone. The commonest request there is.

Goal: at least half the rate of a server that does nothing; over PostgreSQL, on the same machine, 0.35 of it. `--stale`
measures the worst hour instead, in which everybody comes back for the first time in a long while, and each first visit is
written down behind its answer.
"""

import argparse
from typing import Final

from bench.bare import KNOWN_USER
from bench.contest import Contender, Say, contest
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import against_bare, arena, known_users, plan_of

RATE_AT_LEAST: Final = {"sqlite": 0.50, "postgres": 0.35}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser)
    parser.add_argument("--profiles", type=int, default=1_000_000, help="seeded users (%(default)s)")
    parser.add_argument("--stale", action="store_true", help="users were last seen more than an hour ago")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure ours beside the no-op."""
    population = Population(options.profiles, stale=options.stale)
    plan = plan_of(options)
    with arena(options.cache, say, options.store) as place:
        noop, server = place.noop(), place.ours("ours", population, writes=options.stale)
        ours = Contender("ours", [server], known_users(options.profiles), "known")
        script = KNOWN_USER.replace("{profiles}", str(options.profiles))
        result = contest([noop, ours], plan, say, place.bare("ours", script, plan))
        goal = Goal("rate of ours to the no-op's", result.ratios("ours", "noop"), at_least=RATE_AT_LEAST[options.store])
        by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("ours", "noop")]
        measured = {**result.document(), "cpu_ratios": by_cpu, "resident_bytes": server.resident_bytes()}
    return Finding([goal, *against_bare(result, "ours")], measured)
