"""Divides time into the hours and days by which things are counted, in UTC."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

HOURS_KEPT: Final = 8 * 24
"""Hours of which it is known what came in them: the last eight days."""

DAYS_KEPT: Final = 400
"""Days of which it is known: a year and a month, so that this month can be held against the same one a year ago."""


class Span(StrEnum):
    """How long an interval is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length_ms(self) -> int:
        """Milliseconds of an interval."""
        return HOUR_MS if self is Span.HOUR else DAY_MS

    @property
    def kept(self) -> int:
        """Of how many intervals it is known what came in them, the one under way with them."""
        return HOURS_KEPT if self is Span.HOUR else DAYS_KEPT

    def at(self, at_ms: int) -> int:
        """Return the number of the interval in which a time is, in Unix milliseconds; 0 is the first of 1970."""
        return at_ms // self.length_ms

    def begin_ms(self, interval: int) -> int:
        """Return when an interval begins."""
        return interval * self.length_ms

    def last(self, intervals: int, now_ms: int) -> Sequence[int]:
        """Return the last so many intervals, the one under way with them, the oldest first; no more than are kept."""
        now = self.at(now_ms)
        return range(now - min(intervals, self.kept) + 1, now + 1)
