"""Decides the rows of a chunk in their order, over one read of the store, without writing anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from knownas.batch.import_reading import Row, RowRefusal
from knownas.batch.import_results import RowOutcome, RowResult
from knownas.batch.import_rows import Content, Reading, RowInterpreter, observation
from knownas.core.identity.decision import (
    Created,
    Decision,
    Modified,
    NotFound,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.observation import SeedRequest
from knownas.core.identity.records import Records
from knownas.service.activity import ActivityMemory
from knownas.service.batch import Batch, captures, load_whole
from knownas.service.chance import Chance
from knownas.service.directory import Door
from knownas.service.question import Answer, Question
from knownas.store.port import Activity, Pool, Snapshot, StoredProfile, Wanted

NOT_FOUND: Final = RowRefusal("not_found", "No profile may answer for the row, and the input makes none.")


@dataclass(frozen=True, slots=True)
class Decided:
    """The first rows of a chunk with what becomes of each; all of them, but for a rare interruption.

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

    def __init__(self, store: Reads, door: Door, reading: Reading, chance: Chance, at_ms: int) -> None:
        self._store = store
        self._door = door
        self._reading = reading
        self._chance = chance
        self._at_ms = at_ms
        self._interpreter = RowInterpreter(reading)

    def content(self, row: Row) -> Content | RowRefusal:
        """Return what a row says, or why it is refused."""
        return self._interpreter.content(row)

    async def decide(self, rows: Sequence[Row], contents: Sequence[Content | RowRefusal]) -> Decided:
        """Decide rows over what the store has now; each sees what those before it would change.

        Raises:
            StoreError: the store could not be read.
        """
        if self._reading.brings_over:
            contents = await self._without_foreign(contents)
        questions = [self._question(one) for one in contents if not isinstance(one, RowRefusal)]
        if not questions:
            return Decided(self._results(rows, contents, (), None), (), (), None)
        # Visits that another process knows of and has not written down yet are not known here.
        batch = await load_whole(self._store, questions, ActivityMemory())
        decided = batch.decide(self._chance, stops=True)
        answers = [answer for answer in decided if answer is not None]
        results = self._results(rows, contents, answers, batch)
        visits = [visit for answer in answers if (visit := _visit(answer)) is not None]
        return Decided(results, answers, visits, batch)

    def _question(self, content: Content) -> Question:
        door = self._door
        asked = observation(content, self._reading, door.rules.policy, door.input.name, self._at_ms)
        return door.rules.ask(asked, may_create=door.may_create or self._reading.brings_over)

    async def _without_foreign(self, contents: Sequence[Content | RowRefusal]) -> list[Content | RowRefusal]:
        """Refuse MPIDs of other scopes and environments: an MPID names one profile in all of them."""
        taken: dict[int, Pool] = {}
        checked: list[Content | RowRefusal] = []
        for content in contents:
            if isinstance(content, RowRefusal) or content.mpid is None:
                checked.append(content)
                continue
            pool = self._door.rules.pool(content.environment)
            stored = await self._store.profile(content.mpid)
            owner = taken.setdefault(content.mpid, pool if stored is None else stored.pool)
            message = f"There is a profile {content.mpid} already."
            checked.append(content if owner == pool else RowRefusal(Refusal.MPID_TAKEN.value, message))
        return checked

    def _results(
        self,
        rows: Sequence[Row],
        contents: Sequence[Content | RowRefusal],
        answers: Sequence[Answer],
        batch: Batch | None,
    ) -> list[RowResult]:
        """Say what became of each row, up to the first that was not decided."""
        results: list[RowResult] = []
        left = iter(answers)
        for row, content in zip(rows, contents, strict=True):
            if isinstance(content, RowRefusal):
                results.append(_refused(row, content))
                continue
            answer = next(left, None)
            if answer is None:
                break
            results.append(_result(row, answer, {} if batch is None else batch.working))
        return results


def _refused(row: Row, refusal: RowRefusal) -> RowResult:
    return RowResult(row.number, RowOutcome.REFUSED, None, refusal.reason, refusal.sentence)


def _result(row: Row, answer: Answer, working: dict[Pool, Records]) -> RowResult:
    decision_id, question, decision = answer
    is_logged = answer.changed or captures(answer)
    shown = decision_id if is_logged else ""
    reason, message = _left_out(decision)
    match decision.outcome:
        case Created(mpid) | Seeded(mpid):
            return RowResult(row.number, RowOutcome.CREATED, mpid, reason, message, shown)
        case Returned(mpid) | Modified(mpid):
            outcome = RowOutcome.EXTENDED if decision.writes else RowOutcome.MATCHED
            return RowResult(row.number, outcome, mpid, reason, message, shown)
        case NotFound():
            return _refused(row, NOT_FOUND)
        case Refused(refusal, sentence):
            mpid = _brought_over_before(question, refusal, working)
            if mpid is not None:
                return RowResult(row.number, RowOutcome.MATCHED, mpid)
            return _refused(row, RowRefusal(refusal.value, sentence))
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
