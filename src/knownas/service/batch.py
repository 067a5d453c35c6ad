"""Loads what a batch of questions needs, and decides them in arrival order.

Most questions come from users who come back with nothing new, and one profile settles them (`core.identity.settle`).
So a batch is first glanced at: the highest-ranked identity of each request is loaded. Only what that leaves open
is loaded whole. A question that a glance settled is settled again if the batch has changed something before its
turn; where that fails, it is asked again in the next batch. So is one that meets a crowd which a member has left.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision, RecordWrite, Returned
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import IdentityRequest
from knownas.core.identity.records import Records
from knownas.core.identity.settle import glance, settle
from knownas.core.identity.story import NOT_MADE
from knownas.service.activity import ActivityMemory
from knownas.service.chance import Chance
from knownas.service.question import Answer, Question
from knownas.store.port import Pool, Snapshot, Store, Wanted


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions with what they are decided over.

    `glanced` has for each question the identity to glance at, `settled` the decision that this came to; both are
    None for a question that was loaded whole. What is written rests on `snapshot`, from which those were loaded.
    """

    questions: Sequence[Question]
    glanced: Sequence[Identity | None]
    settled: Sequence[Decision | None]
    working: dict[Pool, Records]
    snapshot: Snapshot

    def decide(self, chance: Chance) -> list[Answer | None]:
        """Decide each question over the records as those before it have left them.

        None stands for one that can't be decided over what was loaded.
        """
        answers: list[Answer | None] = []
        changed = False
        thinned: set[tuple[Pool, Identity]] = set()
        for question, glanced, settled in zip(self.questions, self.glanced, self.settled, strict=True):
            decision: Decision | None
            if settled is None:
                decision = self._decide(question, chance, thinned)
                changed = changed or bool(decision and question.writes and decision.writes)
            elif changed and glanced is not None:
                decision = self._settle_again(question, glanced, settled)
            else:
                decision = settled
            if decision is None:
                answers.append(None)
            else:
                self._saw(question, decision)
                answers.append(Answer(chance.decision_id(question.observation.at_ms), question, decision))
        return answers

    def _decide(self, question: Question, chance: Chance, thinned: set[tuple[Pool, Identity]]) -> Decision | None:
        """Decide a question that was loaded whole; None if it meets a crowd that is no longer what was loaded of it."""
        pool, records = question.pool, self.working[question.pool]
        if thinned and any((pool, one) in thinned for one in question.wanted().identities):
            return None
        fresh_mpid = chance.fresh_mpid() if question.writes else NOT_MADE
        policy, observation = question.rules.policy, question.observation
        decision = decide(observation, policy, records, fresh_mpid, may_create=question.may_create)
        if question.writes:
            records.apply(decision.writes)
            thinned.update((pool, one) for one in self._thinned(pool, decision.writes))
        return decision

    def _thinned(self, pool: Pool, writes: Iterable[RecordWrite]) -> Iterator[Identity]:
        """Yield the crowded identities that a loaded member has left: whoever moves up was not loaded."""
        loaded = self.snapshot.pools.get(pool)
        for one in () if loaded is None else loaded.crowded:
            for before, after in writes:
                if before is not None and before.holds(one) and not (after.holds(one) and after.known == before.known):
                    yield one

    def _saw(self, question: Question, decision: Decision) -> None:
        """Let a visit count for the questions after it, whether or not a glance settled it."""
        records = self.working.get(question.pool)
        if records is not None and question.writes and isinstance(decision.outcome, Returned):
            records.saw(decision.outcome.mpid, question.observation.at_ms)

    def _settle_again(self, question: Question, glanced: Identity, settled: Decision) -> Decision | None:
        """Settle a question over what the batch has made of the profile; None if that is not enough any more."""
        sole, observation = settled.record, question.observation
        if sole is None or not isinstance(observation, IdentityRequest):
            return None
        records = self.working[question.pool]
        now = records.record(sole.mpid) or sole
        if not now.holds(glanced) or any(mpid != sole.mpid for mpid in records.holders(glanced).mpids):
            return None
        return settle(observation, question.rules.policy, glanced, now)


async def load_batch(store: Store, questions: Sequence[Question], activity: ActivityMemory) -> Batch:
    """Load what deciding the questions takes, in one round trip or two."""
    glanced = [glance(question.observation, question.rules.policy) for question in questions]
    first = [Wanted(question.pool, (one,)) for question, one in zip(questions, glanced, strict=True) if one is not None]
    snapshot = await store.load(first)
    settled = [
        None if one is None else _settle(question, one, snapshot)
        for question, one in zip(questions, glanced, strict=True)
    ]
    working: dict[Pool, Records] = {}
    rest = [question.wanted() for question, one in zip(questions, settled, strict=True) if one is None]
    if rest:
        snapshot = await store.load(rest)
        for question in questions:
            if question.pool not in working:
                working[question.pool] = Records()
        # What was glanced at is older, and may no longer be so: nothing else is decided over it.
        _take_over(snapshot, working, activity)
    return Batch(questions, glanced, settled, working, snapshot)


def _settle(question: Question, glanced: Identity, snapshot: Snapshot) -> Decision | None:
    loaded = snapshot.pools.get(question.pool)
    sole = None if loaded is None else loaded.sole.get(glanced)
    observation = question.observation
    if sole is None or not isinstance(observation, IdentityRequest):
        return None
    return settle(observation, question.rules.policy, glanced, sole)


def _take_over(snapshot: Snapshot, working: dict[Pool, Records], activity: ActivityMemory) -> None:
    for pool, loaded in snapshot.pools.items():
        records = working[pool]
        records.load(loaded.records, loaded.crowded)
        for record in loaded.records:
            seen = activity.last(record.mpid)
            if seen is not None:
                records.saw(record.mpid, seen)
