"""Decides how the message is found because of which a request was refused as a whole.

Of several messages any may be the reason. So the request is sent again in two halves, in their order, and each half likewise, until the one that
nobody will take stands alone: that one is a dead letter, and all others have arrived. Of n messages that takes 2n - 1 requests at most, and
two for each doubling where one message is the reason.

Parts say what goes together, and nothing else: of a part, those are sent that still wait and that nothing holds back; one of which
nothing can be sent is passed over. So nothing is lost with the parts, and a crash costs no more than the same search again.
"""

from collections.abc import Sequence

Parts = tuple[tuple[int, ...], ...]
"""The messages that go together next, by their `seq`s, then those after them."""

WHOLE: Parts = ()
"""Nothing was refused: everything is sent as ever."""


def halved(parts: Parts, refused: Sequence[int]) -> Parts:
    """Return the parts after a request of at least two messages was refused: its halves come before what there was."""
    middle = (len(refused) + 1) // 2
    return (tuple(refused[:middle]), tuple(refused[middle:]), *parts)
