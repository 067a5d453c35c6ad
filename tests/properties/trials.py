"""Draws cases until one fails, then cuts it down to the steps that it takes to fail.

Each run draws other cases. The seed is printed with a failure; KNOWNAS_TEST_SEED repeats it.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import SystemRandom
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_C = TypeVar("_C")
_S = TypeVar("_S")

SEED_VARIABLE = "KNOWNAS_TEST_SEED"
CUTS_MAX = 2_000
"""Tries at making a failing case smaller."""


class _Failing(AssertionError):
    """Ends a search: a case fails."""


def seed_of_this_run(shard: int = 0) -> int:
    """Return the seed of one shard: another one each run, unless the environment names it."""
    given_seed = os.environ.get(SEED_VARIABLE)
    return SystemRandom().getrandbits(32) if given_seed is None else int(given_seed) + shard


def first_failing(
    cases: st.SearchStrategy[_C], fault_of: Callable[[_C], str | None], *, examples: int, seeded: int
) -> _C | None:
    """Draw cases and return the first that has a fault, None if none of so many has."""
    found: list[_C] = []

    @seed(seeded)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(cases)
    def run(case: _C) -> None:
        if fault_of(case) is not None:
            found.append(case)
            raise _Failing

    with suppress(_Failing):
        run()
    return found[0] if found else None


def cut_down(steps: Sequence[_S], fails: Callable[[list[_S]], bool]) -> list[_S]:
    """Leave out steps, many at once and then one at a time, as long as what is left still fails."""
    left, size, tries = list(steps), max(1, len(steps) // 2), 0
    while size:
        start, before = 0, len(left)
        while start < len(left) and tries < CUTS_MAX:
            shorter = left[:start] + left[start + size :]
            tries += 1
            if fails(shorter):
                left = shorter
            else:
                start += size
        # A step that was needed may no longer be, now that a later one is gone.
        size = 1 if size == 1 and len(left) < before else size // 2
    return left
