"""Users are assessed in another process as they are in the server's own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from knownas.batch import assessing_beside
from knownas.batch.assessing_beside import AssessesBeside
from knownas.core.identity.kinds import IdentityType
from knownas.service.audience.assessing import Assessed, AssessesHere, ToAssess
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import MEMORY, SQLITE, open_store
from knownas.store.user_data import SectionKey
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience.test_histories import plays
from tests.service.audience_stage import WORKSPACE, Stage, customer, email, open_stage

IS_KNOWN = {"operator": "equals", "left": {"model": "user", "path": "is_known"}, "right": True}

pytestmark = pytest.mark.xdist_group("assessing_beside")


@asynccontextmanager
async def staged(folder: Path) -> AsyncGenerator[tuple[Stage, AssessesBeside]]:
    """Open a service over a file whose users another process assesses."""
    database = f"{SQLITE}{folder}/knownas.db"
    stage = await open_stage(open_store(database), partial(AssessesBeside, database))
    beside = stage.service.activation.assesses
    assert isinstance(beside, AssessesBeside)
    try:
        yield stage, beside
    finally:
        await stage.service.close()


def asked_of(mpid: int) -> ToAssess:
    """Return what is to be assessed of a profile: all audiences."""
    return ToAssess(WORKSPACE, "production", mpid, None)


@pytest.mark.parametrize("seed", range(3))
async def test_membership_is_kept_as_it_is_in_one_process(seed: int, tmp_path: Path) -> None:
    """Random histories, each step compared with judging everybody."""
    database = f"{SQLITE}{tmp_path}/knownas.db"
    await plays(seed, open_store(database), partial(AssessesBeside, database))


async def test_both_say_the_same_of_everybody(tmp_path: Path) -> None:
    """Standings with their versions, when they are due, and the reasons of each change, byte for byte."""
    async with staged(tmp_path) as (stage, beside):
        await stage.audience(PLAN)
        await stage.audience(bought(1), "buyers")
        await stage.audience({"operator": "not", "expression": bought(1, 3)}, "quiet")
        await stage.audience(IS_KNOWN, "known")
        ann = await stage.happen(customer("c"), email("a@example.com"), attributes={"plan": "gold"})
        await stage.settle()
        bob = await stage.happen(email("b@example.com"), events=["purchase", "visit"])
        catalogue = await stage.service.activation.catalogues.refresh()
        asked = [asked_of(ann), asked_of(bob), asked_of(1)]
        here = AssessesHere(stage.service.store.audiences, stage.service.activation.work._judging._subjects, {})
        in_one, in_two = [await one.assess(catalogue, asked, stage.now_ms) for one in (here, beside)]
        assert in_two == in_one
        assert [one.version is None for one in in_one] == [False, True, True]
        assert [len(one.changes) for one in in_one] == [0, 2, 0]
        assert [len(one.members) for one in in_one] == [3, 2, 0]


async def test_another_process_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    """Nothing of what waited is lost, and nothing is told twice."""
    async with staged(tmp_path) as (stage, beside):
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


async def test_a_user_that_breaks_a_rule_is_told_and_the_process_goes_on(tmp_path: Path) -> None:
    """What happened there is raised here; whoever comes next is assessed."""
    async with staged(tmp_path) as (stage, beside):
        await stage.audience(PLAN)
        ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
        bob = await stage.happen(email("b@example.com"), attributes={"plan": "gold"})
        catalogue = await stage.service.activation.catalogues.refresh()
        with closing(apsw.Connection(f"{tmp_path}/knownas.db")) as file:
            file.execute("UPDATE section SET document = x'7b' WHERE mpid = ?", (ann,))
        with pytest.raises(Exception, match="truncated"):
            await beside.assess(catalogue, [asked_of(ann)], stage.now_ms)
        (found,) = await beside.assess(catalogue, [asked_of(bob)], stage.now_ms)
        assert found.members


async def test_who_is_known_goes_by_the_rules_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process hears of other login types, too."""
    async with staged(tmp_path) as (stage, beside):
        await stage.audience(IS_KNOWN)
        ann = await stage.happen(email("a@example.com"))
        catalogue = await stage.service.activation.catalogues.refresh()
        asked = [asked_of(ann)]
        (before,) = await beside.assess(catalogue, asked, stage.now_ms)
        monkeypatch.setattr(beside, "_subjects", SimpleNamespace(logins={WORKSPACE: frozenset({IdentityType.EMAIL})}))
        (after,) = await beside.assess(catalogue, asked, stage.now_ms)
        assert [len(one.members) for one in (before, after)] == [0, 1]


async def test_what_nobody_waits_for_any_more_is_not_heard_by_the_next(tmp_path: Path) -> None:
    """Somebody who gives up leaves the conversation whole."""
    async with staged(tmp_path) as (stage, beside):
        await stage.audience(PLAN)
        ann = await stage.happen(email("a@example.com"), attributes={"plan": "gold"})
        bob = await stage.happen(email("b@example.com"))
        catalogue = await stage.service.activation.catalogues.refresh()
        first, second = asked_of(ann), asked_of(bob)
        waiting = asyncio.create_task(beside.assess(catalogue, [first], stage.now_ms))
        await asyncio.sleep(0)
        waiting.cancel()
        found: list[Assessed] = list(await beside.assess(catalogue, [second], stage.now_ms))
        assert [len(one.members) for one in found] == [0]


async def test_a_workspace_that_nobody_has_defined_anything_in_has_no_members(tmp_path: Path) -> None:
    """It is not known to the process, and is none of its faults."""
    async with staged(tmp_path) as (stage, beside):
        ann = await stage.happen(email("a@example.com"))
        catalogue = await stage.service.activation.catalogues.refresh()
        asked = asked_of(ann)
        (found,) = await beside.assess(replace(catalogue, watches={7: 7}), [asked], stage.now_ms)
        assert not found.members


def test_one_processor_or_none_but_this_process_assesses_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody who could do it meanwhile, or who could see what is in the memory of this one."""
    monkeypatch.setattr(assessing_beside.os, "cpu_count", lambda: 1)
    assert assessing_beside.assessing_beside(f"{SQLITE}knownas.db") is None
    monkeypatch.setattr(assessing_beside.os, "cpu_count", lambda: 2)
    assert assessing_beside.assessing_beside(f"{SQLITE}knownas.db") is not None
    assert assessing_beside.assessing_beside(MEMORY) is None
