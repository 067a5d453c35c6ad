"""Toxic values: found while it happens, set aside, taken out of the past exactly, and let back in as exactly."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import pytest

from knownas.core.history.conditions import Conditions, conditions_of
from knownas.core.history.world import Line, corrections_in, world_of
from knownas.core.identity.decision import Refused
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import lasting
from knownas.core.identity.records import Records
from knownas.core.identity.toxic_limits import MetLimits, ToxicLimit, ToxicMode, ToxicReason
from knownas.service.history.correcting import Correcting
from knownas.service.identity.log_form import decision_from
from knownas.service.identity.policies import policies_of
from knownas.service.identity.question import Rules, screened_rules
from knownas.service.identity.receipts import logged
from knownas.service.toxic import watch as toxic_watch
from knownas.service.toxic.deciding import ToxicIdentities
from knownas.service.toxic.list import Past, ToxicState, read_list
from knownas.service.toxic.showing import show_value
from knownas.service.turns import Turns
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import LogEntry, Pool, Store
from tests.properties.histories import state
from tests.properties.test_worlds import truth
from tests.service.history.test_undoing import Player, Scopes, logs
from tests.service.toxic_stage import DESK, EMAIL, FEW_DEVICES, GUEST, SHOP, Desk, settings
from tests.store.histories import draw_history
from tests.store.places import PLACES
from tests.store.world import EVERYTHING, records_in

STEPS = 30


async def largest(store: Store) -> int:
    """Return how many identities the largest profile holds."""
    return max(one.size for one in (await records_in(store, SHOP)).values())


async def test_a_value_that_meets_too_many_is_quarantined_and_what_it_joined_is_taken_apart() -> None:
    """Beyond its limit a value is listed, its profiles become what they are without it, and later requests leave it out."""
    desk = await Desk(settings(email=FEW_DEVICES)).start()
    await desk.visits(range(4))
    await desk.watch.catch_up()
    assert desk.listed() is None
    await desk.visit(email=DESK.value, device_application_stamp="lost")
    joined = await largest(desk.store)
    await desk.watch.catch_up()
    found = desk.listed()
    assert found is not None
    assert (found.state, found.reason, found.past) == (ToxicState.QUARANTINED, ToxicReason.DEVICES, Past.CORRECTED)
    assert found.met.devices == 5
    assert found.joined == len(found.would_join) == 1
    assert joined == 10
    assert await desk.store.holders(SHOP, DESK, 1) == []
    assert await largest(desk.store) == 2
    answer = await desk.visit(email=DESK.value, device_application_stamp="another")
    asked = answer.question.observation
    assert isinstance(asked, IdentityRequest)
    assert asked.set_aside == (DESK,)
    assert answer.decision.record is not None
    assert not answer.decision.record.holds(DESK)
    shown = await show_value(desk.store, found)
    assert str(answer.decision.answered) in str(shown["would_join"])


async def test_a_watched_value_is_listed_and_nothing_else() -> None:
    """In the mode watch a value over its limit is on the list, and matches as before; the mode off lists nothing."""
    for mode, state_then in ((ToxicMode.WATCH, ToxicState.WATCHED), (ToxicMode.OFF, None)):
        desk = await Desk(settings(mode, email=FEW_DEVICES)).start()
        await desk.visits(range(8))
        await desk.watch.catch_up()
        found = desk.listed()
        assert (None if found is None else found.state) is state_then
        assert await largest(desk.store) == 17
        assert [one for one in await desk.store.log(SHOP, 0, EVERYTHING) if b'"correct"' in one.observation] == []


async def test_a_value_that_was_watched_is_quarantined_when_the_policy_asks_for_it() -> None:
    """Switching to quarantine takes apart what was only listed before."""
    store = MemoryStore()
    watching = await Desk(settings(ToxicMode.WATCH, email=FEW_DEVICES), store).start()
    await watching.visits(range(8))
    await watching.watch.catch_up()
    desk = await Desk(settings(email=FEW_DEVICES), store, seed=2).start()
    await desk.watch.catch_up()
    found = desk.listed()
    assert found is not None
    assert found.past is Past.CORRECTED
    assert await store.holders(SHOP, DESK, 1) == []


async def test_a_value_that_looks_toxic_joins_nobody_from_the_first() -> None:
    """A pattern is set aside before anybody meets, listed, and answered as if it had not been sent."""
    desk = await Desk(settings()).start()
    await desk.visits(range(3), email=GUEST.value)
    alone = await desk.visit(email=GUEST.value)
    assert isinstance(alone.decision.outcome, Refused)
    assert await desk.store.holders(SHOP, GUEST, 1) == []
    await desk.watch.catch_up()
    found = desk.listed(GUEST)
    assert found is not None
    assert (found.state, found.reason) == (ToxicState.QUARANTINED, ToxicReason.PATTERN)
    assert len((await show_value(desk.store, found))["would_join"]) == 3  # type: ignore[arg-type]


async def test_an_allowed_value_is_never_toxic() -> None:
    """What the policy allows, or somebody has released, matches whatever it looks like and whomever it meets."""
    allowing = replace(settings(email=FEW_DEVICES), allowed=(DESK, GUEST))
    desk = await Desk(allowing).start()
    await desk.visits(range(9))
    await desk.visits(range(20, 22), email=GUEST.value)
    await desk.watch.catch_up()
    assert desk.toxic.listed.values == {}
    assert len(await desk.store.holders(SHOP, GUEST, 9)) == 1
    assert await largest(desk.store) == 19


async def test_a_window_forgets_what_was_met_long_ago() -> None:
    """Five devices in five weeks are a person's, five in one are not."""
    weekly = settings(email=ToxicLimit(within=MetLimits(devices=4), within_days=7))
    slow, fast = await Desk(weekly).start(), await Desk(weekly).start()
    for number in range(7):
        for desk, days in ((slow, 7), (fast, 1)):
            desk.now_ms += days * 86_400_000
            await desk.visits([number])
            await desk.watch.catch_up()
    assert slow.listed() is None
    assert fast.listed() is not None


