"""Decides how the message is found because of which a request was refused as a whole.

Of several messages any may be the reason. So the request is sent again in two halves, in their order, and each half likewise, until the one that
nobody will take stands alone: that one is a dead letter, and all others have arrived. Of n messages that takes 2n - 1 requests at most, and
two for each doubling where one message is the reason.

Parts are hints: what is in none of them is sent as ever. So nothing is lost with them, and a crash in between costs only the same search again.
"""

from collections.abc import Sequence

Parts = tuple[tuple[int, ...], ...]
"""The messages that are sent together next, by their `seq`s, then those after them."""

WHOLE: Parts = ()
"""Nothing was refused: everything is sent as ever."""


def halved(parts: Parts, refused: Sequence[int]) -> Parts:
    """Return the parts after a request of at least two messages was refused: its halves come before what is left."""
    middle = (len(refused) + 1) // 2
    return (tuple(refused[:middle]), tuple(refused[middle:]), *without(parts, refused))


def without(parts: Parts, answered: Sequence[int]) -> Parts:
    """Return the parts after something of the first one was answered for, or can't be sent now."""
    gone = frozenset(answered)
    left = (tuple(seq for seq in part if seq not in gone) for part in parts)
    return tuple(part for part in left if part)
