"""Holds the criteria of an audience as rows that somebody fills in, and writes them as a definition (platform §6.3).

A row asks one thing; rows stand in groups, of which all or any have to hold, or not. What is written is a definition as any other: the rows
are a way to write it, and `criteria_reading` reads them out of it again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from knownas.core.audience.expression import Comparison, Unit
from knownas.core.audience.field import IDENTITY_NAMES, Model
from knownas.core.audience.reading import SEQUENCE_STEPS_MAX
from knownas.core.profile.attributes import Scalar

SCHEMA: Final = "1.6.0"
ROOT: Final = "0"
"""The path of the outermost group: a path names the place of each item in its group, such as `0.2.1`."""

POINTER: Final = "/audience"
"""Where the criteria stand in a definition."""

Json = dict[str, Any]


class RowKind(StrEnum):
    """What a row asks about."""

    ATTRIBUTE = "attribute"
    CALCULATED = "calculated"
    LOCATION = "location"
    IDENTITY = "identity"
    KNOWN = "known"
    EVENTS = "events"
    SEQUENCE = "sequence"
    SEEN = "seen"
    MEMBERSHIP = "membership"
    CONSENT = "consent"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Row:
    """One condition, as it was filled in: texts, whether or not they mean anything."""

    kind: RowKind
    name: str = ""
    operator: str = ""
    value: str = ""
    amount: str = ""
    unit: str = Unit.DAY.value


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all hold, or any; negated, of which that is not so."""

    items: "tuple[Row | Group, ...]" = ()
    is_any: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """Criteria as a definition has them: `places` are the paths of rows and groups by where they stand in it (JSON pointers).

    `faults` says of paths what is missing there; with any, the definition is not whole.
    """

    definition: Json
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    faults: Mapping[str, str] = field(default_factory=dict[str, str])

    def path_of(self, pointer: str) -> str:
        """Return the path of the row or group in which a place of the definition lies; "" if it lies in none."""
        while pointer and pointer not in self.places:
            pointer = pointer.rpartition("/")[0]
        return self.places.get(pointer, "")


COMPARISONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "equals": "is",
        "not_equals": "is not",
        "in": "is one of",
        "not_in": "is none of",
        "contains": "contains",
        "not_contains": "does not contain",
        "starts_with": "starts with",
        "ends_with": "ends with",
        "greater_than": "is more than",
        "greater_than_equal": "is at least",
        "less_than": "is less than",
        "less_than_equal": "is at most",
        "exists": "is there",
        "not_exists": "is not there",
    }
)
"""How a value can be compared in a row, in words."""

TESTS: Final = frozenset({"exists", "not_exists"})
LISTS: Final = frozenset({Comparison.IN.value, "not_in"})
COUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {"greater_than_equal": "at least", "less_than_equal": "at most", "equals": "exactly"}
)
HOLDS: Final[Mapping[str, str]] = MappingProxyType({"exists": "there is one", "not_exists": "there is none"})
KNOWN: Final[Mapping[str, str]] = MappingProxyType({"true": "known", "false": "anonymous"})
SEEN: Final[Mapping[str, str]] = MappingProxyType({"last_seen": "last seen", "first_seen": "first seen"})
RECENCY: Final[Mapping[str, str]] = MappingProxyType(
    {"greater_than_equal": "within the last", "less_than": "longer ago than"}
)
MEMBERSHIPS: Final[Mapping[str, str]] = MappingProxyType({"in": "is in", "not_in": "is not in"})
CONSENTS: Final[Mapping[str, str]] = MappingProxyType(
    {"true": "was given", "false": "was refused", "not_exists": "was never asked for"}
)
LOCATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"$Country": "country", "$State": "state", "$City": "city", "$Zip": "post code"}
)
"""The attributes that say where a user lives, as the SDKs name them."""

MODELS: Final[Mapping[RowKind, Model]] = MappingProxyType(
    {
        RowKind.ATTRIBUTE: Model.USER_ATTRIBUTES,
        RowKind.CALCULATED: Model.CALCULATED_ATTRIBUTES,
        RowKind.LOCATION: Model.USER_ATTRIBUTES,
        RowKind.DEVICE: Model.DEVICES,
    }
)
"""Of what the rows are that compare a field with a value."""