async def test_who_shares_a_profile_with_a_toxic_value_is_not_blamed() -> None:
    """A person's own address, on a profile with many devices that another value has joined, stays a person's."""
    desk = await Desk(settings(ToxicMode.WATCH, email=FEW_DEVICES)).start()
    await desk.visit(email=DESK.value, device_application_stamp="d0")
    for number in range(1, 9):
        await desk.visit(email=DESK.value, device_application_stamp=f"d{number}")
        await desk.visit(email=f"p{number}@example.com", device_application_stamp=f"d{number}")
    await desk.watch.catch_up()
    assert [one.identity for one in desk.toxic.listed.values.values()] == [DESK]


async def test_a_released_value_joins_again_and_stays_released() -> None:
    """A release gives exactly what was joined before, and counts what had been set aside meanwhile."""
    desk = await Desk(settings(email=FEW_DEVICES)).start()
    await desk.visits(range(6))
    before = {mpid: lasting(one) for mpid, one in (await records_in(desk.store, SHOP)).items()}
    await desk.watch.catch_up()
    preview = await desk.toxic.release(SHOP, DESK, preview=True)
    done = await desk.toxic.release(SHOP, DESK)
    assert sorted(done.changed) == sorted(preview.changed)
    after = {mpid: lasting(one) for mpid, one in (await records_in(desk.store, SHOP)).items() if one.size}
    assert after == before
    await desk.visits(range(6, 12))
    await desk.watch.catch_up()
    found = desk.listed()
    assert found is not None
    assert found.state is ToxicState.RELEASED
    assert await largest(desk.store) == 25


