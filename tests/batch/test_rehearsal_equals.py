"""Rehearses a change of rules on random histories, publishes it and resolves the history again: it comes to what was rehearsed.

The rehearsed records are those of the folds in the background, the resolved ones those that a store keeps, past corrections of
one component after the other. What a rehearsal tells is counted anew from what was kept before and afterwards.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from knownas.batch import rehearsing, rehearsing_judge
from knownas.batch.folding_shares import Share
from knownas.batch.folding_working import LinesWanted
from knownas.batch.folding_working import Place as FoldPlace
from knownas.batch.rehearsing import Rehearsed as WholeRehearsed
from knownas.batch.rehearsing import RehearsingHow, differing, rehearse, rehearse_store
from knownas.batch.rehearsing_judge import RehearseJudge, ShareRehearsed, two_worlds
from knownas.core.history.rehearsal import CLUSTERS_SHOWN, Found
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, TieBreak
from knownas.core.identity.record import Record, lasting
from knownas.service.history import correcting
from knownas.service.history import resolving as resolving_module
from knownas.service.history.folds import Differing, ToRehearse
from knownas.service.history.resolving import Resolved, Resolving
from knownas.service.history.undoing import UndoRefused
from knownas.service.identity.policies import policies_of
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool, Store
from tests.service.history.test_undoing import Player, Scopes, check, logs
from tests.store.histories import Flush, Restart, Together, draw_history, draw_policy
from tests.store.places import PLACES
from tests.store.world import records_in

STEPS = 40
SCOPE = "shop"
SEEDS = {"memory": range(13), "sqlite": range(1_000, 1_006), "postgres": range(2_000, 2_002)}
SOAK_SEEDS = {"memory": range(10_000, 10_800), "sqlite": range(11_000, 11_150), "postgres": range(12_000, 12_050)}


@dataclass
class After:
    """The records of a rehearsal's second worlds, pool by pool."""

    records: dict[Pool, dict[int, Record]] = field(default_factory=dict[Pool, dict[int, Record]])
    before: set[int] = field(default_factory=set[int])
    """The profiles of the first worlds: an empty one that is not among them has gone."""


AFTER = After()


class TellingJudge(RehearseJudge):
    """Also tells the records that a rehearsal comes to, to whoever is in the same process."""

    async def judge(self, share: Share, place: FoldPlace) -> ShareRehearsed:
        of_pool = AFTER.records.setdefault(place.pool, {})
        for told in two_worlds(share, self.policy):
            of_pool.update({record.mpid: record for record in told.comparison.after.records})
            AFTER.before.update(record.mpid for record in told.comparison.before.records)
        return await super().judge(share, place)


@dataclass(frozen=True)
class Shop:
    """A store with a server over it, which other processes can reach by a URL, or by nothing but itself."""

    store: Store
    url: str | None

    async def rehearsed(self, policy: Policy, *, tells_starts: bool = False) -> WholeRehearsed:
        """Rehearse a policy."""
        how = RehearsingHow(processes=0, tells_starts=tells_starts, judge=TellingJudge)
        AFTER.records, AFTER.before = {}, set()
        if self.url is None:
            return await rehearse_store(self.store, ToRehearse(SCOPE, policy), how)
        return await rehearse(self.url, ToRehearse(SCOPE, policy), how)

    async def scan(self, _scope: str, policy: Policy, _tell: object) -> Sequence[Differing]:
        """Find what would be otherwise."""
        return differing(await self.rehearsed(policy, tells_starts=True))


async def kept_in(store: Store, among: Collection[int]) -> dict[Pool, dict[int, Record]]:
    """Return the profiles that a scope's pools have: those that are empty only if they are expected."""
    found: dict[Pool, dict[int, Record]] = {}
    for environment in ("", "production", "development"):
        pool = Pool(SCOPE, environment)
        records = await records_in(store, pool)
        if records:
            found[pool] = {mpid: one for mpid, one in records.items() if one.size or mpid in among}
    return found


