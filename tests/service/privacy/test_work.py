"""What is due is carried out, and nothing that fails, waits or is interrupted keeps others from it or gets lost."""

import asyncio
import logging
from collections.abc import Mapping
from itertools import pairwise

import pytest

from knownas.core.privacy.evidence import Step
from knownas.core.privacy.request import DAY_MS, RequestState, RequestType, Subject
from knownas.service.privacy.limits import PRIVACY_PAUSE_SECONDS_MAX, PRIVACY_PAUSE_SECONDS_MIN
from knownas.service.privacy.subject_request_form import kept_request
from knownas.service.privacy.subject_requests import Taken
from knownas.service.privacy.work import TURN, PrivacyWork, Work
from knownas.service.turns import Turns
from knownas.store.errors import StoreBusy
from knownas.store.privacy import StoredRequest
from tests.service.answering import Answering
from tests.service.privacy_stage import Stage, given, stage
from tests.waiting import until

ACCESS = RequestType.ACCESS
SECRET = "somebody@example.com"


def work_of(world: Stage, works: Mapping[RequestType, Work], turns: Turns | None = None) -> PrivacyWork:
    """Return the job over a stage's store."""
    return PrivacyWork(world.store, works, 365, world.clock, turns)


async def ask(world: Stage, kind: RequestType = ACCESS, mpid: int = 1) -> str:
    """Take a request of a workspace in which nothing waits."""
    asked = given(kind, subject=Subject(mpid=mpid))
    outcome = await world.privacy.requests.take(world.place(), asked, world.clock())
    assert isinstance(outcome, Taken)
    return outcome.request.request_id


async def state(world: Stage, request_id: str) -> RequestState:
    """Return what has become of a request."""
    row = await world.store.request(request_id)
    assert row is not None
    return kept_request(row).request.state


async def test_what_is_due_is_carried_out_and_what_waits_is_not() -> None:
    """Access waits for Monday or Thursday; then it is begun, and completed."""
    world = await stage()
    request_id = await ask(world)
    assert await world.privacy.work.work_off() == 0
    world.clock.now_ms += 5 * DAY_MS
    assert await world.privacy.work.work_off() == 1
    assert await state(world, request_id) is RequestState.COMPLETED
    assert await world.steps(request_id) == [
        Step.RECEIVED,
        Step.VERIFIED,
        Step.STARTED,
        Step.FOUND,
        Step.COMPLETED,
    ]
    assert await world.privacy.work.work_off() == 0


async def test_a_type_that_nobody_carries_out_stays_pending_and_holds_up_nobody() -> None:
    """Erasures before the part that erases is there."""
    world = await stage(waiting_days=0)
    erasures = [await ask(world, RequestType.ERASURE, mpid) for mpid in (1, 2, 3)]
    world.clock.now_ms += 1
    access = await ask(world)
    works = {ACCESS: Answering(world.store, world.clock).carry_out}
    assert await work_of(world, works).work_off() == 1
    assert await state(world, access) is RequestState.COMPLETED
    assert [await state(world, one) for one in erasures] == [RequestState.PENDING] * 3


async def test_what_fails_is_tried_again_after_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    """The others are carried out meanwhile; the log says where it failed, and nothing of the person."""
    world = await stage(waiting_days=0)
    failing, other = await ask(world), await ask(world, RequestType.PORTABILITY)
    answering, tries = Answering(world.store, world.clock), list[int]()

    async def fail(row: StoredRequest) -> None:
        tries.append(world.clock())
        if len(tries) < 6:
            raise RuntimeError(f"no luck with {SECRET}")
        await answering.carry_out(row)

    work = work_of(world, {ACCESS: fail, RequestType.PORTABILITY: answering.carry_out})
    with caplog.at_level(logging.INFO):
        for _ in range(40_000):
            await work.work_off()
            if await state(world, failing) is RequestState.COMPLETED:
                break
            world.clock.now_ms += 1_000
    assert await state(world, other) is RequestState.COMPLETED
    pauses = [(later - earlier) / 1000 for earlier, later in pairwise(tries)]
    assert pauses == [PRIVACY_PAUSE_SECONDS_MIN, 5, 10, 20, 40]
    assert work.counted == {("access", "failed"): 5, ("access", "done"): 1, ("portability", "done"): 1}
    assert failing in caplog.text
    assert "in fail" in caplog.text
    assert SECRET not in caplog.text


