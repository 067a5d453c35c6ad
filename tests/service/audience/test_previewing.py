"""A preview counts those who become members once the audience is defined, shows some of them with their reasons, and keeps to its time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from knownas.core.identity.observation import Environment
from knownas.service.audience import previewing
from knownas.service.audience.previewing import Preview
from knownas.store.memory.store import MemoryStore
from knownas.store.sqlite.store import SqliteStore
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience_stage import WORKSPACE, Json, Stage, customer, email, open_stage

PEOPLE = 60
HAS_EMAIL = {"operator": "exists", "operand": {"model": "user_identities", "path": "email"}}
GROWN = {"operator": "greater_than_equal", "left": {"model": "user_attributes", "path": "visits"}, "right": 100}


@pytest.fixture(params=["memory", "sqlite"])
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """Sixty people over a store, who are looked at three at a time, seven in a stretch; who is in development is nobody of them."""
    monkeypatch.setattr(previewing, "GLIMPSED_A_PAGE", 3)
    monkeypatch.setattr(previewing, "SWEPT_A_PAGE", 7)
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "knownas.db")
    opened = await open_stage(store)
    try:
        for number in range(PEOPLE):
            more = (email(f"{number}@example.com"),) if number % 5 == 0 else ()
            await opened.happen(
                customer(f"c{number}"),
                *more,
                attributes={
                    "plan": "gold" if number % 2 == 0 else "tin",
                    "$address": f"street {number % 20}",
                    "visits": number,
                },
                events=("purchase",) * (number % 4),
            )
        await opened.happen(customer("elsewhere"), attributes={"plan": "gold"}, environment=Environment.DEVELOPMENT)
        yield opened
    finally:
        await opened.service.close()


async def previewed(stage: Stage, expression: Json, environment: str = "production") -> Preview:
    """Preview a definition."""
    definition = {"schema_version": "1.6.0", "audience": expression}
    told = await stage.service.activation.audiences.preview(WORKSPACE, environment, definition)
    assert isinstance(told, Preview)
    return told


def both(*expressions: Json) -> Json:
    """Ask for all of some things."""
    return {"operator": "and", "expressions": list(expressions)}


@pytest.mark.parametrize(
    "expression",
    [
        PLAN,
        {"operator": "not", "expression": PLAN},
        bought(1, times=2),
        {"operator": "not", "expression": bought(1)},
        HAS_EMAIL,
        both(PLAN, HAS_EMAIL),
        both(PLAN, bought(1)),
        {"operator": "or", "expressions": [HAS_EMAIL, bought(1, times=3)]},
        both(PLAN, {"operator": "not", "expression": PLAN}),
    ],
)
async def test_who_is_counted_becomes_a_member(stage: Stage, expression: Json) -> None:
    """Whatever is asked for, seen at the first look or not; and the reasons are those that hold then."""
    preview = await previewed(stage, expression)
    audience = await stage.audience(expression)
    members = await stage.members(audience)
    assert (preview.members, preview.looked_at, preview.share) == (len(members), PEOPLE, 1.0)
    assert len(preview.shown) == min(len(members), previewing.PREVIEWED_MEMBERS)
    known = stage.service.activation.catalogues.now.audiences[audience]
    found = await stage.service.activation.audiences.members(known, "production", None, 1_000, reasoned=True)
    reasons = {one.member.mpid: tuple(one.reasons) for one in found}
    assert {one.member.mpid: tuple(one.reasons) for one in preview.shown}.items() <= reasons.items()


async def test_what_members_of_groups_get_is_counted(stage: Stage) -> None:
    """It stands in no section."""
    await stage.group(visits="number_sum")
    preview = await previewed(stage, GROWN)
    assert preview.members == len(await stage.members(await stage.audience(GROWN))) > 0


async def test_an_environment_is_counted_by_itself(stage: Stage) -> None:
    """Who is known in another one is not looked at."""
    preview = await previewed(stage, PLAN, "development")
    assert (preview.members, preview.looked_at) == (1, 1)


async def test_a_preview_ends_when_its_time_is_over(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells how far it came."""
    times = iter((0.0, 0.0, 1.0, previewing.PREVIEW_SECONDS))
    monkeypatch.setattr(previewing, "monotonic", lambda: next(times))
    preview = await previewed(stage, PLAN)
    assert 0 < preview.looked_at < PEOPLE
    assert preview.members <= preview.looked_at
    assert 0 < preview.share < 1
