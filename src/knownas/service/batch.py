"""Loads what a batch of questions needs, and decides them in arrival order.

Most questions come from users who come back with nothing new, and one identity settles them (`question.settled`).
So a batch is first glanced at: the highest-ranked identity of each request is loaded. Only what that leaves open
is loaded whole. A question that was settled by a glance is looked at again if the batch has changed something
before its turn; if it is no longer settled, it is asked again in the next batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Returned
from knownas.core.identity.kinds import Identity
from knownas.core.identity.records import Records
from knownas.core.identity.story import NOT_MADE
from knownas.service.activity import ActivityMemory
from knownas.service.chance import Chance
from knownas.service.question import Answer, Question, glance, settled
from knownas.store.port import Pool, Snapshot, Store, Wanted


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions with the records they are decided over.

    `glanced` has for each question the identity that settled it, None for one that was loaded whole. What is
    written rests on `snapshot`, from which those were loaded.
    """

    questions: Sequence[Question]
    glanced: Sequence[Identity | None]
    working: dict[Pool, Records]
    snapshot: Snapshot

    def decide(self, chance: Chance) -> list[Answer | None]:
        """Decide each question over the records as those before it have left them.

        None stands for one that can't be decided over what was loaded.
        """
        answers: list[Answer | None] = []
        changed = False
        for question, glanced in zip(self.questions, self.glanced, strict=True):
            records = self.working[question.pool]
            if changed and glanced is not None and not settled(question, glanced, records):
                answers.append(None)
                continue
            observation = question.observation
            decision = decide(
                observation,
                question.rules.policy,
                records,
                chance.fresh_mpid() if question.writes else NOT_MADE,
                may_create=question.may_create,
            )
            if question.writes:
                if decision.writes:
                    records.apply(decision.writes)
                    changed = True
                if isinstance(decision.outcome, Returned):
                    records.saw(decision.outcome.mpid, observation.at_ms)
            answers.append(Answer(chance.decision_id(observation.at_ms), question, decision))
        return answers


async def load_batch(store: Store, questions: Sequence[Question], activity: ActivityMemory) -> Batch:
    """Load what deciding the questions takes, in one round trip or two."""
    working: dict[Pool, Records] = {}
    glances = [glance(question) for question in questions]
    first = [Wanted(question.pool, (one,)) for question, one in zip(questions, glances, strict=True) if one is not None]
    snapshot = await store.load(first)
    _take_over(snapshot, working, activity)
    for question in questions:
        if question.pool not in working:
            working[question.pool] = Records()
    glanced = [
        one if one is not None and settled(question, one, working[question.pool]) else None
        for question, one in zip(questions, glances, strict=True)
    ]
    rest = [question.wanted() for question, one in zip(questions, glanced, strict=True) if one is None]
    if rest:
        seen = working
        working = {pool: Records() for pool in seen}
        snapshot = await store.load(rest)
        _take_over(snapshot, working, activity)
        for question, one in zip(questions, glanced, strict=True):
            if one is not None:
                # What was loaded whole is newer than what was glanced at, and stays.
                glimpsed = seen[question.pool]
                working[question.pool].load(filter(None, map(glimpsed.record, glimpsed.holders(one).mpids)))
    return Batch(questions, glanced, working, snapshot)


def _take_over(snapshot: Snapshot, working: dict[Pool, Records], activity: ActivityMemory) -> None:
    last = activity.last
    for pool, loaded in snapshot.pools.items():
        records = working.setdefault(pool, Records())
        records.load(loaded.records, loaded.crowded)
        for record in loaded.records:
            seen = last(record.mpid)
            if seen is not None:
                records.saw(record.mpid, seen)
