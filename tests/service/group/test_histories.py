"""What members have in common is what aggregating over all profiles gives, after whatever has happened to them and to the definitions."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Criteria
from knownas.core.audience.lookback import EVER
from knownas.core.audience.reading import read_definition
from knownas.core.profile.group import Aggregated, AggregateType
from knownas.service.audience import following, judging_work
from knownas.service.group import grouping
from knownas.service.group.groups import GroupWish
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.privacy import Holding
from knownas.store.user_data import SectionKey
from tests.service.audience_stage import DAY_MS, WORKSPACE, Json, Stage, customer, email, open_stage
from tests.service.group.naive import naive, sections_of
from tests.store.places import PLACES

STEPS = 25
ADDRESSES = ("1 Main St", "2 Main St", "2 main st", "", None, 7, True, ("1 Main St",))
DOGS = (True, False, "TRUE", "false", "perhaps", None)
NUMBERS = (1, 2.5, "-3", "many", None, True)
LISTS = (("a", "b"), ("b", 7), "c", None)
TYPES: dict[str, tuple[str, ...]] = {
    "has_dog": ("boolean_or", "boolean_and"),
    "visits": ("number_sum", "number_min", "number_max"),
    "tags": ("list_union",),
}


def asks(path: str, right: Any) -> Json:
    """Ask for a user attribute."""
    return {"operator": "equals", "left": {"model": "user_attributes", "path": path}, "right": right}


AUDIENCES: tuple[Json, ...] = (
    asks("has_dog", "true"),
    {"operator": "not", "expression": asks("has_dog", "true")},
    {"operator": "greater_than", "left": {"model": "user_attributes", "path": "visits"}, "right": 1},
    {"operator": "contains", "left": {"model": "user_attributes", "path": "tags"}, "right": "b"},
)


@pytest.fixture(autouse=True)
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge two at a time, so that the next ones are looked at while those before are written down."""
    monkeypatch.setattr(judging_work, "JUDGED_TOGETHER", 2)


class Play:
    """A service whose kinds of groups, audiences and users are drawn."""

    def __init__(self, stage: Stage, chance: Random) -> None:
        self.stage = stage
        self.chance = chance
        self.known: list[int] = []
        self.definitions: dict[int, tuple[str, dict[str, str]]] = {}
        self.audiences: dict[int, Definition] = {}

    async def step(self) -> None:
        """Let something happen."""
        stage, chance, drawn = self.stage, self.chance, self.chance.random()
        person = chance.randint(1, 5)
        names = [customer(f"c{person}")] if chance.random() < 0.6 else [email(f"{person}@example.com")]
        if drawn < 0.1:
            names = [customer(f"c{person}"), email(f"{person}@example.com")]
        if drawn < 0.55:
            drawings = {"$address": ADDRESSES, "has_dog": DOGS, "visits": NUMBERS, "tags": LISTS, "company": ADDRESSES}
            attributes = {name: chance.choice(of) for name, of in drawings.items() if chance.random() < 0.4}
            self.known.append(await stage.happen(*names, attributes=attributes))
        elif drawn < 0.63:
            stage._now[0] += chance.choice((1, DAY_MS))
        elif drawn < 0.72 and self.known:
            entries = await stage.service.store.history(chance.choice(self.known), 0, 5)
            if entries:
                await stage.service.undoing.undo(chance.choice(entries).decision_id, None)
        elif drawn < 0.77:
            bound = stage.now_ms - DAY_MS
            older = {"events_ms": bound, "requests_ms": 0, "sections_ms": bound}
            await stage.service.store.user_data.forget_older(**older, limit=chance.randint(1, 10))
        elif drawn < 0.82 and self.known:
            mpid = chance.choice(self.known)
            while await stage.service.store.privacy.erase(Holding(WORKSPACE, mpid, (), b"?"), 3) != (0, 0, 0, 0, 0):
                pass
            await stage.service.activation.forgetting.forget(WORKSPACE, mpid)
        elif drawn < 0.94:
            await self.define()
        else:
            await self.ask()

    async def define(self) -> None:
        """Define a kind of groups, define one anew, or take one away."""
        chance, groups = self.chance, self.stage.service.activation.groups
        there = self.stage.service.activation.catalogues.now.groups
        source = chance.choice(("$address", "company"))
        taken = {name for _, attributes in self.definitions.values() for name in attributes}
        if self.definitions and chance.random() < 0.7:
            number = chance.choice(sorted(self.definitions))
            if chance.random() < 0.3:
                await groups.delete(there[number])
                del self.definitions[number]
                return
            taken -= set(self.definitions[number][1])
            free = [name for name in TYPES if name not in taken]
            drawn = {name: chance.choice(TYPES[name]) for name in free if chance.random() < 0.7}
            wish = GroupWish(f"group-{number}", source, _aggregated(drawn))
            assert await groups.change(there[number], wish) is None
        else:
            free = [name for name in TYPES if name not in taken]
            drawn = {name: chance.choice(TYPES[name]) for name in free if chance.random() < 0.7}
            made = await groups.create(
                WORKSPACE, GroupWish(f"new-{chance.random()}".replace(".", ""), source, _aggregated(drawn))
            )
            assert isinstance(made, int), made
            number = made
        self.definitions[number] = source, drawn

    async def ask(self) -> None:
        """Define an audience."""
        expression = self.chance.choice(AUDIENCES)
        read = read_definition({"schema_version": "1", "audience": expression})
        assert isinstance(read, Definition)
        self.audiences[await self.stage.audience(expression, "audience")] = read

    async def compare(self) -> None:
        """Compare what everybody has, and who is in which audience, with what aggregating and judging everybody gives."""
        stage = self.stage
        sections = await sections_of(stage)
        wanted = naive(sections, self.definitions)
        found = {key: dict(await stage.grouped(key.mpid, key.environment)) for key in sections}
        assert {key: one for key, one in found.items() if one} == wanted
        everybody = await stage.service.activation.audiences._loaded(list(sections), EVER)
        for audience, definition in self.audiences.items():
            criteria = Criteria(definition)
            members = [key.mpid for key, one in everybody.items() if criteria.judge(one, stage.now_ms).holds]
            assert await stage.members(audience) == sorted(members)
        places = await stage.service.store.groups.places(
            [SectionKey(WORKSPACE, "production", mpid) for mpid in self.known]
        )
        assert {one.mpid for one in places} <= {key.mpid for key in sections}


