"""Reads mappings by a table of their members: the one table that reads, explains and writes a configuration.

A `Section` is such a table. The reference and the written file are rendered from the same tables, so that neither
can say anything else than the reader does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar, cast

from knownas.config.faults import quoted
from knownas.config.listing import Listing
from knownas.config.nodes import Broken, Entry, Members, Node, Scalar, Sequence
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.shapes import Shape

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Needed(Enum):
    """Stands in the place of a default where a member can't be left out."""

    NEEDED = "needed"


NEEDED: Final = Needed.NEEDED


@dataclass(frozen=True, eq=False)
class Member(Generic[T_co]):
    """One member of a section.

    Left out, or given without a value, it has its `default`; `left_out` says what that means where the value
    itself doesn't. `meaning` is a sentence or two, `spec` the section of the specification that a rule is from.
    """

    name: str
    shape: Shape[T_co]
    default: T_co | Needed
    meaning: str
    spec: str = ""
    left_out: str = ""


class Given:
    """What one mapping of the file gives for the members of a section."""

    def __init__(self, place: Place, reading: Reading, values: Mapping[str, object]) -> None:
        self.place = place
        self.reading = reading
        self._values = values

    def __getitem__(self, member: Member[T]) -> T:
        """Return a member's value, or its default if it was left out.

        Raises:
            Unreadable: the member was given and could not be read, or is needed and missing.
        """
        if not self.readable(member):
            raise Unreadable
        return cast("T", self._values[member.name])

    def or_else(self, member: Member[T], fallback: T) -> T:
        """Return a member's value, and the fallback in the place of an unreadable one.

        For looking on for faults only: what is built with a fallback is never used.
        """
        return self[member] if self.readable(member) else fallback

    def readable(self, *members: Member[object]) -> bool:
        """Whether all these members have a value."""
        return all(member.name in self._values for member in members)


@dataclass(frozen=True, slots=True, eq=False)
class Section(Shape[T_co], Generic[T_co]):
    """A mapping with a closed list of members, and how to build a value of them."""

    title: str
    members: tuple[Member[object], ...]
    build: Callable[[Given], T_co]

    @property
    def label(self) -> str:
        """Always mapping."""
        return "mapping"

    @property
    def allowed(self) -> str:
        """The members' names."""
        return ", ".join(member.name for member in self.members)

    @property
    def declares(self) -> Iterable[str]:
        """What the members declare."""
        return tuple(what for member in self.members for what in member.shape.declares)

    def read(self, node: Node, place: Place, reading: Reading) -> T_co:
        """Return what the members make; each is read, however many are unreadable."""
        match node:
            case Members(entries=entries):
                return self._read(entries, place, reading)
            case Scalar(is_null=True):
                return self._read((), place, reading)
            case Broken():
                reading.spoil(self.declares)
                raise Unreadable
            case Scalar() | Sequence():
                reading.spoil(self.declares)
                raise reading.refused(place, "a mapping belongs here", self.allowed)

    def _read(self, entries: tuple[Entry, ...], place: Place, reading: Reading) -> T_co:
        given = {entry.name: entry for entry in entries}
        slips = set(self._refuse_unknown(entries, place, reading))
        values: dict[str, object] = {}
        for member in self.members:
            if member.name in slips:
                # Its fault is noted: it is there, under a name that is nearly right.
                reading.spoil(member.shape.declares)
                continue
            with suppress(Unreadable):
                values[member.name] = _value(member, given.get(member.name), place, reading)
        return self.build(Given(place, reading, values))

    def _refuse_unknown(self, entries: tuple[Entry, ...], place: Place, reading: Reading) -> Iterator[str]:
        """Note a fault for every member that the section doesn't have; yield the names that were meant."""
        names = {member.name for member in self.members}
        missing = [member.name for member in self.members if member.name not in {entry.name for entry in entries}]
        for entry in entries:
            if entry.name in names:
                continue
            close = reading.faults.closest(entry.name.lower(), missing)
            suggestion = f"; did you mean {close}?" if close else ""
            here = place.member(entry.name, entry.line)
            reading.fault(here, f"there is no member {quoted(entry.name)}{suggestion}", self.allowed)
            if close:
                yield close


def _value(member: Member[object], entry: Entry | None, place: Place, reading: Reading) -> object:
    if entry is not None and not (isinstance(entry.value, Scalar) and entry.value.is_null):
        here = place.member(member.name, entry.line)
        reading.lines[here.path] = here.line
        return member.shape.read(entry.value, here, reading)
    if member.default is not NEEDED:
        return member.default
    reading.spoil(member.shape.declares)
    here = place.member(member.name, None if entry is None else entry.line)
    raise reading.refused(here, f"{member.name} is missing", member.shape.allowed)


def section_of(shape: Shape[object]) -> Section[object] | None:
    """Return the section that a shape, or the items of a list, consist of; None if they are no mappings."""
    match shape:
        case Section():
            return shape
        case Listing():
            return section_of(cast("Listing[object]", shape).item)
        case _:
            return None
