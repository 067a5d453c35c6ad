"""Decides whether one value stands in a relation to another (platform §6.2).

What the right value is says as what the left one is read: a number, true or false, or text without regard to case. A left value that
can't be read so stands in no relation. Of two values the larger can be told where both are numbers, or where the right one is a date
as ISO 8601 has it and the left one is such a date or a time in Unix milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import eq, ge, gt, le, lt
from types import MappingProxyType
from typing import Final

from knownas.core.audience.expression import Comparison
from knownas.core.profile.attributes import Scalar, as_text
from knownas.core.profile.conditions import fits
from knownas.core.profile.moments import Span, span_of
from knownas.core.profile.numbers import NUMBER_MAX, number_of

_BOOLEANS: Final = MappingProxyType({"true": True, "false": False})
_ORDERS: Final[Mapping[Comparison, Callable[[Decimal | int, Decimal | int], bool]]] = MappingProxyType(
    {
        Comparison.LESS_THAN: lt,
        Comparison.LESS_THAN_EQUAL: le,
        Comparison.GREATER_THAN: gt,
        Comparison.GREATER_THAN_EQUAL: ge,
    }
)

_SMALL: Final = int(NUMBER_MAX)
"""A whole number up to here is a number as it stands."""


def compare(comparison: Comparison, left: Scalar, right: Scalar, *, of_list: bool = False) -> bool:
    """Whether a value stands in a relation to another. `of_list`: it is an element of a list, which contains it whole."""
    match comparison:
        case Comparison.EQUALS | Comparison.IN:
            return _equals(left, right)
        case Comparison.CONTAINS:
            return _equals(left, right) if of_list else _text(right) in _text(left)
        case Comparison.STARTS_WITH:
            return _text(left).startswith(_text(right))
        case Comparison.ENDS_WITH:
            return _text(left).endswith(_text(right))
        case Comparison.MATCHES:
            return fits(_text(left), _text(right))
        case _:
            return _is_ordered(comparison, left, right)


def meets(comparison: Comparison, wanted: Sequence[Scalar], *, of_list: bool = False) -> Callable[[Scalar], bool]:
    """Return what tells whether a value stands in a relation to any of those `wanted`, as `compare` does."""
    each = [_meets(comparison, one, of_list=of_list) for one in wanted]
    if len(each) == 1:
        return each[0]
    return lambda left: any(one(left) for one in each)


def _meets(comparison: Comparison, right: Scalar, *, of_list: bool) -> Callable[[Scalar], bool]:
    """Take the short ways that most values allow, and else compare."""
    is_equality = comparison in (Comparison.EQUALS, Comparison.IN) or (of_list and comparison is Comparison.CONTAINS)
    if is_equality and isinstance(right, str):
        text = right.casefold()
        return lambda left: (left if type(left) is str else as_text(left)).casefold() == text
    if type(right) is int and abs(right) <= NUMBER_MAX and (is_equality or comparison.is_order):
        order: Callable[[int, int], bool] = eq if is_equality else _ORDERS[comparison]

        def fits(left: Scalar) -> bool:
            if type(left) is int and -_SMALL <= left <= _SMALL:
                return order(left, right)
            return compare(comparison, left, right, of_list=of_list)

        return fits
    return lambda left: compare(comparison, left, right, of_list=of_list)


def compare_date(comparison: Comparison, at_ms: int, date: Span) -> bool:
    """Whether a time lies before, within or after a day or an instant. Only what orders, and `equals`, compares dates.

    A time within the day is neither before nor after it.
    """
    match comparison:
        case Comparison.LESS_THAN:
            return at_ms < date.from_ms
        case Comparison.LESS_THAN_EQUAL:
            return at_ms < date.to_ms
        case Comparison.GREATER_THAN:
            return at_ms >= date.to_ms
        case Comparison.GREATER_THAN_EQUAL:
            return at_ms >= date.from_ms
        case Comparison.EQUALS:
            return date.from_ms <= at_ms < date.to_ms
        case _:
            raise AssertionError("no date is compared like that")


def time_of(value: Scalar) -> int | None:
    """Read a time, or the beginning of a day (Unix milliseconds); None if the value is neither."""
    if type(value) is int:
        return value
    read = None if isinstance(value, bool) else span_of(value)
    return None if read is None else read.from_ms


def _equals(left: Scalar, right: Scalar) -> bool:
    if isinstance(right, bool):
        return (left if isinstance(left, bool) else _BOOLEANS.get(_text(left).strip())) is right
    if isinstance(right, str):
        return _text(left) == right.casefold()
    number = number_of(left)
    return number is not None and number == number_of(right)


def _is_ordered(comparison: Comparison, left: Scalar, right: Scalar) -> bool:
    one, other = number_of(left), number_of(right)
    if one is not None and other is not None:
        return _ORDERS[comparison](one, other)
    if other is None and isinstance(right, str):
        date, at_ms = span_of(right), time_of(left)
        return date is not None and at_ms is not None and compare_date(comparison, at_ms, date)
    return False


def _text(value: Scalar) -> str:
    return (value if isinstance(value, str) else as_text(value)).casefold()
