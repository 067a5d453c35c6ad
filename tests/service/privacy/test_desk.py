"""The requests of data subjects as the desk shows them: the open ones by their urgency, those that ended newest first."""

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from knownas.core.privacy.request import DAY_MS, Regulation, RequestState, RequestType, Subject, SubjectRequest
from knownas.service.privacy import desk as desks
from knownas.service.privacy.desk import OPEN_STATES, Clock, Desk, Urgency, Wish, clock_of
from knownas.service.privacy.subject_requests import VERIFIED_AT_CONSOLE, Taken
from tests.service.privacy_stage import Stage, given, stage

EVERY = frozenset(RequestState)


async def taken(on: Stage, count: int, kind: RequestType = RequestType.ERASURE) -> list[str]:
    """Take requests, an hour apart; returns their ids."""
    ids: list[str] = []
    for number in range(count):
        on.clock.now_ms += 3_600_000
        asked = given(kind, subject=Subject(mpid=number + 1))
        assert isinstance(await on.privacy.requests.take(on.place(), asked, on.clock.now_ms), Taken)
        ids.append(asked.request_id)
    return ids


async def test_what_is_open_comes_by_its_urgency() -> None:
    """What has to be completed first stands first, whenever it came; what ended is not there."""
    on = await stage(waiting_days=30)
    erasures = await taken(on, 2)
    (access,) = await taken(on, 1, RequestType.ACCESS)
    await on.privacy.requests.cancel(on.place(), erasures[0], on.clock.now_ms)
    found = await Desk(on.store).open()
    assert [one.request.request_id for one in found.requests] == [access, erasures[1]]
    assert found.is_all


async def test_more_than_is_shown_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """That there are more open requests than stand there."""
    on = await stage()
    await taken(on, 3)
    monkeypatch.setattr(desks, "DESK_OPEN_MAX", 2)
    found = await Desk(on.store).open()
    assert (len(found.requests), found.is_all) == (2, False)


async def test_pages_have_every_request_once_the_newest_first() -> None:
    """Whatever the page's size; by state, type and workspace only those."""
    on = await stage()
    ids = await taken(on, 5)
    (access,) = await taken(on, 1, RequestType.ACCESS)
    for limit in (1, 2, 10):
        found: list[str] = []
        before = None
        while True:
            page = await Desk(on.store).page(Wish(EVERY), before, limit)
            found += [one.request.request_id for one in page.requests]
            before = page.before
            if before is None:
                break
        assert found == [access, *reversed(ids)], limit
    for wish, count in (
        (Wish(EVERY, RequestType.ACCESS), 1),
        (Wish(EVERY, None, 101), 0),
        (Wish(EVERY, None, on.place().workspace.id), 6),
        (Wish(frozenset({RequestState.CANCELLED})), 0),
        (Wish(OPEN_STATES), 6),
    ):
        assert len((await Desk(on.store).page(wish, None, 10)).requests) == count, wish


async def test_looking_for_something_rare_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks through so many requests and then says where to go on."""
    on = await stage()
    await taken(on, 5)
    monkeypatch.setattr(desks, "PAGE_MAX", 2)
    monkeypatch.setattr(desks, "DESK_LOOKED_THROUGH_MAX", 4)
    page = await Desk(on.store).page(Wish(frozenset({RequestState.COMPLETED})), None, 10)
    assert page.requests == []
    assert page.before is not None
    last = await Desk(on.store).page(Wish(frozenset({RequestState.COMPLETED})), page.before, 10)
    assert last.before is None


@drawn(st.integers(-40 * DAY_MS, 40 * DAY_MS))
def test_the_clock_counts_whole_days(left_ms: int) -> None:
    """Days that are left are never too many, and what is over is overdue; the two last days are urgent."""
    request = SubjectRequest("id", 100, Regulation.GDPR, RequestType.ACCESS, Subject(mpid=1), 0, 0, 50 * DAY_MS)
    assert request.expected_ms is not None
    clock = clock_of(request, request.expected_ms - left_ms)
    assert clock.days * DAY_MS <= abs(left_ms) < (clock.days + 1) * DAY_MS
    if left_ms < 0:
        assert clock.urgency is Urgency.OVERDUE
    else:
        assert clock.urgency is (Urgency.SOON if clock.days < 2 else Urgency.IN_TIME)
    assert clock_of(request.cancel(1), 10**15) == Clock(Urgency.OVER, 0)


async def test_the_evidence_says_by_whom_a_request_was_made() -> None:
    """One that was entered at the desk, and taken back there, is not said to have come with a workspace's key."""
    on = await stage()
    asked = given()
    await on.privacy.requests.take(on.place(), asked, on.clock.now_ms, VERIFIED_AT_CONSOLE)
    await on.privacy.requests.cancel(on.place(), asked.request_id, on.clock.now_ms, VERIFIED_AT_CONSOLE)
    told = await on.privacy.evidence.of_request(asked.request_id)
    assert [one.happening.facts["by"] for one in told if "by" in one.happening.facts] == ["console", "console"]
