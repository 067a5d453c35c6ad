"""Who belongs to an audience that is new is found out by going over everybody, and nothing that happens meanwhile leads to another end."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from knownas.core.identity.observation import Environment
from knownas.service.audience import sweeping
from knownas.service.audience.judging_work import JudgingWork
from knownas.service.audience.looking import Looked, Looks, LookWork
from knownas.service.audience.sweeps import Phase, Progress, sweep_name
from knownas.store.audiences import AudienceCommit, StandingWrite
from knownas.store.memory.store import MemoryStore
from knownas.store.sqlite.store import SqliteStore
from knownas.store.user_data import SectionKey
from tests.service.audience import dying
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience_stage import WORKSPACE, Json, Stage, customer, open_stage

PEOPLE = 30
DEFINITION = {"schema_version": "1.6.0"}


async def crowd(stage: Stage, people: int = PEOPLE) -> list[int]:
    """Let some people be known, each second of whom has the plan; a third of them bought something."""
    return [
        await stage.happen(
            customer(f"c{number}"),
            attributes={"plan": "gold" if number % 2 == 0 else "tin"},
            events=("purchase",) if number % 3 == 0 else ("visit",),
        )
        for number in range(people)
    ]


async def define(stage: Stage, expression: Json, name: str = "audience") -> int:
    """Define an audience, of which nobody is judged yet."""
    made = await stage.service.activation.audiences.create(
        WORKSPACE, name, None, {**DEFINITION, "audience": expression}
    )
    assert isinstance(made, int)
    return made


class Watched:
    """Looks as another one does, and lets something happen after each look."""

    def __init__(self, stage: Stage, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self.within: Looks = stage.service.activation.work._sweeping._looks
        self.width = 1
        self.work: list[LookWork] = []
        self._then = then
        stage.service.activation.work._sweeping._looks = self

    async def look(self, work: LookWork) -> Looked:
        looked = await self.within.look(work)
        self.work.append(work)
        if self._then is not None:
            await self._then()
        return looked

    async def close(self) -> None:
        return None


async def changes(stage: Stage, mpid: int) -> list[tuple[int, bool]]:
    """Return what became of somebody's memberships, in order."""
    key = SectionKey(WORKSPACE, Environment.PRODUCTION.value, mpid)
    found = await stage.service.store.audiences.changes_of(key, None, 1_000)
    return [(one.change.audience, one.change.is_member) for one in reversed(found)]


async def test_audiences_that_are_new_together_are_gone_through_once() -> None:
    """Everybody is looked at for all of them at once, and told of each membership with its reason."""
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage)
        watched = Watched(stage)
        plan, buyers = await define(stage, PLAN, "plan"), await define(stage, bought(1), "buyers")
        both = await define(stage, {"operator": "and", "expressions": [PLAN, bought(1)]}, "both")
        await stage.settle()
        assert [sorted(one.definitions) for one in watched.work] == [[plan, buyers, both]]
        assert await stage.members(plan) == sorted(people[::2])
        assert await stage.members(buyers) == sorted(people[::3])
        assert await stage.members(both) == sorted(people[::6])
        assert await changes(stage, people[0]) == [(plan, True), (buyers, True), (both, True)]
    finally:
        await stage.service.close()


async def test_a_sweep_that_is_interrupted_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its progress grows, and nobody is looked at twice."""
    monkeypatch.setattr(sweeping, "STRETCH_SECTIONS", 4)
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0.0)
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage)
        watched = Watched(stage)
        audience = await define(stage, PLAN)
        shares: list[float] = []
        while await stage.service.activation.work.work_off():
            known = stage.service.activation.catalogues.now.audiences[audience]
            shares.append(await stage.service.activation.audiences.share_of(known))
        assert len(watched.work) == (PEOPLE + 3) // 4
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert await stage.members(audience) == sorted(people[::2])
    finally:
        await stage.service.close()


async def test_others_are_looked_at_while_standings_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next stretch does not wait for the disk; how far it is is kept with what is written, and all is written in the end."""
    monkeypatch.setattr(sweeping, "STRETCH_SECTIONS", 4)
    monkeypatch.setattr(sweeping, "STANDINGS_WAITING_MAX", 1)
    store = MemoryStore()
    stage = await open_stage(store)
    order: list[str] = []
    commit = store.audiences.commit

    async def slow(given: AudienceCommit) -> bool:
        if not given.standings:
            return await commit(given)
        order.append("begins")
        # The disk takes its time: whoever does not wait for it gets their turns.
        for _ in range(20):
            await asyncio.sleep(0)
        order.append("written")
        return await commit(given)

    async def looked() -> None:
        order.append("looked")

    try:
        people = await crowd(stage)
        watched = Watched(stage, looked)
        audience = await define(stage, PLAN)
        monkeypatch.setattr(store.audiences, "commit", slow)
        await stage.settle()
        beside = order[order.index("begins") : order.index("written")]
        assert "looked" in beside, order
        assert len(watched.work) == (PEOPLE + 3) // 4
        assert await stage.members(audience) == sorted(people[::2])
        known = stage.service.activation.catalogues.now.audiences[audience]
        assert await stage.service.activation.audiences.share_of(known) == 1.0
    finally:
        await stage.service.close()