async def test_a_blocked_value_matches_nothing_whoever_serves() -> None:
    """A block by hand reaches the past, and another server of the same store at its next look."""
    store = MemoryStore()
    one, other = (
        await Desk(settings(ToxicMode.WATCH), store).start(),
        await Desk(settings(ToxicMode.WATCH), store).start(),
    )
    other.chance = one.chance
    await one.visits(range(2))
    done = await one.toxic.block(SHOP, DESK)
    assert done.value.reason is ToxicReason.BY_HAND
    assert len(done.changed) == 2
    assert await largest(store) == 2
    await other.toxic.following.take_up()
    answer = await other.visit(email=DESK.value, device_application_stamp="d0")
    assert answer.question.observation.set_aside == (DESK,)  # type: ignore[union-attr]
    assert (await one.toxic.block(SHOP, DESK)).changed == ()


async def test_what_a_server_lets_in_that_did_not_know_is_taken_out_again() -> None:
    """A line that names a quarantined value after all, of a server that had not followed the list, is corrected too."""
    store = MemoryStore()
    desk, late = (
        await Desk(settings(email=FEW_DEVICES), store).start(),
        await Desk(settings(email=FEW_DEVICES), store, seed=9).start(),
    )
    await desk.visits(range(6))
    await desk.watch.catch_up()
    late.now_ms = desk.now_ms
    await late.visit(email=DESK.value, device_application_stamp="d1")
    assert len(await store.holders(SHOP, DESK, 9)) == 1
    await desk.watch.catch_up()
    assert await store.holders(SHOP, DESK, 9) == []


class _Dying(Exception):
    """The process is gone."""