OPERATORS: Final[Mapping[RowKind, Mapping[str, str]]] = MappingProxyType(
    {
        **dict.fromkeys(MODELS, COMPARISONS),
        RowKind.IDENTITY: HOLDS,
        RowKind.KNOWN: KNOWN,
        RowKind.EVENTS: COUNTS,
        RowKind.SEQUENCE: MappingProxyType({"then": "happened one after the other"}),
        RowKind.SEEN: RECENCY,
        RowKind.MEMBERSHIP: MEMBERSHIPS,
        RowKind.CONSENT: CONSENTS,
    }
)
"""How each kind of row can ask, in words; the first one if nobody has chosen."""


def definition_of(root: Group) -> Written:
    """Write criteria as a definition, and say what is missing."""
    writing = _Writing()
    written = writing.group(root, ROOT, POINTER)
    criteria: Json = {"operator": "and", "expressions": []} if written is None else written
    return Written({"schema_version": SCHEMA, "audience": criteria}, writing.places, writing.faults)


def shown_value(value: Scalar) -> str:
    """Return a value of a definition as it stands in a field: a text that is not shown as it is, or that reads as something else, is in quotes."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = read_value(value) == value and value == value.strip() and value.isprintable() and value != ""
    return value if is_plain else json.dumps(value)


def read_value(text: str) -> Scalar:
    """Return what a field means: a number, true or false, a text in quotes, or else the text itself."""
    try:
        read = json.loads(text, parse_constant=_no_number)
    except ValueError:
        return text
    return read if isinstance(read, str | bool | int | float) else text


def _no_number(_: str) -> Any:
    raise ValueError


def listed_values(text: str) -> list[Scalar]:
    """Return the values of a field that has one a line."""
    return [read_value(one.strip()) for one in text.splitlines() if one.strip()]


def window(amount: int, unit: str) -> Json:
    """Return the date so many units ago."""
    return {"date": {"relative": {"offset": -amount, "unit": unit}}}


class _Incomplete(Exception):
    """Something is missing in a row."""


class _Writing:
    """Writes one definition."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.faults: dict[str, str] = {}

    def group(self, group: Group, path: str, pointer: str) -> Json | None:
        """Write a group; None if there is nothing in it."""
        self.places.setdefault(pointer, path)
        if group.negated:
            pointer = f"{pointer}/expression"
        if not group.items:
            self.faults[path] = "a condition is missing here"
            return None
        if len(group.items) == 1:
            inner = self._item(group.items[0], f"{path}.0", pointer)
        else:
            written = [
                self._item(one, f"{path}.{at}", f"{pointer}/expressions/{at}") for at, one in enumerate(group.items)
            ]
            whole = [one for one in written if one is not None]
            inner = {"operator": "or" if group.is_any else "and", "expressions": whole} if whole else None
        if inner is None:
            return None
        return {"operator": "not", "expression": inner} if group.negated else inner

    def _item(self, item: Row | Group, path: str, pointer: str) -> Json | None:
        if isinstance(item, Group):
            return self.group(item, path, pointer)
        self.places[pointer] = path
        try:
            return _WRITERS[item.kind](item)
        except _Incomplete as missing:
            self.faults[path] = str(missing)
            return None


def _compared(operator: str, model: Model, path: str, right: object) -> Json:
    return {"operator": operator, "left": {"model": model.value, "path": path}, "right": right}


def _tested(operator: str, model: Model, path: str) -> Json:
    return {"operator": operator, "operand": {"model": model.value, "path": path}}


def _needed(text: str, sentence: str) -> str:
    if not text:
        raise _Incomplete(sentence)
    return text


def _chosen(row: Row) -> str:
    """Return how a row asks."""
    known = OPERATORS[row.kind]
    return row.operator if row.operator in known else next(iter(known))


def _whole(text: str, least: int, sentence: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX and int(text) >= least):
        raise _Incomplete(sentence)
    return int(text)


_DIGITS_MAX: Final = 9


def _value_row(row: Row) -> Json:
    """Write a row that compares a field with a value."""
    operator, model = _chosen(row), MODELS[row.kind]
    name = _needed(row.name, "say which it is about: its name is missing")
    if operator in TESTS:
        return _tested(operator, model, name)
    if operator in LISTS:
        values = listed_values(row.value)
        if not values:
            raise _Incomplete("values are missing, one a line")
        return _compared(operator, model, name, values)
    return _compared(operator, model, name, read_value(_needed(row.value, "a value is missing")))


