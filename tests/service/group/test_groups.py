"""Users who share a value form a group, what its members say is aggregated, and audiences follow (platform §9)."""

from collections.abc import AsyncIterator

import pytest

from knownas.store.memory.store import MemoryStore
from tests.service.audience_stage import Json, Stage, customer, open_stage

DOGS: Json = {
    "operator": "equals",
    "left": {"model": "user_attributes", "path": "has_dog"},
    "right": True,
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give a service over an empty store."""
    opened = await open_stage(MemoryStore())
    yield opened
    await opened.service.close()


async def test_a_dog_of_one_is_a_dog_of_all(stage: Stage) -> None:
    """Members who share an address have one as soon as one of them has, and those elsewhere don't."""
    ann = await stage.happen(customer("ann"), attributes={"$address": "1 Main St"})
    bob = await stage.happen(customer("bob"), attributes={"$address": "1 Main St", "has_dog": False})
    eve = await stage.happen(customer("eve"), attributes={"$address": "1 main st"})
    await stage.group(has_dog="boolean_or")
    audience = await stage.audience(DOGS)
    assert [dict(await stage.grouped(one)) for one in (ann, bob, eve)] == [{"has_dog": False}, {"has_dog": False}, {}]
    assert await stage.members(audience) == []
    await stage.happen(customer("ann"), attributes={"has_dog": True})
    await stage.settle()
    assert [dict(await stage.grouped(one)) for one in (ann, bob, eve)] == [{"has_dog": True}, {"has_dog": True}, {}]
    assert await stage.members(audience) == sorted([ann, bob])
    await stage.happen(customer("ann"), attributes={"$address": "1 main st"})
    await stage.settle()
    assert await stage.members(audience) == sorted([ann, eve])
