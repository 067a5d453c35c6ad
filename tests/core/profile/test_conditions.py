"""Conditions of calculated attributes: what each operator compares, and what makes no sense (platform §8)."""

from datetime import UTC, datetime, timedelta, timezone
from datetime import date as date_type
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.profile.conditions import (
    OPERATORS_OF,
    Condition,
    ConditionType,
    InvalidDefinition,
    Operator,
    fits,
    meets,
)
from knownas.core.profile.moments import span_of

T, Op = ConditionType, Operator
DAY_MS = 86_400_000
NEW_YEAR_MS = 1_704_067_200_000
"""2024-01-01 in UTC."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(operator: Operator, *values: str) -> Condition:
    return Condition(T.STRING, operator, "a", *values)


def date(operator: Operator, value: str) -> Condition:
    return Condition(T.DATE, operator, "a", value)


@pytest.mark.parametrize(
    ("condition", "given", "expected"),
    [
        (text(Op.EXISTS), "x", True),
        (text(Op.EXISTS), None, False),
        (text(Op.NOT_EXISTS), None, True),
        (text(Op.NOT_EXISTS), "x", False),
        (text(Op.EMPTY), "", True),
        (text(Op.EMPTY), "x", False),
        (text(Op.EMPTY), None, False),
        (text(Op.EQUALS, "Gold"), "gOLD", True),
        (text(Op.EQUALS, "Gold"), "golden", False),
        (text(Op.EQUALS, "7"), 7, True),
        (text(Op.EQUALS, "gold"), None, False),
        (text(Op.NOT_EQUALS, "gold"), "silver", True),
        (text(Op.NOT_EQUALS, "gold"), None, False),
        (text(Op.CONTAINS, "ol"), "GOLD", True),
        (text(Op.NOT_CONTAINS, "x"), "gold", True),
        (text(Op.PATTERN, "g*d?"), "Golden Rods", True),
        (text(Op.PATTERN, "g?d"), "gold", False),
        (Condition(T.STRING, Op.IN_LIST, "a", values=("red", "Blue")), "blue", True),
        (Condition(T.STRING, Op.IN_LIST, "a", values=("red", "blue")), "green", False),
        (Condition(T.NUMBER, Op.IN_LIST, "a", values=("1", "2.50")), 2.5, True),
        (Condition(T.NUMBER, Op.EQUALS, "a", "2"), "2.0", True),
        (Condition(T.NUMBER, Op.EQUALS, "a", "2"), True, False),
        (Condition(T.NUMBER, Op.NOT_EQUALS, "a", "2"), 3, True),
        (Condition(T.NUMBER, Op.NOT_EQUALS, "a", "2"), "three", False),
        (Condition(T.NUMBER, Op.GREATER_THAN, "a", "2"), 2, False),
        (Condition(T.NUMBER, Op.GREATER_OR_EQUAL, "a", "2"), 2, True),
        (Condition(T.NUMBER, Op.LESS_THAN, "a", "2"), "1.9", True),
        (Condition(T.NUMBER, Op.LESS_THAN_OR_EQUAL, "a", "2"), 2, True),
        (Condition(T.NUMBER, Op.BETWEEN, "a", min_value="1", max_value="2"), 2, True),
        (Condition(T.NUMBER, Op.BETWEEN, "a", min_value="1", max_value="2"), 2.01, False),
        (Condition(T.BOOLEAN, Op.EQUALS, "a", "true"), True, True),
        (Condition(T.BOOLEAN, Op.EQUALS, "a", "true"), "TRUE", True),
        (Condition(T.BOOLEAN, Op.EQUALS, "a", "false"), "no", False),
        (date(Op.BEFORE, "2024-01-01"), "2023-12-31T23:59:59Z", True),
        (date(Op.BEFORE, "2024-01-01"), NEW_YEAR_MS, False),
        (date(Op.AFTER, "2024-01-01"), NEW_YEAR_MS, True),
        (date(Op.EQUALS, "2024-01-01"), "2024-01-01T23:00:00+00:00", True),
        (date(Op.EQUALS, "2024-01-01"), "2024-01-01T23:00:00-02:00", False),
        (date(Op.EQUALS, "2024-01-01"), "soon", False),
        (Condition(T.DATE, Op.BETWEEN_DATES, "a", min_value="2024-01-01", max_value="2024-01-02"), "2024-01-02", True),
        (Condition(T.DATE, Op.BETWEEN_DATES, "a", min_value="2024-01-01", max_value="2024-01-02"), "2024-01-03", False),
        (text(Op.EQUALS, "x"), ["x"], False),
        (text(Op.EQUALS, "x"), {"x": 1}, False),
    ],
)
def test_what_an_operator_compares(condition: Condition, given: Any, *, expected: bool) -> None:
    """Texts without case, numbers by value, dates by the calendar in UTC; what can't be read meets nothing."""
    assert meets(condition, given) is expected


