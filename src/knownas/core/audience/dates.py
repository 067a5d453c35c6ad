"""Decides what a relative date means now, and when a comparison with one turns by time alone (platform §6.2, §6.3).

Seconds to weeks are so many milliseconds; months, quarters and years go by the calendar in UTC, and the 31st of a shorter month
is its last day. As now goes on, a relative date never goes back. So a comparison of a fixed time with one turns at most twice,
and the moments are found by bisection, whatever unit and boundary it has.
"""

from collections.abc import Callable
from typing import Final

from knownas.core.audience.expression import Boundary, Unit
from knownas.core.profile.moments import DAY_MS, Date, date_after, days_of_month, days_to

NEVER: Final = 1 << 62
"""A time that does not come: as Unix milliseconds."""

TIME_MAX_MS: Final = 253_402_300_799_999
TIME_MIN_MS: Final = -62_135_596_800_000
"""The first and the last millisecond of the years 1 to 9999; a date beyond them is the one or the other."""

_SECOND_MS: Final = 1_000
_LENGTH_MS: Final = {
    Unit.SECOND: _SECOND_MS,
    Unit.MINUTE: 60 * _SECOND_MS,
    Unit.HOUR: 3_600 * _SECOND_MS,
    Unit.DAY: DAY_MS,
    Unit.WEEK: 7 * DAY_MS,
}
"""The units that always have the same length."""

_MONTHS: Final = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_MONTHS_A_YEAR: Final = 12
_YEAR_MAX: Final = 9_999
_MONDAY_MS: Final = 4 * DAY_MS
"""The first Monday since 1970-01-01, which was a Thursday."""


def moment(base_ms: int, offset: int, unit: Unit, boundary: Boundary | None) -> int:
    """Return the time that lies so many units from another one, or the end of the unit that it lies in (Unix milliseconds).

    The end of a unit is its last millisecond.
    """
    length_ms = _LENGTH_MS.get(unit)
    months_on = offset * _MONTHS.get(unit, 0)
    at_ms = _months_on(base_ms, months_on) if length_ms is None else _within(base_ms + offset * length_ms)
    if boundary is None:
        return at_ms
    start_ms, next_ms = _unit_around(at_ms, unit)
    return _within(start_ms if boundary is Boundary.START else next_ms - 1)


Reaches = Callable[[int, int], int]
"""Returns the first moment after now at which a relative date is at least some time, by that time and now; NEVER if it is already, or never will be."""


def reaching(offset: int, unit: Unit, boundary: Boundary | None) -> Reaches:
    """Return what tells when a relative date reaches a time."""
    length_ms = _LENGTH_MS.get(unit)
    if length_ms is None or boundary is not None:
        return lambda wanted_ms, now_ms: _reaches_at(wanted_ms, now_ms, offset, unit, boundary)
    shift_ms = offset * length_ms

    def reaches(wanted_ms: int, now_ms: int) -> int:
        if wanted_ms > TIME_MAX_MS or wanted_ms <= TIME_MIN_MS or now_ms + shift_ms >= wanted_ms:
            return NEVER
        return max(now_ms + 1, wanted_ms - shift_ms)

    return reaches


def _reaches_at(wanted_ms: int, now_ms: int, offset: int, unit: Unit, boundary: Boundary | None) -> int:
    def has_reached(at_ms: int) -> bool:
        return moment(at_ms, offset, unit, boundary) >= wanted_ms

    if has_reached(now_ms) or wanted_ms > TIME_MAX_MS:
        return NEVER
    low_ms, high_ms = now_ms, now_ms + DAY_MS
    while not has_reached(high_ms):
        if high_ms - now_ms > 2 * (TIME_MAX_MS - TIME_MIN_MS):
            return NEVER
        low_ms, high_ms = high_ms, high_ms + 2 * (high_ms - now_ms)
    while high_ms - low_ms > 1:
        middle_ms = (low_ms + high_ms) // 2
        if has_reached(middle_ms):
            high_ms = middle_ms
        else:
            low_ms = middle_ms
    return high_ms


def written(at_ms: int) -> str:
    """Write a time as ISO 8601 has it, in UTC."""
    date, of_day_ms = _date_of(at_ms), _within(at_ms) % DAY_MS
    seconds, milliseconds = divmod(of_day_ms, _SECOND_MS)
    minutes, second = divmod(seconds, 60)
    clock = f"{minutes // 60:02}:{minutes % 60:02}:{second:02}.{milliseconds:03}"
    return f"{date.year:04}-{date.month:02}-{date.day:02}T{clock}Z"


def _within(at_ms: int) -> int:
    return min(max(at_ms, TIME_MIN_MS), TIME_MAX_MS)


def _date_of(at_ms: int) -> Date:
    return date_after(_within(at_ms) // DAY_MS)


def _months_on(base_ms: int, months: int) -> int:
    base = _date_of(base_ms)
    year, month = divmod(base.year * _MONTHS_A_YEAR + base.month - 1 + months, _MONTHS_A_YEAR)
    if year < 1:
        return TIME_MIN_MS
    if year > _YEAR_MAX:
        return TIME_MAX_MS
    day = min(base.day, days_of_month(year, month + 1))
    return days_to(year, month + 1, day) * DAY_MS + _within(base_ms) % DAY_MS


def _month_start(year: int, month: int) -> int:
    """Return when a month begins; months are counted from 0, the next year's first is 12."""
    year, month = year + month // _MONTHS_A_YEAR, month % _MONTHS_A_YEAR
    return days_to(year, month + 1, 1) * DAY_MS


def _unit_around(at_ms: int, unit: Unit) -> tuple[int, int]:
    """Return when the unit that a time lies in begins, and when the next one does."""
    length_ms = _LENGTH_MS.get(unit)
    if length_ms is not None:
        shift_ms = _MONDAY_MS if unit is Unit.WEEK else 0
        start_ms = (at_ms - shift_ms) // length_ms * length_ms + shift_ms
        return start_ms, start_ms + length_ms
    at, months = _date_of(at_ms), _MONTHS[unit]
    first = (at.month - 1) // months * months
    return _month_start(at.year, first), _month_start(at.year, first + months)
