"""Users who share a value form a group, what its members say is aggregated, and audiences follow (platform §9)."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from knownas.core.delivery.message import EventsMessage
from knownas.core.identity.observation import Environment
from knownas.core.profile.group import Aggregated, AggregateType
from knownas.service.audience.catalogue import Catalogue, KnownGroup
from knownas.service.audience.judging import Asked, Judging, Outcome
from knownas.service.group.groups import GroupWish
from knownas.store.memory.store import MemoryStore
from knownas.store.opening import open_store
from knownas.store.privacy import Holding
from knownas.store.user_data import SectionKey
from tests.service.audience_stage import DAY_MS, WORKSPACE, Json, Stage, customer, open_stage

DOGS: Json = {
    "operator": "equals",
    "left": {"model": "user_attributes", "path": "has_dog"},
    "right": True,
}


def wish(**attributes: str) -> GroupWish:
    """Ask for households."""
    asked = tuple(Aggregated(name, AggregateType(of)) for name, of in attributes.items())
    return GroupWish("household", "$address", asked)


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


async def test_nobody_has_anything_before_everybody_has_a_place(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition gives nothing for half a household; what is aggregated as before goes on meanwhile."""
    monkeypatch.setattr("knownas.service.audience.sweeps.SWEPT_A_PAGE", 1)
    people = [
        await stage.happen(customer(name), attributes={"$address": "1 Main St", "has_dog": True, "visits": 2})
        for name in ("ann", "bob")
    ]
    work, groups = stage.service.activation.work, stage.service.activation.groups
    made = await groups.create(WORKSPACE, wish(has_dog="boolean_or"))
    assert isinstance(made, int)
    seen = []
    while await work.work_off():
        seen.append([dict(await stage.grouped(one)) for one in people])
    assert seen[0] == [{}, {}]
    assert seen[-1] == [{"has_dog": True}, {"has_dog": True}]
    known = stage.service.activation.catalogues.now.groups[made]
    assert await groups.progress(known) == 1
    assert await groups.change(known, wish(has_dog="boolean_or", visits="number_sum")) is None
    assert await groups.progress(stage.service.activation.catalogues.now.groups[made]) < 1
    seen = []
    while await work.work_off():
        seen.append(dict(await stage.grouped(people[0])))
    assert seen[0] == {"has_dog": True}
    assert seen[-1] == {"has_dog": True, "visits": "4"}


async def test_who_is_gone_leaves_a_household_without_their_dog(stage: Stage) -> None:
    """Erased, or not seen for long: nothing of them is left, and the others are judged anew."""
    ann, bob, eve = [
        await stage.happen(customer(name), attributes={"$address": "1 Main St", "has_dog": name == "ann"})
        for name in ("ann", "bob", "eve")
    ]
    await stage.group(has_dog="boolean_or")
    audience = await stage.audience(DOGS)
    assert await stage.members(audience) == sorted([ann, bob, eve])
    while (await stage.service.store.privacy.erase(Holding(WORKSPACE, ann, (), b"?"), 100)).total:
        pass
    await stage.service.activation.forgetting.forget(WORKSPACE, ann)
    assert await stage.service.store.groups.places([SectionKey(WORKSPACE, "production", ann)]) == {}
    await stage.settle()
    assert await stage.members(audience) == []
    await stage.happen(customer("bob"), attributes={"has_dog": True})
    await stage.wait(DAY_MS)
    await stage.happen(customer("eve"), attributes={"seen": "again"})
    await stage.settle()
    assert await stage.members(audience) == sorted([bob, eve])
    older = {"events_ms": stage.now_ms, "requests_ms": 0, "sections_ms": stage.now_ms}
    await stage.service.store.user_data.forget_older(**older, limit=100)
    await stage.settle()
    assert await stage.members(audience) == []