@pytest.mark.parametrize("dies_at", ["tell", "_settle", "_write_marks", "_corrected"])
async def test_a_watch_that_dies_loses_nothing_and_doubles_nothing(
    dies_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is killed, the next one comes to the same list, the same counts and the same profiles."""
    calm = await Desk(settings(email=FEW_DEVICES)).start()
    await calm.visits(range(7))
    await calm.watch.catch_up()
    store = MemoryStore()
    killed = await Desk(settings(email=FEW_DEVICES), store).start()
    await killed.visits(range(7))

    async def die(*_: object, **__: object) -> None:
        raise _Dying

    place = {"tell": killed.toxic.following, "_write_marks": killed.watch}.get(dies_at, killed.toxic)
    monkeypatch.setattr(place, dies_at, die)
    with pytest.raises(_Dying):
        await killed.watch.catch_up()
    again = await Desk(settings(email=FEW_DEVICES), store, seed=5).start()
    again.now_ms = killed.now_ms
    await again.watch.catch_up()
    await again.watch.catch_up()
    found, wanted = again.listed(), calm.listed()
    assert found is not None
    assert wanted is not None
    assert (found.met, found.state, found.past) == (wanted.met, wanted.state, wanted.past)
    calm_records = sorted(state_of(one) for one in (await records_in(calm.store, SHOP)).values() if one.size)
    assert sorted(state_of(one) for one in (await records_in(store, SHOP)).values() if one.size) == calm_records


def state_of(record: object) -> str:
    """Return what a profile holds, whatever its name is."""
    return repr((record.identities, record.carried))  # type: ignore[attr-defined]


async def test_counting_from_memory_and_from_the_log_come_to_the_same() -> None:
    """A watch that has followed all along and one that begins late list a value at the same count."""
    limit = settings(ToxicMode.WATCH, email=ToxicLimit(MetLimits(devices=6)))
    steady, late = await Desk(limit).start(), await Desk(limit).start()
    for number in range(9):
        await steady.visits([number])
        await late.visits([number])
        await steady.watch.catch_up()
    await late.watch.catch_up()
    first, second = steady.listed(), late.listed()
    assert first is not None
    assert second is not None
    # Who begins late sees all that has happened since.
    assert (first.met.devices, second.met.devices) == (7, 9)


class Judging(Player):
    """A server that sets values aside, over random histories."""

    async def start(self, policies: dict[str, Policy]) -> None:
        """Start with rules that set aside what is quarantined."""
        await super().start(policies)
        self.rules = {scope: screened_rules(scope, rules.policy) for scope, rules in self.rules.items()}
        self._open()
        await self.toxic.following.take_up()

    def _open(self) -> None:
        super()._open()
        scopes = Scopes(self.rules)
        correcting = Correcting(self.store, scopes, self.resolver, self.chance, lambda: self.now_ms)
        self.toxic = ToxicIdentities(self.store, self.rules, correcting, lambda: self.now_ms)


def counted(observation: Observation, one: Identity, *, counts: bool) -> Observation:
    """Return an observation as it would have been without a value, or with what of it was set aside."""
    match observation:
        case IdentityRequest() | SeedRequest():
            named = set(observation.identities) | (set(observation.set_aside) if counts else set())
            left = tuple(sorted(each for each in named if counts or each != one))
            if isinstance(observation, IdentityRequest):
                return observation._replace(identities=left, set_aside=())
            back = counts and observation.set_aside
            order = left if back else tuple(each for each in observation.identities if each in left)
            return replace(observation, identities=order, set_aside=())
        case ModifyRequest():
            changes = [
                each for each in observation.changes if counts or Identity(each.type, each.new_value or "") != one
            ]
            aside = observation.set_aside if counts else ()
            return replace(observation, changes=(*changes, *aside), set_aside=())
        case Correction() | Erasure():
            return observation


def without_lines_of_nothing(lines: list[Line]) -> list[Line]:
    """Leave out modifies that nothing is left of, and corrections."""
    return [
        line
        for line in lines
        if not isinstance(line.logged.observation, Correction)
        and not (isinstance(line.logged.observation, ModifyRequest) and not line.logged.observation.changes)
    ]


async def exactly(store: Store, pool: Pool, one: Identity, *, counts: bool) -> str | None:
    """Compare what a pool holds with what a server would that had never heard a value, or always let it count."""
    entries: list[LogEntry] = list(await store.log(pool, 0, EVERYTHING))
    lines = [Line(entry.seq, logged(entry), decision_from(entry.decision).answered) for entry in entries]
    policies = await policies_of(store, pool.scope)
    conditions: Conditions = conditions_of(corrections_in(lines))
    world = world_of(lines, conditions, policies, lambda seq: seq)
    told = [
        line._replace(logged=line.logged._replace(observation=counted(line.logged.observation, one, counts=counts)))
        for line in lines
    ]
    wanted: Records = truth(without_lines_of_nothing(told), policies, world, given=conditions.names.values())
    kept = {mpid: each for mpid, each in (await records_in(store, pool)).items() if each.size}
    found = {mpid: (each.identities, each.carried) for mpid, each in kept.items()}
    expected = {mpid: tuple(each[:2]) for mpid, each in state(wanted).items() if any(each[:2])}  # type: ignore[index,misc]
    return None if found == expected else f"{one}: kept {found}, in truth {expected}"


async def judge_some(seed: int, store: Store) -> tuple[int, str | None]:
    """Play a history in three parts: a value is blocked after the first, and released after the second."""
    random = Random(seed)
    policies, history = draw_history(seed, STEPS)
    player = Judging(store, seed)
    await player.start(policies)
    third = len(history) // 3
    await player.go_on(history[:third])
    named = [one for entry in await logs(store) for one in named_by(entry)]
    if not named:
        return 0, None
    pool, one = random.choice(named)
    await player.toxic.block(pool, one)
    fault = await exactly(store, pool, one, counts=False)
    await player.go_on(history[third : 2 * third])
    fault = fault or await exactly(store, pool, one, counts=False)
    await player.toxic.following.take_up()
    await player.toxic.release(pool, one)
    fault = fault or await exactly(store, pool, one, counts=True)
    await player.go_on(history[2 * third :])
    fault = fault or await exactly(store, pool, one, counts=True)
    await player.resolver.close()
    return 1, fault


def named_by(entry: LogEntry) -> list[tuple[Pool, Identity]]:
    """Return what a line names, with its pool."""
    observation = logged(entry).observation
    named = observation.identities if isinstance(observation, IdentityRequest) else ()
    return [(entry.pool, one) for one in named]


ONCE_WRONG: Final = (1877, 6168, 9362)
"""Histories that were not exact once: a profile comes back with nothing on it; a new one was seen before; a visit is another's."""


def judged(seeds: Sequence[int]) -> None:
    """Play histories, and fail with the first fault."""
    made = 0
    for seed in seeds:
        count, fault = asyncio.run(judge_some(seed, MemoryStore()))
        assert fault is None, f"history {seed}: {fault}"
        made += count
    assert made > len(seeds) // 2


def test_a_block_and_a_release_are_exact() -> None:
    """For random histories, what is kept is what a server would have that never heard the value; and, released, one that did."""
    judged([*range(40), *ONCE_WRONG])


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1_000, 11_000, 1_000))
def test_many_blocks_and_releases_are_exact(first: int) -> None:
    """The same for ten thousand histories."""
    judged(range(first, first + 1_000))


