"""Reads rows out of a definition, where it says nothing that rows can't say: what is written of them again has to be the same.

What rows can't say is edited as JSON, and so nothing of a definition is ever lost by looking at it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from knownas.console.criteria import (
    LOCATIONS,
    SEEN,
    TESTS,
    Group,
    Row,
    RowKind,
    definition_of,
    depth_of,
    groups_of,
    rows_of,
    shown_value,
)
from knownas.console.limits import (
    CRITERIA_DEPTH_MAX,
    CRITERIA_GROUPS_MAX,
    CRITERIA_ROWS_MAX,
    FIELD_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
)

_JUNCTIONS: Final = ("and", "or")
_DEEP: Final = 2 * CRITERIA_DEPTH_MAX
"""Groups and negations within one another that are looked into."""


class _OnlyJson(Exception):
    """Rows can't say this."""


def rows_from(definition: Any) -> Group | None:
    """Return the rows of a definition; None if rows can't say all that it says."""
    if not isinstance(definition, dict):
        return None
    try:
        read = _expression(_plain(cast("Any", definition).get("audience"), 0), 0)
    except _OnlyJson:
        return None
    root = read if isinstance(read, Group) else Group((read,))
    if not fits(root):
        return None
    written = definition_of(root)
    return root if not written.faults and _same(_plain(definition, 0), _plain(written.definition, 0)) else None


def fits(root: Group) -> bool:
    """Whether there are no more rows and groups than can be edited."""
    return (
        len(rows_of(root)) <= CRITERIA_ROWS_MAX
        and len(groups_of(root)) <= CRITERIA_GROUPS_MAX
        and depth_of(root) <= CRITERIA_DEPTH_MAX
        and all(map(_can_be_entered, rows_of(root)))
    )


def _can_be_entered(row: Row) -> bool:
    """Whether fields of a form give back what stands in them: they cut blanks off, and have one line."""
    is_name = row.name == row.name.strip() and len(row.name.splitlines()) <= 1 and len(row.name) <= FIELD_CHARACTERS_MAX
    return is_name and len(row.value) <= VALUE_CHARACTERS_MAX and "\0" not in row.name + row.value


def _same(one: Any, other: Any) -> bool:
    # Not by ==, for which 1 is true.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _plain(given: Any, depth: int) -> Any:
    """Return a definition without the junctions of one expression only, which say nothing."""
    if depth > _DEEP * 8:
        raise _OnlyJson
    match given:
        case {"operator": str(operator), "expressions": [only], **others} if operator in _JUNCTIONS and not others:
            return _plain(only, depth + 1)
        case dict():
            members = cast("Mapping[str, Any]", given)
            return {name: _plain(value, depth + 1) for name, value in members.items()}
        case list():
            return [_plain(value, depth + 1) for value in cast("Sequence[Any]", given)]
        case _:
            return given


def _expression(given: Any, depth: int) -> Row | Group:
    if depth > _DEEP:
        raise _OnlyJson
    match given:
        case {"operator": str(operator), "expressions": [*inner]} if operator in _JUNCTIONS:
            items = tuple(_expression(one, depth + 1) for one in inner)
            return Group(items, is_any=operator == "or")
        case {"operator": "not", "expression": inner}:
            read = _expression(inner, depth + 1)
            if isinstance(read, Group) and not read.negated:
                return Group(read.items, read.is_any, negated=True)
            return Group((read,), negated=True)
        case _:
            return _row(given)


def _row(given: Any) -> Row:  # noqa: PLR0911 - one for each form that a row can have
    match given:
        case {"operator": "then", "sequence": [*steps]}:
            return _sequence(steps)
        case {"operator": str(operator), "left": {"operator": "count", **count}, "right": int(times)}:
            name, amount, unit = _event_condition(count.get("condition"))
            return Row(RowKind.EVENTS, name, operator, str(times), amount, unit)
        case {"operator": str(operator), "left": {"model": "user"}, "right": {"audience": str(audience)}}:
            return Row(RowKind.MEMBERSHIP, audience, operator)
        case {"operator": "equals", "left": {"model": "user", "path": "is_known"}, "right": bool(right)}:
            return Row(RowKind.KNOWN, "", str(right).lower())
        case {"operator": str(operator), "left": {"model": "user", "path": str(path)}, "right": right} if path in SEEN:
            amount, unit = _window(right)
            return Row(RowKind.SEEN, path, operator, "", amount, unit)
        case {"operator": "equals", "left": {"model": "consent", "path": str(path)}, "right": bool(right)}:
            return Row(RowKind.CONSENT, path, str(right).lower())
        case {"operator": str(operator), "operand": {"model": str(model), "path": str(path)}} if operator in TESTS:
            return Row(_kind(model, path), path, operator)
        case {"operator": str(operator), "left": {"model": str(model), "path": str(path)}, "right": right}:
            return Row(_kind(model, path), path, operator, _value(right))
        case _:
            raise _OnlyJson


def _kind(model: str, path: str) -> RowKind:
    match model:
        case "user_attributes":
            return RowKind.LOCATION if path in LOCATIONS else RowKind.ATTRIBUTE
        case "calculated_attributes":
            return RowKind.CALCULATED
        case "user_identities" | "device_identities":
            return RowKind.IDENTITY
        case "consent":
            return RowKind.CONSENT
        case "devices":
            return RowKind.DEVICE
        case _:
            raise _OnlyJson


def _value(right: Any) -> str:
    match right:
        case str() | bool() | int() | float():
            return shown_value(right)
        case [*several] if all(isinstance(one, str | bool | int | float) for one in several):
            return "\n".join(map(shown_value, several))
        case _:
            raise _OnlyJson


def _window(right: Any) -> tuple[str, str]:
    match right:
        case {"date": {"relative": {"offset": int(offset), "unit": str(unit)}}} if offset < 0:
            return str(-offset), unit
        case _:
            raise _OnlyJson


def _event_condition(given: Any) -> tuple[str, str, str]:
    """Return the name that is asked of an event, and how long ago it may be."""
    name, amount, unit = "", "", "day"
    match given:
        case None:
            asked: Sequence[Any] = ()
        case {"operator": "and", "expressions": [*inner]}:
            asked = inner
        case _:
            asked = (given,)
    for one in asked:
        match one:
            case {"left": {"model": "events", "path": "name"}, "right": str(right)}:
                name = right
            case {"left": {"model": "events", "path": "timestamp"}, "right": right}:
                amount, unit = _window(right)
            case _:
                raise _OnlyJson
    return name, amount, unit


def _sequence(steps: Sequence[Any]) -> Row:
    asked: list[tuple[str, str, str]] = []
    for one in steps:
        match one:
            case {"condition": condition}:
                asked.append(_event_condition(condition))
            case _:
                raise _OnlyJson
    windows = {(amount, unit) for _, amount, unit in asked}
    if len(windows) != 1:
        raise _OnlyJson
    [(amount, unit)] = windows
    return Row(RowKind.SEQUENCE, "", "then", "\n".join(name for name, _, _ in asked), amount, unit)
