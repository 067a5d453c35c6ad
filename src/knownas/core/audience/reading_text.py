"""Reads the forms of which a definition is made, objects, lists and texts, and gathers what is wrong with them."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar, cast, overload

DEFINITION_DEPTH_MAX: Final = 20
"""Expressions and operands within one another."""

DEFINITION_PARTS_MAX: Final = 1_000
"""Expressions and operands of a definition."""

DEFINITION_CHARACTERS_MAX: Final = 4_096
"""Characters of one text in a definition."""

_NAME_CHARACTERS_TOLD_MAX: Final = 100
"""Characters of a member's name that a fault's place has."""

Object = Mapping[str, object]
_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T")
_U = TypeVar("_U")


class Fault(NamedTuple):
    """What is wrong with a definition: a JSON pointer to the place (RFC 6901), and a sentence."""

    place: str
    sentence: str


class Wrong(Exception):
    """Something can't be read; its fault has been noted."""


class Text:
    """The text of one definition, and its faults, in the order in which they were found."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._parts = 0

    def wrong(self, place: str, sentence: str) -> Wrong:
        """Note a fault; return what is to be raised."""
        self.faults.append(Fault(place, sentence))
        return Wrong()

    def count(self, place: str, depth: int) -> None:
        """Count an expression or operand.

        Raises:
            Wrong: there are too many of them, or too many within one another.
        """
        self._parts += 1
        if self._parts > DEFINITION_PARTS_MAX:
            raise self.wrong(place, f"the definition has more than {DEFINITION_PARTS_MAX} parts")
        if depth > DEFINITION_DEPTH_MAX:
            raise self.wrong(place, f"there are more than {DEFINITION_DEPTH_MAX} parts within one another")

    @overload
    def all_of(self, first: Callable[[], _T], second: Callable[[], _U], /) -> tuple[_T, _U]: ...

    @overload
    def all_of(self, *reads: Callable[[], _T]) -> tuple[_T, ...]: ...

    def all_of(self, *reads: Callable[[], Any]) -> tuple[Any, ...]:
        """Read several parts, so that the faults of all of them are told.

        Raises:
            Wrong: one of them can't be read.
        """
        done: list[Any] = []
        for read in reads:
            try:
                done.append(read())
            except Wrong:
                continue
        if len(done) < len(reads):
            raise Wrong
        return tuple(done)

    def any_object(self, given: object, place: str, wanted: str) -> Object:
        """Read an object of any form.

        Raises:
            Wrong: it is none.
        """
        if not isinstance(given, dict):
            raise self.wrong(place, wanted)
        return cast("Object", given)

    def members(self, given: object, place: str, names: Sequence[str], optional: Sequence[str] = ()) -> Object:
        """Read an object that has some members, and maybe others, and no more.

        Raises:
            Wrong: it is no object, or has other members.
        """
        read = self.any_object(given, place, f"an object is wanted, with {', '.join(names or optional)}")
        missing = [name for name in names if name not in read]
        strange = [name for name in read if name not in names and name not in optional]
        for name in missing:
            self.wrong(place, f"{name} is missing")
        for name in strange:
            self.wrong(f"{place}/{_pointed(name)}", "there is no such member here")
        if missing or strange:
            raise Wrong
        return read

    def full_list(self, given: object, place: str, most: int) -> Sequence[object]:
        """Read a list that is not empty.

        Raises:
            Wrong: it is none, or empty, or has too many elements.
        """
        listed = cast("Sequence[object]", given) if isinstance(given, list) else ()
        if not 0 < len(listed) <= most:
            raise self.wrong(place, f"a list of 1 to {most} is wanted")
        return listed

    def text(self, given: object, place: str) -> str:
        """Read a text that is not empty.

        Raises:
            Wrong: it is none, or empty, or too long.
        """
        if isinstance(given, str) and 0 < len(given) <= DEFINITION_CHARACTERS_MAX:
            return given
        raise self.wrong(place, f"a text of 1 to {DEFINITION_CHARACTERS_MAX} characters is wanted")

    def one_of(self, names: type[_E], given: object, place: str) -> _E:
        """Read a name out of several.

        Raises:
            Wrong: it is none of them.
        """
        if isinstance(given, str) and given in set(names):
            return names(given)
        raise self.wrong(place, f"wanted is one of {', '.join(names)}")


def _pointed(name: str) -> str:
    return name[:_NAME_CHARACTERS_TOLD_MAX].replace("~", "~0").replace("/", "~1")
