"""Definitions as people write them, for tests."""

from typing import Any

from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Criteria
from knownas.core.audience.reading import read_definition

Json = Any

PURCHASE = {"operator": "equals", "left": {"model": "events", "path": "name"}, "right": "purchase"}
NOW = {"date": {"relative": {"offset": 0, "unit": "day"}}}


def days_ago(days: int) -> Json:
    """Return a date so many days ago."""
    return {"date": {"relative": {"offset": -days, "unit": "day"}}}


def since(days: int) -> Json:
    """Return the condition that an event is at most so old."""
    return {"operator": "greater_than_equal", "left": {"model": "events", "path": "timestamp"}, "right": days_ago(days)}


def count(condition: Json) -> Json:
    """Return how many events meet a condition."""
    return {
        "operator": "count",
        "group_by_model": "user",
        "operand": {"model": "events", "path": "event_id"},
        "condition": condition,
    }


def both(*expressions: Json) -> Json:
    """Return that all of them hold."""
    return {"operator": "and", "expressions": list(expressions)}


def frequent(times: int, days: int) -> Json:
    """Return the definition that the specification of the format gives: at least so many purchases in so many days."""
    return definition(
        {"operator": "greater_than_equal", "left": count(both(PURCHASE, since(days))), "right": times},
    )


def definition(expression: Json) -> Json:
    """Return a whole definition."""
    return {"schema_version": "1.6.0", "audience": expression}


def criteria(given: Json) -> Criteria:
    """Return what a definition asks for, as users are judged by it."""
    return Criteria(defined(given))


def defined(given: Json) -> Definition:
    """Read a definition that has no fault."""
    read = read_definition(given)
    assert isinstance(read, Definition), f"{read} in {given}"
    return read
