"""Corrects the history: changes what counts of it, and makes everything what it then comes to (design §2).

The lines that could have influenced each other are gathered and folded twice, under what counts now and under what is to
count. What differs is written as one commit, with a line of the log that says so: a correction, which is an observation like
others and can be taken back itself. Nothing is written where the lines do not explain what is kept.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, TypeVar

from knownas.core.history.belonging import Belonging
from knownas.core.history.conditions import Conditions
from knownas.core.history.world import World, difference, drift, touches_erased, world_of
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Correction, Environment, Judged, TakeBack, TakenAlias
from knownas.core.identity.policy import Capture
from knownas.core.identity.record import Record, lasts_as
from knownas.core.identity.records import Records
from knownas.core.profile.section import Calculations
from knownas.service.chance import MPID_BITS, Chance
from knownas.service.history.components import Component, TooLarge, component_of
from knownas.service.history.rearranged import Left, Moved, Rearranged
from knownas.service.history.rearranging import Gathered, Rearranging, Sorting
from knownas.service.identity.policies import policies_of
from knownas.service.identity.question import Answer, Question, Rules
from knownas.service.identity.receipts import log_entry
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import CORRECTION_ATTEMPTS_MAX, CORRECTION_ATTEMPTS_OPEN
from knownas.service.retrying import pause_before_retry
from knownas.service.security.directory import Directory
from knownas.service.toxic.list import ever_released
from knownas.store.errors import StoreBusy
from knownas.store.port import Commit, Committed, Pool, PoolWrites, Snapshot, Store, Wanted
from knownas.store.user_data import AliasState

_T = TypeVar("_T")

CORRECTION_INPUT: Final = "api"
"""The input name under which corrections are logged."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is to be changed about what counts of a pool's history.

    `environment` is logged with it, since environments can share a pool. `reason` tells amendments apart that make the same new profiles: their names follow from it. `profiles` and `identities`
    are where whatever could be influenced is gathered from. The rest is what the correction says (`Correction`).
    """

    pool: Pool
    environment: Environment
    reason: str
    profiles: tuple[int, ...]
    identities: tuple[Identity, ...] = ()
    take_back: tuple[TakeBack, ...] = ()
    quarantine: tuple[Judged, ...] = ()
    policy_version: int | None = None
    aliases: tuple[TakenAlias, ...] = ()


class NotCorrected(StrEnum):
    """Why the history is not corrected. The value is the stable reason code."""

    COUNTS_ALREADY = "counts_already"
    TOO_LARGE = "too_many_lines_to_fold"
    ERASED = "erased"
    UNEXPLAINED = "history_does_not_explain_profiles"


@dataclass(frozen=True, slots=True)
class HistoryCorrected:
    """The history is corrected, or would be: `decision_id` names the correction, None for a preview.

    `changed` are the profiles whose records are others, `moved` and `left` what came of user data. `differences` say of each of
    them what it was and is, `gone` of those that go who answers for them then, None if nobody does.
    """

    decision_id: str | None
    changed: Sequence[int]
    moved: Sequence[Moved] = ()
    left: Sequence[Left] = ()
    differences: Sequence[RecordWrite] = ()
    gone: Sequence[tuple[int, int | None]] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an amendment comes to."""

    component: Component
    before: World
    after: World
    gathered: Gathered
    rearranged: Rearranged


