"""Membership that a server keeps is what judging everybody from the beginning gives, after whatever has happened, time included."""

import itertools
from random import Random

import pytest

from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Criteria
from knownas.core.audience.lookback import EVER
from knownas.core.audience.reading import read_definition
from knownas.core.identity.observation import Environment
from knownas.service.audience import judging_work
from knownas.service.audience.assessing import Assessing
from knownas.service.audience.mark_form import Told
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.privacy import Holding
from knownas.store.user_data import SectionKey
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience_stage import DAY_MS, WORKSPACE, Json, Stage, customer, email, open_stage

HOUR_MS = 3_600_000
STEPS = 25
STEPS_AT_ONCE = 4
NAMES = ("purchase", "visit", "login")
KNOWN: Json = {"operator": "exists", "operand": {"model": "user_identities", "path": "customerid"}}


@pytest.fixture(autouse=True)
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge two at a time, so that the next ones are looked at while those before are written down."""
    monkeypatch.setattr(judging_work, "JUDGED_TOGETHER", 2)


def definitions() -> dict[str, Json]:
    """Return audiences that ask for attributes, events, identities, time, and each other."""
    return {
        "gold": PLAN,
        "buyers": bought(2),
        "frequent": bought(5, 2),
        "quiet": {"operator": "not", "expression": bought(1, name="visit")},
        "known": KNOWN,
        "some": {
            "operator": "or",
            "expressions": [bought(1, name="login"), {"operator": "and", "expressions": [PLAN, KNOWN]}],
        },
    }


async def truth(stage: Stage, read: dict[int, Definition]) -> dict[int, set[int]]:
    """Judge everybody in everything, those that ask for others last."""
    service = stage.service.activation.audiences
    keys = await stage.service.store.audiences.section_keys(WORKSPACE, None, 1_000)
    everybody = await service._loaded([one for one in keys if one.environment == "production"], EVER)
    found: dict[int, set[int]] = {}
    for audience in sorted(read):
        found[audience] = set()
        for key, subject in everybody.items():
            within = frozenset(str(one) for one, members in found.items() if key.mpid in members)
            if Criteria(read[audience]).judge(subject._replace(audiences=within), stage.now_ms).holds:
                found[audience].add(key.mpid)
    return found


async def step(stage: Stage, chance: Random, known: list[int]) -> None:
    """Let something happen."""
    drawn = chance.random()
    person = chance.randint(1, 6)
    names = [customer(f"c{person}")] if chance.random() < 0.5 else [email(f"{person}@example.com")]
    if drawn < 0.1:
        names = [customer(f"c{person}"), email(f"{person}@example.com")]
    if drawn < 0.55:
        attributes = {"plan": chance.choice(("gold", "tin", None))} if chance.random() < 0.4 else {}
        events = chance.choices(NAMES, k=chance.randint(0, 2))
        known.append(await stage.happen(*names, events=events, attributes=attributes))
    elif drawn < 0.7:
        await stage.wait(chance.choice((1, HOUR_MS, DAY_MS, 2 * DAY_MS)))
    elif drawn < 0.78 and known:
        entries = await stage.service.store.history(chance.choice(known), 0, 5)
        if entries:
            await stage.service.undoing.undo(chance.choice(entries).decision_id, None)
    elif drawn < 0.84:
        bound = stage.now_ms - DAY_MS
        await stage.service.store.user_data.forget_older(
            events_ms=bound, requests_ms=0, sections_ms=bound - DAY_MS, limit=chance.randint(1, 10)
        )
    elif drawn < 0.88 and known:
        await stage.service.store.privacy.erase(Holding(WORKSPACE, chance.choice(known), (), b"?"), 3)


async def plays(seed: int, store: Store | None = None, assessing: Assessing | None = None) -> None:
    """Play a history over a store, in memory if none is given, and compare at every step."""
    chance = Random(seed)
    stage = await open_stage(store or MemoryStore(), assessing)
    read: dict[int, Definition] = {}
    waiting = list(definitions().items())
    chance.shuffle(waiting)
    known: list[int] = []
    members: dict[int, set[int]] = {}
    try:
        for _ in range(STEPS):
            if waiting and chance.random() < 0.3:
                name, expression = waiting.pop()
                defined = read_definition({"schema_version": "1", "audience": expression})
                assert isinstance(defined, Definition)
                read[await stage.audience(expression, name)] = defined
            for _ in range(chance.randint(1, STEPS_AT_ONCE)):
                await step(stage, chance, known)
            await stage.settle()
            found = {one: set(await stage.members(one)) for one in read}
            assert found == await truth(stage, read)
            members = found
        await tells_each_once(stage, members, known)
    finally:
        await stage.service.close()


async def tells_each_once(stage: Stage, members: dict[int, set[int]], known: list[int]) -> None:
    """Check that nobody joined who was in, or left who was not, and that it comes to who is in now."""
    for mpid in set(known):
        key = SectionKey(WORKSPACE, Environment.PRODUCTION.value, mpid)
        changes = [one.change for one in reversed(await stage.service.store.audiences.changes_of(key, None, 1_000))]
        for audience, there in members.items():
            mine = [one.is_member for one in changes if one.audience == audience]
            assert all(one is not other for one, other in itertools.pairwise(mine))
            assert (bool(mine) and mine[-1]) is (mpid in there)


@pytest.mark.parametrize("seed", range(0, 60, 10))
async def test_kept_membership_is_what_judging_everybody_gives(seed: int) -> None:
    """Batches, logins, undos, erasures, what grows too old, and time; at every step."""
    for one in range(seed, seed + 10):
        await plays(one)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 3_000, 100))
async def test_kept_membership_of_many_is_what_judging_everybody_gives(seed: int) -> None:
    """The same of two thousand histories."""
    for one in range(seed, seed + 100):
        await plays(one)


async def falls_behind() -> bool:
    """Whether a broken server is found out."""
    try:
        for seed in range(60):
            await plays(seed)
    except AssertionError:
        return True
    return False


async def test_a_server_that_misses_marks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that takes every mark for one of nothing."""
    monkeypatch.setattr(judging_work, "told_from", lambda _: Told(()))
    assert await falls_behind()


async def test_a_server_that_does_not_look_at_the_clock_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that judges nobody because of time alone."""

    async def nobody(*_: object) -> int:
        return 0

    monkeypatch.setattr(judging_work.JudgingWork, "_judge_due", nobody)
    assert await falls_behind()
