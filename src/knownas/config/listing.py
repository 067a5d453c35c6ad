"""Reads lists, names that stand only once, and references to such names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from knownas.config.limits import LIST_ITEMS_MAX
from knownas.config.nodes import Broken, Members, Node, Scalar, Sequence
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.shapes import Shape

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Listing(Shape[tuple[T_co, ...]], Generic[T_co]):
    """A list whose items all have one shape."""

    item: Shape[T_co]
    most: int = LIST_ITEMS_MAX

    @property
    def label(self) -> str:
        """The items' label."""
        return f"list ({self.item.label})"

    @property
    def allowed(self) -> str | None:
        """What its items may be."""
        return self.item.allowed

    @property
    def declares(self) -> Iterable[str]:
        """What its items declare."""
        return self.item.declares

    def read(self, node: Node, place: Place, reading: Reading) -> tuple[T_co, ...]:
        """Return the items; each is read, however many are unreadable."""
        match node:
            case Sequence(items=items) if len(items) <= self.most:
                return self._items(items, place, reading)
            case Sequence():
                reading.spoil(self.declares)
                raise reading.refused(place, "the list is too long", f"at most {self.most} items")
            case Broken():
                reading.spoil(self.declares)
                raise Unreadable
            case Scalar() | Members():
                reading.spoil(self.declares)
                raise reading.refused(place, "a list belongs here", self.label)

    def _items(self, items: Iterable[Node], place: Place, reading: Reading) -> tuple[T_co, ...]:
        read: list[T_co] = []
        complete = True
        for index, item in enumerate(items):
            try:
                read.append(self.item.read(item, place.item(index, item.line), reading))
            except Unreadable:
                complete = False
        if not complete:
            raise Unreadable
        return tuple(read)


@dataclass(frozen=True, slots=True)
class Naming(Shape[T_co], Generic[T_co]):
    """A value that names what it stands in: no two may be the same in the file, or among siblings only."""

    shape: Shape[T_co]
    what: str
    among_siblings: bool = False

    @property
    def label(self) -> str:
        """The value's label."""
        return self.shape.label

    @property
    def allowed(self) -> str | None:
        """What the value may be, and that it must be unique."""
        where = "of its list" if self.among_siblings else "of the file"
        return f"{self.shape.allowed}; no other {self.what} {where}"

    @property
    def declares(self) -> Iterable[str]:
        """The kind of the name."""
        return (self.what,)

    def read(self, node: Node, place: Place, reading: Reading) -> T_co:
        """Return the value, and take the name."""
        try:
            value = self.shape.read(node, place, reading)
        except Unreadable:
            reading.spoil(self.declares)
            raise
        raw = node.raw if isinstance(node, Scalar) else ""
        # The item that the name belongs to is in a list; its siblings are that list's items.
        reading.claim(self.what, value, raw, place, place.siblings if self.among_siblings else "")
        return value


@dataclass(frozen=True, slots=True)
class Referring(Shape[T_co], Generic[T_co]):
    """A value that names something that stands elsewhere in the file."""

    shape: Shape[T_co]
    what: str

    @property
    def label(self) -> str:
        """The value's label."""
        return self.shape.label

    @property
    def allowed(self) -> str | None:
        """What must stand elsewhere."""
        return f"the {self.what} of one in this file"

    def read(self, node: Node, place: Place, reading: Reading) -> T_co:
        """Return the value; whether it names something is settled at the end."""
        value = self.shape.read(node, place, reading)
        reading.refer(self.what, value, node.raw if isinstance(node, Scalar) else "", place)
        return value
