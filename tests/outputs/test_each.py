"""Promises about messages that take a request each: what comes of all of them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.message import Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.outputs.each import send_each
from tests.outputs.messages import membership

TAKEN = Taken(kept={"list": 7})
BUSY, SLOW = NotNow(Trouble.BUSY, "busy", 5.0), NotNow(Trouble.BUSY, "slow", 50.0)
CLOSED, BAD = NotAtAll("closed"), NotThis("bad")
OUTCOMES = [TAKEN, BUSY, SLOW, CLOSED, BAD]


async def _sent(*outcomes: Outcome) -> Outcome:
    by_id = {f"m-{number}": outcome for number, outcome in enumerate(outcomes)}

    async def send(message: Message) -> Outcome:
        await asyncio.sleep(0)
        return by_id[message.id]

    return await send_each([membership(id=name) for name in by_id], send)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
async def test_outcome_of_one_is_the_outcome(outcome: Outcome) -> None:
    """What comes of a single message is told as it is."""
    assert await _sent(outcome) == outcome


async def test_all_are_under_way_at_once() -> None:
    """No message waits for another one's answer."""
    both = asyncio.Barrier(2)

    async def send(_: Message) -> Outcome:
        await both.wait()
        return Taken()

    async with asyncio.timeout(10):
        assert await send_each([membership(id="a"), membership(id="b")], send) == Taken()


async def test_what_stops_for_longest_counts() -> None:
    """Where nothing was taken, all of it waits for the longest time that was named, or until somebody looks."""
    assert await _sent(BUSY, SLOW, BUSY) == SLOW
    assert await _sent(SLOW, CLOSED, BUSY) == CLOSED


@given(st.lists(st.sampled_from(OUTCOMES), min_size=2, max_size=8))
async def test_each_message_has_its_outcome(outcomes: list[Outcome]) -> None:
    """Each message is taken, refused or sent again, and exactly one of these, as it was answered."""
    outcome = await _sent(*outcomes)
    stopped = [one for one in outcomes if isinstance(one, NotNow | NotAtAll)]
    if len(stopped) == len(outcomes):
        assert outcome in stopped
        return
    assert isinstance(outcome, Taken)
    for number, one in enumerate(outcomes):
        assert (f"m-{number}" in outcome.refused) is isinstance(one, NotThis)
        assert (f"m-{number}" in outcome.again) is isinstance(one, NotNow | NotAtAll)
    assert outcome.kept == ({"list": 7} if TAKEN in outcomes else {})
