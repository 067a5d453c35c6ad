"""What waits for an output arrives, in order, whatever the destination does; what it will not have is a dead letter."""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from knownas.core.delivery.batching import Batching
from knownas.core.delivery.breaker import HalfOpen, Open
from knownas.core.delivery.limits import (
    FAILURES_TO_OPEN,
    TRIES_MAX,
)
from knownas.core.delivery.message import MembershipMessage, Message, Subscription, SubscriptionMessage
from knownas.core.delivery.outcome import NotNow, NotThis, Outcome, Taken, Trouble
from knownas.service.delivery import backlog as delivery_backlog
from knownas.service.delivery import delivering_output
from knownas.service.delivery.limits import OUTPUT_FRESH_MS, SEEN_FRESH_MS, UNREADABLE_WAITS_MS, WAITING_A_PAGE
from knownas.store.deliveries import DeliveryState
from knownas.store.errors import StoreUnavailable
from tests.core.delivery.messages import subscribed
from tests.service.delivery_stage import NOW_MS, Stage, answers, ids, user

S = DeliveryState
BATCHES = Batching(10)
FAILED = NotNow(Trouble.FAILED, "status 500")


async def test_what_waits_is_sent_and_settled() -> None:
    """In the order in which it was written, with the time at which it was."""
    stage = Stage()
    await stage.write(*(user(number) for number in range(1, 6)))
    await stage.run()
    assert stage.place.sent() == ["m1", "m2", "m3", "m4", "m5"]
    assert {one.state for one in stage.store.rows.values()} == {S.SENT}
    assert {one.settled_ms for one in stage.store.rows.values()} == {NOW_MS}
    assert stage.counted == {"sent": 5}


async def test_as_many_go_together_as_the_destination_takes() -> None:
    """Requests are full while there is enough; the last one is what is left."""
    stage = Stage(BATCHES)
    await stage.write(*(user(number) for number in range(1, 24)))
    await stage.run()
    assert [len(one) for one in stage.place.requests] == [10, 10, 3]


async def test_a_request_is_full_although_less_was_read_than_waits() -> None:
    """What is short by what was read is decided on all that waits."""
    stage = Stage(Batching(150))
    await stage.write(*(user(number) for number in range(1, 301)))
    await stage.run()
    assert [len(one) for one in stage.place.requests] == [150, 150]


async def test_a_message_has_the_settings_of_its_connection_of_now() -> None:
    """Not those of when it was written; and what a destination wanted kept is with the next message."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(Taken(kept={"list_id": 17}))]
    await stage.write(subscribed("begin"), user(1))
    await stage.run()
    first, second = (request[0] for request in stage.place.requests)
    assert isinstance(first, SubscriptionMessage)
    assert isinstance(second, MembershipMessage)
    assert first.settings == {"list": "of 1"}
    assert second.settings == {"list": "of 1", "list_id": 17}


async def test_what_is_refused_alone_is_a_dead_letter_and_others_arrive() -> None:
    """With the destination's sentence, shortened."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(Taken(refused={"m2": "no such user " * 100, "stranger": "?"}))]
    await stage.write(*(user(number) for number in range(1, 4)))
    await stage.run()
    assert stage.states() == {"m1": "sent", "m2": "dead", "m3": "sent"}
    (dead,) = stage.store.in_state(S.DEAD)
    assert dead.why is not None
    assert dead.why.startswith("no such user")
    assert len(dead.why) == 500
    assert stage.counted == {"sent": 2, "dead": 1}


async def test_one_that_is_tried_again_holds_back_his_own_and_nobody_else() -> None:
    """Others go on; his later ones come after it."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(Taken(again={"m1": "try later"})), answers(Taken(again={}))]
    await stage.write(user(1), user(2), user(3, mpid=1), user(4))
    await stage.run()
    assert [ids(one) for one in stage.place.requests] == [["m1", "m2", "m4"], ["m1"], ["m3"]]
    assert set(stage.states().values()) == {"sent"}


async def test_one_that_is_asked_for_again_for_ever_is_given_up() -> None:
    """After so many tries it is a dead letter, and his later ones go on."""
    stage = Stage(BATCHES)

    async def never(messages: Sequence[Message]) -> Outcome:
        return Taken(again={"m1": "busy with that"} if "m1" in ids(messages) else {})

    stage.place.then = never
    await stage.write(user(1), user(2, mpid=1))
    await stage.run()
    assert stage.states() == {"m1": "dead", "m2": "sent"}
    assert stage.place.sent().count("m1") == TRIES_MAX == stage.counted["again"]
    assert stage.store.in_state(S.DEAD)[0].why == f"given up after {TRIES_MAX} tries: busy with that"


async def test_what_is_not_taken_now_is_sent_again_whole_after_a_pause() -> None:
    """The same request, under the same ids, not before the time that the destination named."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(NotNow(Trouble.BUSY, "status 429", 30.0))]
    await stage.write(user(1), user(2))
    until_ms = await stage.delivery.step()
    assert until_ms == NOW_MS
    until_ms = await stage.delivery.step()
    assert until_ms is not None
    assert NOW_MS + 30_000 <= until_ms < NOW_MS + 31_000
    await stage.run()
    assert stage.place.requests == [[*stage.place.requests[0]]] * 2
    assert stage.states() == {"m1": "sent", "m2": "sent"}


