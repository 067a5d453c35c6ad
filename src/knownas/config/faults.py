"""Holds what is wrong with a configuration file: where it stands, what it is, and what is allowed there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Final

from knownas.config.limits import (
    FAULTS_MAX,
    MEMBER_NAME_CHARACTERS_MAX,
    QUOTED_CHARACTERS_MAX,
    SUGGESTIONS_CONSIDERED_MAX,
    SUGGESTIONS_MAX,
)

_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")

_ALIKE: Final = 0.6
"""How alike two words must be for one to be suggested for the other, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the file.

    `line` counts from 1; `path` names the member from the top (`scopes[0].strategy`), "" the file as a whole;
    `allowed` says what may stand there, where that can be listed. No fault quotes a secret or the value of an
    environment variable.
    """

    line: int
    path: str
    message: str
    allowed: str | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: {self.path}: " if self.path else f"line {self.line}: "
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{where}{self.message}{allowed}"


@dataclass(frozen=True, slots=True)
class InvalidConfiguration:
    """The file can't be used; `faults` are all that is wrong with it, in the order of its lines."""

    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


@dataclass(slots=True)
class FaultList:
    """Collects the faults of one file, up to `FAULTS_MAX`, and suggests what may have been meant."""

    faults: list[Fault] = field(default_factory=list[Fault])
    _suggestions_left: int = SUGGESTIONS_MAX

    def add(self, line: int, path: str, message: str, allowed: str | None = None) -> None:
        """Note a fault."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(line, path, message, allowed))
        elif len(self.faults) == FAULTS_MAX:
            self.faults.append(Fault(line, "", f"there are more than {FAULTS_MAX} faults; the others are left out"))

    def closest(self, word: str, words: Iterable[str]) -> str | None:
        """Return the word that was probably meant; None if none is alike, or enough has been suggested."""
        # A comparison takes quadratic time, and nothing that is longer than a name can be a slip of one.
        if len(word) > MEMBER_NAME_CHARACTERS_MAX or self._suggestions_left == 0:
            return None
        self._suggestions_left -= 1
        close = get_close_matches(word, islice(words, SUGGESTIONS_CONSIDERED_MAX), n=1, cutoff=_ALIKE)
        return close[0] if close else None

    def did_you_mean(self, word: str, words: Iterable[str]) -> str:
        """Return the end of a sentence that suggests the word that was probably meant; "" if there is none."""
        close = self.closest(word, words)
        return f"; did you mean {path_name(close)}?" if close else ""

    def in_order(self) -> tuple[Fault, ...]:
        """Return what was noted in the order of the lines, as a reader goes through the file."""
        return tuple(sorted(self.faults, key=lambda fault: fault.line))


def quoted(text: str) -> str:
    """Return a piece of the file for a message: on one line, shortened, in quotes."""
    if len(text) > QUOTED_CHARACTERS_MAX:
        text = text[: QUOTED_CHARACTERS_MAX - 3] + "..."
    return repr(text)


def path_name(name: str) -> str:
    """Return a member's name for a path: as it is if it is a word, else in quotes."""
    return name if _WORD.fullmatch(name) else quoted(name)
