"""Takes a decision back: everything becomes what it would be had it never been asked (design §2).

The lines that it could have influenced are gathered and folded twice, with it and without it. What differs is written as one
commit, with a line of the log that says so: a correction, which is an observation like others and can be taken back itself.
Nothing is written where the lines do not explain what is kept.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from knownas.core.history.conditions import conditions_of
from knownas.core.history.world import World, difference, drift, world_of
from knownas.core.identity.decide import decide
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Correction, Observation, TakeBack
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.service.chance import MPID_BITS, Chance
from knownas.service.components import Component, TooLarge, component_of
from knownas.service.directory import Directory
from knownas.service.limits import UNDO_ATTEMPTS_MAX
from knownas.service.log_form import observation_from
from knownas.service.policies import policies_of
from knownas.service.question import Answer, Question, Rules
from knownas.service.receipts import log_entry
from knownas.service.resolver import Resolver
from knownas.service.retrying import pause_before_retry
from knownas.service.subjects import named_in
from knownas.store.errors import StoreBusy
from knownas.store.port import Commit, Committed, LogEntry, Pool, PoolWrites, Snapshot, Store, Wanted

UNDO_INPUT: Final = "api"
"""The input name under which corrections are logged."""


class UndoRefusal(StrEnum):
    """Why a decision is not taken back. The value is the stable reason code."""

    UNKNOWN_DECISION = "unknown_decision"
    NOTHING_CHANGED = "decision_changed_nothing"
    UNDONE_ALREADY = "already_undone"
    UNKNOWN_IDENTITY = "identity_not_in_decision"
    TOO_LARGE = "too_many_lines_to_fold"
    UNEXPLAINED = "history_does_not_explain_profiles"


@dataclass(frozen=True, slots=True)
class Undone:
    """The decision is taken back, or would be: `decision_id` names the correction, None for a preview."""

    decision_id: str | None
    changed: Sequence[int]


@dataclass(frozen=True, slots=True)
class UndoRefused:
    """The decision is not taken back, and nothing has changed."""

    reason: UndoRefusal
    sentence: str


@dataclass(frozen=True, slots=True)
class _Case:
    """What is to be taken back."""

    entry: LogEntry
    observation: Observation
    identity: Identity | None
    """The only identity of the decision that is taken back; None for all of it."""
    concerned: tuple[int, ...]
    """The profiles from which everything can be found that the decision could have influenced."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A correction with what it rests on."""

    component: Component
    before: World
    after: World
    take_back: tuple[TakeBack, ...]


