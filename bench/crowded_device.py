"""A device comes back, alone, that sits on a hundred thousand anonymous profiles: each logout made one.

Goal: at least 0.8 of the rate of known users on the same server, in the same run. The crowd must not be read.
"""

import argparse
from typing import Final

from bench.contest import Contender, Say, contest
from bench.population import Population
from bench.report import Finding, Goal
from bench.served import add_options as add_served_options
from bench.served import arena, crowded_device, known_users, plan_of

RATE_AT_LEAST: Final = 0.80


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    add_served_options(parser)
    parser.add_argument("--profiles", type=int, default=1_000_000, help="seeded users (%(default)s)")
    parser.add_argument("--crowd", type=int, default=100_000, help="profiles on the device (%(default)s)")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Measure the device beside known users and the no-op."""
    with arena(options.cache, say, options.store) as place:
        noop, server = place.noop(), place.ours("ours", Population(options.profiles, options.crowd), writes=False)
        known = Contender("known_user", [server], known_users(options.profiles), "known")
        device = Contender("crowded_device", [server], crowded_device(), "anonymous")
        result = contest([noop, known, device], plan_of(options), say)
    goal = Goal("rate of the device to known users'", result.ratios("crowded_device", "known_user"), RATE_AT_LEAST)
    by_cpu = [round(ratio, 4) for ratio in result.cpu_ratios("crowded_device", "known_user")]
    return Finding([goal], {**result.document(), "cpu_ratios": by_cpu})
