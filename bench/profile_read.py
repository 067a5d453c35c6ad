"""An app reads the profile of a user to personalise: identities, devices and attributes, by MPID with a token.

Goal: at least half the rate of a server that does nothing. The users have attributes: batches of events about them
were sent before.
"""

import argparse
from typing import Final

from bench.contest import Contender, Say, contest
from bench.load import Question, load
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import arena, plan_of
from bench.serving import WEB_KEY, WEB_SECRET

RATE_AT_LEAST: Final = 0.50
WARM_UP_REQUESTS: Final = 20_000
FILL_SECONDS: Final = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser, warm_up=WARM_UP_REQUESTS)
    parser.add_argument("--profiles", type=int, default=10_000, help="seeded users (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure ours beside the no-op, which is asked for the same paths."""
    with arena(options.cache, say, options.store) as place:
        server = place.ours("ours", Population(options.profiles), writes=True)
        batches = Question("events", {"profiles": options.profiles, "secret": WEB_SECRET})
        load(server.url, WEB_KEY, batches, FILL_SECONDS, connections=options.connections)
        question = Question("profile", {"profiles": options.profiles, "token": server.token()})
        result = contest([place.noop(question), Contender("ours", [server], question)], plan_of(options), say)
        goal = Goal("rate of ours to the no-op's", result.ratios("ours", "noop"), at_least=RATE_AT_LEAST)
        by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("ours", "noop")]
        measured = {**result.document(), "cpu_ratios": by_cpu, "resident_bytes": server.resident_bytes()}
    return Finding([goal], measured)