@pytest.mark.parametrize("batching", [BATCHES, Batching(memberships_max=10)], ids=["all", "memberships"])
async def test_one_that_is_out_is_asked_with_a_single_message(batching: Batching) -> None:
    """After some failures in a row the breaker is open; one message finds out, then requests are full again."""
    stage = Stage(batching)
    stage.place.does = [answers(FAILED)] * (FAILURES_TO_OPEN + 1)
    await stage.write(*(user(number) for number in range(1, 5)))
    for _ in range(200):
        if len(stage.place.requests) == FAILURES_TO_OPEN:
            break
        stage.clock.now_ms = await stage.delivery.step() or 0
    assert isinstance(stage.delivery.breaker, Open)
    await stage.run()
    assert [len(one) for one in stage.place.requests] == [4] * FAILURES_TO_OPEN + [1, 1, 3]
    assert stage.counted["not_now"] == FAILURES_TO_OPEN + 1


async def test_what_is_found_out_with_is_one_message_of_any_kind() -> None:
    """Also where more changes of memberships go into a request than other messages."""
    stage = Stage(Batching(1, memberships_max=3))
    stage.place.does = [answers(FAILED)] * FAILURES_TO_OPEN
    await stage.write(*(user(number) for number in range(1, 6)))
    await stage.run()
    assert [len(one) for one in stage.place.requests] == [3] * FAILURES_TO_OPEN + [1, 3, 1]


async def test_while_it_is_found_out_the_breaker_is_half_open() -> None:
    """A probe under way shows."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(FAILED)] * FAILURES_TO_OPEN
    shown: list[object] = []

    async def looked_at(_messages: Sequence[Message]) -> Outcome:
        shown.append(stage.delivery.breaker)
        return Taken()

    stage.place.then = looked_at
    await stage.write(user(1))
    await stage.run()
    assert isinstance(shown[0], HalfOpen)


async def test_what_waits_for_an_output_that_is_gone_is_dropped() -> None:
    """However much it is, with the reason."""
    stage = Stage()
    await stage.write(*(user(number) for number in range(2 * WAITING_A_PAGE + 1)))
    del stage.outputs.outputs[1]
    await stage.run()
    assert {(one.state, one.why) for one in stage.store.rows.values()} == {(S.DROPPED, "the output is gone")}
    assert stage.place.requests == []
    assert stage.counted == {"dropped": 2 * WAITING_A_PAGE + 1}


async def test_what_waits_for_a_connection_that_is_gone_is_dropped() -> None:
    """Others of the same request go out."""
    stage = Stage(BATCHES)
    await stage.write(user(1), user(2), connection=1)
    await stage.write(user(3), connection=9)
    await stage.run()
    assert stage.states() == {"m1": "sent", "m2": "sent", "m3": "dropped"}


async def test_an_audience_that_can_not_be_connected_stops_the_output() -> None:
    """Its members would all be refused; what connects it is never given up, whichever way it is refused."""
    for outcomes in (
        [NotThis("no such list")],
        [Taken(refused={"begin": "no such list"})],
        [Taken(again={"begin": "no such list"})] * TRIES_MAX,
    ):
        stage = Stage(BATCHES)
        stage.place.does = [answers(one) for one in outcomes]
        await stage.write(subscribed("begin"), user(1))
        await stage.run()
        assert re.fullmatch("an audience can't be connected: .*no such list", stage.outputs.outputs[1].why or "")
        assert set(stage.states().values()) == {"waiting"}
        await stage.outputs.resume(1)
        stage.clock.now_ms += OUTPUT_FRESH_MS
        await stage.run()
        assert set(stage.states().values()) == {"sent"}


async def test_the_end_of_a_connection_that_is_refused_is_a_dead_letter() -> None:
    """Nothing depends on it."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(Taken()), answers(NotThis("unknown list"))]
    await stage.write(user(1), replace(subscribed("end"), subscription=Subscription.REMOVE))
    await stage.run()
    assert stage.states() == {"m1": "sent", "end": "dead"}