def other_policy(random: Random, current: Policy) -> Policy:
    """Draw rules for the same pools."""
    drawn = draw_policy(random)
    pools = current.settings.environment_pools
    return replace(drawn, settings=replace(drawn.settings, environment_pools=pools, capture=current.settings.capture))


async def lived(shop: Shop, seed: int) -> Player:
    """Lead a server through a history, in which decisions are taken back, and leave it open."""
    random = Random(seed)
    policies, history = draw_history(seed, STEPS)
    player = Player(shop.store, seed)
    await player.start(policies)
    half = len(history) // 2
    for part in (history[:half], history[half:]):
        await player.go_on(part)
        changing = [entry for entry in await logs(shop.store) if entry.touched]
        if changing and random.random() < 0.6:
            await player.undoing.undo(random.choice(changing).decision_id)
    return player


async def resolve(shop: Shop, player: Player, policy: Policy) -> Resolved:
    """Publish a policy and resolve the history under it."""
    await player.start({**{name: one.policy for name, one in player.rules.items()}, SCOPE: policy})
    now = lambda: player.now_ms  # noqa: E731
    corrects = correcting.Correcting(shop.store, Scopes(player.rules), player.resolver, player.chance, now)
    return await Resolving(Scopes(player.rules), corrects, shop.scan).resolve(SCOPE)


def wrong_in(found: Found, before: dict[int, Record], after: dict[int, Record], login: frozenset[IdentityType]) -> str:
    """Compare what was told of a pool with what its records say; "" if it is the same."""
    holders: dict[tuple[IdentityType, str], set[int]] = {}
    for record in after.values():
        for one in record.lookups():
            holders.setdefault((one.type, one.value), set()).add(record.mpid)
    moved = [
        record.mpid
        for record in before.values()
        if record.known
        and (
            record.mpid not in after
            or any(
                record.mpid not in holders.get((one.type, one.value), {record.mpid})
                for one in record.lookups()
                if one.type in login
            )
        )
    ]
    changed = [mpid for mpid in before.keys() & after.keys() if lasting(before[mpid]) != lasting(after[mpid])]
    told = {
        "before": (found.before, len(before)),
        "after": (found.after, len(after)),
        "known_before": (found.known_before, sum(one.known for one in before.values())),
        "known_after": (found.known_after, sum(one.known for one in after.values())),
        "appeared": (found.appeared, len(after.keys() - before.keys())),
        "vanished": (found.vanished, len(before.keys() - after.keys())),
        "changed": (found.changed, len(changed)),
        "moved": (found.moved, len(moved)),
        "largest": ([one.size for one in found.largest_before], _sizes(before)),
        "largest after": ([one.size for one in found.largest_after], _sizes(after)),
    }
    return ", ".join(f"{name}: told {one}, kept {other}" for name, (one, other) in told.items() if one != other)


def _sizes(records: dict[int, Record]) -> list[int]:
    return sorted((one.size for one in records.values()), reverse=True)[:CLUSTERS_SHOWN]


async def fault_of(shop: Shop, seed: int) -> str:
    """Say where a resolved history is not what was rehearsed; "" if nowhere."""
    player = await lived(shop, seed)
    try:
        return await _fault_of(shop, player, seed)
    finally:
        await player.resolver.close()
        await shop.store.close()


async def _fault_of(shop: Shop, player: Player, seed: int) -> str:
    policy = other_policy(Random(seed + 7), player.rules[SCOPE].policy)
    told = await shop.rehearsed(policy)
    before = await kept_in(shop.store, AFTER.before)
    again = await shop.rehearsed(policy)
    rehearsed = {pool: records for pool, records in AFTER.records.items() if records}
    if [one.found for one in told.pools] != [one.found for one in again.pools]:
        return "a second rehearsal tells something else"
    resolved = await resolve(shop, player, policy)
    if not resolved.finished or resolved.too_large or resolved.unexplained:
        return f"not resolved: {resolved}"
    after = await kept_in(shop.store, {mpid for some in rehearsed.values() for mpid in some})
    for pool in rehearsed.keys() | after.keys():
        wanted = {mpid: lasting(one) for mpid, one in rehearsed.get(pool, {}).items()}
        found = {mpid: lasting(one) for mpid, one in after.get(pool, {}).items()}
        if wanted != found:
            return f"{pool}: rehearsed {wanted}, resolved {found}"
    login = frozenset[IdentityType]()
    for version in (await policies_of(shop.store, SCOPE)).values():
        login |= version.login_types
    for one in told.pools:
        wrong = wrong_in(one.found, before.get(one.pool, {}), after.get(one.pool, {}), login)
        if wrong:
            return f"{one.pool}: {wrong}"
    return await _and_goes_on(shop, player)


