"""A past moment is told with the values set aside that were set aside then, whatever was blocked or released since."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import pytest

from knownas.core.identity.decide import decide
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import lasting
from knownas.core.identity.toxic_limits import ToxicMode, ToxicSettings
from knownas.core.limits import HOLDERS_CONSIDERED_MAX
from knownas.service.history import as_of, components
from knownas.service.history.as_of import past_of, rules_then
from knownas.service.history.correcting import HistoryCorrected
from knownas.service.history.undoing import Undoing
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Rules, screened_rules
from knownas.service.toxic.list import Past, ToxicList, ToxicThen
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool, Store
from tests.service.history.test_undoing import kept, logs
from tests.service.toxic.test_deciding import Judging, named_by
from tests.service.toxic_stage import DESK, GUEST, SHOP, Desk, settings
from tests.store.histories import Ask, Flush, Seed, Step, draw_history
from tests.store.world import records_in

STEPS: Final = 30
JUNK: Final = "null"


class Quarantining(Judging):
    """A server whose scopes quarantine, over random histories in which some values are junk."""

    async def start(self, policies: dict[str, Policy]) -> None:
        """Start with rules that set aside what looks toxic."""
        toxic = ToxicSettings(ToxicMode.QUARANTINE)
        await super().start(
            {scope: replace(one, settings=replace(one.settings, toxic=toxic)) for scope, one in policies.items()}
        )

    async def switch(self, scope: str, mode: ToxicMode) -> None:
        """Publish the policy of a scope again, with another mode."""
        rules = self.rules[scope].policy
        toxic = ToxicSettings(mode)
        changed = replace(rules, settings=replace(rules.settings, toxic=toxic))
        self.rules[scope] = screened_rules(scope, await policy_in_force(self.store, scope, changed, self.now_ms))
        self._open()
        await self.toxic.following.take_up()


def with_junk(random: Random, step: Step) -> Step:
    """Put junk in place of a value of a step, now and then."""
    if not isinstance(step, Ask | Seed) or random.random() < 0.7 or not step.identities:
        return step
    spoilt = random.randrange(len(step.identities))
    identities = [Identity(one.type, JUNK) if place == spoilt else one for place, one in enumerate(step.identities)]
    return replace(step, identities=tuple(dict.fromkeys(identities)))


@dataclass(frozen=True)
class Moment:
    """What was so at a time: the profiles of each pool, and what some requests would have been answered."""

    at_ms: int
    records: Mapping[Pool, Mapping[int, object]]
    answers: Sequence[tuple[str, IdentityRequest, object]]


def request_at(at_ms: int, environment: Environment, identities: tuple[Identity, ...]) -> IdentityRequest:
    """Return an identify at a time."""
    return IdentityRequest(Endpoint.IDENTIFY, at_ms, environment, "test", identities)


async def answered(player: Quarantining, rules: Rules, request: IdentityRequest) -> object:
    """Return what a request would be answered now."""
    question = rules.ask(request, writes=False)
    records = await player.resolver.look(question.wanted())
    decision = decide(question.observation, rules.policy, records, NOT_MADE)
    return decision.outcome, decision.skipped, question.observation


async def noted(player: Quarantining, random: Random) -> Moment:
    """Note what is so now.

    Nobody is asked for by a crowded value: a store knows to the hour who of a crowd was there last, and history to the millisecond
    (decision 4).
    """
    entries = await logs(player.store)
    pools = {one.pool for one in entries}
    records = {pool: await kept(player.store, pool, {}) for pool in pools}
    answers: list[tuple[str, IdentityRequest, object]] = []
    everybody = {pool: await records_in(player.store, pool) for pool in pools}
    named = sorted(
        (pool, one)
        for pool, one in {one for entry in entries for one in named_by(entry)}
        if sum(each.holds(one) for each in everybody[pool].values()) <= HOLDERS_CONSIDERED_MAX
    )
    for pool, one in random.sample(named, k=min(4, len(named))):
        junk = (Identity(one.type, JUNK),) if random.random() < 0.4 else ()
        environment = Environment(pool.environment or Environment.PRODUCTION)
        request = request_at(player.now_ms, environment, junk or (one,))
        rules = player.rules[pool.scope]
        answers.append((pool.scope, request, await answered(player, rules, request)))
    return Moment(player.now_ms, records, answers)


async def contradictions(store: Store, moments: Sequence[Moment]) -> tuple[int, list[str]]:
    """Ask for all moments afterwards. Returns how much was asked, and what was told otherwise."""
    asked, found = 0, list[str]()
    for moment in moments:
        for pool, profiles in moment.records.items():
            for mpid, record in profiles.items():
                past = await past_of(store, pool, moment.at_ms, (mpid,))
                told = past.world.records.record(mpid)
                asked += 1
                if told is None or lasting(told) != record:
                    found.append(f"{mpid} at {moment.at_ms}: was {record}, told {told}")
        for scope, request, was in moment.answers:
            rules = await rules_then(store, scope, moment.at_ms)
            assert rules is not None
            question = rules.ask(request, writes=False)
            wanted = question.wanted()
            past = await past_of(store, wanted.pool, moment.at_ms, (), tuple(wanted.identities))
            decision = decide(question.observation, rules.policy, past.world.records, NOT_MADE)
            asked += 1
            if (told_now := (decision.outcome, decision.skipped, question.observation)) != was:
                found.append(f"{request}: was answered {was}, told {told_now}")
    return asked, found


async def look_back(seed: int) -> tuple[int, list[str]]:
    """Play a history in which values are blocked and released, noting moments, and ask for these afterwards."""
    random, store = Random(seed), MemoryStore()
    policies, history = draw_history(seed, STEPS)
    player = Quarantining(store, seed)
    await player.start(policies)
    # Nobody is asked before there are rules, also where a clock is behind.
    player.now_ms += 100
    steps = [with_junk(random, step) for step in history if not isinstance(step, Flush)]
    moments: list[Moment] = []
    for part in range(0, len(steps), 5):
        await player.go_on(steps[part : part + 5])
        # Where a clock was behind, what was asked and published before was not later than what is noted now.
        published = [one.since_ms for scope in player.rules for one in await store.policies(scope)]
        player.now_ms = max(player.now_ms, *published, *(entry.at_ms for entry in await logs(store)))
        await player.toxic.following.take_up()
        await player.toxic.following.tell_noted()
        if random.random() < 0.7:
            await player.toxic.settle_pending()
        named = sorted({one for entry in await logs(store) for one in named_by(entry)})
        if named and random.random() < 0.7:
            pool, one = random.choice(named)
            judge = player.toxic.release if random.random() < 0.5 else player.toxic.block
            await judge(pool, random.choice([one, one, Identity(one.type, JUNK)]))
        if random.random() < 0.2:
            await player.switch(random.choice(sorted(policies)), random.choice(list(ToxicMode)))
        moments.append(await noted(player, random))
        # What follows is later, also where a clock is behind.
        player.now_ms += 100
    result = await contradictions(store, moments)
    await player.resolver.close()
    return result


def looked_back(seeds: range) -> tuple[int, list[str]]:
    """Play histories, and gather what was told otherwise than it was."""
    asked, found = 0, list[str]()
    for seed in seeds:
        count, faults = asyncio.run(look_back(seed))
        asked += count
        found += [f"history {seed}: {fault}" for fault in faults]
    return asked, found


def test_a_moment_is_told_as_it_was_with_what_was_set_aside_then() -> None:
    """Whatever is blocked, released or found later, profiles and answers are told as they were at each time."""
    asked, found = looked_back(range(4))
    assert found == []
    assert asked > 150


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1_000, 3_000, 200))
def test_many_moments_are_told_as_they_were(first: int) -> None:
    """The same for two thousand histories."""
    asked, found = looked_back(range(first, first + 200))
    assert found == []
    assert asked > 5_000


def test_a_list_that_is_told_as_it_is_now_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where the list of now stands for that of then, or nothing is on it, the histories above differ."""

    async def as_now(store: Store, _: int) -> ToxicThen:
        return await whole(store, 2**62)

    async def empty(_: Store, __: int) -> ToxicThen:
        return ToxicThen(ToxicList({}), ())

    whole = as_of.read_list_as_of
    for broken in (as_now, empty):
        monkeypatch.setattr(as_of, "read_list_as_of", broken)
        assert looked_back(range(2))[1]


