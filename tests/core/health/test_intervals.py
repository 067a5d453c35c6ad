"""Hours and days follow each other without a gap, in UTC."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.health.intervals import DAY_MS, Span

TIMES = st.integers(0, 2**43)


@given(st.sampled_from(Span), TIMES)
def test_a_time_is_in_one_interval(span: Span, at_ms: int) -> None:
    """It begins at or before the time, and the next one after it; days and hours begin where they do in UTC."""
    interval = span.at(at_ms)
    assert span.begin_ms(interval) <= at_ms < span.begin_ms(interval + 1)
    begin = datetime.fromtimestamp(span.begin_ms(interval) / 1_000, UTC)
    assert (begin.minute, begin.second, begin.microsecond) == (0, 0, 0)
    assert span is Span.HOUR or begin.hour == 0


@given(st.sampled_from(Span), st.integers(0, 1_000), TIMES)
def test_the_last_ones_end_with_the_one_under_way(span: Span, count: int, now_ms: int) -> None:
    """One after the other, and no more than are kept."""
    last = span.last(count, now_ms)
    assert list(last) == list(range(span.at(now_ms) - len(last) + 1, span.at(now_ms) + 1))
    assert len(last) == min(count, span.kept)


def test_hours_are_kept_for_eight_days_and_days_for_more_than_a_year() -> None:
    """So the last day can be held against the week before, and a month against the same one a year ago."""
    assert Span.HOUR.kept * Span.HOUR.length_ms == 8 * DAY_MS
    assert Span.DAY.kept == 400
