"""Loads what a batch of questions needs, and decides them in arrival order.

Most questions come from users who come back with nothing new, and one profile settles them (`core.identity.settle`).
So a batch is first glanced at: the highest-ranked identity of each request is loaded. Only what that leaves open
is loaded whole. A question that a glance settled is settled again if the batch has changed something before its
turn; where that fails, it is asked again in the next batch. So is one that meets a crowd which a member has left.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision, RecordWrite, Returned
from knownas.core.identity.erase import refused_as_erased
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, IdentityRequest, ModifyRequest, Observation, SeedRequest
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.identity.policy import Capture
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.core.identity.seed import taken
from knownas.core.identity.settle import glance, settle
from knownas.service.chance import Chance
from knownas.service.history.successors import gone_among, meaning
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.question import Answer, Question
from knownas.service.identity.receipts import log_entry
from knownas.store.port import Commit, LogEntry, Pool, PoolWrites, Snapshot, Store, Wanted


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions with what they are decided over.

    `glanced` has for each question the identity to glance at, `settled` the decision that this came to; both are
    None for a question that was loaded whole. What is written rests on `snapshot`, from which those were loaded; it is
    None, and nothing will be written, if there are none.
    """

    questions: Sequence[Question]
    glanced: Sequence[Identity | None]
    settled: Sequence[Decision | None]
    working: dict[Pool, Records]
    snapshot: Snapshot | None
    gone: Collection[int] = ()
    """Profiles named by questions that have gone, by a correction or by an erasure: nobody may have their MPIDs."""
    erased: Collection[int] = ()
    """Those that were erased."""

    def decide(self, chance: Chance, *, stops: bool = False) -> list[Answer | None]:
        """Decide each question over the records as those before it have left them.

        None stands for one that can't be decided over what was loaded. With `stops`, those after it are left out.
        """
        if self.snapshot is None:
            return [
                None if settled is None else Answer(chance.decision_id(question.observation.at_ms), question, settled)
                for question, settled in zip(self.questions, self.settled, strict=True)
            ]
        answers: list[Answer | None] = []
        changed = False
        crowded = {pool: loaded.crowded for pool, loaded in self.snapshot.pools.items() if loaded.crowded}
        thinned: set[tuple[Pool, Identity]] = set()
        for question, glanced, settled in zip(self.questions, self.glanced, self.settled, strict=True):
            decision: Decision | None
            if settled is None:
                decision = self._decide(question, chance, crowded.get(question.pool, ()), thinned)
                changed = changed or bool(decision and question.writes and decision.writes)
            elif changed and glanced is not None:
                decision = self._settle_again(question, glanced, settled)
            else:
                decision = settled
            if decision is None:
                answers.append(None)
                if stops:
                    break
            else:
                if self.working:
                    self._saw(question, decision)
                answers.append(Answer(chance.decision_id(question.observation.at_ms), question, decision))
        return answers

    def _decide(
        self, question: Question, chance: Chance, crowded: Iterable[Identity], thinned: set[tuple[Pool, Identity]]
    ) -> Decision | None:
        """Decide a question that was loaded whole; None if it meets a crowd that is no longer what was loaded of it."""
        pool, records = question.pool, self.working[question.pool]
        if thinned and any((pool, one) in thinned for one in question.wanted().identities):
            return None
        fresh_mpid = chance.fresh_mpid() if question.writes else NOT_MADE
        policy, observation = question.policy, question.observation
        named = _profile_named(observation)
        if named is not None and named in self.erased:
            return refused_as_erased(named, policy)
        if question.is_turned_away:
            return question.turned_away()
        if isinstance(observation, SeedRequest) and observation.mpid is not None and observation.mpid in self.gone:
            return taken(observation.mpid, policy)
        decision = decide(observation, policy, records, fresh_mpid, may_create=question.may_create)
        if question.writes and decision.writes:
            records.apply(decision.writes)
            thinned.update((pool, one) for one in crowded if _is_thinned(one, decision.writes))
        return decision

    def _saw(self, question: Question, decision: Decision) -> None:
        """Let a visit count for the questions after it, whether or not a glance settled it."""
        records = self.working.get(question.pool)
        if records is not None and isinstance(decision.outcome, Returned) and is_visit(question):
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
        return settle(observation, question.policy, glanced, now)


def _profile_named(observation: Observation) -> int | None:
    """Return the profile that a request would change or bring over by its MPID."""
    return observation.mpid if isinstance(observation, ModifyRequest | SeedRequest) else None


def _is_thinned(crowded: Identity, writes: Iterable[RecordWrite]) -> bool:
    """Whether a loaded member of a crowd has left it: whoever moves up was not loaded."""
    return any(
        before is not None and before.holds(crowded) and not (after.holds(crowded) and after.known == before.known)
        for before, after in writes
    )