class Correcting:
    """Corrects the histories of one store. One event loop, one of these."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        resolver: Resolver,
        chance: Chance,
        clock: Callable[[], int],
        calculations: Mapping[int, Calculations] = MappingProxyType({}),
        placing: asyncio.Lock | None = None,
    ) -> None:
        """`placing` is held by whoever keeps batches, from when their profiles are found until they are kept."""
        self._rearranging = Rearranging(store.user_data, calculations)
        self._placing = placing or asyncio.Lock()
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._chance = chance
        self._clock = clock

    async def correct(
        self,
        amendment: Amendment,
        quarantined: Mapping[Identity, int] = MappingProxyType({}),
        *,
        preview: bool = False,
    ) -> HistoryCorrected | NotCorrected:
        """Change what counts, and everything that comes of it; `preview` says what would change, and writes nothing.

        `quarantined` are those that do not count before this, as for `component_of`, without those that are judged here.

        Raises:
            Overloaded: too many wait to do this.
            StoreError: the store could not do it, or others were faster every time.
        """
        await self.settle()
        for attempt in range(CORRECTION_ATTEMPTS_MAX):
            try:
                # Who has lost that often against batches that come keeps them out for as long as it takes.
                async with self._placing if attempt >= CORRECTION_ATTEMPTS_OPEN else nullcontext():
                    done = await self._attempt(
                        amendment, quarantined, preview=preview, is_alone=attempt >= CORRECTION_ATTEMPTS_OPEN
                    )
            except TooLarge:
                return NotCorrected.TOO_LARGE
            if done is not None:
                return done
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {CORRECTION_ATTEMPTS_MAX} times")

    async def settle(self) -> None:
        """Let what was captured and not yet written be written: it belongs to the history.

        Raises:
            Overloaded: too many wait to do this.
            StoreError: the store does not take it.
        """
        await self._resolver.between_batches(_nothing)

    async def alone(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something over the store while no request is decided here and no batch of events is on its way to its profile.

        Everything that was captured before is in the log by then. Whoever asks meanwhile waits for it.

        Raises:
            Overloaded: too many wait for it.
            StoreError: what was captured could not be written.
            Exception: whatever the work raises.
        """
        async with self._placing:
            return await self._resolver.between_batches(work)

    async def _attempt(
        self, amendment: Amendment, quarantined: Mapping[Identity, int], *, preview: bool, is_alone: bool
    ) -> HistoryCorrected | NotCorrected | None:
        """Plan, and carry that out; None if somebody was faster."""

        async def gathered() -> Component:
            pool, identities = amendment.pool, amendment.identities
            # What was set aside whenever it came, and was never released, has influenced nobody.
            released = await ever_released(self._store, pool)
            return await component_of(self._store, pool, amendment.profiles, identities, quarantined, released)

        plan = await self._plan(amendment, await gathered())
        if isinstance(plan, NotCorrected):
            return plan

        async def carry_out() -> HistoryCorrected | NotCorrected | None:
            return await self._carry_out(amendment, plan, gathered, preview=preview)

        # Batches that are being kept ask the resolver, which does nothing else meanwhile: they come first.
        async with nullcontext() if is_alone else self._placing:
            return await self._resolver.between_batches(carry_out)

    async def _plan(self, amendment: Amendment, component: Component) -> _Plan | NotCorrected:
        """Fold a component as it counts and as it is to count, and sort its user data."""
        conditions = component.conditions
        changed = _amended(conditions, amendment, component)
        if changed == conditions and not await self._turns(amendment.aliases):
            return NotCorrected.COUNTS_ALREADY
        policies = await policies_of(self._store, amendment.pool.scope)

        def fresh(seq: int) -> int:
            return fresh_mpid_of(component.decision_ids[seq], amendment.reason)

        gathered = await self._rearranging.gather(component)
        belonging = Belonging(component.lines, component.mpids, policies, gathered.questions)
        listen, were = belonging.under(conditions)
        before = world_of(component.lines, conditions, policies, fresh, listen)
        listen, are = belonging.under(changed)
        after = world_of(component.lines, changed, policies, fresh, listen)
        if touches_erased(before, after) or _moves_to_erased(before, were, are):
            return NotCorrected.ERASED

        def is_there(mpid: int) -> bool:
            return mpid not in component.mpids or after.records.record(mpid) is not None

        sorting = Sorting(were, are, is_there, amendment.aliases, self._clock())
        rearranged = await self._rearranging.plan(gathered, sorting)
        if any(one.request_id not in gathered.marked for one in amendment.aliases):
            return NotCorrected.ERASED
        return _Plan(component, before, after, gathered, rearranged)

    async def _turns(self, aliases: Sequence[TakenAlias]) -> bool:
        """Whether alias requests are not yet as they are to be."""
        for one in aliases:
            row = await self._store.user_data.alias(one.request_id)
            if row is not None and row.state is (AliasState.UNDONE if one.counts_again else AliasState.DONE):
                return True
        return False

    async def _carry_out(
        self, amendment: Amendment, plan: _Plan, gathered: Callable[[], Awaitable[Component]], *, preview: bool
    ) -> HistoryCorrected | NotCorrected | None:
        """Write what differs, if everything is still as it was gathered; None if it is not."""
        component, pool = plan.component, amendment.pool
        snapshot = await self._store.load([Wanted(pool, list(component.identities), list(component.mpids))])
        loaded = _records(snapshot, pool)
        kept = {record.mpid: record for record in loaded if record.mpid in component.mpids}
        again = await gathered()
        if [one.seq for one in again.lines] != [one.seq for one in component.lines]:
            return None
        if not await self._rearranging.is_still_all(plan.gathered):
            return None
        if drift(plan.before, kept):
            return NotCorrected.UNEXPLAINED
        rules = self._rules(pool)
        policy = rules.policy
        captured_all = policy.settings.capture is Capture.ALL
        found = difference(plan.before, plan.after, kept, captured_all=captured_all)
        differences = [
            RecordWrite(kept.get(one.mpid), one) for one in found.records if not lasts_as(one, kept.get(one.mpid))
        ]
        changed = [one.after.mpid for one in differences]
        told = HistoryCorrected(None, changed, plan.rearranged.moved, plan.rearranged.left, differences, found.gone)
        if preview:
            return told
        now_ms = self._clock()
        correction = Correction(
            now_ms,
            amendment.environment,
            CORRECTION_INPUT,
            amendment.take_back,
            found.records,
            found.gone,
            found.names,
            amendment.quarantine,
            amendment.policy_version,
            amendment.aliases,
        )
        records = Records()
        records.load(loaded)
        decision = decide(correction, policy, records, 0)
        answer = Answer(self._chance.decision_id(now_ms), Question(rules, policy, correction, pool), decision)
        # Whom a profile that went before leads to now is looked up by its MPID.
        led_otherwise = (mpid for mpid, now in found.gone if plan.before.led_to.get(mpid) != now)
        commit = _commit(answer, (*amendment.profiles, *led_otherwise), policy.unique_ids - _shared_types(plan.after))
        commit = replace(commit, rearranged=plan.rearranged.change)
        if not isinstance(await self._store.commit(snapshot, commit), Committed):
            return None
        if captured_all:
            # Where visits are known, those that count for others now must not make anybody the last one seen.
            seen = plan.after.records
            self._resolver.correct_visits((one.mpid, seen.active_ms(one)) for one in seen)
        return replace(told, decision_id=answer.decision_id)

    def _rules(self, pool: Pool) -> Rules:
        rules = self._directory.rules(pool.scope)
        if rules is None:
            raise AssertionError(f"the history of {pool.scope} is corrected while it is configured")
        return rules


