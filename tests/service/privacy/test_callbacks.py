"""Whoever is to be told is told: signed, in order, until it was accepted once, through crashes and across processes."""

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from knownas.core.privacy.evidence import Step
from knownas.core.privacy.request import DAY_MS, RequestState, RequestType, Subject
from knownas.service.privacy.callbacks import TURN, Callbacks
from knownas.service.privacy.calling import CallFailed, Calling
from knownas.service.privacy.limits import CALL_PAUSE_SECONDS_MAX, CALLED_FOR_DAYS_MAX
from knownas.service.privacy.processor import is_signed
from knownas.service.privacy.subject_request_form import kept_request
from knownas.service.privacy.subject_requests import GivenRequest, Taken, rewritten
from knownas.service.turns import Turns
from knownas.store.errors import StoreUnavailable
from knownas.store.privacy import PrivacyCommit
from tests.service.privacy_stage import Stage, given, processor, stage
from tests.service.receiver import Receiver
from tests.waiting import until

ACCESS, ERASURE = RequestType.ACCESS, RequestType.ERASURE


async def take(world: Stage, asked: GivenRequest) -> str:
    """Take a request."""
    outcome = await world.privacy.requests.take(world.place(), asked, world.clock())
    assert isinstance(outcome, Taken), outcome
    return outcome.request.request_id


def told(receiver: Receiver) -> list[str]:
    """Return the states that a receiver was told, in their order."""
    return [json.loads(one.body)["request_status"] for one in receiver.received]


async def test_each_change_is_told_and_signed() -> None:
    """From the creation on, to every URL, in order; the body is the one of the specification."""
    world = await stage(waiting_days=0, base_url="https://privacy.example.com")
    with Receiver() as receiver, Receiver() as second:
        request_id = await take(world, given(ACCESS, callbacks=(receiver.url, second.url), group="g"))
        await world.privacy.work.work_off()
        assert await world.privacy.callbacks.tell_due() == 6
        assert told(receiver) == told(second) == ["pending", "in_progress", "completed"]
        for one in receiver.received:
            headers = one.headers
            assert headers["x-opendsr-processor-domain"] == "localhost"
            assert is_signed(one.body, headers["x-opendsr-signature"], processor().certificates)
        said: dict[str, Any] = json.loads(receiver.received[-1].body)
        assert set(said) == {
            "controller_id",
            "expected_completion_time",
            "status_callback_url",
            "subject_request_id",
            "request_status",
            "api_version",
            "results_url",
            "extensions",
        }
        assert said["status_callback_url"] == receiver.url
        assert said["results_url"] == f"https://privacy.example.com/v3/requests/{request_id}/results"
        assert json.loads(receiver.received[0].body)["results_url"] is None
    assert await world.store.deliveries_due(2**62, 10) == []
    assert (await world.steps(request_id)).count(Step.DELIVERED) == 6


async def test_what_was_accepted_is_not_told_again() -> None:
    """Not by the next look, nor by the next process."""
    world = await stage()
    with Receiver() as receiver:
        await take(world, given(callbacks=(receiver.url,)))
        for _ in range(2):
            await world.privacy.callbacks.tell_due()
        await another(world).tell_due()
        assert len(receiver.received) == 1


def another(world: Stage, turns: Turns | None = None, calling: Calling | None = None) -> Callbacks:
    """Return the job of another process over the same store."""
    settings = world.service.configuration.privacy
    return Callbacks(world.store, world.privacy.signing, calling or Calling(settings), "", world.clock, turns)


async def test_it_is_tried_until_it_is_accepted_after_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    """And what came later waits for it. The log has no URL."""
    world = await stage(waiting_days=0)
    with Receiver(status=500) as receiver, caplog.at_level(logging.DEBUG, "knownas"):
        await take(world, given(ACCESS, callbacks=(receiver.url,)))
        await world.privacy.work.work_off()
        times: list[int] = []
        for _ in range(200):
            before = len(receiver.received)
            await world.privacy.callbacks.tell_due()
            if len(receiver.received) > before:
                times.append(world.clock())
            if len(times) == 5:
                break
            world.clock.now_ms += 1_000
        assert [(later - times[0]) / 1000 for later in times] == [0, 5, 15, 35, 75]
        assert set(told(receiver)) == {"pending"}
        receiver.status = 202
        world.clock.now_ms += 80_000
        await another(world).tell_due()
        assert told(receiver)[5:] == ["pending", "in_progress", "completed"]
        assert receiver.url not in caplog.text
    assert await world.store.deliveries_due(2**62, 10) == []


async def test_one_who_does_not_answer_holds_up_nobody_else() -> None:
    """Neither another receiver of the same request, nor another request."""
    world = await stage()
    with Receiver() as receiver, Receiver(status=503) as broken:
        await take(world, given(callbacks=(broken.url, receiver.url)))
        await take(world, given(subject=Subject(mpid=3), callbacks=(receiver.url,)))
        assert await world.privacy.callbacks.tell_due() == 2
        assert len(receiver.received) == 2


async def test_it_is_given_up_after_days_and_the_evidence_says_so() -> None:
    """Until then it is tried every few hours."""
    world = await stage()
    with Receiver(status=500) as receiver:
        request_id = await take(world, given(callbacks=(receiver.url,)))
        end_ms = world.clock() + CALLED_FOR_DAYS_MAX * DAY_MS
        gaps: list[int] = []
        for _ in range(100):
            await world.privacy.callbacks.tell_due()
            left = await world.store.deliveries_due(2**62, 1)
            if not left:
                break
            gaps.append(left[0].due_ms - world.clock())
            world.clock.now_ms = left[0].due_ms
        assert world.clock() >= end_ms
        assert max(gaps) == CALL_PAUSE_SECONDS_MAX * 1000
    (last,) = [
        one.happening.facts
        for one in await world.privacy.evidence.of_request(request_id)
        if one.happening.step is Step.DELIVERED
    ]
    assert (last["accepted"], last["why"]) == (False, "status_500")
    assert world.privacy.callbacks.counted["given_up"] == 1