async def load_batch(store: Store, questions: Sequence[Question], activity: ActivityMemory) -> Batch:
    """Load what deciding the questions takes, in one round trip or two."""
    glanced = [glance(question.observation, question.policy) for question in questions]
    settled: list[Decision | None] = [None] * len(questions)
    glances = [(place, one) for place, one in enumerate(glanced) if one is not None]
    sole_holders = await store.sole_holders([(questions[place].pool, one) for place, one in glances])
    for (place, one), sole in zip(glances, sole_holders, strict=True):
        observation = questions[place].observation
        if sole is not None and isinstance(observation, IdentityRequest):
            settled[place] = settle(observation, questions[place].policy, one, sole)
    rest = [question.wanted() for question, one in zip(questions, settled, strict=True) if one is None]
    if not rest:
        return Batch(questions, glanced, settled, {}, None)
    snapshot = await store.load(rest)
    gone = await gone_among(store, _named(rest, snapshot))
    if gone:
        questions = [
            question if one is not None else meaning(question, gone)
            for question, one in zip(questions, settled, strict=True)
        ]
        snapshot = await store.load(
            [question.wanted() for question, one in zip(questions, settled, strict=True) if one is None]
        )
    working = {pool: Records() for pool in {question.pool for question in questions}}
    # What was glanced at is older, and may no longer be so: nothing else is decided over it.
    _take_over(snapshot, working, activity, gone)
    erased = await store.privacy.tombstones([mpid for mpid, now in gone.items() if now is None]) if gone else ()
    return Batch(questions, glanced, settled, working, snapshot, gone, erased)


async def load_records(store: "Loads", wanted: Wanted, activity: ActivityMemory) -> Records:
    """Load what a question needs to see, with what is remembered of visits, for somebody who only looks."""
    snapshot = await store.load([wanted])
    working = {wanted.pool: Records()}
    _take_over(snapshot, working, activity)
    return working[wanted.pool]


class Loads(Protocol):
    """The part of a store that deciding takes."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the requests of a batch need; see `store.port`."""
        ...


async def load_whole(store: Loads, questions: Sequence[Question], activity: ActivityMemory) -> Batch:
    """Load everything that deciding the questions takes, without a glance: for many of which most change something.

    They are decided strictly in their order, however many are about one profile.
    """
    snapshot = await store.load([question.wanted() for question in questions])
    working = {pool: Records() for pool in {question.pool for question in questions}}
    _take_over(snapshot, working, activity)
    return Batch(questions, [None] * len(questions), [None] * len(questions), working, snapshot)


def commit_of(answers: Iterable[Answer | None], captured: Sequence[LogEntry] = ()) -> Commit | None:
    """Gather what must be written, one write a profile, the captured observations first; None if nothing must."""
    writes: dict[Pool, dict[int, RecordWrite]] = {}
    exclusive: dict[Pool, frozenset[IdentityType]] = {}
    entries = list(captured)
    for answer in answers:
        if answer is None:
            continue
        if not answer.changed:
            if captures(answer):
                entries.append(log_entry(answer))
            continue
        pool = answer.question.pool
        # Questions of before and after another policy was published may meet in a batch: what is unique for any of them stays so.
        exclusive[pool] = exclusive.get(pool, frozenset()) | answer.question.policy.unique_ids
        of_pool = writes.setdefault(pool, {})
        for write in answer.decision.writes:
            earlier = of_pool.get(write.after.mpid)
            of_pool[write.after.mpid] = write if earlier is None else earlier._replace(after=write.after)
        entries.append(log_entry(answer))
    if not writes:
        return None
    pools = {pool: PoolWrites(list(of_pool.values()), exclusive[pool]) for pool, of_pool in writes.items()}
    return Commit(pools, entries)


def is_visit(question: Question) -> bool:
    """Whether the profile that a question is answered with was active: a search only looks (idsync §3.3)."""
    return question.writes and question.observation.endpoint is not Endpoint.SEARCH


def captures(answer: Answer) -> bool:
    """Whether the log keeps an observation although it changed nothing."""
    question = answer.question
    return question.writes and question.policy.settings.capture is Capture.ALL


def _named(wanted: Iterable[Wanted], snapshot: Snapshot) -> list[Record]:
    """Return the profiles that questions name by their MPID."""
    mpids = {mpid for one in wanted for mpid in one.mpids}
    if not mpids:
        return []
    return [record for loaded in snapshot.pools.values() for record in loaded.records if record.mpid in mpids]


def _take_over(
    snapshot: Snapshot, working: dict[Pool, Records], activity: ActivityMemory, gone: Collection[int] = ()
) -> None:
    for pool, loaded in snapshot.pools.items():
        records = working[pool]
        records.load(
            (one for one in loaded.records if one.mpid not in gone) if gone else loaded.records, loaded.crowded
        )
        for record in loaded.records:
            seen = activity.last(record.mpid)
            if seen is not None:
                records.saw(record.mpid, seen)
