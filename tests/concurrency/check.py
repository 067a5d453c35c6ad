"""Checks kept histories again: `python -m tests.concurrency.check FILE ...`."""

import sys
from pathlib import Path

from tests.concurrency.history import read_history
from tests.concurrency.linearizability import judge


def main() -> int:
    """Judge each file; 1 if any can't have come about."""
    wrong = 0
    for name in sys.argv[1:]:
        history = read_history(Path(name))
        verdict = judge(history)
        asked = sum(one.call.kind != "census" for one in history.operations)
        said = "holds" if verdict.holds else "DOES NOT HOLD"
        print(f"{name}: {asked} operations of {history.about.clients} clients, {said}: {verdict}")  # noqa: T201
        wrong += not verdict.holds
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