class Dying:
    """Passes calls on to a real store, and fails the first commits that remove a delivery."""

    def __init__(self, store: Any, times: int) -> None:
        self._store, self.times = store, times

    async def commit(self, commit: PrivacyCommit) -> bool:
        if commit.delivered and self.times:
            self.times -= 1
            raise StoreUnavailable("gone")
        return await self._store.commit(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_a_store_that_fails_after_an_accepted_call_costs_no_second_call() -> None:
    """The process knows what was accepted, and removes it as soon as the store works."""
    world = await stage()
    settings = world.service.configuration.privacy
    store: Any = Dying(world.store, times=3)
    job = Callbacks(store, world.privacy.signing, Calling(settings), "", world.clock)
    with Receiver() as receiver:
        await take(world, given(callbacks=(receiver.url,)))
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await job.tell_due()
        assert await job.tell_due() == 1
        assert len(receiver.received) == 1
    assert await world.store.deliveries_due(2**62, 1) == []


async def test_a_process_that_dies_after_the_call_loses_nothing() -> None:
    """The next one tells it again: twice is better than never, and the only time that it happens."""
    world = await stage()
    store: Any = Dying(world.store, times=1)
    settings = world.service.configuration.privacy
    with Receiver() as receiver:
        await take(world, given(callbacks=(receiver.url,)))
        with pytest.raises(StoreUnavailable):
            await Callbacks(store, world.privacy.signing, Calling(settings), "", world.clock).tell_due()
        await another(world).tell_due()
        assert told(receiver) == ["pending", "pending"]
    assert await world.store.deliveries_due(2**62, 1) == []


class Forgetful(Callbacks):
    """The saboteur: removes a delivery before it is accepted."""

    async def _tell(self, delivery: Any) -> int | None:
        await self._store.commit(PrivacyCommit(delivered=[delivery.delivery_id]))
        return await super()._tell(delivery)


@pytest.mark.parametrize(("kind", "is_lost"), [(Callbacks, False), (Forgetful, True)])
async def test_nothing_is_lost_when_the_process_dies_in_a_call(kind: type[Callbacks], is_lost: bool) -> None:  # noqa: FBT001 - a case
    """What is under way when the process ends is told by the next one; a job that forgets first is caught."""
    world = await stage()

    class Hanging(Calling):
        async def post(self, *_given: object) -> None:
            await asyncio.Event().wait()

    settings = world.service.configuration.privacy
    with Receiver() as receiver:
        await take(world, given(callbacks=(receiver.url,)))
        dying = kind(world.store, world.privacy.signing, Hanging(settings), "", world.clock)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dying.tell_due(), 0.2)
        await another(world).tell_due()
        assert (receiver.received == []) is is_lost


async def test_one_process_tells_at_a_time() -> None:
    """Another one with the turn leaves nothing to do."""
    world = await stage()
    with Receiver() as receiver:
        await take(world, given(callbacks=(receiver.url,)))
        mine = Turns(world.service.store, world.clock)
        assert await mine.take(TURN, 60_000)
        other = another(world, Turns(world.service.store, world.clock))
        assert await other._tell_in_turn() == 0
        await mine.give_back(TURN)
        assert await other._tell_in_turn() == 1


async def test_it_is_told_at_once() -> None:
    """Nobody waits for a batch: the job is woken."""
    world = await stage(waiting_days=0)
    world.privacy.start()
    await asyncio.sleep(0.05)
    with Receiver() as receiver:
        await take(world, given(ACCESS, callbacks=(receiver.url,)))

        async def done() -> bool:
            return told(receiver) == ["pending", "in_progress", "completed"]

        await until(done, 4)
        await world.privacy.close()


async def test_an_address_that_is_not_allowed_any_more_is_not_called() -> None:
    """The configuration of now counts, not the one that took the request."""
    world = await stage()
    settings = replace(world.service.configuration.privacy, callbacks=())
    with Receiver() as receiver:
        await take(world, given(callbacks=(receiver.url,)))
        assert await another(world, calling=Calling(settings)).tell_due() == 0
        assert receiver.received == []
        with pytest.raises(CallFailed):
            await Calling(settings).post(receiver.url, b"", {})


async def test_whoever_writes_a_change_brings_its_callbacks() -> None:
    """Another part that completes a request has nothing to think of; what does not change its state brings none."""
    world = await stage(waiting_days=0)
    request_id = await take(world, given(ERASURE, callbacks=("http://127.0.0.1:9/",)))
    row = await world.store.request(request_id)
    assert row is not None
    kept = kept_request(row)
    begun = msgspec.structs.replace(kept, request=kept.request.begin(world.clock()))
    change = rewritten(row, begun)
    assert await world.privacy.evidence.write([], change)
    further = msgspec.structs.replace(begun, progress=msgspec.structs.replace(begun.progress, done=("a",)))
    again = rewritten(change.requests[0].request, further)
    assert await world.privacy.evidence.write([], again)
    ended = msgspec.structs.replace(further, request=further.request.complete(world.clock()))
    assert await world.privacy.evidence.write([], rewritten(again.requests[0].request, ended))
    states = [json.loads(one.document)["state"] for one in await world.store.deliveries_due(2**62, 10)]
    assert states == [RequestState.PENDING, RequestState.IN_PROGRESS, RequestState.COMPLETED]
