"""Decides what a caller is told when the server or its store can't take a request now."""

import logging
from typing import Final, assert_never

from knownas.api.exchange import Header, RequestRefused
from knownas.service.resolver import Overloaded
from knownas.store.errors import StoreError, StoreUnavailable

log: Final = logging.getLogger(__name__)

_WAIT: Final[tuple[Header, ...]] = ((b"retry-after", b"1"),)


def unavailable(error: Overloaded | StoreError, fault: str) -> RequestRefused:
    """Refuse with 503 where waiting may help, else 500 with the sentence `fault`. What went wrong in the store is logged."""
    match error:
        case Overloaded():
            return RequestRefused(503, "overloaded", "The server is busy; try again in a moment.", _WAIT)
        case StoreUnavailable():
            log.warning("store: %s", error)
            return RequestRefused(503, error.code, "The store does not answer; try again in a moment.", _WAIT)
        case StoreError():
            log.error("store", exc_info=error)
            return RequestRefused(500, error.code, fault)
        case _:
            assert_never(error)