async def test_a_group_that_is_too_large_gives_nothing_until_it_is_smaller(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The member who is one too many takes it from all, and who leaves gives it back; it is told which groups these are."""
    for module in ("core.profile.group", "service.group.grouping", "service.group.groups"):
        monkeypatch.setattr(f"knownas.{module}.GROUP_MEMBERS_MAX", 3)
    monkeypatch.setattr("knownas.service.group.grouping.GROUP_FOLLOWED_MAX", 6)
    group = await stage.group(has_dog="boolean_or")
    audience = await stage.audience(DOGS)
    people = [
        await stage.happen(customer(f"c{one}"), attributes={"$address": "unknown", "has_dog": True}) for one in range(3)
    ]
    await stage.settle()
    assert await stage.members(audience) == sorted(people)
    for one in range(3, 9):
        await stage.happen(customer(f"c{one}"), attributes={"$address": "unknown"})
        await stage.settle()
    # Each of them has what they say of themselves, if anything.
    assert await stage.grouped(people[0]) == {}
    assert await stage.members(audience) == sorted(people)
    (large,) = await stage.service.activation.groups.too_large(group, "production", "", 10)
    assert (large.value, large.members) == ("unknown", 9)
    for one in range(3, 9):
        await stage.happen(customer(f"c{one}"), attributes={"$address": f"{one} Main St"})
        await stage.settle()
    assert [dict(await stage.grouped(one)) for one in people] == [{"has_dog": True}] * 3
    assert await stage.service.activation.groups.too_large(group, "production", "", 10) == []


async def test_environments_are_kept_apart(stage: Stage) -> None:
    """A dog in development is nobody's in production."""
    ann = await stage.happen(customer("ann"), attributes={"$address": "1 Main St"})
    await stage.happen(
        customer("bob"), attributes={"$address": "1 Main St", "has_dog": True}, environment=Environment.DEVELOPMENT
    )
    await stage.group(has_dog="boolean_or")
    assert await stage.grouped(ann) == {}


async def test_what_a_member_says_counts_at_once_for_them(stage: Stage) -> None:
    """And for the others when they were looked at."""
    ann, bob = [await stage.happen(customer(one), attributes={"$address": "1 Main St"}) for one in ("ann", "bob")]
    await stage.group(has_dog="boolean_or")
    await stage.happen(customer("ann"), attributes={"has_dog": True})
    assert [dict(await stage.grouped(one)) for one in (ann, bob)] == [{"has_dog": True}, {}]
    await stage.settle()
    assert [dict(await stage.grouped(one)) for one in (ann, bob)] == [{"has_dog": True}] * 2


async def test_forwarded_events_bring_what_groups_come_to(stage: Stage) -> None:
    """In place of what the user says under this name."""
    await stage.happen(customer("ann"), attributes={"$address": "1 Main St", "has_dog": True})
    await stage.group(has_dog="boolean_or")
    output = await stage.output()
    await stage.forward(output, identities=["customerid"])
    await stage.happen(customer("bob"), events=["visit"], attributes={"$address": "1 Main St", "has_dog": False})
    await stage.settle()
    (message,) = [one for one in await stage.messages(output) if isinstance(one, EventsMessage)]
    assert message.batch["user_attributes"]["has_dog"] is True


async def test_many_members_are_followed_in_pages_by_whoever_is_there_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction is about more than a page; what is left is done by the server that opens the database again."""
    monkeypatch.setattr("knownas.service.audience.following.MEMBERS_FOLLOWED_A_PAGE", 2)
    url = f"sqlite:///{tmp_path}/knownas.db"
    stage = await open_stage(open_store(url))
    people = [await stage.happen(customer(f"c{one}"), attributes={"$address": "1 Main St"}) for one in range(7)]
    await stage.group(has_dog="boolean_or")
    audience = await stage.audience(DOGS)
    await stage.happen(customer("c0"), attributes={"has_dog": True})
    work = stage.service.activation.work
    sizes = []
    for _ in range(3):
        assert await work.work_off()
        sizes.append(len(await stage.members(audience)))
    assert sizes[0] < sizes[1] < sizes[2] < len(people)
    await stage.service.close()
    again = await open_stage(open_store(url))
    await again.settle()
    assert await again.members(audience) == sorted(people)
    await again.service.close()


async def test_who_comes_back_while_they_are_forgotten_is_somebody_new(stage: Stage) -> None:
    """What they say then is their place, and whoever lives there has their dog."""
    ann, bob = [await stage.happen(customer(one), attributes={"$address": "1 Main St"}) for one in ("ann", "bob")]
    await stage.group(has_dog="boolean_or")
    audience = await stage.audience(DOGS)
    while (await stage.service.store.privacy.erase(Holding(WORKSPACE, ann, (), b"?"), 100)).total:
        pass
    again = await stage.happen(customer("ann"), attributes={"$address": "1 Main St", "has_dog": True})
    assert again == ann
    await stage.service.activation.forgetting.forget(WORKSPACE, ann)
    await stage.settle()
    assert await stage.members(audience) == sorted([ann, bob])


async def test_a_definition_that_changes_as_the_last_place_is_written_waits_for_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What everybody has a place for is what was asked for before; the rest is shown when they have one for that."""
    ann = await stage.happen(customer("ann"), attributes={"$address": "1 Main St", "has_dog": True, "visits": 2})
    work, groups = stage.service.activation.work, stage.service.activation.groups
    made = await groups.create(WORKSPACE, wish(has_dog="boolean_or"))
    assert isinstance(made, int)
    show = work._show

    async def shows_late(group: KnownGroup) -> None:
        monkeypatch.undo()
        assert await groups.change(group, wish(has_dog="boolean_or", visits="number_sum")) is None
        await show(group)

    monkeypatch.setattr(work, "_show", shows_late)
    assert await work.work_off()
    assert await stage.grouped(ann) == {}
    await stage.settle()
    assert await stage.grouped(ann) == {"has_dog": True, "visits": "2"}


@pytest.mark.parametrize("together", [1, 200])
async def test_a_member_who_cannot_be_judged_keeps_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """The others follow, and the one is marked, and judged as soon as that can be done."""
    people = [await stage.happen(customer(f"c{one}"), attributes={"$address": "1 Main St"}) for one in range(3)]
    await stage.group(has_dog="boolean_or")
    audience = await stage.audience(DOGS)
    await stage.happen(customer("c0"), attributes={"has_dog": True})
    work, judge = stage.service.activation.work, Judging.judge

    async def breaks(
        self: Judging, catalogue: Catalogue, asked: Mapping[SectionKey, Asked], *more: Any, **named: Any
    ) -> Outcome:
        if any(key.mpid == people[2] for key in asked):
            raise AssertionError("this user breaks a rule")
        return await judge(self, catalogue, asked, *more, **named)

    monkeypatch.setattr("knownas.service.audience.judging_work.JUDGED_TOGETHER", together)
    monkeypatch.setattr(Judging, "judge", breaks)
    for _ in range(4):
        await work.work_off()
    assert await stage.members(audience) == sorted(people[:2])
    left = await stage.service.store.audiences.marks(0, 100)
    assert [one.mpid for one in left] == [people[2]]
    monkeypatch.undo()
    await stage.settle()
    assert await stage.members(audience) == sorted(people)
