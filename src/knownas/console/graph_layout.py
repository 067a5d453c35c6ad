"""Decides where the nodes of a person's graph stand: in columns, by how many steps they are from the person.

Whoever hangs on a node stands beside it and below, like the lines of an outline: the person is at the top, their values are read
from top to bottom, and whoever shares one from left to right. The same graph always looks the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

COLUMN: Final = 258
"""From one column to the next."""

ROW: Final = 40
NODE_WIDTH: Final = 196
NODE_HEIGHT: Final = 34
MARGIN: Final = 8


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the middle of a node is."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where all nodes are, and how large the drawing is."""

    spots: Mapping[str, Spot]
    width: int
    height: int


def placed(columns: Mapping[str, int], edges: Iterable[tuple[str, str]]) -> Placed:
    """Place nodes, given with their columns in the order in which they are to stand; the first is the person.

    A node hangs on the first one of an earlier column that an edge ties it to.
    """
    order = {one: place for place, one in enumerate(columns)}
    hangs_on = _hanging(columns, edges)
    children: dict[str, list[str]] = {one: [] for one in columns}
    for one, above in sorted(hangs_on.items(), key=lambda pair: order[pair[0]]):
        children[above].append(one)
    roots = [one for one in columns if one not in hangs_on]
    rows: dict[str, int] = {}
    last_row = -1
    waiting = list(reversed(roots))
    while waiting:
        one = waiting.pop()
        # The first that hangs on a node stands in its row, every other one below all before it.
        above = hangs_on.get(one)
        if above is None or children[above][0] != one:
            last_row += 1
        rows[one] = last_row
        waiting += reversed(children[one])
    half_width, half_height = NODE_WIDTH // 2, NODE_HEIGHT // 2
    spots = {
        one: Spot(MARGIN + half_width + column * COLUMN, MARGIN + half_height + rows[one] * ROW)
        for one, column in columns.items()
    }
    last = max(columns.values(), default=0)
    return Placed(spots, 2 * MARGIN + NODE_WIDTH + last * COLUMN, 2 * MARGIN + NODE_HEIGHT + max(last_row, 0) * ROW)


def _hanging(columns: Mapping[str, int], edges: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return what each node hangs on; those that hang on none are left out."""
    order = {one: place for place, one in enumerate(columns)}
    found: dict[str, str] = {}
    for one, other in edges:
        left, right = sorted((one, other), key=lambda each: columns[each])
        if columns[left] < columns[right] and (right not in found or order[left] < order[found[right]]):
            found[right] = left
    return found
