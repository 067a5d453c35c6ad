"""A server that was slow in its turn writes nothing over what another one has judged in the next turn."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from knownas.service.audience.limits import TURN_MS
from knownas.service.turns import Turns
from knownas.store.audiences import AudienceCommit
from tests.service.audience.test_audiences import PLAN
from tests.service.audience.test_resting import Alters, delay, settle, two_servers
from tests.service.audience.test_sweeping import define
from tests.service.audience_stage import Stage, customer

Looks = Callable[[Stage, int], Awaitable[None]]


def take_turns(stage: Stage) -> None:
    """Have a server judge in turns, as it does where several share a database."""
    work: Any = stage.service.activation.work
    work._turns = Turns(stage.service.store, lambda: stage.now_ms)
    work.work_off = _in_turn(work, work.work_off)


def _in_turn(work: Any, work_off: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
    async def in_turn() -> int:
        work.work_off = work_off
        try:
            done: int = await work._work_in_turn()
            return done
        finally:
            work.work_off = in_turn

    return in_turn


async def judged(first: Stage, mpid: int) -> None:
    """Have the user become gold, which the first server looks at."""
    await first.happen(mpid=mpid, attributes={"plan": "gold"})


async def swept(first: Stage, mpid: int) -> None:
    """Have the user become gold, and an audience be new, for which the first server goes over everybody."""
    await judged(first, mpid)
    await first.settle()
    await define(first, PLAN, "new")


async def late(looks: Looks, alters: Alters = lambda commit: commit) -> list[list[int]]:
    """Have a server pause in its turn until another one has judged the user by what came later; return the members of each audience."""
    first, second = await two_servers()
    await first.audience(PLAN)
    mpid = await first.happen(customer("c"), attributes={"plan": "silver"})
    await first.settle()
    take_turns(first)
    take_turns(second)
    await looks(first, mpid)

    async def silver_again() -> None:
        await second.happen(mpid=mpid, attributes={"plan": "silver"})
        await second.wait(TURN_MS + 1)

    delay(first, silver_again, alters)
    await settle(first)
    await second.wait(2 * (TURN_MS + 1))
    return [await first.members(one) for one in first.service.activation.catalogues.now.audiences]


def careless(commit: AudienceCommit) -> AudienceCommit:
    """Name no turn."""
    return replace(commit, turn=None)


@pytest.mark.parametrize("looks", [judged, swept])
async def test_what_was_judged_in_an_earlier_turn_changes_nothing(looks: Looks) -> None:
    """The later look has the last word, also when it found everything as it was kept."""
    assert not any(await late(looks))


async def test_a_server_that_names_no_turn_would_be_noticed() -> None:
    """Somebody would be a member who is none, and nobody would look again. A sweep is held off by the standing that the later look has changed."""
    assert any(await late(judged, careless))
