"""Takes one piece of an import after the other: decides its rows, commits them, and keeps what they say.

A piece goes through these steps, again and again for as many rows as are decided together; each may be the last before
a kill:

1. the rows are decided in their order, over one read of the store;
2. what they come to is added to the piece's file, with a decision that only their commit brings into the log;
3. the identity records and the log are committed in one transaction;
4. what the workspace knows of the users is committed, and visits are noted; both can be repeated.

Who takes a piece up after a kill asks the log for the decision of its last step. If it is there, the step was
committed, and the results are the results: `created` stays `created`; only 4 is repeated. If it is not, nothing of the
step was kept, and its rows are decided anew.
"""

from collections.abc import Sequence
from typing import Protocol

from knownas.batch.import_deciding import Decided, Decider, Source
from knownas.batch.import_garbage import collected_afterwards
from knownas.batch.import_limits import BUSY_ATTEMPTS_MAX, CHUNK_ROWS
from knownas.batch.import_results import RowOutcome, RowResult, Tally, UnusableResults, line_of, result_of
from knownas.batch.import_rows import event_batch
from knownas.batch.import_sections import Said, keep_sections
from knownas.batch.import_staging import DoneFile, Section, StagedRow, Staging, Step
from knownas.service.chance import Chance
from knownas.service.erasure.keeping_out import KeepingOut
from knownas.service.identity.batch import captures, commit_of
from knownas.service.identity.receipts import log_entry
from knownas.service.limits import COMMIT_ATTEMPTS_MAX
from knownas.service.retrying import pause_before_retry
from knownas.service.toxic.following import Following
from knownas.store.errors import StoreBusy
from knownas.store.port import Activity, Commit, Committed, Store
from knownas.store.user_data import SectionKey


class TakesPieces(Protocol):
    """Takes one piece after the other, here or in another process."""

    async def take(self, section: Section, number: int) -> Tally:
        """Bring a piece to its end; see `Worker.take`."""
        ...


class Worker:
    """Takes pieces over a store."""

    def __init__(self, source: Source, store: Store, chance: Chance, staging: Staging) -> None:
        self._source = source
        self._store = store
        self._staging = staging
        self._decider = Decider(store, source, chance)
        screen = source.rules.screen
        self._toxic = Following(store, () if screen is None else (screen,), lambda: source.begun_ms)
        self._keeping_out = keeping_out(source, store)

    async def take(self, section: Section, number: int) -> Tally:
        """Bring a piece to its end, from wherever an earlier run was stopped.

        Raises:
            UnusableResults: what an earlier run has kept of it is not in this database.
            StoreError: the store could not go on. Taken again, the piece goes on from there.
        """
        with self._staging.done(section, number) as done, collected_afterwards():
            rows = self._staging.rows(section, number)
            await self._toxic.take_up()
            if self._keeping_out is not None:
                await self._keeping_out.take_up()
            await self._take_up(done, rows)
            taken = sum(len(step.lines) for step in done.steps)
            while taken < len(rows):
                taken += await self._take_some(rows[taken : taken + CHUNK_ROWS], done)
        await self._toxic.tell_noted()
        if self._keeping_out is not None:
            await self._keeping_out.tell()
        tally = Tally()
        for step in done.steps:
            tally = tally.with_tally(step.tally)
        return tally

    async def _take_up(self, done: DoneFile, rows: Sequence[StagedRow]) -> None:
        """Bring the last step of an earlier run to its end, or take it back."""
        if not done.steps:
            return
        for step in done.steps[:-1]:
            if not await self._is_committed(step):
                where = self._staging.folder
                raise UnusableResults(
                    f"{where} belongs to another database, or this one is older than it; give another --results"
                )
        last = done.steps[-1]
        if not await self._is_committed(last):
            done.take_back()
            return
        start = sum(len(step.lines) for step in done.steps[:-1])
        results = [result_of(line) for _, line in last.lines]
        visits = [
            Activity(one.mpid, self._source.begun_ms)
            for one in results
            if one.mpid is not None and one.outcome is RowOutcome.MATCHED
        ]
        await self._keep(rows[start : start + len(results)], results, visits)

    async def _is_committed(self, step: Step) -> bool:
        return step.evidence is None or await self._store.decision(step.evidence) is not None

    async def _take_some(self, rows: Sequence[StagedRow], done: DoneFile) -> int:
        """Take as many of the rows as can be decided together, again and again while others are faster."""
        busy = 0
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            decided = await self._decider.decide(rows)
            commit = _commit_of(decided)
            done.add(_step(decided, commit))
            try:
                if commit is None or await self._commit(decided, commit):
                    count = len(decided.results)
                    await self._keep(rows[:count], decided.results, decided.visits)
                    return count
            except StoreBusy:
                busy += 1
                if busy == BUSY_ATTEMPTS_MAX:
                    raise
            done.take_back()
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")

    async def _commit(self, decided: Decided, commit: Commit) -> bool:
        if decided.batch is None or decided.batch.snapshot is None:
            raise AssertionError("what is committed rests on something that was loaded")
        return isinstance(await self._store.commit(decided.batch.snapshot, commit), Committed)

    async def _keep(self, rows: Sequence[StagedRow], results: Sequence[RowResult], visits: Sequence[Activity]) -> None:
        """Keep what rows say of the profiles that they came to; all of it can be done again."""
        source = self._source
        said = [
            Said(
                SectionKey(source.workspace, row.content.environment, result.mpid),
                event_batch(row.content, source.reading, source.input, source.begun_ms),
            )
            for row, result in zip(rows, results, strict=True)
            if row.content is not None and result.mpid is not None
        ]
        fresh = frozenset(one.mpid for one in results if one.mpid and one.outcome is RowOutcome.CREATED)
        await keep_sections(self._store.user_data, said, fresh)
        if visits:
            await self._store.touch(visits)


def keeping_out(source: Source, store: Store) -> KeepingOut | None:
    """Return what turns rows away that name somebody who is to stay out; None where nobody looks."""
    rules, key = source.rules, source.suppression_key
    return KeepingOut(store, {rules.scope: rules.keep_out}, key, lambda: source.begun_ms) if key else None


def _step(decided: Decided, commit: Commit | None) -> Step:
    evidence = None if commit is None else commit.log[-1].decision_id
    lines = [(result.row, line_of(result)) for result in decided.results]
    return Step(evidence, Tally().with_results(decided.results), lines)


def _commit_of(decided: Decided) -> Commit | None:
    commit = commit_of(decided.answers)
    if commit is None:
        entries = [log_entry(answer) for answer in decided.answers if captures(answer)]
        commit = Commit(log=entries) if entries else None
    return commit
