"""Fills in the environment variables of one value: `${NAME}`, and `$${` for a literal `${`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from knownas.config.faults import quoted
from knownas.config.limits import MEMBER_NAME_CHARACTERS_MAX, SCALAR_CHARACTERS_MAX

_PIECES: Final = re.compile(r"(?P<escape>\$\$\{)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})?")
_FORM: Final = "${NAME} with letters, digits and _; $${ for a literal ${"


@dataclass(frozen=True, slots=True)
class Unexpandable:
    """Why a value could not be filled in, in the words of a fault."""

    message: str
    allowed: str | None = None
    missing: str = ""
    """The name of the variable that is not set, if that is why."""


def expand(text: str, environment: Mapping[str, str]) -> str | Unexpandable:
    """Return the text with its variables filled in.

    A value that was filled in is not looked at again. What comes out is at most `SCALAR_CHARACTERS_MAX` long.
    """
    pieces: list[str] = []
    size = 0
    end = 0
    for match in _PIECES.finditer(text):
        piece = _filled(match, environment)
        if isinstance(piece, Unexpandable):
            return piece
        before = text[end : match.start()]
        pieces += (before, piece)
        size += len(before) + len(piece)
        end = match.end()
        if size > SCALAR_CHARACTERS_MAX:
            break
    else:
        pieces.append(text[end:])
        size += len(text) - end
    if size > SCALAR_CHARACTERS_MAX:
        return Unexpandable("the value is too long", f"at most {SCALAR_CHARACTERS_MAX} characters")
    return "".join(pieces)


def _filled(match: re.Match[str], environment: Mapping[str, str]) -> str | Unexpandable:
    if match["escape"]:
        return "${"
    name = match["name"]
    if name is None:
        return Unexpandable("${ starts the name of an environment variable, and none follows", _FORM)
    value = environment.get(name)
    if value is None:
        shown = name if len(name) <= MEMBER_NAME_CHARACTERS_MAX else quoted(name)
        return Unexpandable(f"the environment variable {shown} is not set", missing=name)
    return value
