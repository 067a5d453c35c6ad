"""Visits that change nothing are remembered exactly, and written down behind the answer, seldom."""

import asyncio
from pathlib import Path

import pytest

from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import Capture
from knownas.core.identity.record import Record
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.receipts import rfc3339
from knownas.service.limits import ACTIVITY_RESOLUTION_MS, FLUSH_AFTER_SECONDS, TOUCHES_A_FLUSH_MAX
from knownas.store.errors import StoreFull
from knownas.store.port import Activity
from knownas.store.sqlite.store import SqliteStore
from tests.core.pool import rules as policy_of
from tests.service.stage import PATIENCE_SECONDS, PRODUCTION, Stage, mpid_of
from tests.store.world import EVERYTHING, START_MS
from tests.waiting import until

LOGIN, LOGOUT, SEARCH = Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH


def record(mpid: int, active_ms: int = START_MS) -> Record:
    """Return a stored profile without identities."""
    return Record(mpid, {}, {}, known=False, created_ms=START_MS, active_ms=active_ms)


def test_a_visit_is_remembered_exactly() -> None:
    """The last visit is remembered to the millisecond, an earlier one does not replace it, a stranger has none."""
    memory = ActivityMemory()

    memory.saw(record(1), START_MS + 7)
    memory.saw(record(1), START_MS + 3)

    assert memory.last(1) == START_MS + 7
    assert memory.last(2) is None


@pytest.mark.parametrize(("later_ms", "due"), [(ACTIVITY_RESOLUTION_MS - 1, 0), (ACTIVITY_RESOLUTION_MS, 1)])
def test_a_visit_is_due_when_the_stored_one_is_old(later_ms: int, due: int) -> None:
    """A visit waits to be written down from the very millisecond at which the stored one is old enough."""
    memory = ActivityMemory()

    memory.saw(record(1), START_MS + later_ms)

    assert memory.due == due


def test_due_visits_are_taken_in_groups() -> None:
    """Due visits are taken once, the oldest first, no more than asked for, with the latest time of each profile."""
    memory = ActivityMemory()
    late = START_MS + ACTIVITY_RESOLUTION_MS
    for mpid in (1, 2, 3):
        memory.saw(record(mpid), late)
    memory.saw(record(1), late + 5)

    assert memory.take_due(2) == [Activity(1, late + 5), Activity(2, late)]
    assert memory.take_due(2) == [Activity(3, late)]
    assert memory.take_due(2) == []


def test_what_is_given_back_does_not_replace_a_later_visit() -> None:
    """A visit that could not be written down waits again, unless a later one of its profile already does."""
    memory = ActivityMemory()
    late = START_MS + ACTIVITY_RESOLUTION_MS
    memory.saw(record(1), late)
    memory.saw(record(2), late)
    taken = memory.take_due(2)
    memory.saw(record(1), late + 5)

    memory.give_back(taken)

    assert set(memory.take_due(9)) == {Activity(1, late + 5), Activity(2, late)}


def test_the_visits_longest_ago_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the memory is full, the profiles whose last visit came first are forgotten."""
    monkeypatch.setattr("knownas.service.identity.activity.ACTIVITY_MAX", 16)
    memory = ActivityMemory()

    for at, mpid in enumerate((1, 2, *range(10, 20), 1, *range(20, 24))):
        memory.saw(record(mpid), START_MS + at)

    assert [memory.last(mpid) for mpid in (1, 2, 23)] == [START_MS + 12, None, START_MS + 16]


def test_due_visits_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit no further visit waits to be written down, though it is remembered."""
    monkeypatch.setattr("knownas.service.identity.activity.TOUCHES_WAITING_MAX", 1)
    memory = ActivityMemory()
    late = START_MS + ACTIVITY_RESOLUTION_MS

    memory.saw(record(1), late)
    memory.saw(record(2), late)

    assert (memory.due, memory.last(2)) == (1, late)


async def test_a_soon_visit_is_shown_and_not_written() -> None:
    """A visit shortly after the stored one shows exactly in the profile, and the store is not told of it."""
    stage = Stage()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    stage.now_ms += ACTIVITY_RESOLUTION_MS // 2

    await stage.answer(stage.ask(LOGIN, customerid="c"))
    await stage.resolver.close()

    shown = await stage.profiles.show(mpid)
    assert shown is not None
    assert shown["last_active_at"] == rfc3339(stage.now_ms)
    assert stage.store.touches == []
    (stored,) = await stage.store.records(PRODUCTION, None, EVERYTHING)
    assert stored.active_ms == START_MS + 1


async def test_a_late_visit_is_written_down_behind_the_answer(tmp_path: Path) -> None:
    """A visit long after the stored one is answered first and written down then, without a line of the log."""
    stage = Stage(SqliteStore(tmp_path / "a.db"))
    try:
        await stage.answer(stage.ask(LOGIN, customerid="c"))
        stage.now_ms += ACTIVITY_RESOLUTION_MS

        await stage.answer(stage.ask(LOGIN, customerid="c"))
        touched_before_the_answer = list(stage.store.touches)
        await stage.flushed()

        (stored,) = await stage.store.records(PRODUCTION, None, EVERYTHING)
        assert touched_before_the_answer == []
        assert stored.active_ms == stage.now_ms
        assert len(await stage.log()) == 1
    finally:
        await stage.resolver.close()
        await stage.store.close()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_search_is_no_visit(*, at_once: bool) -> None:
    """Whoever looks a profile up does not make it active: what is shown stays, a tie too, and nothing is to write."""
    stage = Stage()
    older, newer = [mpid_of(await stage.answer(stage.ask(LOGOUT, ios_idfv="d", email=one))) for one in "ab"]
    active_ms = stage.now_ms - 1
    stage.now_ms += ACTIVITY_RESOLUTION_MS
    questions = [stage.ask(SEARCH, email="a"), stage.ask(SEARCH, ios_idfv="d", previous=older), stage.ask(ios_idfv="d")]

    if at_once:
        answers = await stage.together(*questions)
    else:
        answers = [await stage.answer(question) for question in questions]

    assert [mpid_of(answer) for answer in answers] == [older, older, newer]
    shown = await stage.profiles.show(older)
    assert shown is not None
    assert shown["last_active_at"] == rfc3339(active_ms)
    await stage.resolver.close()
    assert stage.store.touches == [Activity(newer, stage.now_ms)]


