"""Somebody new comes with every request, with three identities, and is on the disk before the answer is out.

Goal: at least a fifth of the rate of a server that does nothing; over PostgreSQL, on the same machine, 0.12 of it. The
database holds users already, so that the new ones' identities are put between theirs.
"""

import argparse
from typing import Final

from bench.bare import NEW_PROFILE
from bench.contest import Contender, Say, contest
from bench.load import Question
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import against_bare, arena, plan_of

RATE_AT_LEAST: Final = {"sqlite": 0.20, "postgres": 0.12}
WARM_UP_REQUESTS: Final = 20_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser, warm_up=WARM_UP_REQUESTS)
    parser.add_argument("--profiles", type=int, default=1_000_000, help="users there before (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure ours beside the no-op."""
    plan = plan_of(options)
    with arena(options.cache, say, options.store) as place:
        noop, server = place.noop(), place.ours("ours", Population(options.profiles), writes=True)
        ours = Contender("ours", [server], Question("new_profile"), "created")
        result = contest([noop, ours], plan, say, place.bare("ours", NEW_PROFILE, plan))
        goal = Goal("rate of ours to the no-op's", result.ratios("ours", "noop"), at_least=RATE_AT_LEAST[options.store])
        by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("ours", "noop")]
        measured = {**result.document(), "cpu_ratios": by_cpu, "resident_bytes": server.resident_bytes()}
    return Finding([goal, *against_bare(result, "ours")], measured)
