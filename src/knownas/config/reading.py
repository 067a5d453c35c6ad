"""Keeps what a walk through a configuration file needs to know: where it is, what is wrong, which names are taken."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from knownas.config.faults import FaultList, path_name, quoted
from knownas.config.limits import NAMES_LISTED_MAX


class Unreadable(Exception):
    """What should have been read can't be; why has been noted as a fault. Caught by the list or section around it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the file: its line, and its path from the top ("" is the top itself)."""

    line: int
    path: str

    def member(self, name: str, line: int | None = None) -> "Place":
        """Return the place of a member of the mapping that stands here."""
        path = f"{self.path}.{path_name(name)}" if self.path else path_name(name)
        return Place(self.line if line is None else line, path)

    def item(self, index: int, line: int) -> "Place":
        """Return the place of an item of the list that stands here."""
        return Place(line, f"{self.path}[{index}]")

    @property
    def siblings(self) -> str:
        """The path of the list that this place is in, the innermost; "" if there is none."""
        return self.path.rpartition("[")[0]


@dataclass(frozen=True, slots=True)
class _Claim:
    line: int
    raw: str


@dataclass(frozen=True, slots=True)
class _Reference:
    what: str
    value: object
    raw: str
    place: Place


@dataclass(slots=True)
class Reading:
    """The state of one walk through one file.

    `lines` holds the line of every member that the file gives, by its path.
    """

    faults: FaultList = field(default_factory=FaultList)
    lines: dict[str, int] = field(default_factory=dict[str, int])
    _claims: dict[tuple[str, str], dict[object, _Claim]] = field(
        default_factory=dict[tuple[str, str], dict[object, _Claim]]
    )
    _spoilt: set[str] = field(default_factory=set[str])
    _references: list[_Reference] = field(default_factory=list[_Reference])

    def fault(self, place: Place, message: str, allowed: str | None = None) -> None:
        """Note a fault."""
        self.faults.add(place.line, place.path, message, allowed)

    def refused(self, place: Place, message: str, allowed: str | None = None) -> Unreadable:
        """Note a fault and return what to raise for it."""
        self.fault(place, message, allowed)
        return Unreadable()

    def claim(self, what: str, value: object, raw: str, place: Place, within: str = "") -> None:
        """Take a name; a fault if it is taken already, inside the same `within`."""
        taken = self._claims.setdefault((what, within), {})
        first = taken.get(value)
        if first is not None:
            self.fault(place, f"this {what} is used already in line {first.line}", "each only once")
            return
        taken[value] = _Claim(place.line, raw)

    def spoil(self, names: Iterable[str]) -> None:
        """Note that some names of these kinds can't be read, so that nobody can say that one is not there."""
        self._spoilt.update(names)

    def refer(self, what: str, value: object, raw: str, place: Place) -> None:
        """Note that a place names something that must stand elsewhere in the file, before or after."""
        self._references.append(_Reference(what, value, raw, place))

    def settle(self) -> None:
        """Note a fault for every reference to something that the file does not have."""
        for reference in self._references:
            taken = self._claims.get((reference.what, ""), {})
            if reference.value in taken or reference.what in self._spoilt:
                continue
            names = [claim.raw for claim in taken.values()]
            self.fault(
                reference.place,
                f"no {reference.what} {quoted(reference.raw)} is in this file{self.faults.did_you_mean(reference.raw, names)}",
                _listed(names),
            )


def _listed(names: list[str]) -> str | None:
    if not names:
        return None
    more = ", ..." if len(names) > NAMES_LISTED_MAX else ""
    return ", ".join(islice(names, NAMES_LISTED_MAX)) + more
