"""Days are counted as the calendar counts them, forth and back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.profile.moments import date_after, days_of_month, days_to

FIRST = (datetime(1, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
LAST = (datetime(9999, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


@given(st.integers(FIRST, LAST))
def test_a_day_has_the_date_that_the_calendar_gives_it(days: int) -> None:
    """Leap years, centuries and cycles of 400 years included."""
    wanted = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)
    assert date_after(days) == (wanted.year, wanted.month, wanted.day)
    assert days_to(*date_after(days)) == days


def test_each_month_ends_before_the_next_begins() -> None:
    """For all months of a cycle of 400 years."""
    for year in range(1900, 2301):
        for month in range(1, 13):
            following = (year + 1, 1) if month == 12 else (year, month + 1)
            assert days_to(year, month, 1) + days_of_month(year, month) == days_to(*following, 1)
