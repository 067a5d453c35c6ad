"""Meters how often something may happen: a bucket of tokens that fills at the allowed rate and holds a burst's worth."""

from math import ceil
from typing import Final

_FULL: Final = 100


class Bucket:
    """A token bucket. Times are seconds of a clock that never goes back."""

    __slots__ = ("_at", "_capacity", "_rate", "_tokens")

    def __init__(self, rate: float, burst_seconds: float, now: float) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate * burst_seconds)
        self._tokens = self._capacity
        self._at = now

    def take(self, now: float) -> float:
        """Take one token. Returns 0 if there was one, else the seconds until there is."""
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate

    @property
    def percentage_used(self) -> int:
        """How much of the burst is used up, 0 to 100."""
        return min(_FULL, ceil(_FULL * (1 - self._tokens / self._capacity)))
