"""Tests the circuit breaker against one that remembers everything that ever happened."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.breaker import (
    CLOSED,
    Breaker,
    Closed,
    HalfOpen,
    Open,
    after_failure,
    before_sending,
    is_out_for_good,
    opens_ms,
)
from knownas.core.delivery.limits import FAILURES_TO_OPEN, OPEN_SECONDS_MIN, OUT_HOURS_MAX

HOUR_MS = 3_600_000
STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5 * HOUR_MS), st.floats(0, 1, exclude_max=True), st.none() | st.just(60.0)),
    max_size=60,
)
"""Requests: whether one is taken, how long after it could be made, the random number, and what a failure asks for."""


@given(STEPS)
def test_it_is_what_a_memory_of_everything_says(steps: list[tuple[bool, int, float, float | None]]) -> None:
    """State, pause and outage follow from the failures since the last success, and from nothing before it."""
    breaker: Breaker = CLOSED
    now_ms = 1_000
    failed_ms: list[int] = []
    for is_taken, waited_ms, chance, asked in steps:
        now_ms = opens_ms(breaker, now_ms) + waited_ms
        assert opens_ms(breaker, now_ms) == now_ms
        sending = before_sending(breaker)
        assert isinstance(sending, HalfOpen) == (len(failed_ms) >= FAILURES_TO_OPEN)
        if is_taken:
            breaker = CLOSED
            failed_ms.clear()
        else:
            breaker = after_failure(sending, now_ms, chance, asked)
            failed_ms.append(now_ms)
        assert breaker.failures == len(failed_ms)
        assert isinstance(breaker, Open if len(failed_ms) >= FAILURES_TO_OPEN else Closed)
        assert is_out_for_good(breaker, now_ms) == (
            bool(failed_ms) and now_ms - failed_ms[0] >= OUT_HOURS_MAX * HOUR_MS
        )
        if failed_ms and asked:
            assert opens_ms(breaker, now_ms) >= now_ms + 60_000


def test_one_that_is_out_is_left_alone_for_longer_and_longer() -> None:
    """Of an outage of a day, a destination sees a few dozen requests; it is asked again within an hour of its return."""
    breaker: Breaker = CLOSED
    now_ms = asked = 0
    while now_ms < 24 * HOUR_MS:
        breaker = after_failure(before_sending(breaker), now_ms, 0.5)
        now_ms = opens_ms(breaker, now_ms)
        asked += 1
    assert 24 < asked < 70
    assert now_ms - 24 * HOUR_MS < HOUR_MS


def test_luck_does_not_hammer() -> None:
    """Whatever is drawn, one that is out has some seconds' peace."""
    breaker: Breaker = CLOSED
    for _ in range(FAILURES_TO_OPEN):
        breaker = after_failure(breaker, 0, 0.0)
    assert opens_ms(breaker, 0) == OPEN_SECONDS_MIN * 1000
