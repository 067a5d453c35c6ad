"""A backfill comes to what one observation after the other would have: records, holders, and the log line for line."""

import random
from pathlib import Path

import pytest

from tests.batch.backfill.histories import differences, draw_history, draw_policy
from tests.properties.trials import seed_of_this_run
from tests.store.places import PLACES

STEPS = 40


@pytest.mark.parametrize("kind", PLACES)
def test_backfill_equals_folding_one_by_one(kind: str, tmp_path: Path) -> None:
    """Backfilled histories are, in every database, the same as those that were sent one observation after the other."""
    seed = seed_of_this_run()
    chance = random.Random(seed)
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        policy, rows = draw_policy(chance), draw_history(chance, histories=12, steps=STEPS)
        with PLACES[kind](folder) as place:
            found = differences(place, policy, rows, folder)
        assert not found, (seed, number, policy, found[:5])


@pytest.mark.soak
def test_a_thousand_histories_backfill_to_what_they_fold_to(tmp_path: Path) -> None:
    """A thousand random histories, four at a time under a policy of their own, show no difference."""
    seed = seed_of_this_run()
    chance = random.Random(seed)
    for number in range(250):
        folder = tmp_path / str(number)
        folder.mkdir()
        policy, rows = draw_policy(chance), draw_history(chance, histories=4, steps=STEPS)
        with PLACES["sqlite"](folder) as place:
            found = differences(place, policy, rows, folder)
        assert not found, (seed, number, policy, found[:5])