def _moves_to_erased(before: World, were: Sequence[int | None], are: Sequence[int | None]) -> bool:
    """Whether user data would come to a profile that was erased, or would have been its own."""
    return any(
        one != other and (one in before.erased or other in before.erased) for one, other in zip(were, are, strict=True)
    )


def _amended(conditions: Conditions, amendment: Amendment, component: Component) -> Conditions:
    """Return what counts afterwards.

    The correction will have a later seq than any line of the component; what it says of all lines it says of those.
    """
    changed = conditions
    for one in amendment.take_back:
        changed = changed.after(one)
    after_all = component.lines[-1].seq + 1 if component.lines else 0
    return changed.judged(after_all, amendment.quarantine, amendment.policy_version)


def fresh_mpid_of(decision_id: str, reason: str) -> int:
    """Return what a line's new profile is called, so that a preview tells the names that the correction gives.

    Ids of decisions have 80 random bits, and are told only to whoever asked for the decision.
    """
    digest = blake2b(f"{decision_id} {reason}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> (64 - MPID_BITS)) or 1


async def _nothing() -> None:
    """Wait for nothing but what was captured."""


def _records(snapshot: Snapshot, pool: Pool) -> list[Record]:
    loaded = snapshot.pools.get(pool)
    return [] if loaded is None else list(loaded.records)


def _shared_types(world: World) -> set[IdentityType]:
    """Return the types of which a value is on several profiles: a policy that came later does not part them."""
    held = Counter(one for record in world.records for one in record.lookups())
    return {one.type for one, holders in held.items() if holders > 1}


def _commit(answer: Answer, profiles: Sequence[int], exclusive: frozenset[IdentityType]) -> Commit:
    """Write a correction down; it is found from whatever it was gathered from, also where nothing differs."""
    entry, decision = log_entry(answer), answer.decision
    subjects = tuple(dict.fromkeys((*entry.subjects, *(mpid for mpid in profiles if mpid not in entry.touched))))
    writes = {answer.question.pool: PoolWrites(list(decision.writes), exclusive)} if decision.writes else {}
    return Commit(writes, [replace(entry, subjects=subjects)])
