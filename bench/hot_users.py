"""Twenty users change all the time, under ten clients, through two servers over one PostgreSQL database.

Goal: at least half the rate of changes to users drawn from everybody, over the same servers in the same run. Two
servers that change one user at the same moment meet in the database: one of them reads again and decides again.
"""

import argparse
from typing import Final

from bench.contest import Contender, Say, contest
from bench.load import Question
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import arena, plan_of

RATE_AT_LEAST: Final = 0.5
CLIENTS: Final = 10
SERVERS: Final = 2
WARM_UP_REQUESTS: Final = 5_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser, warm_up=WARM_UP_REQUESTS)
    parser.set_defaults(store="postgres", connections=CLIENTS)
    parser.add_argument("--profiles", type=int, default=100_000, help="seeded users (%(default)s)")
    parser.add_argument("--hot", type=int, default=20, help="users that change all the time (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure changes of a few beside changes of anybody."""
    with arena(options.cache, say, options.store) as place:
        servers = place.several("ours", Population(options.profiles), SERVERS)
        hot, anybody = (
            Contender(name, servers, Question("changing_user", {"profiles": users}), "modified")
            for name, users in (("hot", options.hot), ("anybody", options.profiles))
        )
        result = contest([place.noop(), hot, anybody], plan_of(options), say)
    goal = Goal("rate of changes of few to those of anybody", result.ratios("hot", "anybody"), at_least=RATE_AT_LEAST)
    return Finding([goal], result.document())