async def test_closing_writes_due_visits_down() -> None:
    """Closing does not wait for the next group: what is due is written down before it returns."""
    stage = Stage()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    stage.now_ms += ACTIVITY_RESOLUTION_MS
    await stage.answer(stage.ask(LOGIN, customerid="c"))

    await stage.resolver.close()

    assert stage.store.touches == [Activity(mpid, stage.now_ms)]


async def test_answers_come_between_groups_of_visits() -> None:
    """However many visits are due, whoever asks waits for one group of them at most."""
    stage = Stage()
    late = START_MS + ACTIVITY_RESOLUTION_MS
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    for other in range(5 * TOUCHES_A_FLUSH_MAX):
        stage.activity.saw(record(other), late)
    stage.resolver._make_flush_due()
    await asyncio.sleep(0)

    for written in range(1, 4):
        assert mpid_of(await stage.resolver.submit(stage.ask(LOGIN, customerid="c"))) == mpid
        assert len(stage.store.touches) <= written * TOUCHES_A_FLUSH_MAX

    await stage.flushed()
    assert len(set(stage.store.touches)) >= 5 * TOUCHES_A_FLUSH_MAX


async def test_due_visits_outlive_a_full_store() -> None:
    """A visit that the store would not take is written down when it takes writes again."""
    stage = Stage()
    mpid = mpid_of(await stage.answer(stage.ask(LOGIN, customerid="c")))
    stage.now_ms += ACTIVITY_RESOLUTION_MS
    stage.store.refusal = StoreFull("no room")
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    await asyncio.sleep(FLUSH_AFTER_SECONDS + 0.1)
    assert stage.activity.due == 1

    stage.store.refusal = None
    await stage.flushed()

    assert stage.store.touches == [Activity(mpid, stage.now_ms)]


async def test_everything_can_be_captured_in_order(tmp_path: Path) -> None:
    """With `capture: all` observations that change nothing are logged too, in order, and survive a restart."""
    stage = Stage(SqliteStore(tmp_path / "a.db"), policy_of(capture=Capture.ALL))
    asked = [stage.ask(LOGIN, customerid="c"), *(stage.ask(LOGIN, customerid="c") for _ in range(3))]
    asked += [stage.ask(SEARCH, customerid="nobody"), stage.ask(LOGIN, customerid="n")]
    answers = [await stage.answer(question) for question in asked]
    answers.append(await stage.answer(stage.ask(LOGIN, customerid="c")))
    await stage.resolver.close()
    await stage.store.close()

    again = SqliteStore(tmp_path / "a.db")
    try:
        entries = await again.log(PRODUCTION, 0, EVERYTHING)
        assert [entry.decision_id for entry in entries] == [answer.decision_id for answer in answers]
        assert [bool(entry.touched) for entry in entries] == [answer.changed for answer in answers]
        assert [bool(entry.touched) for entry in entries] == [True, False, False, False, False, True, False]
    finally:
        await again.close()


async def test_capturing_is_behind_the_answer() -> None:
    """An observation that is only captured costs no commit before its answer, and soon one for its group."""
    stage = Stage(policy=policy_of(capture=Capture.ALL))
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    stage.store.forget_counts()

    for _ in range(5):
        await stage.answer(stage.ask(LOGIN, customerid="c"))
    before = stage.store.commits
    await stage.flushed()

    assert (before, stage.store.commits) == (0, 1)
    assert len(await stage.log()) == 6


async def test_what_is_only_explained_is_not_captured() -> None:
    """A question that writes nothing is not logged even where everything is captured."""
    stage = Stage(policy=policy_of(capture=Capture.ALL))

    await stage.answer(stage.rules.ask(stage.request(LOGIN, customerid="c"), writes=False))
    await stage.resolver.close()

    assert await stage.log() == []


async def test_captured_observations_outlive_a_full_store() -> None:
    """What could not be captured while the store was full is captured when it takes writes again."""
    stage = Stage(policy=policy_of(capture=Capture.ALL))
    await stage.answer(stage.ask(LOGIN, customerid="c"))
    stage.store.refusal = StoreFull("no room")
    answers = [await stage.answer(stage.ask(LOGIN, customerid="c")) for _ in range(3)]
    await asyncio.sleep(FLUSH_AFTER_SECONDS + 0.1)

    stage.store.refusal = None
    await stage.flushed()

    assert [entry.decision_id for entry in (await stage.log())[1:]] == [answer.decision_id for answer in answers]


async def test_what_is_put_off_is_written_while_the_server_is_busy() -> None:
    """Captured observations are written down in time even if questions never stop coming."""
    stage = Stage(policy=policy_of(capture=Capture.ALL))
    known = stage.ask(LOGIN, customerid="c")
    await stage.answer(known)
    stop = False

    async def keep_asking() -> None:
        while not stop:
            await stage.resolver.answer(known)

    askers = [asyncio.create_task(keep_asking()) for _ in range(4)]

    async def captured() -> bool:
        return len(await stage.log()) > 1

    try:
        await until(captured, PATIENCE_SECONDS / 5)
    finally:
        stop = True
        await asyncio.gather(*askers)
        await stage.resolver.close()
