"""Finds what stands in the documents of whoever may belong to an audience: a store that looks for it leaves out the others without reading them.

A document is JSON as `msgspec` writes it: text as it is, but for quotes, backslashes and control characters. Text is compared without regard to
case, by Unicode's folding. The store does that for ASCII alone; so only the ASCII characters of a text are looked for, and besides them the few other characters that
are ASCII when they are folded.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from knownas.core.audience.requirement import Requirement
from knownas.store.traces import Trace, Traces

TRACES_MAX: Final = 16
"""Traces that are looked for together: where there are more, reading the documents takes no longer."""

FOLDED_TO_ASCII: Final = (
    "\u00df\u0130\u0149\u017f\u01f0\u1e96\u1e97\u1e98\u1e99\u1e9a\u1e9e\u212a\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)
"""The characters beyond ASCII in whose folding there is ASCII, such as the long s and the sign of the kelvin."""

_ESCAPED: Final = frozenset('"\\')


def traces_of(required: Requirement | None, since_ms: int) -> Traces | None:
    """Return the traces that whoever meets a requirement has left, in events not before a time (Unix milliseconds); None if there is nothing to look for."""
    if required is None:
        return None
    sections: list[Trace] = []
    for name, texts in required.attributes.items():
        begins = f'{name}":['
        sections += [(begins,)] if texts is None else [(begins, *pieces) for one in texts for pieces in _spellings(one)]
    events = [pieces for name in required.events for pieces in _spellings(name)]
    if len(sections) + len(events) > TRACES_MAX or not all(events):
        return None
    return Traces(tuple(sorted(sections)), tuple(sorted(events)), since_ms)


def _spellings(folded: str) -> Iterable[Trace]:
    """Yield in which pieces a text may stand in a document, in any spelling; no piece at all where it may look like anything."""
    yield tuple("".join(several) for is_plain, several in groupby(folded, _is_plain) if is_plain)
    yield from ((one,) for one in FOLDED_TO_ASCII if one.casefold() in folded)


def _is_plain(character: str) -> bool:
    return character.isascii() and character.isprintable() and character not in _ESCAPED
