"""The page of a profile shows its groups: what members share, who they are, and what it comes to."""

from knownas.console.limits import GROUP_MEMBERS_SHOWN
from knownas.core.profile.group import Aggregated, AggregateType
from knownas.service.group.groups import GroupWish
from tests.console.audience_world import EMAIL, WORKSPACE, World, shop
from tests.waiting import until

DOGS = Aggregated("has_dog", AggregateType.BOOLEAN_OR)
SPORTS = Aggregated("sports", AggregateType.LIST_UNION)
WITHIN_SECONDS = 20.0


async def households(world: World) -> None:
    """Define households by address, and wait until everybody has a place and what it comes to."""
    groups = world.stage.service.activation.groups
    made = await groups.create(WORKSPACE, GroupWish("household", "$address", (DOGS, SPORTS), "who live together"))
    assert isinstance(made, int), made

    async def is_over() -> bool:
        known = (await groups.known(WORKSPACE))["household"]
        return await groups.progress(known) == 1

    await until(is_over, WITHIN_SECONDS)


async def test_a_household_is_shown() -> None:
    """With the others who live there, and what all of them have by it; whoever lives elsewhere is none of them."""
    async with shop() as world:
        ann = await world.happen(EMAIL, **{"$address": "1 Main St", "sports": ("golf",)})
        bob = await world.happen("bob@example.com", **{"$address": "1 Main St", "has_dog": True, "sports": ("chess",)})
        eve = await world.happen("eve@example.com", **{"$address": "2 Main St"})
        await households(world)
        browser = await world.stage.signed_in()
        page = (await browser.get(f"/people/{ann}")).text
        table = page[page.index('id="groups"') :].partition("</section>")[0]
        for one in ("household", "who live together", "1 Main St", f'href="/people/{bob}"', "chess, golf", "true"):
            assert one in table, one
        assert str(eve) not in table
        assert "nobody" in (await browser.get(f"/people/{eve}")).text


async def test_not_more_members_are_shown_than_the_limit_says() -> None:
    """It is said that there are more."""
    async with shop() as world:
        crowd = [
            await world.happen(f"{number}@example.com", **{"$address": "1 Main St"})
            for number in range(GROUP_MEMBERS_SHOWN + 2)
        ]
        await households(world)
        browser = await world.stage.signed_in()
        page = (await browser.get(f"/people/{crowd[0]}")).text
        table = page[page.index('id="groups"') :].partition("</section>")[0]
        assert table.count('href="/people/') == GROUP_MEMBERS_SHOWN
        assert "and more" in table


async def test_nobody_without_groups_is_shown_any() -> None:
    """The page has no empty table for it; a value that names an identity is masked for who may not see it."""
    async with shop() as world:
        ann = await world.happen(EMAIL)
        browser = await world.stage.signed_in()
        assert 'id="groups"' not in (await browser.get(f"/people/{ann}")).text
        await world.happen(EMAIL, **{"$address": EMAIL})
        await households(world)
        reader = await world.stage.signed_in("reader")
        page = (await reader.get(f"/people/{ann}")).text
        assert 'id="groups"' in page
        assert EMAIL not in page
