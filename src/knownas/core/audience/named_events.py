"""Finds a user's events by their names, so that a condition that asks for a name is not judged for all the others."""

from collections.abc import Sequence
from heapq import merge

from knownas.core.audience.mentions import Names
from knownas.core.audience.subject import PastEvent


class NamedEvents:
    """The events of a user by name, without regard to case. They are sorted when the first name is asked for.

    `among` are names of which each of the events has one, if the others were left out before.
    """

    __slots__ = ("_among", "_places", "all")

    def __init__(self, events: Sequence[PastEvent], among: Names = None) -> None:
        self.all = events
        self._among = among
        self._places: dict[str, list[int]] | None = None

    def places(self, names: Names) -> Sequence[int]:
        """Return where among all the events those with one of the names are, ascending; None stands for every event."""
        if names is None or (self._among is not None and self._among <= names):
            return range(len(self.all))
        if self._places is None:
            self._places = {}
            for place, one in enumerate(self.all):
                name = one.event.name
                if name is not None:
                    self._places.setdefault(name.casefold(), []).append(place)
        found = [places for name in names if (places := self._places.get(name)) is not None]
        return found[0] if len(found) == 1 else list(merge(*found))
