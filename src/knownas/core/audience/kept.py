"""Keeps what is made of a part of a definition, so that it is made once, by which part it is and not by what it says."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")

KEPT_MAX: Final = 10_000
"""Parts for which something is kept; when there are more, all is made anew."""


class Kept(Generic[_Part, _Made]):
    """What `make` makes of parts. To compare parts by what they say would cost more than to make it."""

    def __init__(self, make: Callable[[_Part], _Made]) -> None:
        self._make: Final = make
        self._made: Final[dict[int, tuple[_Part, _Made]]] = {}
        """By the identity of a part; the part is kept, too, so that no other gets the same."""

    def of(self, part: _Part) -> _Made:
        """Return what is made of a part."""
        kept = self._made.get(id(part))
        if kept is None:
            if len(self._made) >= KEPT_MAX:
                self._made.clear()
            kept = self._made[id(part)] = (part, self._make(part))
        return kept[1]