async def test_one_that_hangs_is_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit it counts as not reached, and is sent the same again."""
    monkeypatch.setattr(delivering_output, "SEND_SECONDS", 0.01)
    stage = Stage()

    async def hangs(_messages: Sequence[Message]) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    stage.place.does = [hangs]
    await stage.write(user(1))
    await stage.run()
    assert stage.place.sent() == ["m1", "m1"]
    assert stage.counted == {"not_now": 1, "sent": 1}


async def test_a_sender_that_breaks_loses_nothing_and_names_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is opened anew and tried again; the log says where it broke, and not on what."""
    stage = Stage()

    async def breaks(_messages: Sequence[Message]) -> Outcome:
        raise KeyError("ann@example.com")

    stage.place.does = [breaks]
    await stage.write(user(1))
    with caplog.at_level(logging.DEBUG, "knownas"):
        await stage.run()
    assert stage.states() == {"m1": "sent"}
    assert len(stage.place.opened) == 2
    assert "KeyError" in caplog.text
    assert "test_delivering_output.py" in caplog.text
    assert "ann@example.com" not in caplog.text


async def test_one_that_takes_a_half_of_what_it_takes_whole_is_sent_all_again() -> None:
    """So that nothing comes after what it should come before."""
    stage = Stage(Batching(10, is_whole=True))
    stage.place.does = [answers(Taken(again={"m1": "later"}))]
    await stage.write(user(1), user(2, mpid=1))
    await stage.run()
    assert stage.place.sent() == ["m1", "m2", "m1", "m2"]
    assert set(stage.states().values()) == {"sent"}


async def test_what_was_answered_for_is_settled_when_the_store_works_again() -> None:
    """It is not sent again for that."""
    stage = Stage()
    await stage.write(user(1), user(2))
    stage.store.fails_settling = 3
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await stage.delivery.step()
    await stage.run()
    assert stage.place.sent() == ["m1", "m2"]
    assert stage.counted == {"sent": 2}


async def test_what_a_killed_process_had_sent_is_sent_again_under_its_id() -> None:
    """And what came after it follows: at the end the destination has what was told last."""
    stage = Stage(BATCHES)
    await stage.write(user(1), user(2), user(3, mpid=1))
    stage.store.fails_settling = 1
    with pytest.raises(StoreUnavailable):
        await stage.delivery.step()
    stage.restart()
    await stage.run()
    assert [ids(one) for one in stage.place.requests] == [["m1", "m2"], ["m1", "m2"], ["m3"]]
    assert stage.place.requests[0] == stage.place.requests[1]


async def test_one_who_may_not_deliver_sends_nothing() -> None:
    """It is another process that delivers by now."""
    stage = Stage()
    world = replace(stage.world, may_send=lambda: False)
    delivery = delivering_output.OutputDelivery(1, world, stage.told)
    await stage.write(user(1))
    until_ms = await delivery.step()
    assert until_ms is not None
    assert until_ms > NOW_MS
    assert stage.place.requests == []


async def test_what_was_erased_is_not_sent() -> None:
    """Neither what is empty when it is read, nor, after a moment, what was read before."""
    stage = Stage()
    await stage.write(*(user(number) for number in range(1, 4)))
    await stage.delivery.step()
    for seq in (2, 3):
        stage.store.rows[seq] = stage.store.rows[seq]._replace(document=b"")
    stage.clock.now_ms += SEEN_FRESH_MS
    await stage.run()
    assert stage.place.sent() == ["m1"]
    assert {(one.state, one.why) for one in stage.store.rows.values()} == {
        (S.SENT, None),
        (S.DROPPED, "what it told was erased"),
    }


