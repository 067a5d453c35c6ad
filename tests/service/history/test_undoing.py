"""Takes random decisions of random histories back, over a real store: what is kept is what the other lines come to.

The whole log is folded to know that. The server gathers only the lines that could have been influenced, which must make no
difference; and it goes on after a correction, with clients that still name profiles which are gone.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from knownas.core.history.conditions import conditions_of
from knownas.core.history.world import Line, corrections_in, world_of
from knownas.core.identity.policy import Capture, Policy
from knownas.core.identity.record import lasting
from knownas.service.history.as_of import past_of
from knownas.service.history.correcting import Correcting
from knownas.service.history.undoing import Undoing, UndoRefused
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.log_form import decision_from
from knownas.service.identity.policies import policies_of, policy_in_force
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions, logged
from knownas.service.identity.resolver import Resolver
from knownas.store.memory.store import MemoryStore
from knownas.store.port import LogEntry, Pool, Store
from tests.store.histories import Flush, Step, draw_history
from tests.store.places import PLACES
from tests.store.world import EVERYTHING, World, records_in

STEPS = 30
HISTORIES = 60


class Player(World):
    """A server that undoes. What it knows of visits survives a change of its rules."""

    def __init__(self, store: Store, seed: int) -> None:
        super().__init__(store, seed)
        self.activity = ActivityMemory()

    async def start(self, policies: dict[str, Policy]) -> None:
        """Start the server with rules under which everything is captured."""
        self.rules = {}
        for scope, rules in policies.items():
            capturing = replace(rules, settings=replace(rules.settings, capture=Capture.ALL))
            in_force = await policy_in_force(self.store, scope, capturing, self.now_ms)
            self.rules[scope] = Rules(scope, in_force)
        self._open()

    async def go_on(self, steps: list[Step]) -> None:
        """Play some steps and stay open."""
        await self.play([step for step in steps if not isinstance(step, Flush)])
        self._open()

    def _open(self) -> None:
        self.resolver = Resolver(self.store, self.chance, RecentDecisions(), self.activity)
        scopes = Scopes(self.rules)
        correcting = Correcting(self.store, scopes, self.resolver, self.chance, lambda: self.now_ms)
        self.undoing = Undoing(self.store, correcting)


class Scopes:
    """The scopes of a server, found by their names."""

    def __init__(self, rules: dict[str, Rules]) -> None:
        self._rules = rules

    def rules(self, scope: str) -> Rules | None:
        """Return a scope's rules."""
        return self._rules.get(scope)


async def expected(store: Store, pool: Pool) -> dict[int, object]:
    """Fold a pool's whole log under what its corrections say, from nothing."""
    entries = await store.log(pool, 0, EVERYTHING)
    lines = [Line(entry.seq, logged(entry), decision_from(entry.decision).answered) for entry in entries]
    conditions = conditions_of(corrections_in(lines))
    policies = await policies_of(store, pool.scope)
    world = world_of(lines, conditions, policies, lambda seq: seq)
    return {record.mpid: lasting(record) for record in world.records}


async def kept(store: Store, pool: Pool, among: dict[int, object]) -> dict[int, object]:
    """Return a pool's records without those that are empty and were not expected."""
    found = await records_in(store, pool)
    return {mpid: lasting(one) for mpid, one in found.items() if one.size or mpid in among}


async def check(store: Store, where: str) -> None:
    """Compare all pools with the fold of their logs."""
    for pool in {entry.pool for entry in await logs(store)}:
        wanted = await expected(store, pool)
        found = await kept(store, pool, wanted)
        assert found == wanted, f"{where}, {pool}: kept {found}, folded {wanted}"


async def logs(store: Store) -> list[LogEntry]:
    """Return the lines of all pools."""
    found: list[LogEntry] = []
    for scope in ("shop", "club"):
        for environment in ("", "production", "development"):
            found += await store.log(Pool(scope, environment), 0, EVERYTHING)
    return found


async def undo_some(seed: int, store: Store) -> int:
    """Play a history in three parts, and take something back after each. Returns how many corrections were made."""
    random = Random(seed)
    policies, history = draw_history(seed, STEPS)
    player = Player(store, seed)
    await player.start(policies)
    made = 0
    third = len(history) // 3
    for part in range(3):
        await player.go_on(history[part * third : (part + 1) * third])
        await check(store, f"history {seed}, part {part}, before")
        changing = [entry for entry in await logs(store) if entry.touched]
        if not changing:
            continue
        entry = random.choice(changing)
        preview = await player.undoing.undo(entry.decision_id, preview=True)
        outcome = await player.undoing.undo(entry.decision_id)
        if isinstance(outcome, UndoRefused):
            assert outcome.reason == "already_undone", f"history {seed}: {outcome}"
            continue
        made += 1
        assert not isinstance(preview, UndoRefused)
        assert preview.changed == outcome.changed
        await check(store, f"history {seed}, part {part}, without {entry.seq}")
        if random.random() < 0.4 and outcome.decision_id is not None:
            again = await player.undoing.undo(outcome.decision_id)
            assert not isinstance(again, UndoRefused), f"history {seed}: {again}"
            await check(store, f"history {seed}, part {part}, with {entry.seq} again")
    await player.resolver.close()
    await store.close()
    return made


async def look_back(seed: int) -> int:
    """Play a history with a correction in it, noting what was there at several times, and ask for these afterwards."""
    random, store = Random(seed), MemoryStore()
    policies, history = draw_history(seed, STEPS)
    player = Player(store, seed)
    await player.start(policies)
    seen: list[tuple[int, dict[Pool, dict[int, object]]]] = []
    for part in range(0, len(history), 5):
        await player.go_on(history[part : part + 5])
        player.now_ms = max((entry.at_ms for entry in await logs(store)), default=player.now_ms)
        changing = [entry for entry in await logs(store) if entry.touched]
        if changing and random.random() < 0.5:
            await player.undoing.undo(random.choice(changing).decision_id)
        lines = await logs(store)
        seen.append((player.now_ms, {pool: await kept(store, pool, {}) for pool in {one.pool for one in lines}}))
        # What follows is later, also where a clock is behind.
        player.now_ms += 100
    asked = 0
    for at_ms, there in seen:
        for pool, profiles in there.items():
            for mpid, record in profiles.items():
                past = await past_of(store, pool, at_ms, (mpid,))
                found = past.world.records.record(mpid)
                assert found is not None, f"history {seed}, {mpid} at {at_ms}"
                assert lasting(found) == record, f"history {seed}, {mpid} at {at_ms}"
                asked += 1
    await player.resolver.close()
    return asked


def test_a_profile_as_of_a_time_is_what_it_was() -> None:
    """Whatever came later, corrections too, a profile is told as it was at each time."""
    assert sum(asyncio.run(look_back(seed)) for seed in range(12)) > 100


@pytest.mark.parametrize("first", range(0, HISTORIES, 20))
def test_a_decision_taken_back_leaves_what_the_others_come_to(first: int) -> None:
    """Whatever is taken back, also a taking back, what is kept is the fold of all lines that count."""
    made = sum(asyncio.run(undo_some(seed, MemoryStore())) for seed in range(first, first + 20))
    assert made > 20


@pytest.mark.parametrize("kind", PLACES)
def test_a_decision_is_taken_back_in_a_database(kind: str, tmp_path: Path) -> None:
    """The same in every database."""
    with PLACES[kind](tmp_path) as place:
        assert asyncio.run(undo_some(3, place.open()))
        assert place.contradictions() + place.unexplained() == []
