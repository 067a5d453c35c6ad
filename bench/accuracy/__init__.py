"""How far profiles are persons: each strategy in generated worlds whose truth is known.

For each kind of business a few months are generated and played against the pure core under each strategy. There is
no server here and no goal: what comes out are precision, recall and F1 over pairs of events, and how much anonymous
history comes to the person's profile. The same seed gives the same figures to the last digit.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time

from bench.accuracy.business import BUSINESSES, PEOPLE_MAX
from bench.accuracy.contenders import CONTENDERS, Contender, named
from bench.accuracy.picture import picture_of
from bench.accuracy.playing import play
from bench.accuracy.scoring import score
from bench.accuracy.tables import Scored, tables_of
from bench.accuracy.world import World, world
from bench.contest import Say
from bench.report import Finding


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    names = [business.name for business in BUSINESSES]
    parser.add_argument("--people", type=int, default=1_000, help=f"in each world, up to {PEOPLE_MAX} (%(default)s)")
    parser.add_argument("--days", type=int, default=90, help="that each world lasts, up to 366 (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the worlds (%(default)s)")
    parser.add_argument("--business", choices=names, action="append", help="one kind; may be repeated (all)")
    parser.add_argument("--without-junk", action="store_true", help="the same, but for identities that are nobody's")
    parser.add_argument("--kiosks-forget", action="store_true", help="the same, with kiosks as new after each visit")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the scores there, as SVG")
    parser.add_argument("--tables", type=Path, metavar="FILE", help="write the scores there, as Markdown tables")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Generate each world, play it under each policy, and score every reading of what came out."""
    wanted = [one for one in BUSINESSES if options.business is None or one.name in options.business]
    businesses = [replace(one, people=options.people, days=options.days) for one in wanted]
    if options.without_junk:
        businesses = [one.without_junk() for one in businesses]
    if options.kiosks_forget:
        businesses = [one.with_forgetful_kiosks() for one in businesses]
    measured: dict[str, Scored] = {}
    sizes: dict[str, dict[str, int]] = {}
    for business in businesses:
        started = process_time()
        lived = world(business, options.seed)
        measured[business.name] = scored(lived)
        sizes[business.name] = size_of(lived)
        say(f"{business.name}: {sizes[business.name]}, {process_time() - started:.1f} s of processor time")
    if options.plot is not None:
        options.plot.write_text(picture_of(businesses, measured), encoding="utf-8")
    if options.tables is not None:
        options.tables.write_text(tables_of(businesses, measured), encoding="utf-8")
    return Finding(measured={"worlds": sizes, "scores": measured})


def scored(lived: World, contenders: Sequence[Contender] = CONTENDERS) -> Scored:
    """Play a world under each contender's policy, and return the scores of each line."""
    lines: Scored = {}
    for contender in contenders:
        played = play(lived.steps, contender.policy)
        for reading in contender.readings:
            found = score(lived, played.sent, reading.profiles(played))
            lines[named(contender, reading)] = found.document()
    return lines


def size_of(lived: World) -> dict[str, int]:
    """Return how large a world is."""
    events = sum(step.events for step in lived.steps)
    return {"people": len(lived.households), "identity_calls": len(lived.steps), "events": events}
