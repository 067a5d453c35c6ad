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

from knownas.batch.import_limits import LANE_NAMES_MAX
from knownas.batch.import_rows import Content, Reading
from knownas.core.history.components import join, root_of
from knownas.core.identity.kinds import IdentityType
from knownas.service.identity.question import Rules


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
                join(self._parents, place, other)

    def groups(self) -> Iterator[Sequence[int]]:
        """Yield the groups by their first rows, each with its rows in their order."""
        members: dict[int, list[int]] = {}
        for place in range(len(self._parents)):
            members.setdefault(self.root(place), []).append(place)
        yield from members.values()

    def names(self) -> Iterable[tuple[int, int]]:
        """Return the names that rows have, each with the first row that has it."""
        return self._first.items()

    def root(self, place: int) -> int:
        """Return the first row of a row's group."""
        return root_of(self._parents, place)


class Lanes:
    """Shares groups out among processes, all groups about one user to the same one, in whatever section they are.

    Two processes that change one profile at once get in each other's way: one of them has to decide a whole chunk
    again. So groups of different sections that share a name are known to belong together, and have one lane.
    """

    def __init__(self, count: int) -> None:
        self._load = [0] * count
        self._forget()

    def _forget(self) -> None:
        self._named: dict[int, int] = {}
        """For each name the first group, by its number in the file, that had it."""
        self._parents = array("q")
        self._lanes: dict[int, int] = {}

    def of_groups(self, grouping: Grouping) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield the groups, each with the number of its lane: the one of an earlier group, or the least loaded."""
        if len(self._load) == 1:
            yield from ((0, group) for group in grouping.groups())
            return
        if len(self._named) > LANE_NAMES_MAX:
            self._forget()
        numbers = self._join(grouping)
        for group in grouping.groups():
            number = numbers.get(group[0])
            # Rows without a name are nobody's, and anybody's.
            found = None if number is None else root_of(self._parents, number)
            lane = None if found is None else self._lanes.get(found)
            if lane is None:
                lane = self._load.index(min(self._load))
            if found is not None:
                self._lanes[found] = lane
            self._load[lane] += len(group)
            yield lane, group

    def _join(self, grouping: Grouping) -> dict[int, int]:
        """Join the groups of a section with earlier ones; return the number of each by its first row."""
        numbers: dict[int, int] = {}
        parents, named = self._parents, self._named
        for name, place in grouping.names():
            first = grouping.root(place)
            number = numbers.get(first)
            if number is None:
                number = numbers[first] = len(parents)
                parents.append(number)
            join(parents, number, named.setdefault(name, number))
        return numbers


class RowNames:
    """What a row shares with the rows that it can influence."""

    def __init__(self, reading: Reading, rules: Rules) -> None:
        policy = rules.policy
        self._rules = rules
        self._types: frozenset[IdentityType] = policy.unique_ids
        if not reading.brings_over:
            self._types |= frozenset(policy.ranked)

    def of(self, content: Content) -> list[object]:
        """Return the names of a row: the profile that it is about, and the identities by which one is looked for."""
        types = self._types
        names: list[object] = [one for one in content.identities if one[0] in types]
        screen = self._rules.screen
        if screen is not None and screen.is_busy:
            # By what is set aside, rows share nothing.
            pool = self._rules.pool(content.environment)
            names = [one for one in content.identities if one[0] in types and not screen.sets_aside(pool, one)]
        if content.mpid is not None:
            names.append(content.mpid)
        return names
