"""Plays random programs under random policies against the naive model: 2,000 of fifty calls each, other ones each run.

Whole programs are drawn in one go rather than by a rule-based machine, whose bookkeeping costs ten times the rules.
"""

from dataclasses import replace

import pytest

from tests.properties.comparison import Mismatch, Pair
from tests.properties.programs import Case, Step, cases
from tests.properties.trials import cut_down, first_failing, seed_of_this_run

SHARDS = 8
EXAMPLES_A_SHARD = 250


def fault_of(case: Case) -> str | None:
    """Say where the core and the model part, None if they agree to the end."""
    try:
        Pair(case.rules).play(case.program)
    except Mismatch as mismatch:
        return str(mismatch)
    return None


def smallest(case: Case) -> Case:
    """Cut a failing case down."""

    def fails(steps: list[Step]) -> bool:
        return fault_of(replace(case, program=steps)) is not None

    return replace(case, program=cut_down(case.program, fails))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_core_does_what_the_specification_says(shard: int) -> None:
    """Under any policy, after any calls, the core answers as the naive model does and holds the same records."""
    seeded = seed_of_this_run(shard)
    failing = first_failing(cases(), fault_of, examples=EXAMPLES_A_SHARD, seeded=seeded)
    if failing is not None:
        case = smallest(failing)
        steps = "\n".join(map(str, case.program))
        pytest.fail(f"{fault_of(case)}\n{steps}\nKNOWNAS_TEST_SEED={seeded - shard}", pytrace=False)
