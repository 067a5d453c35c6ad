"""Decides what a caller is told when the server or its store can't take a request now."""

import logging
import time
from typing import Final

from knownas.api.exchange import Header, RequestRefused
from knownas.service.identity.resolver import Overloaded
from knownas.store.errors import StoreError, StoreUnavailable, UnknownOutcome

log: Final = logging.getLogger(__name__)

RETRY_AFTER: Final = "1"
"""Seconds after which a caller may try again."""

PASSING: Final = (StoreUnavailable, UnknownOutcome)
"""The errors of the store that waiting may help."""

LATE: Final = "The server has no answer yet; try again in a moment."
NOT_SAID: Final = "The store has not said whether the change was kept; send the same again."

LOGGED_EVERY_SECONDS: Final = 1.0
"""How often the same trouble is logged while it lasts: of ten thousand requests that wait for a database, all are refused."""

_WAIT: Final[tuple[Header, ...]] = ((b"retry-after", RETRY_AFTER.encode()),)


def unavailable(error: Overloaded | StoreError, fault: str) -> RequestRefused:
    """Refuse with 503 where waiting may help, else 500 with the sentence `fault`. What went wrong in the store is logged."""
    match error:
        case Overloaded():
            return RequestRefused(503, "overloaded", "The server is busy; try again in a moment.", _WAIT)
        case StoreUnavailable():
            _warn(error)
            return RequestRefused(503, error.code, "The store does not answer; try again in a moment.", _WAIT)
        case UnknownOutcome():
            _warn(error)
            return RequestRefused(503, error.code, NOT_SAID, _WAIT)
        case _:
            log.error("store", exc_info=error)
            return RequestRefused(500, error.code, fault)


_logged: dict[str, float] = {}
"""When trouble of each code was logged last."""


def _warn(error: StoreError) -> None:
    now = time.monotonic()
    if now - _logged.get(error.code, -LOGGED_EVERY_SECONDS) >= LOGGED_EVERY_SECONDS:
        _logged[error.code] = now
        log.warning("store: %s", error)


def late(*, may_have_changed: bool) -> RequestRefused:
    """Refuse what has no answer in time, whether or not it may have changed something."""
    if may_have_changed:
        return RequestRefused(503, UnknownOutcome.code, NOT_SAID, _WAIT)
    return RequestRefused(503, StoreUnavailable.code, LATE, _WAIT)
