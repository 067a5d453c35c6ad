"""Decides what a caller is told when the server or its store can't take a request now."""

import logging
from typing import Final

from knownas.api.exchange import Header, RequestRefused
from knownas.service.resolver import Overloaded
from knownas.store.errors import StoreError, StoreUnavailable, UnknownOutcome

log: Final = logging.getLogger(__name__)

RETRY_AFTER: Final = "1"
"""Seconds after which a caller may try again."""

PASSING: Final = (StoreUnavailable, UnknownOutcome)
"""The errors of the store that waiting may help."""

LATE: Final = "The server has no answer yet; try again in a moment."
NOT_SAID: Final = "The store has not said whether the change was kept; send the same again."

_WAIT: Final[tuple[Header, ...]] = ((b"retry-after", RETRY_AFTER.encode()),)


def unavailable(error: Overloaded | StoreError, fault: str) -> RequestRefused:
    """Refuse with 503 where waiting may help, else 500 with the sentence `fault`. What went wrong in the store is logged."""
    match error:
        case Overloaded():
            return RequestRefused(503, "overloaded", "The server is busy; try again in a moment.", _WAIT)
        case StoreUnavailable():
            log.warning("store: %s", error)
            return RequestRefused(503, error.code, "The store does not answer; try again in a moment.", _WAIT)
        case UnknownOutcome():
            log.warning("store: %s", error)
            return RequestRefused(503, error.code, NOT_SAID, _WAIT)
        case _:
            log.error("store", exc_info=error)
            return RequestRefused(500, error.code, fault)


def late(*, may_have_changed: bool) -> RequestRefused:
    """Refuse what has no answer in time, whether or not it may have changed something."""
    if may_have_changed:
        return RequestRefused(503, UnknownOutcome.code, NOT_SAID, _WAIT)
    return RequestRefused(503, StoreUnavailable.code, LATE, _WAIT)
