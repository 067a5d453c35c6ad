"""Says what is looked for in documents that nobody reads, and as which patterns SQL looks for it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

Trace = tuple[str, ...]
"""Texts that stand in a document one after the other, whatever lies between them. The case of ASCII letters does not count."""

_ANYTHING: Final = "%"
_PUT_APART: Final = str.maketrans(dict.fromkeys("%_\\", "_"))
"""What means something else in a pattern; there it stands for any character."""


class Traces(NamedTuple):
    """What is looked for: any of some traces in a section, or any of others in a batch of its events that did not end before a time."""

    sections: Sequence[Trace]
    events: Sequence[Trace]
    since_ms: int


def like_pattern(trace: Trace) -> str:
    """Return the pattern of `LIKE` that fits every document with a trace, and hardly any other."""
    return _ANYTHING.join(("", *(one.translate(_PUT_APART) for one in trace), ""))
