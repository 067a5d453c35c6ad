"""Relative dates go by the clock or the calendar, and the moment at which one reaches a time is told to the millisecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.audience.dates import NEVER, TIME_MAX_MS, TIME_MIN_MS, moment, reaching, written
from knownas.core.audience.expression import Boundary, Unit
from knownas.core.profile.moments import span_of

UNITS = st.sampled_from(list(Unit))
BOUNDARIES = st.one_of(st.none(), st.sampled_from(list(Boundary)))
TIMES = st.integers(1_500_000_000_000, 1_900_000_000_000)


def at(text: str) -> int:
    """Read a time."""
    span = span_of(text)
    assert span is not None
    return span.from_ms


@pytest.mark.parametrize(
    ("base", "offset", "unit", "boundary", "wanted"),
    [
        ("2026-03-31T10:00:00Z", -1, "month", None, "2026-02-28T10:00:00.000Z"),
        ("2024-03-31T10:00:00Z", -1, "month", None, "2024-02-29T10:00:00.000Z"),
        ("2026-01-31T10:00:00Z", 1, "quarter", None, "2026-04-30T10:00:00.000Z"),
        ("2024-02-29T10:00:00Z", 1, "year", None, "2025-02-28T10:00:00.000Z"),
        ("2026-12-31T10:00:00Z", 1, "month", "start", "2027-01-01T00:00:00.000Z"),
        ("2026-05-20T10:00:00Z", 0, "quarter", "end", "2026-06-30T23:59:59.999Z"),
        ("2026-05-20T10:00:00Z", 0, "year", "start", "2026-01-01T00:00:00.000Z"),
        ("2026-11-22T10:00:00Z", 0, "week", "start", "2026-11-16T00:00:00.000Z"),
        ("2026-11-23T10:00:00Z", 0, "week", "start", "2026-11-23T00:00:00.000Z"),
        ("2026-11-22T10:00:00Z", -1, "day", "end", "2026-11-21T23:59:59.999Z"),
        ("2026-11-22T10:31:00Z", 0, "hour", "start", "2026-11-22T10:00:00.000Z"),
        ("1969-12-31T23:30:00Z", 0, "hour", "start", "1969-12-31T23:00:00.000Z"),
        ("2026-01-01T00:00:00Z", -9_999, "year", None, "0001-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00Z", 9_999, "year", "end", "9999-12-31T23:59:59.999Z"),
        ("9999-12-15T00:00:00Z", 0, "month", "end", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_units_go_by_the_calendar(base: str, offset: int, unit: str, boundary: str | None, wanted: str) -> None:
    """The last day of a shorter month stands for those that it has not; weeks begin on Monday."""
    end = None if boundary is None else Boundary(boundary)
    assert written(moment(at(base), offset, Unit(unit), end)) == wanted


@given(TIMES, TIMES, st.integers(-40, 40), UNITS, BOUNDARIES)
def test_a_date_reaches_a_time_at_the_moment_told(
    wanted_ms: int, now_ms: int, offset: int, unit: Unit, boundary: Boundary | None
) -> None:
    """A millisecond before it has not; where it has reached it by now, no moment is told."""
    reached_ms = reaching(offset, unit, boundary)(wanted_ms, now_ms)
    if reached_ms == NEVER:
        assert moment(now_ms, offset, unit, boundary) >= wanted_ms
        return
    assert reached_ms > now_ms
    assert moment(reached_ms - 1, offset, unit, boundary) < wanted_ms <= moment(reached_ms, offset, unit, boundary)


@given(TIMES, st.integers(0, 10**12), st.integers(-40, 40), UNITS, BOUNDARIES)
def test_a_date_never_goes_back(now_ms: int, later_ms: int, offset: int, unit: Unit, boundary: Boundary | None) -> None:
    """The moments are found by that."""
    assert moment(now_ms, offset, unit, boundary) <= moment(now_ms + later_ms, offset, unit, boundary)


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("boundary", [None, *Boundary])
@pytest.mark.parametrize(
    "fixed_ms", [TIME_MIN_MS, TIME_MIN_MS - 1, TIME_MAX_MS - 1, TIME_MAX_MS, 2 * TIME_MAX_MS, -(10**18), 10**18]
)
def test_times_beyond_the_calendar_end_the_search(unit: Unit, boundary: Boundary | None, fixed_ms: int) -> None:
    """Whatever somebody has written into an attribute."""
    now_ms = at("2026-11-22T10:00:00Z")
    assert reaching(-1, unit, boundary)(fixed_ms, now_ms) > now_ms
