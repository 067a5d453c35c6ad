"""Finds the rows of a file that can influence each other, so that the others can be decided at the same time.

Two rows can influence each other's answer only if they look for a common identity, or name a common profile, directly
or through other rows. So the rows fall into groups, and groups may be decided in any order, by any number of
processes; within a group the file's order holds. Rows are joined with the first one that named the same before them,
in a forest whose trees are the groups.

Rows of different groups may still meet on a profile that the database has already. The store notices where one
of them is decided over what the other has just changed, and it is decided again; which of the two comes first is open,
as it is between any two requests that arrive together.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence

from knownas.batch.import_rows import Content, Reading
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy


class Grouping:
    """The groups of rows that were added so far, each row known by its place."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._parents = array("q")

    def add(self, names: Iterable[object]) -> None:
        """Add the next row, which is in one group with all that share a name with it.

        Names are compared by their hash alone: two that collide make one group of two, which is only slower.
        """
        place = len(self._parents)
        self._parents.append(place)
        first = self._first
        for name in names:
            other = first.setdefault(hash(name), place)
            if other != place:
                self._join(place, other)

    def groups(self) -> Iterator[Sequence[int]]:
        """Yield the groups by their first rows, each with its rows in their order."""
        members: dict[int, list[int]] = {}
        for place in range(len(self._parents)):
            members.setdefault(self._root(place), []).append(place)
        yield from members.values()

    def _root(self, place: int) -> int:
        parents = self._parents
        while (parent := parents[place]) != place:
            # Halves the way for those who come after.
            parents[place] = place = parents[parent]
        return place

    def _join(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        if one < other:
            self._parents[other] = one
        else:
            self._parents[one] = other


class RowNames:
    """What a row shares with the rows that it can influence."""

    def __init__(self, reading: Reading, policy: Policy) -> None:
        self._types: frozenset[IdentityType] = policy.unique_ids
        if not reading.brings_over:
            self._types |= frozenset(policy.ranked)

    def of(self, content: Content) -> list[object]:
        """Return the names of a row: the profile that it is about, and the identities by which one is looked for."""
        types = self._types
        names: list[object] = [one for one in content.identities if one[0] in types]
        if content.mpid is not None:
            names.append(content.mpid)
        return names
