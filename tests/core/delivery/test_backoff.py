"""Tests the pauses between tries."""

import random

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.backoff import pause_ms
from knownas.core.delivery.limits import ASKED_PAUSE_SECONDS_MAX, PAUSE_SECONDS_MAX

CHANCES = st.floats(0, 1, exclude_max=True)


def test_pauses_double_up_to_an_hour() -> None:
    """The longest pause that can be drawn doubles with each failure, and stays at its limit."""
    longest = [pause_ms(failures, 1.0) for failures in range(1, 16)]
    assert longest[:12] == [1_000 * 2**n for n in range(12)]
    assert set(longest[12:]) == {3_600_000}
    assert pause_ms(10**6, 1.0) == 3_600_000


def test_those_who_failed_together_do_not_come_back_together() -> None:
    """The pause is drawn evenly from nothing to its longest: of a thousand who failed, no more come in one tenth than in another."""
    drawn = random.Random(1)
    pauses = [pause_ms(8, drawn.random()) for _ in range(1_000)]
    tenths = [sum(one * 12_800 <= pause < (one + 1) * 12_800 for pause in pauses) for one in range(10)]
    assert sum(tenths) == 1_000
    assert min(tenths) > 50
    assert max(tenths) < 150


@given(st.integers(1, 100), CHANCES, st.none() | st.floats(-1e9, 1e9, allow_nan=False))
def test_a_time_that_was_asked_for_is_kept(failures: int, chance: float, asked: float | None) -> None:
    """A destination is not asked before the time that it named, nor much later, nor later than a day whatever it says."""
    wanted_ms = min(max(asked or 0, 0), ASKED_PAUSE_SECONDS_MAX) * 1000
    assert int(wanted_ms) <= pause_ms(failures, chance, asked) <= wanted_ms + PAUSE_SECONDS_MAX * 1000
