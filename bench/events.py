"""A server sends a batch of five events about a known user, and it is on the disk before the answer is out.

Goal: at least a fifth of the rate of a server that does nothing but decode the same body.
"""

import argparse
from typing import Final

from bench.contest import Contender, Say, contest
from bench.load import Question
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import arena, plan_of
from bench.serving import WEB_SECRET

RATE_AT_LEAST: Final = 0.20
WARM_UP_REQUESTS: Final = 20_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser, warm_up=WARM_UP_REQUESTS)
    parser.add_argument("--profiles", type=int, default=100_000, help="seeded users (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure ours beside the no-op, which is sent the same batches."""
    question = Question("events", {"profiles": options.profiles, "secret": WEB_SECRET})
    with arena(options.cache, say, options.store) as place:
        noop = place.noop(question)
        server = place.ours("ours", Population(options.profiles), writes=True)
        ours = Contender("ours", [server], question, "kept")
        result = contest([noop, ours], plan_of(options), say)
        goal = Goal("rate of ours to the no-op's", result.ratios("ours", "noop"), at_least=RATE_AT_LEAST)
        by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("ours", "noop")]
        measured = {**result.document(), "cpu_ratios": by_cpu, "resident_bytes": server.resident_bytes()}
    return Finding([goal], measured)
