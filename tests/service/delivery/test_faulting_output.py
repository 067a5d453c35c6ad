"""What a destination refuses is found out among what it takes, and an output that takes nothing any more is faulted, with nothing lost."""

from collections.abc import Sequence
from dataclasses import replace

from knownas.core.delivery.batching import Batching
from knownas.core.delivery.limits import (
    OUT_HOURS_MAX,
    REFUSALS_IN_A_ROW_MAX,
)
from knownas.core.delivery.message import MembershipMessage, Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.service.delivery.limits import OUTPUT_FRESH_MS, SEEN_FRESH_MS
from knownas.service.delivery.outputs import OutputState
from knownas.store.deliveries import DeliveryState, Settlement
from tests.service.delivery_stage import NOW_MS, Stage, answers, ids, user

S = DeliveryState
BATCHES = Batching(10)
FAILED = NotNow(Trouble.FAILED, "status 500")


async def test_an_outage_of_days_faults_the_output_and_loses_nothing() -> None:
    """Everything goes on waiting, and goes out when it is resumed."""
    stage = Stage(BATCHES)
    stage.place.then = answers(FAILED)
    await stage.write(*(user(number) for number in range(1, 4)))
    await stage.run()
    assert stage.outputs.state() is OutputState.FAULTED
    assert stage.outputs.outputs[1].why == f"nothing was taken for {OUT_HOURS_MAX} hours; at last: status 500"
    assert set(stage.states().values()) == {"waiting"}
    assert stage.clock() - NOW_MS >= OUT_HOURS_MAX * 3_600_000
    stage.place.then = answers(Taken())
    await stage.run()
    assert set(stage.states().values()) == {"waiting"}, "it is faulted"
    assert await stage.outputs.resume(1)
    stage.clock.now_ms += OUTPUT_FRESH_MS
    await stage.run()
    assert set(stage.states().values()) == {"sent"}


async def test_a_poisonous_message_is_found_and_the_others_arrive() -> None:
    """A request that is refused as a whole is halved until the one stands alone that nobody will take."""
    stage = Stage(BATCHES)

    async def chokes(messages: Sequence[Message]) -> Outcome:
        return NotThis("status 400: strange") if "m6" in ids(messages) else Taken()

    stage.place.then = chokes
    await stage.write(*(user(number) for number in range(1, 15)))
    await stage.run()
    assert [len(one) for one in stage.place.requests] == [10, 5, 5, 3, 2, 1, 1, 1, 2, 4]
    assert [one.delivery_id for one in stage.store.in_state(S.DEAD)] == ["m6"]
    assert stage.store.in_state(S.DEAD)[0].why == "status 400: strange"
    assert len(stage.store.in_state(S.SENT)) == 13


async def test_an_outage_in_the_middle_of_a_search_only_delays_it() -> None:
    """The search goes on where it was, also with single messages."""
    stage = Stage(BATCHES)
    turn = 0

    async def chokes(messages: Sequence[Message]) -> Outcome:
        nonlocal turn
        turn += 1
        if 3 <= turn < 10:
            return FAILED
        return NotThis("strange") if "m6" in ids(messages) else Taken()

    stage.place.then = chokes
    await stage.write(*(user(number) for number in range(1, 15)))
    await stage.run()
    assert [one.delivery_id for one in stage.store.in_state(S.DEAD)] == ["m6"]
    assert len(stage.store.in_state(S.SENT)) == 13


async def test_one_who_has_to_wait_drops_out_of_the_search() -> None:
    """Where one of a half is asked for again, what must not overtake it in the other half waits with it."""
    stage = Stage(Batching(8))

    async def chokes(messages: Sequence[Message]) -> Outcome:
        if "m5" in ids(messages):
            return NotThis("strange")
        return Taken(again={"m1": "later"} if len(stage.place.requests) == 2 else {})

    stage.place.then = chokes
    await stage.write(*(user(number) for number in range(1, 7)), user(7, mpid=1))
    await stage.run()
    sent = stage.place.sent()
    assert sent.index("m7") > len(sent) - 1 - sent[::-1].index("m1")
    assert [one.delivery_id for one in stage.store.in_state(S.DEAD)] == ["m5"]


async def test_one_that_refuses_everything_is_faulted_with_nothing_lost() -> None:
    """Where there is enough to see it by, no message is given up for what is wrong with the output."""
    stage = Stage(BATCHES)
    stage.place.then = answers(NotThis("status 400: unknown field"))
    await stage.write(*(user(number) for number in range(1, 101)))
    await stage.run()
    assert stage.outputs.state() is OutputState.FAULTED
    assert "status 400: unknown field" in (stage.outputs.outputs[1].why or "")
    assert set(stage.states().values()) == {"waiting"}
    stage.place.then = answers(Taken())
    await stage.outputs.resume(1)
    stage.clock.now_ms += OUTPUT_FRESH_MS
    await stage.run()
    assert set(stage.states().values()) == {"sent"}


