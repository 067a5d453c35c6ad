"""Whatever happens, what a destination has taken is what was written, in order, without what it refused."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, find, given, settings

from knownas.core.delivery.batching import Batch, Batching, Later, Waiting, next_batch
from knownas.core.delivery.message import Message
from knownas.service.delivery.backlog import Backlog
from knownas.service.delivery.delivering_output import OutputDelivery
from knownas.service.delivery.outputs import Output
from knownas.store.deliveries import DeliveryState, Settlement
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.core.delivery.messages import joined
from tests.service.delivery_trials import SCRIPTS, Act, Deed, Script, Trial
from tests.store.places import PLACES


def play(
    script: Script, kind: type[OutputDelivery] = OutputDelivery, open_store: Callable[[], Store] = MemoryStore
) -> Trial:
    """Play a script and judge it."""

    async def played() -> Trial:
        store = open_store()
        try:
            trial = Trial(script, kind, store)
            await trial.play()
            await trial.judge()
            return trial
        finally:
            await store.close()

    return asyncio.run(played())


REFUSED_AND_OVERTAKEN = Script(
    [(joined("m", 1), 2), (joined("m", 1), 1)],
    [Deed(Act.REFUSE, 1, 0), Deed(Act.NOT_AT_ALL, 0, 0)],
    Batching(2, is_whole=True),
)
"""One of a request is refused and another of the same user taken; then the output stops, and is resumed."""


@given(SCRIPTS)
@example(REFUSED_AND_OVERTAKEN)
@settings(max_examples=400)
def test_everything_arrives_in_order_whatever_happens(script: Script) -> None:
    """Taken is what was written, each at least once, in the order in which it must stay; twice only where an answer was lost."""
    event(f"{play(script).duplicates} duplicates")


@pytest.mark.parametrize(("place", "examples"), [("sqlite", 40), ("postgres", 10)])
def test_so_it_does_in_a_database(tmp_path: Path, place: str, examples: int) -> None:
    """The same, with the deliveries where servers keep them."""

    @given(SCRIPTS)
    @settings(max_examples=examples, database=None)
    def holds(script: Script) -> None:
        with PLACES[place](tmp_path) as at:
            play(script, open_store=at.open)

    holds()


class HastyBacklog(Backlog):
    """Looks past what has to be tried again, as if nothing waited behind it."""

    async def _planned(self, batching: Batching, now_ms: int) -> Batch | Later | None:
        waiting = [self._waiting(one) for one in self._seen.values()]
        planned = next_batch([one for one in waiting if one.due_ms <= now_ms], batching, now_ms)
        return planned or next_batch(waiting, batching, now_ms)


class Hasty(OutputDelivery):
    """Retries a profile's earlier message after a later one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._backlog = HastyBacklog(self._id, self._world.store, self._told)


class SettlesFirst(OutputDelivery):
    """Notes that something was sent before it is."""

    async def _deliver(self, output: Output, waiting: Sequence[Waiting]) -> int:
        now_ms = self._clock()
        await self._world.store.settle([Settlement(one.seq, DeliveryState.SENT, now_ms) for one in waiting])
        return await super()._deliver(output, waiting)


class Renames(OutputDelivery):
    """Mints a new id for each try."""

    async def _as_they_are_set(self, waiting: Sequence[Waiting]) -> list[Message] | None:
        messages = await super()._as_they_are_set(waiting)
        new_id = self._world.surroundings.new_id
        return None if messages is None else [replace(one, id=new_id()) for one in messages]


class GivesUp(OutputDelivery):
    """Gives up what is not taken at once."""

    async def _not_now(self, output: Output, outcome: Any) -> None:
        await super()._not_now(output, outcome)
        await self._backlog.settle(
            [Settlement(seq, DeliveryState.DEAD, self._clock()) for seq in list(self._backlog._seen)[:1]]
        )


@pytest.mark.parametrize(
    ("kind", "broken"),
    [(Hasty, "out of order"), (SettlesFirst, "lost"), (Renames, "invented"), (GivesUp, "given up")],
    ids=lambda one: one.__name__ if isinstance(one, type) else "",
)
def test_a_delivery_that_breaks_a_promise_is_caught(kind: type[OutputDelivery], broken: str) -> None:
    """Each broken twin is found out by what it does to what arrives."""

    def is_caught(script: Script) -> bool:
        try:
            play(script, kind)
        except AssertionError as error:
            return broken in str(error)
        return False

    find(SCRIPTS, is_caught, settings=settings(max_examples=5_000, database=None))
