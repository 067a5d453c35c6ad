"""Holds the tree of a configuration file: values, lists and mappings that know their line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `text` with its variables filled in, `raw` as the file has it; only `raw` may be quoted."""

    line: int
    text: str
    raw: str
    is_null: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a mapping; `line` is that of its name."""

    line: int
    name: str
    value: "Node"


@dataclass(frozen=True, slots=True)
class Members:
    """A mapping, each name once."""

    line: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where a fault has been noted already."""

    line: int


Node = Scalar | Sequence | Members | Broken