async def changed_meanwhile(then: Callable[[Stage], Awaitable[None]]) -> tuple[int, int]:
    """Let everybody lose their plan after they were looked at; return how many members there are then, and how many have standings."""
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage, 6)

        async def lose() -> None:
            for mpid in people:
                await stage.happen(mpid=mpid, attributes={"plan": None})
            await then(stage)

        Watched(stage, lose)
        audience = await define(stage, PLAN)
        await stage.settle()
        keys = [SectionKey(WORKSPACE, Environment.PRODUCTION.value, mpid) for mpid in people]
        standings = await stage.service.store.audiences.standings(keys)
        return len(await stage.members(audience)), sum(one is not None for one in standings.values())
    finally:
        await stage.service.close()


async def test_who_changes_while_everybody_is_looked_at_ends_right() -> None:
    """What was seen before is written, and the marks are judged after it."""

    async def nothing(_: Stage) -> None:
        return None

    assert await changed_meanwhile(nothing) == (0, 0)


async def test_marks_that_are_judged_too_early_would_be_noticed() -> None:
    """Control: judged before what was seen earlier is written, they leave members who are none."""

    async def too_early(stage: Stage) -> None:
        catalogue = await stage.service.activation.catalogues.refresh()
        await stage.service.activation.work._judge_marked(catalogue)

    assert (await changed_meanwhile(too_early))[0] == 3


async def test_of_whom_somebody_else_is_faster_with_is_judged_anew() -> None:
    """The group is judged one after the other, by all that is known then."""
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage)
        audience = await define(stage, PLAN)
        key = SectionKey(WORKSPACE, Environment.PRODUCTION.value, people[0])

        async def stand() -> None:
            document = msgspec.json.encode({"99": (False, 1, 2**40)})
            await stage.service.store.audiences.commit(AudienceCommit([StandingWrite(key, None, document, None)]))

        Watched(stage, stand)
        await stage.settle()
        assert await stage.members(audience) == sorted(people[::2])
        assert await changes(stage, people[0]) == [(audience, True)]
    finally:
        await stage.service.close()


async def test_a_definition_that_changes_takes_out_who_does_not_fit_any_more() -> None:
    """Members are judged first, then everybody; who stays is told nothing."""
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage)
        audience = await define(stage, PLAN)
        await stage.settle()
        definition = {**DEFINITION, "audience": bought(1)}
        await stage.service.activation.audiences.change(audience, "audience", None, definition)
        await stage.settle()
        assert await stage.members(audience) == sorted(people[::3])
        assert await changes(stage, people[0]) == [(audience, True)]
        assert await changes(stage, people[2]) == [(audience, True), (audience, False)]
    finally:
        await stage.service.close()


async def test_a_sweep_that_an_earlier_release_began_begins_anew() -> None:
    """It kept after whom it was, which says nothing of who comes before in the order in which we go."""
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage)
        audience = await define(stage, PLAN)
        known = (await stage.service.activation.catalogues.refresh()).audiences[audience]
        began = Progress(f"{known.version}+", Phase.EVERYBODY, "production", 2**62)
        await stage.service.store.keep(sweep_name(known), msgspec.json.encode(began))
        await stage.settle()
        assert await stage.members(audience) == sorted(people[::2])
        kept = await stage.service.store.kept(sweep_name(known))
        assert kept is not None
        assert msgspec.json.decode(kept)[:2] == [f"{known.version}+", "over"], "an earlier release would begin again"
    finally:
        await stage.service.close()


async def test_who_can_not_be_looked_at_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a page breaks a rule of ours: all of it are judged by all that is known of them."""
    stage = await open_stage(MemoryStore())
    try:
        people = await crowd(stage)
        audience = await define(stage, PLAN)

        def breaks(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("knownas.service.audience.first_look.FirstLook.glimpses", breaks)
        await stage.settle()
        assert await stage.members(audience) == sorted(people[::2])
    finally:
        await stage.service.close()


def dies(file: Path, step: str, count: int) -> bool:
    """Sweep in another process until it dies; whether it did."""
    done = subprocess.run([sys.executable, "-m", dying.__name__, str(file), step, str(count)], check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


@pytest.mark.parametrize("step", [f"{when}{step}" for step in dying.STEPS for when in ("", "after-")])
async def test_a_sweep_that_is_killed_loses_nothing_and_tells_nothing_twice(step: str, tmp_path: Path) -> None:
    """Wherever it is killed, and again after it has gone on from there."""
    file = tmp_path / "knownas.db"
    stage = await open_stage(SqliteStore(file))
    try:
        people = await crowd(stage, 20)
        plan, buyers = await define(stage, PLAN, "plan"), await define(stage, bought(1), "buyers")
        # Nobody is marked of whom only a sweep is to learn.
        await stage.service.store.audiences.commit(
            AudienceCommit(done=[one.seq for one in await stage.service.store.audiences.marks(0, 1_000)])
        )
    finally:
        await stage.service.close()
    deaths = [dies(file, step, count) for count in (1, 2, 3)]
    assert deaths[0]
    assert not dies(file, step, 0)
    stage = await open_stage(SqliteStore(file))
    try:
        assert isinstance(stage.service.activation.work, JudgingWork)
        assert await stage.members(plan) == sorted(people[::2])
        assert await stage.members(buyers) == sorted(people[::3])
        for number, mpid in enumerate(people):
            wanted = [(one, True) for one, every in ((plan, 2), (buyers, 3)) if number % every == 0]
            assert await changes(stage, mpid) == wanted
    finally:
        await stage.service.close()
