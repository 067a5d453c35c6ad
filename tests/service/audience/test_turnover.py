"""How many joined an audience and left it is told in whole hours or days, and no further back than is said."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.profile.moments import DAY_MS
from knownas.service.audience.catalogue import KnownAudience
from knownas.service.audience.limits import TURNOVER_DAYS_BACK_MAX, TURNOVER_INTERVALS_MAX
from knownas.service.audience.turnover import By, TooMuch, lately, turnover
from knownas.store.audiences import AudienceCommit, ChangeCount, MembershipChange
from knownas.store.memory.store import MemoryStore
from knownas.store.user_data import SectionKey
from tests.service.audience.test_audiences import PLAN
from tests.service.audience_stage import WORKSPACE, customer, open_stage

HOUR_MS = DAY_MS // 24
NOON_MS = 20_000 * DAY_MS + 12 * HOUR_MS
KEY = SectionKey(WORKSPACE, "production", 7)


async def told(*changes: tuple[int, bool]) -> tuple[MemoryStore, KnownAudience]:
    """Give a store with an audience, of which this changed at some times."""
    store = MemoryStore()
    stage = await open_stage(store)
    number = await stage.audience(PLAN)
    several = [MembershipChange(KEY, number, is_member, at_ms, b"") for at_ms, is_member in changes]
    assert await store.audiences.commit(AudienceCommit(changes=several))
    return store, stage.service.activation.catalogues.now.audiences[number]


async def test_the_usual_time_ends_with_the_present_interval() -> None:
    """24 hours or 30 days, each in it: also those in which nobody joined or left."""
    store, audience = await told((NOON_MS, True), (NOON_MS - HOUR_MS, False), (NOON_MS - 24 * HOUR_MS, True))
    hours = await turnover(store.audiences, audience, "production", By.HOUR, NOON_MS)
    assert len(hours.intervals) == 24
    assert hours.intervals[-2:] == [ChangeCount(NOON_MS - HOUR_MS, 0, 1), ChangeCount(NOON_MS, 1, 0)]
    assert (hours.joined, hours.left) == (1, 1)
    assert (hours.from_ms, hours.until_ms) == (NOON_MS - 23 * HOUR_MS, NOON_MS + HOUR_MS)
    days = await turnover(store.audiences, audience, "production", By.DAY, NOON_MS)
    assert [(one.joined, one.left) for one in days.intervals] == [*([(0, 0)] * 28), (1, 0), (1, 1)]


async def test_the_last_day_is_told_to_the_millisecond() -> None:
    """It is 24 hours long, whenever it begins."""
    first_ms = NOON_MS - DAY_MS + 1
    store, audience = await told((first_ms - 1, True), (first_ms, True), (NOON_MS, False), (NOON_MS + 1, False))
    assert await lately(store.audiences, audience, "production", NOON_MS) == ChangeCount(first_ms, 1, 1)


async def test_what_is_asked_for_has_limits() -> None:
    """As many intervals as are counted, as far back as is said; what lies ahead is not told."""
    store, audience = await told()

    async def count(from_ms: int, until_ms: int, by: By = By.HOUR) -> int:
        of = (store.audiences, audience, "production", by, NOON_MS)
        return len((await turnover(*of, from_ms=from_ms, until_ms=until_ms)).intervals)

    most = NOON_MS - TURNOVER_INTERVALS_MAX * HOUR_MS
    assert await count(most, NOON_MS) == TURNOVER_INTERVALS_MAX
    with pytest.raises(TooMuch, match="at most 750"):
        await count(most - 1, NOON_MS)
    back = NOON_MS - TURNOVER_DAYS_BACK_MAX * DAY_MS
    assert await count(back, back + DAY_MS, By.DAY) == 2
    with pytest.raises(TooMuch, match="days ago"):
        await count(back - 2 * DAY_MS, back, By.DAY)
    assert await count(NOON_MS, NOON_MS + 10_000 * DAY_MS) == 1
    assert await count(NOON_MS + HOUR_MS, NOON_MS + 10_000 * DAY_MS) == 0
    assert await count(NOON_MS, NOON_MS - DAY_MS) == 0


MOMENTS = st.integers(NOON_MS - 40 * HOUR_MS, NOON_MS)


@given(st.lists(st.tuples(MOMENTS, st.booleans()), max_size=20), MOMENTS, MOMENTS, st.sampled_from(By))
async def test_nobody_is_counted_twice_or_missed(
    changes: Sequence[tuple[int, bool]], first_ms: int, until_ms: int, by: By
) -> None:
    """The intervals follow one another, cover the time that is asked about, and have all that changed in them."""
    store, audience = await told(*changes)
    found = await turnover(
        store.audiences, audience, "production", by, NOON_MS, from_ms=first_ms, until_ms=max(first_ms, until_ms)
    )
    begins = [one.from_ms for one in found.intervals]
    assert begins == list(range(found.from_ms, found.until_ms, by.ms))
    assert found.from_ms <= first_ms
    assert until_ms <= first_ms or found.until_ms >= until_ms
    for one in found.intervals:
        here = [is_member for at_ms, is_member in changes if one.from_ms <= at_ms < one.from_ms + by.ms]
        assert (one.joined, one.left) == (here.count(True), here.count(False))


async def test_what_really_happens_is_counted() -> None:
    """Who gets the plan joins, who loses it leaves."""
    stage = await open_stage(MemoryStore())
    number = await stage.audience(PLAN)
    for plan in ("gold", "tin"):
        await stage.happen(customer("c"), attributes={"plan": plan})
        await stage.settle()
    audience = stage.service.activation.catalogues.now.audiences[number]
    found = await turnover(stage.service.store.audiences, audience, "production", By.HOUR, stage.now_ms)
    assert (found.joined, found.left) == (1, 1)
