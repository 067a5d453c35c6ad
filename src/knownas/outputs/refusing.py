"""Decides what the status of an answer means for what was sent: again later, never this, or nothing at all.

Where a status may mean several things, the output stops rather than loses messages: `NotThis` drops them, `NotAtAll` keeps them until
somebody has looked.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from knownas.core.delivery.limits import ASKED_PAUSE_SECONDS_MAX
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Trouble
from knownas.outputs.saying import with_said

Refusal = NotNow | NotThis | NotAtAll
"""What came of messages that were not taken."""

BUSY: Final = frozenset({408, 425, 429, 503})
"""It can't now, and says that it will."""

BECAUSE_OF_CONTENT: Final = frozenset({400, 409, 413, 414, 422})
"""It refuses what is in the request."""


def is_success(status: int) -> bool:
    """Whether a status says that the request was taken."""
    return 200 <= status < 300  # noqa: PLR2004 - the class of a status is its hundreds


def refusal(status: int, text: str, wait_seconds: float | None) -> Refusal:
    """Return what a status other than 2xx means where a destination says nothing of its own about that.

    `text` is what the answer says of it (`saying.said`), `wait_seconds` what it asks to wait (`retry_after_seconds`).
    """
    detail = with_said(named(status), text)
    if status in BUSY:
        return NotNow(Trouble.BUSY, detail, wait_seconds)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NotNow(Trouble.FAILED, detail, wait_seconds)
    if status in BECAUSE_OF_CONTENT:
        return NotThis(detail)
    if status < HTTPStatus.BAD_REQUEST:
        return NotAtAll(
            f"{named(status)}: it leads elsewhere, and is followed nowhere; set the address that it has now"
        )
    return NotAtAll(detail)


def named(status: int) -> str:
    """Write a status with its standard name, such as "answered 404 Not Found"."""
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def retry_after_seconds(header: str | None, now_ms: int) -> float | None:
    """Read a `Retry-After`: seconds, or a date of HTTP. None if it says nothing that can be read; never more than the limit."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        # More digits than any wait has are not made a number.
        return min(float(text[:9]) if len(text) <= 9 else ASKED_PAUSE_SECONDS_MAX, ASKED_PAUSE_SECONDS_MAX)  # noqa: PLR2004
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max(at.timestamp() - now_ms / 1000, 0.0), ASKED_PAUSE_SECONDS_MAX)