async def test_what_can_not_be_read_waits_for_a_newer_process_and_is_given_up() -> None:
    """It holds back whom it is about for so long, and nobody else."""
    stage = Stage(BATCHES)
    await stage.write(user(1))
    stage.store.rows[1] = stage.store.rows[1]._replace(document=b'["m9","of the future"]')
    await stage.write(user(2, mpid=1), user(3))
    assert await stage.delivery.step() == NOW_MS
    assert await stage.delivery.step() == NOW_MS + UNREADABLE_WAITS_MS
    assert stage.states() == {"m1": "waiting", "m2": "waiting", "m3": "sent"}
    await stage.run()
    assert stage.states() == {"m1": "dead", "m2": "sent", "m3": "sent"}


async def test_many_that_are_held_back_keep_nobody_else_from_going() -> None:
    """Whoever comes behind more of them than are read at once is found."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(Taken(again={"m1": "later"}))]
    await stage.write(user(1))
    await stage.delivery.step()
    await stage.write(*(user(number, mpid=1) for number in range(2, 3 * WAITING_A_PAGE)), user(9_999))
    await stage.delivery.step()
    assert stage.place.sent() == ["m1", "m9999"]


async def test_a_long_wait_for_more_is_not_decided_on_for_each_message() -> None:
    """A request of thousands that waits for more is looked at anew when an eighth more has come, when it is time, or for a connection."""
    stage = Stage(Batching(10_000, 60.0))
    await stage.write(*(user(number) for number in range(1, 801)))
    looked: list[int] = []
    for more in (0, 99, 1, 1, 50, 60, 5):
        first = len(stage.store.rows) + 1
        await stage.write(*(user(number) for number in range(first, first + more)))
        assert await stage.delivery.step() == NOW_MS + 60_000
        looked.append(stage.delivery._backlog._rests_with)
    assert looked == [800, 800, 800, 901, 901, 901, 1_016]
    await stage.write(subscribed("update"))
    assert await stage.delivery.step() == NOW_MS
    assert [len(one) for one in stage.place.requests] == [1_016]


async def test_whoever_is_not_held_back_goes_at_once_behind_many_who_are() -> None:
    """However few they are beside them, and however long these have to wait."""
    stage = Stage()
    stage.place.does = [answers(Taken(again={"m1": "later"}))]
    await stage.write(*(user(number, mpid=1) for number in range(1, 3 * WAITING_A_PAGE)))
    await stage.delivery.step()
    for number in range(1_000, 1_003):
        assert (await stage.delivery.step() or 0) > NOW_MS
        await stage.write(user(number))
        assert await stage.delivery.step() == NOW_MS
    assert stage.place.sent() == ["m1", "m1000", "m1001", "m1002"]


async def test_a_long_wait_ends_when_it_is_over() -> None:
    """With all that has come until then."""
    stage = Stage(Batching(10_000, 60.0))
    await stage.write(*(user(number) for number in range(1, 1_201)))
    assert await stage.delivery.step() == NOW_MS + 60_000
    await stage.write(user(5_000))
    stage.clock.now_ms += 60_000
    await stage.run()
    assert [len(one) for one in stage.place.requests] == [1_201]


async def test_large_events_are_looked_at_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as may be in memory; nobody waits for more then."""
    monkeypatch.setattr(delivery_backlog, "SEEN_BYTES_MAX", 20_000)
    stage = Stage(Batching(10_000, 60.0))
    await stage.write(*(user(number) for number in range(1, 3 * WAITING_A_PAGE)))
    await stage.run()
    sizes = [len(one) for one in stage.place.requests]
    assert sum(sizes) == 3 * WAITING_A_PAGE - 1
    assert max(sizes) <= 2 * WAITING_A_PAGE


async def test_what_appears_later_before_others_is_seen() -> None:
    """Where others write as well, a delivery can appear before some that were seen; it waits for nothing but the next look."""
    stage = Stage(Batching(10, 60.0))
    await stage.write(user(1), user(2), user(3))
    early = stage.store.rows.pop(1)
    assert await stage.delivery.step() == NOW_MS + 60_000
    stage.store.rows[1] = early
    await stage.run()
    assert stage.place.sent() == ["m1", "m2", "m3"]


async def test_fewer_than_a_full_request_wait_for_more() -> None:
    """Until the oldest has waited for the destination's time, or the request is full."""
    stage = Stage(Batching(3, 60.0))
    await stage.write(user(1))
    assert await stage.delivery.step() == NOW_MS + 60_000
    stage.clock.now_ms += 1_000
    await stage.write(user(2), user(3), user(4))
    await stage.delivery.step()
    assert [ids(one) for one in stage.place.requests] == [["m1", "m2", "m3"]]
    assert await stage.delivery.step() == NOW_MS + 60_000
