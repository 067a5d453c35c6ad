"""Decides what a caller is told when the server or its store can't take a request now."""

import logging
from typing import Final, NamedTuple, assert_never

from knownas.api.exchange import Header
from knownas.service.resolver import Overloaded
from knownas.store.errors import StoreError, StoreUnavailable

log: Final = logging.getLogger(__name__)

_WAIT: Final[tuple[Header, ...]] = ((b"retry-after", b"1"),)


class Unavailable(NamedTuple):
    """The status, the stable reason, the sentence and the headers of the refusal; each surface writes its own body."""

    status: int
    reason: str
    sentence: str
    headers: tuple[Header, ...]


def unavailable(error: Overloaded | StoreError, fault: str) -> Unavailable:
    """Say 503 where waiting may help, else 500 with the sentence `fault`. What went wrong in the store is logged."""
    match error:
        case Overloaded():
            return Unavailable(503, "overloaded", "The server is busy; try again in a moment.", _WAIT)
        case StoreUnavailable():
            log.warning("store: %s", error)
            return Unavailable(503, error.code, "The store does not answer; try again in a moment.", _WAIT)
        case StoreError():
            log.error("store", exc_info=error)
            return Unavailable(500, error.code, fault, ())
        case _:
            assert_never(error)
