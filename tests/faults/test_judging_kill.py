"""Whoever judges and is killed at any operation leaves nothing out, tells nothing twice, and whoever comes next goes on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from knownas.core.audience.expression import Definition
from knownas.core.audience.reading import read_definition
from knownas.core.delivery.message import MembershipMessage, SubscriptionMessage
from knownas.service.audience import judging
from knownas.service.delivery.form import message_from
from knownas.store.audiences import AudienceCommit
from knownas.store.memory.store import MemoryStore
from tests.faults.mortal import Fuse, Mortal
from tests.service.audience.test_audiences import PLAN, bought
from tests.service.audience.test_histories import tells_each_once, truth
from tests.service.audience_stage import DAY_MS, WORKSPACE, Json, Stage, customer, email, open_stage

PEOPLE = 5
NEVER = 10**9
KNOWN: Json = {"operator": "exists", "operand": {"model": "user_identities", "path": "customerid"}}


class Gone(BaseException):
    """The process is gone: nobody catches that who goes on after what went wrong with a profile."""


def gone() -> NoReturn:
    """Be gone."""
    raise Gone


@dataclass
class Life:
    """A store, whoever judges over it now, and what was defined."""

    store: MemoryStore
    fuse: Fuse
    stage: Stage
    now_ms: int = 0
    audiences: dict[str, int] = field(default_factory=dict[str, int])
    read: dict[int, Definition] = field(default_factory=dict[int, Definition])
    output: int = 0
    people: list[int] = field(default_factory=list[int])
    deaths: int = 0

    async def settle(self) -> None:
        """Judge whoever has to be; whoever dies meanwhile has a successor, who finds what is in the store."""
        self.fuse.is_armed = True
        try:
            await self.stage.settle()
        except Gone:
            self.deaths += 1
            self.fuse.is_armed, now_ms = False, self.stage.now_ms
            self.stage = await open_stage(Mortal(self.store, self.fuse))
            self.stage._now[0] = now_ms
            await self.stage.settle()
        self.fuse.is_armed = False

    async def define(self, name: str, expression: Json) -> None:
        """Define an audience and connect it, before anybody is judged."""
        activation, written = self.stage.service.activation, {"schema_version": "1.6.0", "audience": expression}
        made = await activation.audiences.create(WORKSPACE, name, None, written)
        assert isinstance(made, int), made
        defined = read_definition(written)
        assert isinstance(defined, Definition)
        self.audiences[name], self.read[made] = made, defined
        known = (await activation.catalogues.refresh()).audiences[made]
        assert isinstance(
            await activation.audiences.connect(known, {"output": str(self.output), "identities": ["email"]}), int
        )

    async def told(self) -> dict[str, list[tuple[int, str, tuple[str, ...]]]]:
        """Return what the output was told of each person, in its order, by the first part of their address; of audiences under no name."""
        told: dict[str, list[tuple[int, str, tuple[str, ...]]]] = {}
        for one in await self.stage.service.store.deliveries.waiting(self.output, 0, 10_000):
            message = message_from(one.document, {})
            if isinstance(message, SubscriptionMessage):
                told.setdefault("", []).append((message.audience.id, message.subscription.value, ()))
                continue
            assert isinstance(message, MembershipMessage)
            values = tuple(each.value for each in message.identities)
            told.setdefault(values[0].partition(".")[0], []).append((message.audience.id, message.action.value, values))
        return told


class ArmedFuse(Fuse):
    """A fuse that counts only while somebody judges."""

    is_armed = False

    async def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return await super().run(work) if self.is_armed else await work()


async def lived(dies_at: int, *, is_done_first: bool) -> Life:
    """Let people join and leave audiences in every way, while whoever judges dies once."""
    fuse, store = ArmedFuse(dies_at, is_done_first=is_done_first, die=gone), MemoryStore()
    life = Life(store, fuse, await open_stage(Mortal(store, fuse)))
    life.output = await life.stage.output()
    await life.define("gold", PLAN)
    for person in range(PEOPLE):
        plan = "gold" if person < PEOPLE - 1 else "tin"
        events = ["purchase"] if person % 2 else []
        names = [customer(f"c{person}"), email(f"p{person}.a@example.com")]
        life.people.append(await life.stage.happen(*names, attributes={"plan": plan}, events=events))
    await life.settle()
    await life.define("buyers", bought(7))
    await life.define("both", {"operator": "and", "expressions": [bought(7), KNOWN]})
    await life.settle()
    await life.stage.happen(customer("c0"), email("p0.b@example.com"))
    await life.stage.happen(customer("c1"), attributes={"plan": "tin"})
    await life.stage.happen(customer("c2"), events=["purchase"])
    await life.settle()
    life.stage._now[0] += 8 * DAY_MS
    await life.settle()
    await life.stage.service.activation.audiences.delete(life.audiences["gold"])
    del life.read[life.audiences.pop("gold")]
    await life.settle()
    return life


async def fault_of(life: Life, wanted: dict[str, list[Any]]) -> str | None:
    """Say what is wrong; None if nothing."""
    await life.stage.service.activation.catalogues.refresh()
    members = {one: set(await life.stage.members(one)) for one in life.read}
    if members != await truth(life.stage, life.read):
        return "somebody is in an audience who should not be, or is not who should"
    try:
        await tells_each_once(life.stage, members, life.people)
    except AssertionError:
        return "a change was noted twice, or not at all"
    told = await life.told()
    return None if told == wanted else f"told {told}, wanted {wanted}"


async def first_fault(stride: int = 1) -> str | None:
    """Let whoever judges die at each operation, before it is done and after it, and say what that leaves wrong."""
    whole = await lived(NEVER, is_done_first=False)
    wanted = await whole.told()
    assert sum(map(len, wanted.values())) >= 2 * PEOPLE
    assert await fault_of(whole, wanted) is None
    assert whole.fuse.count > 60
    for number in range(1, whole.fuse.count + 1, stride):
        for is_done_first in (False, True):
            life = await lived(number, is_done_first=is_done_first)
            assert life.deaths == 1
            fault = await fault_of(life, wanted)
            if fault is not None:
                return f"died at operation {number} of {whole.fuse.count} ({is_done_first}): {fault}"
    return None


async def test_whoever_dies_while_judging_leaves_nothing_out_and_tells_nothing_twice() -> None:
    """At every operation: marks, sweeps of new and deleted audiences, what is due by time, changed identities."""
    assert await first_fault() is None


async def test_marks_that_are_done_before_anything_is_written_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: whoever does not write all in one transaction."""
    was = judging.Judging.judge

    async def apart(self: judging.Judging, catalogue: Any, asked: Any, done: Any = (), *more: Any, **named: Any) -> Any:
        if done:
            await self._store.commit(AudienceCommit(done=done))
        return await was(self, catalogue, asked, (), *more, **named)

    monkeypatch.setattr(judging.Judging, "judge", apart)
    assert await first_fault() is not None


async def test_changes_that_are_noted_apart_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: whoever writes the changes first, and how everybody stands a moment later."""
    original = judging.Judging.judge

    async def judge(self: judging.Judging, *given: Any, **named: Any) -> Any:
        store = self._store

        class Twice:
            def __getattr__(self, name: str) -> Any:
                return getattr(store, name)

            async def commit(self, commit: AudienceCommit) -> bool:
                if commit.deliveries:
                    await store.commit(AudienceCommit(deliveries=commit.deliveries, changes=commit.changes))
                    commit = AudienceCommit(
                        standings=commit.standings,
                        gave_up=commit.gave_up,
                        held=commit.held,
                        passed_by=commit.passed_by,
                        passed=commit.passed,
                        marks=commit.marks,
                        done=commit.done,
                    )
                return await store.commit(commit)

        self._store = Twice()
        try:
            return await original(self, *given, **named)
        finally:
            self._store = store

    monkeypatch.setattr(judging.Judging, "judge", judge)
    assert await first_fault() is not None
