"""Decides when somebody who sends wrong secrets has to wait, so that secrets can't be guessed.

Failures are counted by whom they were about, whether or not there is such a one. Beyond a limit nothing is compared for a while.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from knownas.service.bucket import Bucket

FAILURES_IN_A_ROW_MAX: Final = 10
SECONDS_A_FAILURE: Final = 10.0
"""Wrong secrets that may be sent for one client or user at once, and the time after which one more may."""

FAILING_MAX: Final = 10_000
"""Clients or users whose failures are remembered; the longest unused are forgotten first."""

Who = TypeVar("Who", bound=Hashable)


class Failures(Generic[Who]):
    """The failures of those that were named. Times are seconds of a clock that never goes back."""

    def __init__(self, in_a_row: int = FAILURES_IN_A_ROW_MAX) -> None:
        """Let so many wrong secrets be sent at once."""
        self._burst_seconds = in_a_row * SECONDS_A_FAILURE
        self._buckets: OrderedDict[Who, Bucket] = OrderedDict()

    def wait(self, who: Who, now: float) -> float:
        """Count an attempt of somebody who has failed before. Returns 0 if it may be made, else the seconds until it may."""
        bucket = self._buckets.get(who)
        return 0.0 if bucket is None else bucket.take(now)

    def failed(self, who: Who, now: float) -> None:
        """Note that the attempt failed."""
        if who not in self._buckets:
            bucket = self._buckets[who] = Bucket(1 / SECONDS_A_FAILURE, self._burst_seconds, now)
            bucket.take(now)
            if len(self._buckets) > FAILING_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)

    def succeeded(self, who: Who) -> None:
        """Forget that somebody failed."""
        self._buckets.pop(who, None)
