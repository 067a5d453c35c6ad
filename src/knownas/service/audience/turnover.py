"""Tells how many joined an audience and how many left it over time, by the hour or by the day (UTC).

What is counted are the changes that are kept. Those of somebody who was erased are not among them any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from knownas.core.profile.moments import DAY_MS
from knownas.service.audience.catalogue import KnownAudience
from knownas.service.audience.limits import TURNOVER_DAYS_BACK_MAX, TURNOVER_INTERVALS_MAX
from knownas.store.audiences import AudienceStore, ChangeCount

_HOUR_MS: Final = DAY_MS // 24


class By(StrEnum):
    """How long an interval is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def ms(self) -> int:
        """Its length in milliseconds."""
        return _HOUR_MS if self is By.HOUR else DAY_MS


USUAL: Final = {By.HOUR: 24, By.DAY: 30}
"""Intervals that are told where nobody says from when on."""


class TooMuch(ValueError):
    """The time has too many intervals, or lies too far back; the message says which."""


@dataclass(frozen=True, slots=True)
class Turnover:
    """Who joined and who left in a time of whole intervals: in each of them, also where nobody did."""

    from_ms: int
    until_ms: int
    by: By
    intervals: Sequence[ChangeCount]

    @property
    def joined(self) -> int:
        """How many joined in all."""
        return sum(one.joined for one in self.intervals)

    @property
    def left(self) -> int:
        """How many left in all."""
        return sum(one.left for one in self.intervals)


async def turnover(
    store: AudienceStore,
    audience: KnownAudience,
    environment: str,
    by: By,
    now_ms: int,
    *,
    from_ms: int | None = None,
    until_ms: int | None = None,
) -> Turnover:
    """Count an audience's changes in the intervals that a time touches: the last ones, as many as usual, unless it is given. None lies behind the present one.

    Raises:
        TooMuch: there are more than `TURNOVER_INTERVALS_MAX` of them, or the first begins more than `TURNOVER_DAYS_BACK_MAX` days ago.
        StoreError: the store does not answer.
    """
    # The present interval is told as far as it has come.
    end_ms = now_ms + 1 if until_ms is None else min(until_ms, now_ms + 1)
    last = -(-end_ms // by.ms)
    first = last - USUAL[by] if from_ms is None else from_ms // by.ms
    if last - first > TURNOVER_INTERVALS_MAX:
        raise TooMuch(f"it has {last - first:,} intervals, and at most {TURNOVER_INTERVALS_MAX:,} are counted")
    if first < last and first * by.ms < now_ms - TURNOVER_DAYS_BACK_MAX * DAY_MS - by.ms:
        raise TooMuch(f"it begins more than {TURNOVER_DAYS_BACK_MAX:,} days ago")
    found = await store.count_changes(audience.workspace, environment, audience.id, first * by.ms, last * by.ms, by.ms)
    counted = {one.from_ms: one for one in found}
    begins = [number * by.ms for number in range(first, last)]
    told = [counted.get(begin, ChangeCount(begin, 0, 0)) for begin in begins]
    return Turnover(first * by.ms, max(first, last) * by.ms, by, told)


async def lately(store: AudienceStore, audience: KnownAudience, environment: str, now_ms: int) -> ChangeCount:
    """Count who joined and who left in the last 24 hours, to the millisecond.

    Raises:
        StoreError: the store does not answer.
    """
    from_ms = now_ms - DAY_MS + 1
    of = (audience.workspace, environment, audience.id)
    found = await store.count_changes(*of, from_ms, now_ms + 1, DAY_MS)
    return ChangeCount(from_ms, sum(one.joined for one in found), sum(one.left for one in found))