async def _and_goes_on(shop: Shop, player: Player) -> str:
    """Let the server answer again and take something back: what is kept is what the log folds to.

    Between two requests it has the time to write visits down, as a server has, for which hours do not pass in between: of
    a crowd those are looked at that are stored as the last ones seen.

    Where the most recent visit decides, a server that has heard the visits itself still knows whom they were to before.
    """
    if TieBreak.MOST_RECENT in player.rules[SCOPE].policy.settings.tie_break:
        return ""
    _, more = draw_history(player.now_ms, 12)
    for step in more:
        if not isinstance(step, Restart):
            await player.go_on([step])
    await check(shop.store, "after more requests")
    changing = [entry for entry in await logs(shop.store) if entry.touched and entry.pool.scope == SCOPE]
    if changing:
        undone = await player.undoing.undo(changing[len(changing) // 2].decision_id)
        if isinstance(undone, UndoRefused) and undone.reason == "history_does_not_explain_profiles":
            return f"nothing can be taken back any more: {undone}"
        await check(shop.store, "after something was taken back")
    return ""


@contextmanager
def shop_at(kind: str, folder: Path, seed: int) -> Iterator[Shop]:
    """Give a store of a kind."""
    if kind == "memory":
        yield Shop(MemoryStore(), None)
        return
    folder = folder / f"{kind}-{seed}"
    folder.mkdir()
    with PLACES[kind](folder) as place:
        yield Shop(place.open(), place.url)


def all_equal(kind: str, folder: Path, seeds: range) -> None:
    """Rehearse, resolve and compare."""
    for seed in seeds:
        with shop_at(kind, folder, seed) as shop:
            fault = asyncio.run(fault_of(shop, seed))
        assert not fault, f"history {seed}: {fault}"


@pytest.mark.parametrize("kind", SEEDS)
def test_a_resolved_history_is_what_was_rehearsed(kind: str, tmp_path: Path) -> None:
    """Records, MPIDs and all that was told of them are as rehearsed, in every store; and the history can be corrected on."""
    all_equal(kind, tmp_path, SEEDS[kind])


@pytest.mark.soak
@pytest.mark.parametrize("kind", SOAK_SEEDS)
def test_a_thousand_resolved_histories_are_what_was_rehearsed(kind: str, tmp_path: Path) -> None:
    """The same for a thousand histories and pairs of policies."""
    all_equal(kind, tmp_path, SOAK_SEEDS[kind])


KILLED = {"memory": range(3_000, 3_004), "sqlite": range(3_100, 3_102)}


class Killed(Exception):
    """The process that resolves is gone."""


async def resolved_in_pieces(shop: Shop, seed: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Resolve a history with a process that is gone after each correction; say what is not as it was rehearsed."""
    player = await lived(shop, seed)
    policy = other_policy(Random(seed + 7), player.rules[SCOPE].policy)
    await shop.rehearsed(policy)
    rehearsed = {pool: records for pool, records in AFTER.records.items() if records}
    correct, runs = correcting.Correcting.correct, 0

    async def and_die(*given: Any, **named: Any) -> object:
        await correct(*given, **named)
        raise Killed

    monkeypatch.setattr(correcting.Correcting, "correct", and_die)
    while runs < 100:
        runs += 1
        with suppress(Killed):
            resolved = await resolve(shop, player, policy)
            assert resolved.finished
            assert resolved.corrections == 0
            break
    monkeypatch.undo()
    after = await kept_in(shop.store, {mpid for some in rehearsed.values() for mpid in some})
    await player.resolver.close()
    await shop.store.close()
    for pool in rehearsed.keys() | after.keys():
        wanted = {mpid: lasting(one) for mpid, one in rehearsed.get(pool, {}).items()}
        if wanted != {mpid: lasting(one) for mpid, one in after.get(pool, {}).items()}:
            return f"after {runs} runs: {pool}"
    return ""


@pytest.mark.parametrize("kind", KILLED)
def test_a_resolution_that_was_ended_goes_on(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended after every correction and begun again, it comes to what was rehearsed before the first."""
    for seed in KILLED[kind]:
        with shop_at(kind, tmp_path, seed) as shop:
            assert not asyncio.run(resolved_in_pieces(shop, seed, monkeypatch)), f"history {seed}"


MEANWHILE = range(4_000, 4_006)


async def answered_meanwhile(shop: Shop, seed: int) -> str:
    """Resolve a history while requests are answered; say what is left that differs, or is not as the log folds."""
    player = await lived(shop, seed)
    policy = other_policy(Random(seed + 7), player.rules[SCOPE].policy)
    pools = player.rules[SCOPE].policy.settings.environment_pools
    tie_break = (TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID)
    settings = replace(policy.settings, environment_pools=pools, tie_break=tie_break)
    policy = replace(policy, settings=settings)
    await player.start({**{name: one.policy for name, one in player.rules.items()}, SCOPE: policy})
    corrects = correcting.Correcting(
        shop.store, Scopes(player.rules), player.resolver, player.chance, lambda: player.now_ms
    )
    resolving = Resolving(Scopes(player.rules), corrects, shop.scan)
    _, more = draw_history(seed + 1, 30)

    async def ask() -> None:
        for step in more:
            for call in (
                () if isinstance(step, Restart | Flush) else step.calls if isinstance(step, Together) else (step,)
            ):
                player.note(await player.resolver.answer(player.question(call)))
                await asyncio.sleep(0)

    resolved, _ = await asyncio.gather(resolving.resolve(SCOPE), ask())
    again = await resolving.resolve(SCOPE)
    await player.resolver.close()
    fault = "" if resolved.finished and again.finished else f"{resolved}, then {again}"
    told = await shop.rehearsed(policy)
    fault = fault or next((f"{one}" for one in told.pools if one.found.changed or one.found.vanished), "")
    await check(shop.store, f"history {seed}")
    await shop.store.close()
    return fault


def test_a_history_is_resolved_while_requests_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left that the rules in force would decide otherwise, and what is kept is what the log folds to."""
    monkeypatch.setattr(resolving_module, "RESOLUTION_WAIT_SECONDS", 0.01)
    for seed in MEANWHILE:
        with shop_at("memory", tmp_path, seed) as shop:
            assert not asyncio.run(answered_meanwhile(shop, seed)), f"history {seed}"


CONTROLS = range(40)
"""Histories of which at least one must show each fault."""


def some_fault(folder: Path) -> str:
    """Rehearse, resolve and compare until something is wrong."""
    for seed in CONTROLS:
        with shop_at("memory", folder, seed) as shop:
            fault = asyncio.run(fault_of(shop, seed))
        if fault:
            return fault
    return ""


def test_a_rehearsal_that_gives_other_names_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Control: new profiles that are called otherwise when the history is resolved."""
    monkeypatch.setattr(rehearsing_judge, "resolution_reason", lambda version: f"rehearsal {version}")
    assert "rehearsed" in some_fault(tmp_path)


def test_a_rehearsal_without_what_changed_nothing_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Control: under other rules, what was captured without a change can change something."""
    monkeypatch.setattr(rehearsing, "LinesWanted", lambda **_: LinesWanted())
    assert some_fault(tmp_path)


def test_a_rehearsal_that_forgets_corrections_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Control: what was taken back counts for nobody, neither before nor afterwards."""
    monkeypatch.setattr(Share, "corrections", lambda _: ())
    assert some_fault(tmp_path)
