"""Reads rows out of a form, and does to them what a button of the form asks for: adds a condition or a group, or takes one away.

The form holds all of them, so that the server keeps nothing between two of its answers.
"""

from dataclasses import replace
from typing import Final

from knownas.console.criteria import ROOT, Group, Row, RowKind
from knownas.console.form import Fields
from knownas.console.limits import CRITERIA_DEPTH_MAX, CRITERIA_ROWS_MAX, VALUE_CHARACTERS_MAX
from knownas.console.refusal import not_taken
from knownas.core.audience.expression import Unit

_KINDS: Final = frozenset(RowKind)
_UNITS: Final = frozenset(Unit)


def group_from(form: Fields, path: str = ROOT, depth: int = 1) -> Group:
    """Read a group and all within it.

    Raises:
        Refusal: a field is too long, or there are too many.
    """
    items: list[Row | Group] = []
    while len(items) <= CRITERIA_ROWS_MAX:
        inner = f"{path}.{len(items)}"
        if form.all(f"{inner}-kind"):
            items.append(_row(form, inner))
        elif form.all(f"{inner}-join") and depth < CRITERIA_DEPTH_MAX:
            items.append(group_from(form, inner, depth + 1))
        else:
            break
    return Group(tuple(items), form.text(f"{path}-join") == "any", form.is_on(f"{path}-not"))


def _row(form: Fields, path: str) -> Row:
    kind, unit = form.text(f"{path}-kind"), form.text(f"{path}-unit")
    if kind not in _KINDS:
        raise not_taken("There is no such kind of condition.")
    value = form.raw(f"{path}-value", VALUE_CHARACTERS_MAX).replace("\r\n", "\n")
    return Row(
        RowKind(kind),
        form.text(f"{path}-name"),
        form.text(f"{path}-operator"),
        value if "\n" in value else value.strip(),
        form.text(f"{path}-amount"),
        unit if unit in _UNITS else Unit.DAY.value,
    )


def changed(root: Group, does: str) -> Group:
    """Return the rows after what a button asks for: `add:PATH`, `group:PATH` or `remove:PATH`; anything else changes nothing."""
    action, _, path = does.partition(":")
    steps = path.split(".")
    if steps[0] != ROOT or not all(one.isascii() and one.isdecimal() for one in steps):
        return root
    way = [int(one) for one in steps[1:]]
    match action:
        case "add":
            return _within(root, way, Row(RowKind.ATTRIBUTE))
        case "group":
            return _within(root, way, Group((Row(RowKind.ATTRIBUTE),), is_any=True))
        case "remove" if way:
            return _without(root, way)
        case _:
            return root


def _within(group: Group, way: list[int], new: Row | Group) -> Group:
    if not way:
        return replace(group, items=(*group.items, new))
    at, *rest = way
    items = list(group.items)
    inner = items[at] if at < len(items) else None
    if isinstance(inner, Group):
        items[at] = _within(inner, rest, new)
    return replace(group, items=tuple(items))


def _without(group: Group, way: list[int]) -> Group:
    at, *rest = way
    items = list(group.items)
    if at < len(items):
        inner = items[at]
        if not rest:
            del items[at]
        elif isinstance(inner, Group):
            items[at] = _without(inner, rest)
    return replace(group, items=tuple(items))
