"""Rows say what a definition says: they are written as one that can be read, and are read out of it as they were; the rest stays JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.console.criteria import OPERATORS, Group, Row, RowKind, definition_of, read_value, rows_of, shown_value
from knownas.console.criteria_form import changed, group_from
from knownas.console.criteria_reading import fits, rows_from
from knownas.console.form import Fields
from knownas.core.audience.expression import Definition, Unit
from knownas.core.audience.reading import read_definition
from knownas.core.audience.reading_text import DEFINITION_CHARACTERS_MAX

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
VALUES = st.one_of(
    NAMES, st.integers(-1_000, 1_000), st.booleans(), st.floats(-1e6, 1e6), st.text(max_size=5).filter(bool)
)
UNITS = st.sampled_from([one.value for one in Unit])
NAMED = {
    RowKind.LOCATION: st.sampled_from(["$City", "$Country"]),
    RowKind.IDENTITY: st.sampled_from(["email", "customerid", "ios_idfv"]),
    RowKind.SEEN: st.sampled_from(["first_seen", "last_seen"]),
    RowKind.CONSENT: NAMES.map(lambda name: f"gdpr.{name}"),
    RowKind.MEMBERSHIP: st.integers(1, 99).map(str),
    RowKind.KNOWN: st.just(""),
    RowKind.SEQUENCE: st.just(""),
}


@st.composite
def row(draw: Any) -> Row:
    """A row that is filled in."""
    kind = draw(st.sampled_from(RowKind))
    operator = draw(st.sampled_from(list(OPERATORS[kind])))
    name = draw(NAMED.get(kind, NAMES).filter(lambda one: kind is not RowKind.ATTRIBUTE or not one.startswith("$")))
    value = amount = ""
    unit = "day"
    if kind in (RowKind.ATTRIBUTE, RowKind.CALCULATED, RowKind.LOCATION, RowKind.DEVICE) and "exists" not in operator:
        several = draw(st.lists(VALUES, min_size=1, max_size=3)) if operator in ("in", "not_in") else [draw(VALUES)]
        value = "\n".join(map(shown_value, several))
    if kind is RowKind.SEQUENCE:
        value = "\n".join(draw(st.lists(NAMES, min_size=1, max_size=4)))
    if kind is RowKind.EVENTS:
        value = str(draw(st.integers(0, 99)))
    if kind is RowKind.SEEN or (kind in (RowKind.EVENTS, RowKind.SEQUENCE) and draw(st.booleans())):
        amount, unit = str(draw(st.integers(1, 999))), draw(UNITS)
    return Row(kind, name, operator, value, amount, unit)


GROUPS = st.recursive(
    st.builds(Group, st.lists(row(), min_size=1, max_size=3).map(tuple), st.booleans(), st.booleans()),
    lambda inner: st.builds(
        Group, st.lists(st.one_of(row(), inner), min_size=1, max_size=3).map(tuple), st.booleans(), st.booleans()
    ),
    max_leaves=3,
).filter(fits)


def form_of(group: Group, path: str = "0") -> dict[str, tuple[str, ...]]:
    """Return the fields that a page has for a group."""
    fields = {f"{path}-join": ("any" if group.is_any else "all",)}
    if group.negated:
        fields[f"{path}-not"] = ("on",)
    for at, one in enumerate(group.items):
        inner = f"{path}.{at}"
        if isinstance(one, Group):
            fields |= form_of(one, inner)
        else:
            parts = {"kind": one.kind.value, "name": one.name, "operator": one.operator, "value": one.value}
            parts |= {"amount": one.amount, "unit": one.unit}
            fields |= {f"{inner}-{part}": (value.replace("\n", "\r\n"),) for part, value in parts.items()}
    return fields


@given(GROUPS)
def test_rows_are_written_as_a_definition_and_read_out_of_it(group: Group) -> None:
    """The definition can be read; what is read out of it is written the same again; no fault is told of what is filled in."""
    written = definition_of(group)
    assert written.faults == {}
    assert isinstance(read_definition(written.definition), Definition)
    again = rows_from(written.definition)
    assert again is not None
    assert definition_of(again).definition == written.definition
    assert rows_of(again) == rows_of(group)


@given(GROUPS)
def test_a_form_gives_back_the_rows_that_it_was_made_of(group: Group) -> None:
    """Every field, whatever browsers do to the ends of lines."""
    assert definition_of(group_from(Fields(form_of(group)))) == definition_of(group)


@given(VALUES)
def test_a_value_stands_in_a_field_as_what_it_is(value: Any) -> None:
    """A text that looks like a number is in quotes, and none needs two lines."""
    shown = shown_value(value)
    assert (type(read_value(shown)), read_value(shown)) == (type(value), value)
    assert "\n" not in shown


@pytest.mark.parametrize(
    "criteria",
    [
        {
            "operator": "equals",
            "left": {"model": "user_attributes", "path": "a"},
            "right": {"model": "user_attributes", "path": "b"},
        },
        {"operator": "matches", "left": {"model": "events", "path": "name"}, "right": "a.*"},
        {"operator": "equals", "left": {"model": "user_attributes", "path": " a"}, "right": "x"},
        {"operator": "and", "expressions": []},
        {
            "operator": "equals",
            "left": {"model": "user_attributes", "path": "a"},
            "right": "x" * DEFINITION_CHARACTERS_MAX * 3,
        },
        "nothing",
        None,
    ],
)
def test_what_rows_cannot_say_stays_json(criteria: Any) -> None:
    """Nothing of a definition is lost by looking at it."""
    assert rows_from({"schema_version": "1.6.0", "audience": criteria}) is None
    assert rows_from({"schema_version": "2", "audience": criteria}) is None


def test_a_fault_is_told_at_the_row_in_which_it_lies() -> None:
    """By the place in the definition, whatever stands around the row."""
    inner = Group((Row(RowKind.KNOWN), Row(RowKind.ATTRIBUTE, "a", "equals", "1")), is_any=True, negated=True)
    written = definition_of(Group((Row(RowKind.KNOWN), inner)))
    assert written.path_of("/audience/expressions/1/expression/expressions/1/left/path") == "0.1.1"
    assert written.path_of("/audience/expressions/0/right") == "0.0"
    assert written.path_of("/schema_version") == ""
    missing = definition_of(Group((Row(RowKind.ATTRIBUTE), Group(), Row(RowKind.EVENTS, value="-1"))))
    assert set(missing.faults) == {"0.0", "0.1", "0.2"}


def test_buttons_add_and_take_away() -> None:
    """A row or a group where the button stands; a button of nowhere does nothing."""
    root = Group((Row(RowKind.KNOWN),))
    grown = changed(changed(root, "group:0"), "add:0.1")
    assert len(rows_of(grown)) == 3
    assert rows_of(changed(grown, "remove:0.1.0")) == [Row(RowKind.KNOWN), Row(RowKind.ATTRIBUTE)]
    assert changed(grown, "remove:0.1") == root
    for nothing in ("remove:0", "remove:0.9", "remove:9.1", "add:0.x", "count", ""):
        assert changed(root, nothing) == root
