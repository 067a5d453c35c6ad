"""Reads dates and times as texts have them (ISO 8601), by the calendar in UTC. Pure: it asks no clock and no time zone."""

import re
from typing import Final, NamedTuple

from knownas.core.profile.numbers import number_of

DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_DAYS_A_CENTURY_CYCLE: Final = 146_097
_DAYS_TO_1970: Final = 719_468
"""Days from the first of March of the year 0, from which years with leap days at their end are counted."""

_TIME: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<off_hour>[0-9]{2}):?(?P<off_minute>[0-9]{2}))?)?"
)
_LONG_MONTHS: Final = frozenset({1, 3, 5, 7, 8, 10, 12})
_FEBRUARY: Final = 2


class Span(NamedTuple):
    """A day or an instant: from the first Unix millisecond to before the second."""

    from_ms: int
    to_ms: int


def span_of(given: str | float) -> Span | None:
    """Read a date (`yyyy-MM-dd`: the day in UTC), a time as in ISO 8601 (UTC without an offset), or Unix milliseconds.

    None for anything else, and for what the calendar does not have.
    """
    number = number_of(given)
    if number is not None:
        return Span(int(number), int(number) + 1)
    found = _TIME.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        return None
    parts = {name: int(text) for name, text in found.groupdict(default="0").items() if name not in ("sign", "fraction")}
    if not _is_there(**parts):
        return None
    start_ms = days_to(parts["year"], parts["month"], parts["day"]) * DAY_MS
    if found["hour"] is None:
        return Span(start_ms, start_ms + DAY_MS)
    milliseconds = int((found["fraction"] or "0").ljust(3, "0")[:3])
    at_ms = start_ms + (parts["hour"] * 60 + parts["minute"]) * _MINUTE_MS + parts["second"] * 1_000 + milliseconds
    offset_ms = (parts["off_hour"] * 60 + parts["off_minute"]) * _MINUTE_MS
    at_ms += offset_ms if found["sign"] == "-" else -offset_ms
    return Span(at_ms, at_ms + 1)


def _is_there(
    *, year: int, month: int, day: int, hour: int, minute: int, second: int, off_hour: int, off_minute: int
) -> bool:
    if month not in range(1, 13) or day not in range(1, days_of_month(year, month) + 1):
        return False
    return hour < 24 and minute < 60 and second < 60 and off_hour < 24 and off_minute < 60  # noqa: PLR2004 - a clock


def days_of_month(year: int, month: int) -> int:
    """Return how many days a month has."""
    if month == _FEBRUARY:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 31 if month in _LONG_MONTHS else 30


def days_to(year: int, month: int, day: int) -> int:
    """Return how many days after 1970-01-01 a date is, in the Gregorian calendar.

    Years are counted from March, so that the leap day is the last of one, in cycles of 400 years.
    """
    year -= month <= _FEBRUARY
    cycle, of_cycle = divmod(year, 400)
    of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    of_cycle_days = of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + of_year
    return cycle * _DAYS_A_CENTURY_CYCLE + of_cycle_days - _DAYS_TO_1970


class Date(NamedTuple):
    """A day of the Gregorian calendar."""

    year: int
    month: int
    day: int


def date_after(days: int) -> Date:
    """Return the date that so many days after 1970-01-01 is: what `days_to` counts."""
    cycle, of_cycle = divmod(days + _DAYS_TO_1970, _DAYS_A_CENTURY_CYCLE)
    # All years are as long as 365 days but for the leap days before: one in four years, none in a hundred, one in 400.
    of_400 = (of_cycle - of_cycle // 1_460 + of_cycle // 36_524 - of_cycle // 146_096) // 365
    of_year = of_cycle - (of_400 * 365 + of_400 // 4 - of_400 // 100)
    march_month = (5 * of_year + 2) // 153
    month = (march_month + 2) % 12 + 1
    return Date(cycle * 400 + of_400 + (month <= _FEBRUARY), month, of_year - (153 * march_month + 2) // 5 + 1)
