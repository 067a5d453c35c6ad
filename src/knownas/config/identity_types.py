"""Reads the names of identity types, and the limits that a policy sets for some of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from knownas.config.faults import quoted
from knownas.config.nodes import Broken, Members, Node, Scalar, Sequence
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.shapes import Shape, Whole, scalar
from knownas.core.identity.kinds import IdentityType, Surface, types_named_on
from knownas.core.identity.policy import MAX_VALUES_MAX

_TYPES: Final = types_named_on(Surface.IDSYNC)


@dataclass(frozen=True, slots=True)
class TypeName(Shape[IdentityType]):
    """The IDSync name of an identity type; idsync §1.4."""

    @property
    def label(self) -> str:
        """Always identity type."""
        return "identity type"

    @property
    def allowed(self) -> str:
        """The names."""
        return ", ".join(IdentityType)

    def read(self, node: Node, place: Place, reading: Reading) -> IdentityType:
        """Return the type."""
        found = scalar(node, place, reading, self)
        return self.named(found.text, found.raw, place, reading)

    def named(self, text: str, raw: str, place: Place, reading: Reading) -> IdentityType:
        """Return the type of that name, which the file spells `raw`.

        Raises:
            Unreadable: there is none.
        """
        kind = _TYPES.get(text)
        if kind is None:
            suggestion = reading.faults.did_you_mean(raw.lower(), IdentityType)
            raise reading.refused(place, f"{quoted(raw)} is no identity type{suggestion}", self.allowed)
        return kind


UNLIMITED: Final = "unlimited"
"""Says in the place of a number that there is no limit."""


@dataclass(frozen=True, slots=True)
class TypeLimits(Shape[Mapping[IdentityType, int]]):
    """A mapping from identity types to the most values of each on one record; idsync §8, `max_values`."""

    @property
    def label(self) -> str:
        """Always mapping."""
        return "mapping (identity type: whole number)"

    @property
    def allowed(self) -> str:
        """The range of the numbers."""
        return f"for each type 1 to {MAX_VALUES_MAX}, or {UNLIMITED}"

    def read(self, node: Node, place: Place, reading: Reading) -> Mapping[IdentityType, int]:
        """Return the limits; a type that is `unlimited` is left out."""
        match node:
            case Members():
                return self._limits(node, place, reading)
            case Broken():
                raise Unreadable
            case Scalar() | Sequence():
                raise reading.refused(place, "a mapping belongs here", self.label)

    def _limits(self, node: Members, place: Place, reading: Reading) -> Mapping[IdentityType, int]:
        limits: dict[IdentityType, int | None] = {}
        complete = True
        for entry in node.entries:
            here = place.member(entry.name, entry.line)
            try:
                kind = TypeName().named(entry.name, entry.name, here, reading)
                if kind in limits:
                    raise reading.refused(here, f"this is {kind} again under another spelling", "each type once")
                limits[kind] = self._limit(entry.value, here, reading)
            except Unreadable:
                complete = False
        if not complete:
            raise Unreadable
        return MappingProxyType({kind: most for kind, most in limits.items() if most is not None})

    def _limit(self, node: Node, place: Place, reading: Reading) -> int | None:
        if scalar(node, place, reading, self).text.lower() == UNLIMITED:
            return None
        return Whole(1, MAX_VALUES_MAX).read(node, place, reading)