def _aggregated(drawn: dict[str, str]) -> tuple[Aggregated, ...]:
    return tuple(Aggregated(name, AggregateType(of)) for name, of in drawn.items())


async def plays(seed: int, store: Store | None = None) -> None:
    """Play a history, and compare whenever all is settled."""
    play = Play(await open_stage(store or MemoryStore()), Random(seed))
    try:
        for _ in range(STEPS):
            await play.step()
            if play.chance.random() < 0.5:
                await play.stage.settle()
                await play.compare()
        await play.stage.settle()
        await play.compare()
    finally:
        await play.stage.service.close()


@pytest.mark.parametrize("seed", range(0, 60, 10))
async def test_what_members_share_is_what_aggregating_over_everybody_gives(seed: int) -> None:
    """Attributes, moves, logins, undos, erasures, what grows too old, and definitions that come, change and go."""
    for one in range(seed, seed + 10):
        await plays(one)


@pytest.mark.parametrize("name", PLACES)
def test_every_database_gives_what_aggregating_over_everybody_gives(name: str, tmp_path: Path) -> None:
    """The same of a few histories, on files and servers."""
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with PLACES[name](folder) as place:
            asyncio.run(plays(seed, place.open()))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 3_000, 100))
async def test_what_many_members_share_is_what_aggregating_over_everybody_gives(seed: int) -> None:
    """The same of two thousand histories."""
    for one in range(seed, seed + 100):
        await plays(one)


async def is_caught() -> bool:
    """Whether a broken server is found out."""
    try:
        for seed in range(60):
            await plays(seed)
    except AssertionError:
        return True
    return False


async def test_a_server_that_does_not_follow_members_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that judges whoever changed, and not those who share an address with them."""
    monkeypatch.setattr(following, "group_of", lambda _: None)
    monkeypatch.setattr("knownas.service.audience.judging_work.group_of", lambda one: one)
    assert await is_caught()


async def test_a_server_that_keeps_the_places_of_who_is_gone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that never takes a place away."""
    write = grouping._write
    monkeypatch.setattr(grouping, "_write", lambda *of: None if of[-1] is None else write(*of))
    assert await is_caught()


async def test_a_server_that_follows_only_where_somebody_comes_to_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that forgets those whom somebody has left."""
    followed = grouping._followed
    monkeypatch.setattr(grouping, "_followed", lambda of, write, _, after: followed(of, write, None, after))
    assert await is_caught()
