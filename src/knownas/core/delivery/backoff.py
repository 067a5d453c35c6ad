"""Decides how long to wait before something is sent again that could not be taken.

The pause doubles with each failure, so that a destination which is out is not kept out by those who ask. It is random over its whole length
("full jitter"), so that outputs and servers which failed together do not come back together. A destination that names a time is not asked
before it.
"""

from knownas.core.delivery.limits import ASKED_PAUSE_SECONDS_MAX, PAUSE_SECONDS, PAUSE_SECONDS_MAX

_DOUBLINGS_MAX = 32


def pause_ms(failures: int, chance: float, asked_seconds: float | None = None) -> int:
    """Return how many milliseconds to wait after so many failures in a row, the last one included.

    `chance` is drawn from 0 to 1. `asked_seconds` is what the destination asked for: then it is at least that, up to `ASKED_PAUSE_SECONDS_MAX`, and the
    jitter comes on top.
    """
    longest = min(PAUSE_SECONDS * 2.0 ** min(failures - 1, _DOUBLINGS_MAX), PAUSE_SECONDS_MAX)
    asked = 0.0 if asked_seconds is None else min(max(asked_seconds, 0.0), ASKED_PAUSE_SECONDS_MAX)
    return int((asked + longest * chance) * 1000)