async def test_who_was_let_in_late_counts_until_it_was_corrected() -> None:
    """A line of a server that had not followed the list counts from when it came until it was corrected."""
    store = MemoryStore()
    desk = await Desk(settings(), store).start()
    late = await Desk(settings(), store, seed=9).start()
    await desk.visits(range(3))
    await desk.toxic.block(SHOP, DESK)
    late.now_ms = desk.now_ms + 10
    first = await late.visit(email=DESK.value, device_application_stamp="d1")
    second = await late.visit(email=DESK.value, device_application_stamp="d2")
    let_in_ms = late.now_ms
    desk.now_ms = late.now_ms + 10
    await desk.watch.catch_up()
    await desk.visit(device_application_stamp="d9")
    mpid = first.decision.answered
    assert mpid is not None
    assert second.decision.answered is not None
    then = (await past_of(store, SHOP, let_in_ms, (mpid,))).world.records.record(mpid)
    assert then is not None
    assert then.holds(DESK)
    now = (await past_of(store, SHOP, desk.now_ms, (mpid,))).world.records.record(mpid)
    assert now is not None
    assert not now.holds(DESK)


async def test_what_joined_thousands_once_does_not_hinder_looking_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """People whom junk was told of are told as of a time, however many lines hang on the junk that never counted for them."""
    monkeypatch.setattr(components, "LINES_FOLDED_MAX", 20)
    desk = await Desk(settings()).start()
    await desk.visits(range(30), email=GUEST.value)
    await desk.watch.catch_up()
    listed = desk.listed(GUEST)
    assert listed is not None
    assert listed.past is Past.TOO_LARGE
    answer = await desk.visit(device_application_stamp="d3")
    mpid = answer.decision.answered
    assert mpid is not None
    past = await past_of(desk.store, SHOP, desk.now_ms, (mpid,))
    assert past.world.records.record(mpid) is not None
    # Nor does it hinder taking something back that they said.
    said = await desk.visit(device_application_stamp="d3", other="o-3")
    assert said.changed
    undoing = Undoing(desk.store, desk.toxic._correcting, desk.toxic.apart)
    assert isinstance(await undoing.undo(said.decision_id), HistoryCorrected)
    assert await desk.store.holders(SHOP, Identity(IdentityType.OTHER, "o-3"), 1) == []
