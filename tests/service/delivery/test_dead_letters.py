"""Dead letters can be looked at and sent again, and never undo what was told after them."""

from dataclasses import replace

import pytest

from knownas.core.delivery.batching import Batching
from knownas.core.delivery.outcome import NotThis
from knownas.service.delivery.dead_letters import DeadLetters, Resent
from knownas.service.delivery.limits import WAITING_A_PAGE
from knownas.service.delivery.outputs import OutputState
from knownas.store.deliveries import DeliveryState, Settlement
from tests.core.delivery.messages import joined
from tests.service.delivery_stage import NOW_MS, Stage, answers

S = DeliveryState


async def dead(*messages: tuple[str, int]) -> tuple[Stage, DeadLetters, list[int]]:
    """Return an output that would not have some messages, by their names and profiles, and whom it wakes."""
    stage = Stage(Batching(1_000))
    await stage.write(*(replace(joined(name, mpid), identities=()) for name, mpid in messages))
    await stage.store.settle([Settlement(seq, S.DEAD, NOW_MS, "no") for seq in stage.store.rows])
    woken: list[int] = []
    return stage, DeadLetters(stage.store, stage.outputs, woken.append), woken


def seq(stage: Stage, name: str) -> int:
    """Return the number of a delivery."""
    return next(one.seq for one in stage.store.rows.values() if one.delivery_id == name)


async def test_a_dead_letter_is_sent_again_as_it_was() -> None:
    """Under its id; it is no dead letter any more, and whoever delivers is woken."""
    stage, letters, woken = await dead(("a", 1), ("b", 2))
    assert [one.delivery_id for one in await letters.look(1)] == ["b", "a"]
    assert [one.why for one in await letters.look(1, limit=1)] == ["no"]
    assert await letters.send_again(1, seq(stage, "a")) is Resent.WAITING
    assert woken == [1]
    await stage.run()
    assert stage.place.sent() == ["a"]
    assert stage.states() == {"a": "sent", "b": "dead"}


async def test_what_was_superseded_stays_dead() -> None:
    """Where something later was told of the same profile over the same connection, or waits to be, the old would undo it."""
    stage, letters, woken = await dead(("old", 1), ("other", 2), ("elsewhere", 3))
    await stage.write(joined("new", 1), joined("waits", 2))
    await stage.write(joined("there", 3), connection=2)
    await stage.delivery.step()
    assert await letters.send_again(1, seq(stage, "old")) is Resent.SUPERSEDED
    assert await letters.send_again(1, seq(stage, "other")) is Resent.SUPERSEDED
    assert await letters.send_again(1, seq(stage, "elsewhere")) is Resent.WAITING
    assert woken == [1]
    assert stage.states()["old"] == "dead"


async def test_of_several_of_a_profile_the_older_can_come_first() -> None:
    """One by one in their order, and both arrive in it; the other way round the older one stays dead."""
    for order, last in ((("a", "b"), Resent.WAITING), (("b", "a"), Resent.SUPERSEDED)):
        stage, letters, _ = await dead(("a", 1), ("b", 1))
        assert await letters.send_again(1, seq(stage, order[0])) is Resent.WAITING
        await stage.run()
        assert await letters.send_again(1, seq(stage, order[1])) is last
        await stage.run()
        assert stage.place.sent() == [*order][: 2 if last is Resent.WAITING else 1]


async def test_what_is_not_dead_is_not_sent_again() -> None:
    """Nor what another output was told, nor what was erased, nor what there is not."""
    stage, letters, woken = await dead(("a", 1), ("b", 2))
    await stage.write(joined("sent", 3))
    await stage.run()
    erased = seq(stage, "b")
    stage.store.rows[erased] = stage.store.rows[erased]._replace(document=b"")
    assert await letters.send_again(1, seq(stage, "sent")) is Resent.NOT_DEAD
    assert await letters.send_again(2, seq(stage, "a")) is Resent.UNKNOWN
    assert await letters.send_again(1, 999) is Resent.UNKNOWN
    assert await letters.send_again(1, erased) is Resent.ERASED
    assert woken == []


async def test_all_dead_letters_are_sent_again_in_their_order() -> None:
    """However many there are; those that were superseded stay, and are told of."""
    names = [(f"{number}", number % (WAITING_A_PAGE + 50) + 1) for number in range(2 * WAITING_A_PAGE)]
    stage, letters, _ = await dead(*names)
    await stage.write(replace(joined("new", 1), identities=()))
    await stage.run()
    assert await letters.send_all_again(1) == (len(names) - 2, 2)
    await stage.run()
    assert stage.place.sent() == ["new", *(name for name, mpid in names if mpid != 1)]
    assert await letters.send_all_again(1) == (0, 2)


async def test_at_most_so_many_are_sent_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first; the others can be sent after them."""
    monkeypatch.setattr("knownas.service.delivery.dead_letters.DEAD_AGAIN_MAX", 3)
    stage, letters, _ = await dead(*((f"{number}", number + 1) for number in range(5)))
    assert await letters.send_all_again(1) == (3, 2)
    await stage.run()
    assert await letters.send_all_again(1) == (2, 0)
    await stage.run()
    assert stage.place.sent() == ["0", "1", "2", "3", "4"]


async def test_a_letter_that_is_refused_again_is_dead_again() -> None:
    """With the newer reason."""
    stage, letters, _ = await dead(("a", 1))
    stage.place.then = answers(NotThis("still not"))
    assert await letters.send_again(1, seq(stage, "a")) is Resent.WAITING
    await stage.run()
    assert [one.why for one in await letters.look(1)] == ["still not"]


async def test_an_output_is_paused_and_resumed() -> None:
    """Whoever delivers is woken when it goes on; of an output that there is not, neither can be asked."""
    stage, letters, woken = await dead(("a", 1))
    assert await letters.pause(1)
    assert stage.outputs.state() is OutputState.PAUSED
    assert await letters.resume(1)
    assert stage.outputs.state() is OutputState.ACTIVE
    assert woken == [1]
    assert not await letters.pause(9)
    assert not await letters.resume(9)