async def test_the_pause_has_an_end() -> None:
    """A request that has failed for weeks is tried every hour."""
    world = await stage(waiting_days=0)
    request_id = await ask(world)

    async def fail(_row: StoredRequest) -> None:
        raise StoreBusy("no")

    world.clock.now_ms += 20 * DAY_MS
    await work_of(world, {ACCESS: fail}).work_off()
    row = await world.store.request(request_id)
    assert row is not None
    assert row.due_ms == world.clock() + PRIVACY_PAUSE_SECONDS_MAX * 1000


async def test_a_work_that_leaves_its_request_due_comes_back_later() -> None:
    """It is not asked again and again at once."""
    world = await stage(waiting_days=0)
    await ask(world)
    asked: list[str] = []

    async def nothing(row: StoredRequest) -> None:
        asked.append(row.request_id)

    work = work_of(world, {ACCESS: nothing})
    assert [await work.work_off(), await work.work_off()] == [1, 0]
    assert work.counted == {("access", "put_off"): 1}
    world.clock.now_ms += 5_000
    await work.work_off()
    assert len(asked) == 2


async def test_a_request_that_is_taken_is_carried_out_at_once() -> None:
    """The job is woken: nobody waits for its next look."""
    world = await stage(waiting_days=0)
    world.privacy.start()
    await asyncio.sleep(0.05)
    request_id = await ask(world)

    async def done() -> bool:
        return await state(world, request_id) is RequestState.COMPLETED

    await until(done, 2)
    await world.privacy.close()


async def test_closing_interrupts_and_the_next_process_goes_on() -> None:
    """A work that hangs does not keep a server from stopping."""
    world = await stage(waiting_days=0)
    request_id, begun = await ask(world), asyncio.Event()

    async def hang(_row: StoredRequest) -> None:
        begun.set()
        await asyncio.Event().wait()

    work = work_of(world, {ACCESS: hang})
    work.start()
    await asyncio.wait_for(begun.wait(), 5)
    await asyncio.wait_for(work.close(), 5)
    await work_of(world, {ACCESS: Answering(world.store, world.clock).carry_out}).work_off()
    assert await state(world, request_id) is RequestState.COMPLETED


async def test_one_process_works_at_a_time() -> None:
    """Who has the turn keeps it while it works; another one leaves everything alone."""
    world = await stage(waiting_days=0)
    request_id = await ask(world)
    mine = Turns(world.service.store, world.clock)
    assert await mine.take(TURN, 60_000)
    works = {ACCESS: Answering(world.store, world.clock).carry_out}
    other = work_of(world, works, Turns(world.service.store, world.clock))
    await other._work_in_turn()
    assert await state(world, request_id) is RequestState.PENDING
    await mine.give_back(TURN)
    other._forget_at = 0
    await other._work_in_turn()
    assert await state(world, request_id) is RequestState.COMPLETED


async def test_a_request_is_forgotten_a_year_after_it_has_ended() -> None:
    """Its evidence stays; what is still open is not forgotten."""
    world = await stage(waiting_days=0)
    old, pending = await ask(world), await ask(world, RequestType.ERASURE)
    work = work_of(world, {ACCESS: Answering(world.store, world.clock).carry_out})
    await work.work_off()
    world.clock.now_ms += 365 * DAY_MS
    assert await work.forget_old() == 0
    world.clock.now_ms += 1
    assert await work.forget_old() == 1
    assert await world.store.request(old) is None
    assert await state(world, pending) is RequestState.PENDING
    assert Step.COMPLETED in await world.steps(old)


async def test_a_request_that_was_taken_back_in_between_is_not_carried_out() -> None:
    """The row that a work holds is not the one that is kept any more."""
    world = await stage(waiting_days=0)
    request_id = await ask(world)
    row = await world.store.request(request_id)
    assert row is not None
    await world.privacy.requests.cancel(world.place(), request_id, world.clock())
    await Answering(world.store, world.clock).carry_out(row)
    assert await state(world, request_id) is RequestState.CANCELLED