@pytest.mark.parametrize("kind", list(T))
@pytest.mark.parametrize("operator", list(Op))
def test_a_type_has_its_operators_and_no_others(kind: ConditionType, operator: Operator) -> None:
    """A condition with another one is refused, and the refusal names those that there are."""
    if operator in OPERATORS_OF[kind]:
        return
    with pytest.raises(InvalidDefinition, match="allowed: exists, not_exists, empty, equals") as refused:
        Condition(kind, operator, "a", "1")
    assert refused.value.member == "operator"


@pytest.mark.parametrize(
    ("members", "blamed"),
    [
        ({"operator": Op.EQUALS}, "value"),
        ({"operator": Op.EQUALS, "value": "many"}, "value"),
        ({"operator": Op.EXISTS, "value": "1"}, "value"),
        ({"operator": Op.IN_LIST, "value": "1"}, "value"),
        ({"operator": Op.IN_LIST}, "values"),
        ({"operator": Op.BETWEEN, "min_value": "1"}, "max_value"),
        ({"operator": Op.BETWEEN, "min_value": "2", "max_value": "1"}, "max_value"),
    ],
)
def test_what_is_missing_or_too_much_is_blamed(members: dict[str, Any], blamed: str) -> None:
    """The refusal names the member that is wrong."""
    with pytest.raises(InvalidDefinition) as refused:
        Condition(type=T.NUMBER, attribute_name="a", **members)
    assert refused.value.member == blamed


@pytest.mark.parametrize(
    ("given", "from_ms"),
    [
        ("2024-01-01", NEW_YEAR_MS),
        ("2024-01-01T01:00:00+01:00", NEW_YEAR_MS),
        ("2024-01-01T00:00:00", NEW_YEAR_MS),
        (str(NEW_YEAR_MS), NEW_YEAR_MS),
        (NEW_YEAR_MS, NEW_YEAR_MS),
    ],
)
def test_times_are_read_in_utc(given: str | int, from_ms: int) -> None:
    """Dates, ISO 8601 and Unix milliseconds name the same moment."""
    span = span_of(given)
    assert span is not None
    assert span.from_ms == from_ms


@pytest.mark.parametrize(
    "given", ["2024-02-30", "1900-02-29", "2024-01-01T24:00", "2024-1-1", "", "x" * 50, True, 1e300, "٢٠٢٤-01-01"]
)
def test_what_the_calendar_does_not_have_is_no_time(given: Any) -> None:
    """It is passed over, never guessed."""
    assert span_of(given) is None


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)), st.sampled_from(["milliseconds", "seconds", "minutes"]))
def test_times_are_those_of_the_calendar(moment: datetime, to: str) -> None:
    """Every time of every year, with its offset, is read as the standard library reads it."""
    if moment.utcoffset() is None or (offset := moment.utcoffset() or timedelta()) % timedelta(minutes=1):
        return
    text = moment.replace(tzinfo=timezone(offset)).isoformat(timespec=to)
    span = span_of(text)
    assert span is not None
    assert span.from_ms == (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


@given(st.dates())
def test_days_are_those_of_the_calendar(day: date_type) -> None:
    """Every day of every year lasts from its midnight to the next."""
    from_ms = (day.toordinal() - EPOCH.toordinal()) * DAY_MS
    assert span_of(day.isoformat()) == (from_ms, from_ms + DAY_MS)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_fits_as_its_definition_says(pattern: str, text: str) -> None:
    """The search without recursion finds what the recursive definition of the two signs does."""

    def defined(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return defined(pattern[1:], text) or (bool(text) and defined(pattern, text[1:]))
        return bool(text) and pattern[0] in ("?", text[0]) and defined(pattern[1:], text[1:])

    assert fits(text, pattern) is defined(pattern, text)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """Nobody can hold up the server with a value that nearly fits."""
    assert not fits("a" * 4_096, "*a" * 100 + "b")
