"""A batch answers as its questions would be answered one by one, though a crowd that it loaded loses members in it."""

import pytest

from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest, SeedRequest
from knownas.core.identity.policy import Settings, Strategy, TieBreak, policy
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.service.identity.question import Question
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool
from tests.store.world import START_MS, World, fold_differs

SMALLEST = policy(Strategy.PROFILE_CONVERSION, settings=Settings(tie_break=(TieBreak.SMALLEST_MPID,)))
STAMP = IdentityType.DEVICE_APPLICATION_STAMP
VISITORS = HOLDERS_CONSIDERED_MAX + 4


async def crowded_world() -> World:
    """Make a world in which many visitors share a device; the later one was active, the larger its MPID."""
    world = World(MemoryStore(), seed=1)
    await world.start({"shop": SMALLEST})
    for number in range(1, VISITORS + 1):
        held = (Identity(STAMP, "kiosk"),)
        request = SeedRequest(START_MS + number, Environment.PRODUCTION, "test", number, held)
        await world.resolver.answer(world.rules["shop"].ask(request))
    return world


def question(world: World, **given: str) -> Question:
    """Ask with a login."""
    held = identities({IdentityType(kind): value for kind, value in given.items()})
    request = IdentityRequest(Endpoint.LOGIN, START_MS + 1_000, Environment.PRODUCTION, "test", held)
    return world.rules["shop"].ask(request)


@pytest.mark.parametrize("signing_up", [1, 3, HOLDERS_CONSIDERED_MAX, VISITORS])
async def test_whoever_moves_up_in_a_crowd_is_seen(signing_up: int) -> None:
    """Customers who sign up on a crowded device at the same time get the visitors they would get one after another.

    Each takes a visitor out of the crowd, and the visitor who moves up has the smallest MPID: it is the next one's.
    """
    answered: list[list[int]] = []
    for at_once in (False, True):
        world = await crowded_world()
        questions = [
            question(world, customerid=f"c{number}", device_application_stamp="kiosk") for number in range(signing_up)
        ]
        questions.append(question(world, device_application_stamp="kiosk"))
        waiting = []
        for one in questions:
            waiting.append(world.resolver.submit(one))
            if not at_once:
                await waiting[-1]
        answers = [await one for one in waiting]
        answered.append([answer.decision.record.mpid for answer in answers if answer.decision.record is not None])
        assert await fold_differs(world.store, Pool("shop", "production")) == []
        await world.resolver.close()
    assert [mpid <= VISITORS for mpid in answered[0]].count(True) == min(signing_up + 1, VISITORS)
    assert [min(mpid, VISITORS + 1) for mpid in answered[1]] == [min(mpid, VISITORS + 1) for mpid in answered[0]]
