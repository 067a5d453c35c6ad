"""Users are assessed in another process as they are in the server's own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from knownas.batch import assessing_beside
from knownas.batch.assessing_beside import AssessesBeside
from knownas.service.audience.assessing import Assessed, AssessesHere, ToAssess
from knownas.service.audience.subjects import KeptUser
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.user_data import SectionKey
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience.test_histories import plays
from tests.service.audience_stage import WORKSPACE, Stage, customer, email, open_stage

pytestmark = pytest.mark.xdist_group("assessing_beside")


@asynccontextmanager
async def staged() -> AsyncGenerator[tuple[Stage, AssessesBeside]]:
    """Open a service whose users another process assesses."""
    stage = await open_stage(MemoryStore(), AssessesBeside)
    beside = stage.service.activation.assesses
    assert isinstance(beside, AssessesBeside)
    try:
        yield stage, beside
    finally:
        await stage.service.close()


async def asked_of(stage: Stage, mpid: int) -> ToAssess:
    """Return what is to be assessed of a profile: all audiences."""
    key = SectionKey(WORKSPACE, "production", mpid)
    stored = (await stage.service.store.audiences.subjects([key]))[key]
    events = await stage.service.store.audiences.newest_events([key], 10)
    user = stage.service.activation.work._judging._subjects.kept(key, stored, events.get(key, ()))
    return ToAssess(WORKSPACE, user, None, None)


@pytest.mark.parametrize("seed", range(3))
async def test_membership_is_kept_as_it_is_in_one_process(seed: int) -> None:
    """Random histories, each step compared with judging everybody."""
    await plays(seed, AssessesBeside)


async def test_both_say_the_same_of_everybody() -> None:
    """Standings, when they are due, and the reasons of each change, byte for byte."""
    async with staged() as (stage, beside):
        await stage.audience(PLAN)
        await stage.audience(bought(1), "buyers")
        await stage.audience({"operator": "not", "expression": bought(1, 3)}, "quiet")
        ann = await stage.happen(customer("c"), email("a@example.com"), attributes={"plan": "gold"})
        bob = await stage.happen(email("b@example.com"), events=["purchase", "visit"])
        catalogue = await stage.service.activation.catalogues.refresh()
        asked = [await asked_of(stage, ann), await asked_of(stage, bob), ToAssess(WORKSPACE, None, None, None)]
        here = await AssessesHere({}).assess(catalogue, asked, stage.now_ms)
        there = await beside.assess(catalogue, asked, stage.now_ms)
        assert there == here
        assert sum(len(one.changes) for one in here) >= 4


async def test_another_process_takes_the_place_of_one_that_was_killed() -> None:
    """Nothing of what waited is lost, and nothing is told twice."""
    async with staged() as (stage, beside):
        gold = await stage.audience(PLAN)
        ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
        await stage.settle()
        assert beside._child is not None
        beside._child._process.kill()
        bob = await stage.happen(email("b@example.com"), attributes={"plan": "gold"})
        with pytest.raises(StoreUnavailable):
            await stage.settle()
        await stage.settle()
        assert await stage.members(gold) == sorted([ann, bob])
        changes = await stage.service.store.audiences.changes_of(SectionKey(WORKSPACE, "production", bob), None, 10)
        assert len(changes) == 1


async def test_a_user_that_breaks_a_rule_is_told_and_the_process_goes_on() -> None:
    """What happened there is raised here; whoever comes next is assessed."""
    async with staged() as (stage, beside):
        await stage.audience(PLAN)
        ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
        catalogue = await stage.service.activation.catalogues.refresh()
        asked = await asked_of(stage, ann)
        assert isinstance(asked.user, KeptUser)
        broken = ToAssess(
            WORKSPACE,
            KeptUser(mpid=ann, is_known=False, identities={}, section=b"{", elsewhere=(), events=()),
            None,
            None,
        )
        with pytest.raises(Exception, match="truncated"):
            await beside.assess(catalogue, [broken], stage.now_ms)
        (found,) = await beside.assess(catalogue, [asked], stage.now_ms)
        assert found.members


async def test_what_nobody_waits_for_any_more_is_not_heard_by_the_next() -> None:
    """Somebody who gives up leaves the conversation whole."""
    async with staged() as (stage, beside):
        await stage.audience(PLAN)
        ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
        bob = await stage.happen(email("b@example.com"))
        catalogue = await stage.service.activation.catalogues.refresh()
        first, second = await asked_of(stage, ann), await asked_of(stage, bob)
        waiting = asyncio.create_task(beside.assess(catalogue, [first], stage.now_ms))
        await asyncio.sleep(0)
        waiting.cancel()
        found: list[Assessed] = list(await beside.assess(catalogue, [second], stage.now_ms))
        assert [len(one.members) for one in found] == [0]


async def test_a_workspace_that_nobody_has_defined_anything_in_has_no_members() -> None:
    """It is not known to the process, and is none of its faults."""
    async with staged() as (stage, beside):
        ann = await stage.happen(email("a@example.com"))
        catalogue = await stage.service.activation.catalogues.refresh()
        asked = await asked_of(stage, ann)
        (found,) = await beside.assess(replace(catalogue, watches={7: 7}), [asked], stage.now_ms)
        assert not found.members


def test_one_processor_assesses_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody who could do it meanwhile."""
    monkeypatch.setattr(assessing_beside.os, "cpu_count", lambda: 1)
    assert assessing_beside.assessing_beside() is AssessesHere
    monkeypatch.setattr(assessing_beside.os, "cpu_count", lambda: 2)
    assert assessing_beside.assessing_beside() is AssessesBeside
