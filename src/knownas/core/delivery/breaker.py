"""Decides whether a destination is sent anything at all: a circuit breaker.

While it is *closed*, everything is sent; after a failure, not before a pause is over. After `FAILURES_TO_OPEN` failures in a row it is *open*: the
destination counts as out, and is left alone for longer and longer. When that time is over it is *half-open*: one request, as small as can be,
finds out whether the destination is back. If so, the breaker closes and has forgotten everything; if not, it is open again.

A refusal is an answer, so it counts as a success here: whoever says what is wrong with a message is not out.

Without a success for `OUT_HOURS_MAX` it is *out for good*, whatever the destination says of itself, and somebody has to look.

States are values. What happens to them is a function of them, the time, and a random number.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from knownas.core.delivery.backoff import pause_ms
from knownas.core.delivery.limits import FAILURES_TO_OPEN, OPEN_SECONDS_MIN, OUT_HOURS_MAX

_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Closed:
    """Everything is sent, from `not_before_ms` on. `failures` in a row, since `failing_since_ms`."""

    failures: int = 0
    failing_since_ms: int = 0
    not_before_ms: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """Nothing is sent until `until_ms`."""

    failures: int
    failing_since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """One request finds out whether the destination is back; nothing else is sent meanwhile."""

    failures: int
    failing_since_ms: int


Breaker = Closed | Open | HalfOpen

CLOSED: Final = Closed()
"""As it begins, and after each success."""


def opens_ms(breaker: Breaker, now_ms: int) -> int:
    """Return when something can be sent: now, or a time to come (Unix milliseconds)."""
    match breaker:
        case Closed():
            return max(now_ms, breaker.not_before_ms)
        case Open():
            return max(now_ms, breaker.until_ms)
        case HalfOpen():
            return now_ms
        case _:
            assert_never(breaker)


def before_sending(breaker: Breaker) -> Breaker:
    """Return the state in which something is sent, at a time when that can be: one that was open is half-open then."""
    match breaker:
        case Open():
            return HalfOpen(breaker.failures, breaker.failing_since_ms)
        case Closed() | HalfOpen():
            return breaker
        case _:
            assert_never(breaker)


def after_failure(breaker: Breaker, now_ms: int, chance: float, asked_seconds: float | None = None) -> Closed | Open:
    """Return the state after a request that the destination did not take now. `chance` is drawn from 0 to 1."""
    failures = breaker.failures + 1
    since_ms = breaker.failing_since_ms if breaker.failures else now_ms
    pause = pause_ms(failures, chance, asked_seconds)
    if failures < FAILURES_TO_OPEN:
        return Closed(failures, since_ms, now_ms + pause)
    return Open(failures, since_ms, now_ms + max(pause, int(OPEN_SECONDS_MIN * 1000)))


def is_out_for_good(breaker: Breaker, now_ms: int) -> bool:
    """Whether nothing was taken for so long that somebody has to look."""
    return breaker.failures > 0 and now_ms - breaker.failing_since_ms >= OUT_HOURS_MAX * _HOUR_MS