def _identity_row(row: Row) -> Json:
    found = next((model for model, names in IDENTITY_NAMES.items() if row.name in names), None)
    if found is None:
        raise _Incomplete("choose an identity type")
    return _tested(_chosen(row), found, row.name)


def _known_row(row: Row) -> Json:
    return _compared("equals", Model.USER, "is_known", _chosen(row) == "true")


def _seen_row(row: Row) -> Json:
    name = row.name if row.name in SEEN else next(iter(SEEN))
    amount = _whole(row.amount, 1, "say how long: a whole number, 1 or more")
    return _compared(_chosen(row), Model.USER, name, window(amount, row.unit))


def _event_condition(name: str, row: Row) -> Json | None:
    """Write what is asked of an event: its name, and how long ago it may be."""
    asked: list[Json] = []
    if name:
        asked.append(_compared("equals", Model.EVENTS, "name", name))
    if row.amount:
        amount = _whole(row.amount, 1, "say how long ago: a whole number, 1 or more, or nothing for ever")
        asked.append(_compared("greater_than_equal", Model.EVENTS, "timestamp", window(amount, row.unit)))
    if len(asked) < 2:  # noqa: PLR2004 - one condition needs nothing around it
        return asked[0] if asked else None
    return {"operator": "and", "expressions": asked}


def _events_row(row: Row) -> Json:
    count: Json = {
        "operator": "count",
        "group_by_model": "user",
        "operand": {"model": Model.EVENTS.value, "path": "event_id"},
    }
    condition = _event_condition(row.name, row)
    if condition is not None:
        count["condition"] = condition
    times = _whole(row.value, 0, "say how many times: a whole number")
    return {"operator": _chosen(row), "left": count, "right": times}


def _sequence_row(row: Row) -> Json:
    names = [one.strip() for one in row.value.splitlines() if one.strip()]
    if not 1 <= len(names) <= SEQUENCE_STEPS_MAX:
        raise _Incomplete(f"name 1 to {SEQUENCE_STEPS_MAX} events, one a line")
    steps: list[Json] = [
        {
            "alias": str(number),
            "operand": {"model": Model.EVENTS.value, "path": "event_id"},
            "condition": _event_condition(name, row),
        }
        for number, name in enumerate(names, 1)
    ]
    return {"operator": "then", "sequence": steps}


def _membership_row(row: Row) -> Json:
    audience = _needed(row.name, "choose an audience")
    return {"operator": _chosen(row), "left": {"model": Model.USER.value}, "right": {"audience": audience}}


def _consent_row(row: Row) -> Json:
    name = _needed(row.name, "name a purpose, such as gdpr.marketing or ccpa.data_sale_opt_out")
    operator = _chosen(row)
    if operator in TESTS:
        return _tested(operator, Model.CONSENT, name)
    return _compared("equals", Model.CONSENT, name, operator == "true")


_WRITERS: Final[Mapping[RowKind, Callable[[Row], Json]]] = MappingProxyType(
    {
        **dict.fromkeys(MODELS, _value_row),
        RowKind.IDENTITY: _identity_row,
        RowKind.KNOWN: _known_row,
        RowKind.EVENTS: _events_row,
        RowKind.SEQUENCE: _sequence_row,
        RowKind.SEEN: _seen_row,
        RowKind.MEMBERSHIP: _membership_row,
        RowKind.CONSENT: _consent_row,
    }
)


def rows_of(group: Group) -> Sequence[Row]:
    """Return all rows of a group and of those within it, in their order."""
    found: list[Row] = []
    for one in group.items:
        found += rows_of(one) if isinstance(one, Group) else [one]
    return found


def groups_of(group: Group) -> Sequence[Group]:
    """Return a group and all within it."""
    return [group, *(inner for one in group.items if isinstance(one, Group) for inner in groups_of(one))]


def depth_of(group: Group) -> int:
    """Return how many groups stand within one another."""
    return 1 + max((depth_of(one) for one in group.items if isinstance(one, Group)), default=0)
