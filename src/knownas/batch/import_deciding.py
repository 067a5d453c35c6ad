"""Decides the rows of a chunk in their order, over one read of the store, without writing anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from knownas.batch.import_reading import RowRefusal
from knownas.batch.import_results import RowOutcome, RowResult
from knownas.batch.import_rows import Content, Reading, observation
from knownas.batch.import_staging import StagedRow
from knownas.core.identity.decision import (
    Corrected,
    Created,
    Decision,
    Erased,
    Modified,
    NotFound,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.observation import SeedRequest
from knownas.core.identity.records import Records
from knownas.service.chance import Chance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.batch import Batch, captures, load_whole
from knownas.service.identity.question import Answer, Question, Rules
from knownas.service.identity.receipts import with_set_aside
from knownas.store.port import Activity, Pool, Snapshot, StoredProfile, Wanted

NOT_FOUND: Final = RowRefusal("not_found", "No profile may answer for the row, and the input makes none.")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of an import come from: how they are read and decided, for which workspace, as said when."""

    reading: Reading
    rules: Rules
    may_create: bool
    """Whether the input may make profiles."""
    workspace: int
    input: str
    begun_ms: int
    suppression_key: bytes = b""
    """By which people are recognised who are to stay out; empty where nobody looks."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The first of some rows with what becomes of each; all of them, but for a rare interruption.

    `visits` are profiles that were found as they are, and were last active before.
    """

    results: Sequence[RowResult]
    answers: Sequence[Answer]
    visits: Sequence[Activity]
    batch: Batch | None


class Reads(Protocol):
    """The part of a store that deciding a chunk takes."""

    async def load(self, wanted: Sequence[Wanted]) -> Snapshot:
        """Load what the rows of a chunk need; see `store.port`."""
        ...

    async def profile(self, mpid: int) -> StoredProfile | None:
        """Return a profile by its MPID, whatever its pool."""
        ...


class Decider:
    """Decides rows of one import: under an input's rules, as said at one time."""

    def __init__(self, store: Reads, source: Source, chance: Chance) -> None:
        self._store = store
        self._source = source
        self._chance = chance

    async def decide(self, rows: Sequence[StagedRow]) -> Decided:
        """Decide rows over what the store has now; each sees what those before it would change.

        Raises:
            StoreError: the store could not be read.
        """
        if self._source.reading.brings_over:
            rows = await self._without_foreign(rows)
        questions = [self._question(row.content) for row in rows if row.content is not None]
        if not questions:
            return Decided(_results(rows, (), None), (), (), None)
        # Visits that another process knows of and has not written down yet are not known here.
        batch = await load_whole(self._store, questions, ActivityMemory())
        decided = batch.decide(self._chance, stops=True)
        answers = [answer for answer in decided if answer is not None]
        visits = [visit for answer in answers if (visit := _visit(answer)) is not None]
        return Decided(_results(rows, answers, batch), answers, visits, batch)

    def _question(self, content: Content) -> Question:
        source = self._source
        asked = observation(content, source.reading, source.rules.policy, source.input, source.begun_ms)
        return source.rules.ask(asked, may_create=source.may_create or source.reading.brings_over)

    async def _without_foreign(self, rows: Sequence[StagedRow]) -> list[StagedRow]:
        """Refuse MPIDs of other scopes and environments: an MPID names one profile in all of them."""
        taken: dict[int, Pool] = {}
        checked: list[StagedRow] = []
        for row in rows:
            content = row.content
            if content is not None and content.mpid is not None:
                pool = self._source.rules.pool(content.environment)
                stored = await self._store.profile(content.mpid)
                owner = taken.setdefault(content.mpid, pool if stored is None else stored.pool)
                if owner != pool:
                    message = f"There is a profile {content.mpid} already."
                    refusal = RowRefusal(Refusal.MPID_TAKEN.value, message)
                    checked.append(StagedRow(row.number, None, refusal))
                    continue
            checked.append(row)
        return checked


def _results(rows: Sequence[StagedRow], answers: Sequence[Answer], batch: Batch | None) -> list[RowResult]:
    """Say what became of each row, up to the first that was not decided."""
    results: list[RowResult] = []
    left = iter(answers)
    for number, _, refusal in rows:
        if refusal is not None:
            results.append(_refused(number, refusal))
            continue
        answer = next(left, None)
        if answer is None:
            break
        results.append(_result(number, answer, {} if batch is None else batch.working))
    return results


def _refused(row: int, refusal: RowRefusal) -> RowResult:
    return RowResult(row, RowOutcome.REFUSED, None, refusal.reason, refusal.sentence)


def _result(row: int, answer: Answer, working: dict[Pool, Records]) -> RowResult:
    decision_id, question, decision = answer
    is_logged = answer.changed or captures(answer)
    shown = decision_id if is_logged else ""
    reason, message = _left_out(with_set_aside(decision, question.observation))
    match decision.outcome:
        case Created(mpid) | Seeded(mpid):
            return RowResult(row, RowOutcome.CREATED, mpid, reason, message, shown)
        case Returned(mpid) | Modified(mpid):
            outcome = RowOutcome.EXTENDED if decision.writes else RowOutcome.MATCHED
            return RowResult(row, outcome, mpid, reason, message, shown)
        case NotFound():
            return _refused(row, NOT_FOUND)
        case Refused(refusal, sentence):
            mpid = _brought_over_before(question, refusal, working)
            if mpid is not None:
                return RowResult(row, RowOutcome.MATCHED, mpid)
            return _refused(row, RowRefusal(refusal.value, sentence))
        case Corrected() | Erased():
            raise AssertionError("a row corrects nothing, and erases nothing")
        case _:
            assert_never(decision.outcome)


def _left_out(decision: Decision) -> tuple[str, str]:
    """Say which identities of the row the profile did not get, and why."""
    if not decision.skipped:
        return "", ""
    reasons = ";".join(dict.fromkeys(one.why.value for one in decision.skipped))
    sentences = [
        f"{one.identity.type.value} was left out: {one.why.value}" + (f" {one.holder}" if one.holder else "")
        for one in decision.skipped
    ]
    return reasons, "; ".join(sentences)


def _brought_over_before(question: Question, refusal: Refusal, working: dict[Pool, Records]) -> int | None:
    """Return the MPID of a profile that came over before with all that the row says; None if it did not."""
    asked = question.observation
    if refusal is not Refusal.MPID_TAKEN or not isinstance(asked, SeedRequest) or asked.mpid is None:
        return None
    record = working[question.pool].record(asked.mpid)
    if record is None:
        return None
    for kind, value in asked.identities:
        if value not in record.identities.get(kind, ()) and value not in record.carried.get(kind, ()):
            return None
    return asked.mpid


def _visit(answer: Answer) -> Activity | None:
    record, at_ms = answer.decision.record, answer.question.observation.at_ms
    if record is None or not isinstance(answer.decision.outcome, Returned) or answer.decision.writes:
        return None
    return Activity(record.mpid, at_ms) if record.active_ms < at_ms else None