def test_a_block_that_only_looks_forward_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without a correction of the past, the histories above differ."""

    async def nothing(*_: object) -> tuple[int, ...]:
        return ()

    monkeypatch.setattr(ToxicIdentities, "_settle", nothing)
    with pytest.raises(AssertionError):
        judged(range(40))


async def quarantined_and_released(store: Store) -> None:
    """Let a value be found, and let it in again."""
    desk = await Desk(settings(email=FEW_DEVICES), store).start()
    await desk.visits(range(6))
    await desk.watch.catch_up()
    assert await desk.store.holders(SHOP, DESK, 1) == []
    await desk.toxic.release(SHOP, DESK)
    assert await largest(desk.store) == 13
    assert set((await read_list(desk.store)).values) == {(SHOP, DESK)}
    await desk.store.close()


@pytest.mark.parametrize("kind", PLACES)
def test_a_value_is_quarantined_and_released_in_a_database(kind: str, tmp_path: Path) -> None:
    """The same in every database."""
    with PLACES[kind](tmp_path) as place:
        asyncio.run(quarantined_and_released(place.open()))
        assert place.contradictions() == []


async def test_a_store_that_fails_is_asked_again() -> None:
    """A watch whose store does not answer loses nothing: the next look reads the same lines."""
    desk = await Desk(settings(email=FEW_DEVICES)).start()
    await desk.visits(range(6))
    sift = desk.store.sift

    async def fail(*_: object) -> None:
        raise StoreUnavailable("for a while")

    desk.store.sift = fail  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await desk.watch.catch_up()
    desk.store.sift = sift  # type: ignore[method-assign]
    await desk.watch.catch_up()
    assert desk.listed() is not None


async def test_a_watch_that_passes_over_lines_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a watch that takes every value for a person's by a look at its profile alone finds nothing."""
    monkeypatch.setattr(toxic_watch, "could_exceed", lambda *_: False)
    desk = await Desk(settings(email=FEW_DEVICES)).start()
    await desk.visits(range(8))
    await desk.watch.catch_up()
    assert desk.listed() is None


def test_nobody_screens_where_the_mode_is_off() -> None:
    """A scope without it costs its requests nothing."""
    desk = Desk(settings(ToxicMode.OFF))
    assert isinstance(desk.rules, Rules)
    assert desk.rules.screen is None
    assert EMAIL is DESK.type


async def test_one_of_several_servers_watches_at_a_time() -> None:
    """Of two servers over one store the one with the turn reads the log, and keeps the turn without a write at each look."""
    store = MemoryStore()
    first = await Desk(settings(email=FEW_DEVICES), store).start()
    second = await Desk(settings(email=FEW_DEVICES), store, seed=2).start()
    for desk in (first, second):
        desk.watch._turns = Turns(store, lambda: first.now_ms)
    await first.visits(range(6))
    second.now_ms = first.now_ms
    await first.watch._step()
    turn = await store.kept("turn/toxic")
    await second.watch._step()
    await first.watch._step()
    assert await store.kept("turn/toxic") == turn
    assert second.watch._marks == {}
    assert first.watch._marks[SHOP] >= 6
    await second.toxic.following.take_up()
    assert second.listed() == first.listed()