async def test_one_that_refuses_each_of_everything_is_faulted_as_well() -> None:
    """Whether requests are refused as a whole or message by message; a connection by itself is enough."""
    stage = Stage(Batching(4))

    async def knows_the_second(messages: Sequence[Message]) -> Outcome:
        members = [one for one in messages if isinstance(one, MembershipMessage)]
        return Taken(refused={one.id: "no such list" for one in members if one.settings["list"] == "of 1"})

    stage.place.then = knows_the_second
    for number in range(40):
        await stage.write(user(2 * number + 1), connection=1)
        await stage.write(user(2 * number + 2), connection=2)
    await stage.run()
    assert stage.outputs.outputs[1].why == "it refuses everything: no such list"
    assert not stage.store.in_state(S.DEAD)


async def test_refusals_with_something_accepted_in_between_fault_nothing() -> None:
    """However many there are: each is a dead letter as soon as something else was accepted."""
    stage = Stage()

    async def takes_every_third(messages: Sequence[Message]) -> Outcome:
        return Taken() if int(messages[0].id[1:]) % 3 == 0 else NotThis("strange")

    stage.place.then = takes_every_third
    await stage.write(*(user(number) for number in range(1, 4)))
    for _ in range(3):
        await stage.delivery.step()
    assert stage.states() == {"m1": "dead", "m2": "dead", "m3": "sent"}
    await stage.write(*(user(number) for number in range(4, 91)))
    await stage.run()
    assert stage.outputs.state() is OutputState.ACTIVE
    assert len(stage.store.in_state(S.DEAD)) == 60


async def test_what_is_known_of_a_delivery_is_forgotten_with_it() -> None:
    """Also when somebody else has settled it."""
    stage = Stage(BATCHES)
    stage.place.does = [answers(Taken(again={"m1": "later", "m2": "later"}))]
    await stage.write(user(1), user(2), user(3))
    await stage.delivery.step()
    known = (stage.delivery._backlog._times, stage.delivery._backlog._due_ms)
    assert [set(one) for one in known] == [{1, 2}, {1, 2}]
    await stage.store.settle([Settlement(2, S.DROPPED, NOW_MS)])
    stage.clock.now_ms += SEEN_FRESH_MS
    await stage.run()
    assert known == ({}, {})


async def test_refusals_one_at_a_time_fault_the_output_as_well() -> None:
    """Where little is to be told each is a dead letter, until there were too many with nothing accepted in between."""
    stage = Stage(BATCHES)
    stage.place.then = answers(NotThis("status 422"))
    for number in range(1, REFUSALS_IN_A_ROW_MAX + 2):
        await stage.write(user(number))
        await stage.run()
    assert stage.outputs.state() is OutputState.FAULTED
    states = list(stage.states().values())
    assert states == ["dead"] * (REFUSALS_IN_A_ROW_MAX - 1) + ["waiting"] * 2


async def test_whoever_is_let_in_nowhere_is_faulted_at_once() -> None:
    """Nothing is sent until somebody has changed something and resumed it, not even by another process."""
    stage = Stage()
    stage.place.does = [answers(NotAtAll("status 401"))]
    await stage.write(user(1), user(2))
    await stage.run()
    stage.restart()
    await stage.run()
    assert stage.outputs.state() is OutputState.FAULTED
    assert stage.outputs.outputs[1].why == "status 401"
    assert stage.place.sent() == ["m1"]
    assert set(stage.states().values()) == {"waiting"}
    await stage.outputs.resume(1)
    stage.clock.now_ms += OUTPUT_FRESH_MS
    await stage.run()
    assert stage.place.sent() == ["m1", "m1", "m2"]


async def test_settings_that_were_changed_meanwhile_are_not_faulted() -> None:
    """What refused the old ones says nothing of the new ones."""
    stage = Stage()

    async def changes(_messages: Sequence[Message]) -> Outcome:
        was = stage.outputs.outputs[1]
        stage.outputs.outputs[1] = replace(was, settings={"key": "new"}, version=was.version + 1)
        return NotAtAll("status 401")

    stage.place.does = [changes]
    await stage.write(user(1))
    await stage.run()
    assert stage.outputs.state() is OutputState.ACTIVE
    assert stage.place.opened == [{"key": "k"}, {"key": "new"}]
    assert stage.states() == {"m1": "sent"}


async def test_changed_settings_count_from_the_next_request_on() -> None:
    """The way to the destination is opened anew, once; a pause ends what is sent."""
    stage = Stage()
    await stage.write(user(1), user(2), user(3))
    await stage.delivery.step()
    was = stage.outputs.outputs[1]
    stage.outputs.outputs[1] = replace(was, settings={"key": "new"}, version=2)
    stage.clock.now_ms += OUTPUT_FRESH_MS
    await stage.delivery.step()
    await stage.outputs.pause(1)
    stage.clock.now_ms += OUTPUT_FRESH_MS
    assert await stage.delivery.step() is None
    assert stage.place.opened == [{"key": "k"}, {"key": "new"}]
    assert stage.place.closed == 2
    assert stage.place.sent() == ["m1", "m2"]
    assert stage.states()["m3"] == "waiting"