class Undoing:
    """Takes decisions back over one store. One event loop, one of these."""

    def __init__(
        self, store: Store, directory: Directory, resolver: Resolver, chance: Chance, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._chance = chance
        self._clock = clock

    async def undo(
        self, decision_id: str, identity: Identity | None = None, *, preview: bool = False
    ) -> Undone | UndoRefused:
        """Take a decision back, or only one identity that it was asked with. `preview` says what would change.

        Raises:
            StoreError: the store could not do it, or others were faster every time.
        """
        entry = await self._store.decision(decision_id)
        if entry is None:
            return UndoRefused(UndoRefusal.UNKNOWN_DECISION, "No decision that changed something has this id.")
        observation = observation_from(entry.observation)
        if not entry.touched and not isinstance(observation, Correction):
            return UndoRefused(UndoRefusal.NOTHING_CHANGED, "The decision changed nothing that could be taken back.")
        if identity is not None and identity not in named_in(observation):
            sentence = f"The decision was not asked with {identity.type.value} {identity.value}."
            return UndoRefused(UndoRefusal.UNKNOWN_IDENTITY, sentence)
        case = _Case(entry, observation, identity, await self._concerned(entry, observation))
        await self._resolver.between_batches(_nothing)
        for attempt in range(UNDO_ATTEMPTS_MAX):
            try:
                done = await self._attempt(case, preview=preview)
            except TooLarge:
                sentence = "More lines of the log could have been influenced than are folded at once."
                return UndoRefused(UndoRefusal.TOO_LARGE, sentence)
            if done is not None:
                return done
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {UNDO_ATTEMPTS_MAX} times")

    async def _attempt(self, case: _Case, *, preview: bool) -> Undone | UndoRefused | None:
        """Plan, and carry that out; None if somebody was faster."""
        plan = await self._plan(case)
        if isinstance(plan, UndoRefused):
            return plan
        return await self._resolver.between_batches(lambda: self._carry_out(case, plan, preview=preview))

    async def _plan(self, case: _Case) -> _Plan | UndoRefused:
        """Fold what the decision could have influenced, with it and without it."""
        entry = case.entry
        component = await component_of(self._store, entry.pool, case.concerned)
        conditions = conditions_of(component.corrections)
        taken = TakeBack(entry.seq, entry.decision_id, case.identity)
        take_back = _inverse(case.observation, case.identity) or (taken,)
        changed = conditions
        for one in take_back:
            changed = changed.after(one)
        if changed == conditions:
            return UndoRefused(UndoRefusal.UNDONE_ALREADY, "That is taken back already.")
        policies = await policies_of(self._store, entry.pool.scope)

        def fresh(seq: int) -> int:
            return _fresh_mpid(component.decision_ids[seq], entry.decision_id)

        before = world_of(component.lines, conditions, policies, fresh)
        after = world_of(component.lines, changed, policies, fresh)
        return _Plan(component, before, after, take_back)

    async def _concerned(self, entry: LogEntry, observation: Observation) -> tuple[int, ...]:
        """Return the profiles from which everything can be found that a line could have influenced."""
        found = list(entry.touched)
        if isinstance(observation, Correction):
            for one in observation.take_back:
                corrected = await self._store.decision(one.decision_id)
                found += () if corrected is None else corrected.touched
        return tuple(dict.fromkeys(found))

    async def _carry_out(self, case: _Case, plan: _Plan, *, preview: bool) -> Undone | UndoRefused | None:
        """Write what differs, if everything is still as it was gathered; None if it is not."""
        component, pool = plan.component, case.entry.pool
        snapshot = await self._store.load([Wanted(pool, list(component.identities), list(component.mpids))])
        loaded = _records(snapshot, pool)
        kept = {record.mpid: record for record in loaded if record.mpid in component.mpids}
        again = await component_of(self._store, pool, case.concerned)
        if [one.seq for one in again.lines] != [one.seq for one in component.lines]:
            return None
        if drift(plan.before, kept):
            sentence = "The log does not explain what these profiles are: `knownas verify` names those that differ."
            return UndoRefused(UndoRefusal.UNEXPLAINED, sentence)
        found = difference(plan.before, plan.after, kept)
        changed = [record.mpid for record in found.records]
        if preview:
            return Undone(None, changed)
        now_ms, environment = self._clock(), case.observation.environment
        correction = Correction(now_ms, environment, UNDO_INPUT, plan.take_back, found.records, found.gone, found.names)
        rules = self._rules(pool)
        records = Records()
        records.load(loaded)
        decision = decide(correction, rules.policy, records, 0)
        answer = Answer(self._chance.decision_id(now_ms), Question(rules, correction, pool), decision)
        commit = _commit(answer, case.concerned, rules.policy.unique_ids - _shared_types(plan.after))
        if not isinstance(await self._store.commit(snapshot, commit), Committed):
            return None
        return Undone(answer.decision_id, changed)

    def _rules(self, pool: Pool) -> Rules:
        rules = self._directory.rules(pool.scope)
        if rules is None:
            raise AssertionError(f"decisions of {pool.scope} are taken back while it is configured")
        return rules


def _fresh_mpid(decision_id: str, corrected_id: str) -> int:
    """Return what a line's new profile is called, so that a preview tells the names that the correction gives.

    Ids of decisions have 80 random bits, and are told only to whoever asked for the decision.
    """
    digest = blake2b(f"{decision_id} {corrected_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> (64 - MPID_BITS)) or 1


async def _nothing() -> None:
    """Wait for nothing but what was captured."""


def _inverse(observation: Observation, identity: Identity | None) -> tuple[TakeBack, ...]:
    """Return what takes a correction back; nothing for another observation."""
    if not isinstance(observation, Correction) or identity is not None:
        return ()
    return tuple(one._replace(counts_again=not one.counts_again) for one in observation.take_back)


def _records(snapshot: Snapshot, pool: Pool) -> list[Record]:
    loaded = snapshot.pools.get(pool)
    return [] if loaded is None else list(loaded.records)


def _shared_types(world: World) -> set[IdentityType]:
    """Return the types of which a value is on several profiles: a policy that came later does not part them."""
    held = Counter(one for record in world.records for one in record.lookups())
    return {one.type for one, holders in held.items() if holders > 1}


def _commit(answer: Answer, concerned: Sequence[int], exclusive: frozenset[IdentityType]) -> Commit:
    """Write a correction down; it is found from whatever was taken back, also where nothing differs."""
    entry, decision = log_entry(answer), answer.decision
    subjects = tuple(dict.fromkeys((*entry.subjects, *(mpid for mpid in concerned if mpid not in entry.touched))))
    writes = {answer.question.pool: PoolWrites(list(decision.writes), exclusive)} if decision.writes else {}
    return Commit(writes, [replace(entry, subjects=subjects)])
