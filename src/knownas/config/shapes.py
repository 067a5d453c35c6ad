"""Reads single values: each shape says what it takes and turns a node into a value of it.

The shape decides how a scalar is read, not its spelling in YAML: `"8080"` is a whole number where one belongs,
and a secret of `0123` keeps its zero.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, TypeVar

from knownas.config.faults import quoted
from knownas.config.limits import PATH_CHARACTERS_MAX, SECRET_CHARACTERS_MAX
from knownas.config.nodes import Broken, Members, Node, Scalar, Sequence
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.secret import Secret

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

_WHOLE: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{0,19})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_FLAGS: Final = {"true": True, "false": False}


class Shape(ABC, Generic[T_co]):
    """What stands at a place of the file."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The shape in a word or two, for the reference and for faults: "text", "whole number"."""

    @property
    def allowed(self) -> str | None:
        """What it takes, as far as the label doesn't say it."""
        return None

    @property
    def declares(self) -> Iterable[str]:
        """The kinds of names that are declared in it, for `Reading.spoil`."""
        return ()

    @abstractmethod
    def read(self, node: Node, place: Place, reading: Reading) -> T_co:
        """Return the value.

        Raises:
            Unreadable: there is none; every reason is noted.
        """


def scalar(node: Node, place: Place, reading: Reading, shape: Shape[object]) -> Scalar:
    """Return the node if it is a single value.

    Raises:
        Unreadable: it is something else.
    """
    match node:
        case Broken():
            raise Unreadable
        case Scalar(is_null=False):
            return node
        case Scalar():
            raise reading.refused(place, "a value is missing", _wanted(shape))
        case Sequence():
            raise reading.refused(place, "a list stands where a single value belongs", _wanted(shape))
        case Members():
            raise reading.refused(place, "a mapping stands where a single value belongs", _wanted(shape))


def _wanted(shape: Shape[object]) -> str:
    return f"{shape.label}: {shape.allowed}" if shape.allowed else shape.label


@dataclass(frozen=True, slots=True)
class Text(Shape[str]):
    """Printable text of 1 to `most` characters, of a certain form if `pattern` is given, described by `form`.

    A `hidden` text is never quoted.
    """

    most: int
    pattern: re.Pattern[str] | None = None
    form: str = ""
    hidden: bool = False

    @property
    def label(self) -> str:
        """Always text."""
        return "text"

    @property
    def allowed(self) -> str:
        """The form and the length."""
        length = f"1 to {self.most} characters"
        return f"{self.form}, {length}" if self.form else length

    def read(self, node: Node, place: Place, reading: Reading) -> str:
        """Return the text."""
        found = scalar(node, place, reading, self)
        text = found.text
        if not text:
            raise reading.refused(place, "the value is empty", self.allowed)
        if len(text) > self.most:
            raise reading.refused(place, "the value is too long", self.allowed)
        if not text.isprintable():
            raise reading.refused(
                place, "the value contains a line break or another character without a shape", self.allowed
            )
        if self.pattern is not None and not self.pattern.fullmatch(text):
            value = "the value" if self.hidden else quoted(found.raw)
            raise reading.refused(place, f"{value} has another form than it must have", self.allowed)
        return text


@dataclass(frozen=True, slots=True)
class SecretText(Shape[Secret]):
    """A secret: text that is never quoted, and wrapped as soon as it is read."""

    pattern: re.Pattern[str] | None = None
    form: str = ""

    @property
    def label(self) -> str:
        """Always secret."""
        return "secret"

    @property
    def allowed(self) -> str:
        """The form and the length."""
        return self._text.allowed

    @property
    def _text(self) -> Text:
        return Text(SECRET_CHARACTERS_MAX, self.pattern, self.form, hidden=True)

    def read(self, node: Node, place: Place, reading: Reading) -> Secret:
        """Return the secret."""
        return Secret(self._text.read(node, place, reading))


@dataclass(frozen=True, slots=True)
class FilePath(Shape[Path]):
    """The path of a file. Whether it is there is asked when it is opened."""

    @property
    def label(self) -> str:
        """Always path."""
        return "path"

    @property
    def allowed(self) -> str:
        """The length."""
        return f"1 to {PATH_CHARACTERS_MAX} characters"

    def read(self, node: Node, place: Place, reading: Reading) -> Path:
        """Return the path."""
        return Path(Text(PATH_CHARACTERS_MAX).read(node, place, reading))


@dataclass(frozen=True, slots=True)
class Flag(Shape[bool]):
    """Yes or no."""

    @property
    def label(self) -> str:
        """Always flag."""
        return "flag"

    @property
    def allowed(self) -> str:
        """The two words."""
        return "true, false"

    def read(self, node: Node, place: Place, reading: Reading) -> bool:
        """Return the flag."""
        found = scalar(node, place, reading, self)
        flag = _FLAGS.get(found.text.lower())
        if flag is None:
            raise reading.refused(place, f"{quoted(found.raw)} is neither true nor false", self.allowed)
        return flag


@dataclass(frozen=True, slots=True)
class Whole(Shape[int]):
    """A whole number from `least` to `most`."""

    least: int
    most: int

    @property
    def label(self) -> str:
        """Always whole number."""
        return "whole number"

    @property
    def allowed(self) -> str:
        """The range."""
        return f"{self.least} to {self.most}"

    def read(self, node: Node, place: Place, reading: Reading) -> int:
        """Return the number."""
        found = scalar(node, place, reading, self)
        if not _WHOLE.fullmatch(found.text):
            raise reading.refused(place, f"{quoted(found.raw)} is no whole number", self.allowed)
        number = int(found.text)
        if not self.least <= number <= self.most:
            raise reading.refused(place, f"{quoted(found.raw)} is out of range", self.allowed)
        return number


@dataclass(frozen=True, slots=True)
class Number(Shape[float]):
    """A number from `least` to `most`; `above` leaves `least` itself out."""

    least: float
    most: float
    above: bool = False

    @property
    def label(self) -> str:
        """Always number."""
        return "number"

    @property
    def allowed(self) -> str:
        """The range."""
        return f"{'above ' if self.above else ''}{self.least:g} to {self.most:.15g}"

    def read(self, node: Node, place: Place, reading: Reading) -> float:
        """Return the number."""
        found = scalar(node, place, reading, self)
        if not _NUMBER.fullmatch(found.text):
            raise reading.refused(place, f"{quoted(found.raw)} is no number", self.allowed)
        number = float(found.text)
        if not self.least <= number <= self.most or (self.above and math.isclose(number, self.least)):
            raise reading.refused(place, f"{quoted(found.raw)} is out of range", self.allowed)
        return number


@dataclass(frozen=True, slots=True)
class Choice(Shape[E]):
    """One word of a closed list; spaces count as underscores, and capital letters don't count."""

    words: type[E]

    @property
    def label(self) -> str:
        """Always word."""
        return "word"

    @property
    def allowed(self) -> str:
        """The words."""
        return ", ".join(self.words)

    def read(self, node: Node, place: Place, reading: Reading) -> E:
        """Return the word."""
        found = scalar(node, place, reading, self)
        word = "_".join(found.text.lower().split())
        for choice in self.words:
            if choice.value == word:
                return choice
        suggestion = reading.faults.did_you_mean(found.raw.lower(), self.words)
        raise reading.refused(
            place, f"{quoted(found.raw)} is not one of the words allowed here{suggestion}", self.allowed
        )
