"""Whoever judges looks at the next profiles while those before are written down, and leaves nothing behind when that fails."""

import asyncio
from typing import Any

import pytest

from knownas.service.audience import judging_work
from knownas.service.audience.judging import Judging, Look
from knownas.store.audiences import AudienceCommit
from knownas.store.errors import StoreBusy
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.memory.store import MemoryStore
from tests.service.audience.test_audiences import PLAN
from tests.service.audience_stage import Stage, customer, open_stage

PEOPLE, TOGETHER = 6, 2


@pytest.fixture(autouse=True)
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge two at a time."""
    monkeypatch.setattr(judging_work, "JUDGED_TOGETHER", TOGETHER)


async def marked() -> tuple[Stage, int, list[int]]:
    """Let several users come who belong to an audience and are not judged yet."""
    stage = await open_stage(MemoryStore())
    audience = await stage.audience(PLAN)
    mpids = [await stage.happen(customer(f"c{one}"), attributes={"plan": "gold"}) for one in range(PEOPLE)]
    return stage, audience, mpids


async def test_a_look_goes_on_while_others_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each but the first begins before the commit before it has ended."""
    happened: list[str] = []
    look, commit = Judging.look, MemoryAudiences.commit

    async def noted_look(self: Judging, *told: Any) -> Look:
        happened.append("look")
        return await look(self, *told)

    async def slow_commit(self: MemoryAudiences, told: AudienceCommit) -> bool:
        for _ in range(PEOPLE):
            await asyncio.sleep(0)
        happened.append("commit")
        return await commit(self, told)

    stage, audience, mpids = await marked()
    monkeypatch.setattr(Judging, "look", noted_look)
    monkeypatch.setattr(MemoryAudiences, "commit", slow_commit)
    await stage.settle()
    assert sorted(await stage.members(audience)) == sorted(mpids)
    groups = PEOPLE // TOGETHER
    assert happened[: 2 * groups] == ["look", *["look", "commit"] * (groups - 1), "commit"]
    await stage.service.close()


@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_a_commit_that_fails_leaves_no_look_behind(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun is ended, and the next time everybody is judged."""
    commits, commit = 0, MemoryAudiences.commit

    async def failing_commit(self: MemoryAudiences, told: AudienceCommit) -> bool:
        nonlocal commits
        commits += 1
        if commits == failing:
            raise StoreBusy("not now")
        return await commit(self, told)

    stage, audience, mpids = await marked()
    before = asyncio.all_tasks()
    with monkeypatch.context() as patch:
        patch.setattr(MemoryAudiences, "commit", failing_commit)
        with pytest.raises(StoreBusy):
            await stage.service.activation.work.work_off()
    assert asyncio.all_tasks() <= before
    await stage.settle()
    assert sorted(await stage.members(audience)) == sorted(mpids)
    await stage.service.close()
