"""Runs one benchmark and writes its report: `python -m bench NAME [--json FILE] [options]`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from bench import (
    accuracy,
    audiences_backfill,
    audiences_dead_output,
    audiences_events,
    backfill,
    crowded_device,
    decision,
    deliveries,
    erasure,
    events,
    fold,
    growth,
    hot_users,
    import_file,
    known_user,
    new_profile,
    profile_read,
)
from bench.contest import Say
from bench.load import LoadFailed
from bench.report import Finding, report
from bench.seeding import SeedingFailed
from bench.serving import ServerFailed

CACHE: Final = Path(".tools/bench")
FAILED: Final = 1
GOAL_MISSED: Final = 2


class Benchmark(Protocol):
    """A module with a benchmark."""

    __doc__: str | None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add its options."""
        ...

    def run(self, options: argparse.Namespace, say: Say) -> Finding:
        """Measure."""
        ...


BENCHMARKS: Final[dict[str, Benchmark]] = {
    "known_user": known_user,
    "new_profile": new_profile,
    "crowded_device": crowded_device,
    "growth": growth,
    "hot_users": hot_users,
    "decision": decision,
    "events": events,
    "profile_read": profile_read,
    "import_file": import_file,
    "backfill": backfill,
    "accuracy": accuracy,
    "fold": fold,
    "erasure": erasure,
    "deliveries": deliveries,
    "audiences_events": audiences_events,
    "audiences_backfill": audiences_backfill,
    "audiences_dead_output": audiences_dead_output,
}


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say. Returns 0; 1 if it could not be measured; 2 with --strict if a goal is missed."""
    options = _parser().parse_args(arguments)
    benchmark = BENCHMARKS[options.benchmark]
    try:
        finding = benchmark.run(options, _say)
    except (LoadFailed, SeedingFailed, ServerFailed) as failure:
        _say(f"{options.benchmark} failed: {failure}")
        return FAILED
    text = json.dumps(report(options.benchmark, vars(options), finding), indent=2) + "\n"
    if options.json is None:
        sys.stdout.write(text)
    else:
        _write(options.json, text)
    for goal in finding.goals:
        wanted = f">= {goal.at_least}" if goal.at_most is None else f"<= {goal.at_most}"
        _say(f"{goal.measure}: {goal.result:.3f}, wanted {wanted}: {'met' if goal.met else 'MISSED'}")
    return GOAL_MISSED if options.strict and not all(goal.met for goal in finding.goals) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = parser.add_subparsers(dest="benchmark", required=True, metavar="NAME")
    for name, benchmark in BENCHMARKS.items():
        told = (benchmark.__doc__ or "").partition("\n\n")
        one = names.add_parser(name, help=told[0], description=benchmark.__doc__)
        one.add_argument("--json", type=Path, metavar="FILE", help="write the report there, not to standard output")
        one.add_argument("--cache", type=Path, default=CACHE, metavar="FOLDER", help="seeded databases (%(default)s)")
        one.add_argument("--strict", action="store_true", help="end with status 2 if a goal is missed")
        benchmark.add_options(one)
    return parser


def _write(file: Path, text: str) -> None:
    """Write a report whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as unfinished:
        unfinished.write(text)
    Path(unfinished.name).replace(file)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
