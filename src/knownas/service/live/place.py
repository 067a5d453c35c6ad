"""Holds up to where somebody has seen the lines of each server, and writes it as a text that travels with them."""

import re
from collections.abc import Mapping
from typing import Final

from knownas.service.live.limits import SERVERS_FOLLOWED_MAX

Seen = Mapping[str, int]
"""The number of the last line that was seen of each run of a server, the one heard of longest ago first."""

RUN_DIGITS: Final = 8
"""Hex digits of what names a run of a server."""

_NUMBER_DIGITS_MAX: Final = 15
_ONE: Final = f"[0-9a-f]{{{RUN_DIGITS}}}-(0|[1-9][0-9]{{0,{_NUMBER_DIGITS_MAX - 1}}})"
PATTERN: Final = f"{_ONE}(_{_ONE}){{0,{SERVERS_FOLLOWED_MAX - 1}}}"
"""What a place looks like."""

_PLACE: Final = re.compile(PATTERN, re.ASCII)


def read_place(text: str) -> Seen | None:
    """Read what `write_place` wrote; None if it did not write this. Of a run that is named twice the last number counts."""
    if _PLACE.fullmatch(text) is None:
        return None
    ones = [one.split("-") for one in text.split("_")]
    return {run: int(number) for run, number in ones}


def write_place(seen: Seen) -> str:
    """Write a place."""
    return "_".join(f"{run}-{number}" for run, number in seen.items())


def moved_on(seen: Seen, run: str, number: int) -> Seen:
    """Return a place at which the lines of one run are seen up to a number; of too many runs the one heard of longest ago goes."""
    others = [(one, at) for one, at in seen.items() if one != run]
    return dict((*others[-(SERVERS_FOLLOWED_MAX - 1) :], (run, number)))
