"""Runs an import: takes a file chunk by chunk, from where an earlier run was stopped, until every row has an outcome.

A chunk goes through these steps, of which each may be the last before a kill:

1. its rows are read and decided in their order, over one read of the store;
2. the checkpoint is written with the intent: what the result file will say once the commit has happened;
3. the identity records and the log are committed in one transaction;
4. what the workspace knows of the users is committed, and visits are noted; both can be repeated;
5. the results are appended to the result file.

`import_results` explains how a later run finds out which steps happened. All rows count as said when the import
began: newer things that arrive meanwhile from elsewhere stay, and repeating a step writes the same.

Memory is bounded: a chunk of rows with what the store has of them, a block of the file, and the store's cache.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import msgspec

from knownas.batch.import_deciding import Decided, Decider
from knownas.batch.import_limits import BUSY_ATTEMPTS_MAX, CHUNK_ROWS
from knownas.batch.import_reading import ImportFile, Row, RowReader, RowRefusal
from knownas.batch.import_results import (
    HEADER,
    Checkpoint,
    Intent,
    ResultFile,
    RowOutcome,
    RowResult,
    Tally,
    UnusableResults,
    digest_of,
    lines_of,
    results_of,
)
from knownas.batch.import_rows import Content, Reading, event_batch
from knownas.batch.import_sections import Said, keep_sections
from knownas.service.batch import captures, commit_of
from knownas.service.chance import Chance
from knownas.service.directory import Door
from knownas.service.limits import COMMIT_ATTEMPTS_MAX
from knownas.service.receipts import log_entry
from knownas.service.retrying import pause_before_retry
from knownas.store.errors import StoreBusy
from knownas.store.port import Activity, Commit, Committed, Store

_KEPT_AS: Final = "import:"
_RUN_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be imported: a file, through an input, read in a certain way."""

    file: ImportFile
    door: Door
    reading: Reading

    def digest(self) -> str:
        """Return a digest of all that decides what the import does; two with the same are one."""
        mapping = sorted((column, str(target)) for column, target in self.reading.mapping.given.items())
        words = (self.file.format.value, self.door.input.key, self.reading.environment.value)
        return digest_of(self.file.path, *words, str(self.reading.brings_over), str(mapping))


@dataclass(frozen=True, slots=True)
class Stage:
    """How far an import is: the fraction of the file that was read, and the rows with an outcome."""

    fraction: float
    tally: Tally


@dataclass(frozen=True, slots=True)
class Ended:
    """An import that is through. `was_finished` says that an earlier run had done all of it."""

    tally: Tally
    was_finished: bool


class Import:
    """One run of an import over a store and a result file."""

    def __init__(self, job: Job, store: Store, chance: Chance, results: ResultFile) -> None:
        self._job = job
        self._store = store
        self._chance = chance
        self._results = results
        self._checkpoint = Checkpoint("", "", 0)

    async def run(self, now_ms: int, watch: Callable[[Stage], None] = lambda _: None) -> Ended:
        """Import what has no outcome yet.

        Raises:
            UnreadableFile: the file can't be read any further; what was read is imported.
            UnusableResults: the result file belongs to something else.
            StoreError: the store could not go on. The same import, run again, continues.
        """
        found = self._results.checkpoint()
        about = self._job.digest()
        if found is None:
            await self._begin(about, now_ms)
        else:
            await self._continue(found, about)
            if found.finished:
                return Ended(found.tally, was_finished=True)
        checkpoint = self._checkpoint
        reader = RowReader(self._job.file)
        rows = (row for row in reader if row.number > checkpoint.last_row)
        decider = Decider(self._store, self._job.door, self._job.reading, self._chance, checkpoint.begun_ms)
        if checkpoint.intent is not None:
            await self._settle(checkpoint.intent, rows, decider)
        while chunk := list(islice(rows, CHUNK_ROWS)):
            await self._take(chunk, decider)
            watch(Stage(reader.fraction, self._checkpoint.tally))
        self._results.save(replace(self._checkpoint, finished=True))
        return Ended(self._checkpoint.tally, was_finished=False)

    async def _begin(self, about: str, now_ms: int) -> None:
        begun = Checkpoint(os.urandom(_RUN_BYTES).hex(), about, now_ms)
        self._checkpoint = self._results.begin(begun)
        await self._name_in_store(begun)

    async def _name_in_store(self, checkpoint: Checkpoint) -> None:
        document = {
            "file": self._job.file.path.name,
            "input": self._job.door.input.name,
            "about": checkpoint.about,
            "begun_ms": checkpoint.begun_ms,
        }
        await self._store.keep(_KEPT_AS + checkpoint.run, msgspec.json.encode(document))

    async def _continue(self, found: Checkpoint, about: str) -> None:
        """Take up an earlier run, if it was one of the same import into the same database.

        Raises:
            UnusableResults: it was not.
        """
        where = self._results.path
        if found.about != about:
            raise UnusableResults(
                f"{where} belongs to the import of another file, input or mapping; give another --results"
            )
        untouched = found.last_row == 0 and found.intent is None
        if untouched and not found.finished:
            await self._name_in_store(found)
        is_known = await self._store.kept(_KEPT_AS + found.run) is not None
        is_there = found.evidence is None or await self._store.decision(found.evidence) is not None
        if not is_known or not is_there:
            raise UnusableResults(
                f"{where} belongs to another database, or this one is older than the results; give another --results"
            )
        if found.finished:
            return
        if found.length == 0:
            found = replace(found, length=self._results.append(HEADER, 0))
        intent = found.intent
        if intent is not None and intent.evidence is not None and await self._store.decision(intent.evidence) is None:
            # The chunk was never committed: it is decided anew.
            found = replace(found, intent=None)
        self._checkpoint = found

    async def _settle(self, intent: Intent, rows: Iterator[Row], decider: Decider) -> None:
        """Finish a chunk whose identities were committed by a run that was killed."""
        results = results_of(intent.lines)
        contents = [decider.content(row) for row in islice(rows, len(results))]
        visits = [
            Activity(result.mpid, self._checkpoint.begun_ms)
            for result in results
            if result.mpid is not None and result.outcome is RowOutcome.MATCHED
        ]
        await self._finish(intent, contents, results, visits)

    async def _take(self, rows: Sequence[Row], decider: Decider) -> None:
        """Give every row of a chunk its outcome, durably."""
        contents = [decider.content(row) for row in rows]
        done = 0
        while done < len(rows):
            done += await self._take_some(rows[done:], contents[done:], decider)

    async def _take_some(self, rows: Sequence[Row], contents: Sequence[Content | RowRefusal], decider: Decider) -> int:
        """Commit as many of the rows as can be decided together, again and again while others are faster."""
        busy = 0
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            decided = await decider.decide(rows, contents)
            commit = _commit_of(decided)
            intent = _intent_of(decided, commit)
            self._results.save(replace(self._checkpoint, intent=intent))
            try:
                if commit is None or await self._is_committed(decided, commit):
                    await self._finish(intent, decided.contents, decided.results, decided.visits)
                    return len(decided.results)
            except StoreBusy:
                busy += 1
                if busy == BUSY_ATTEMPTS_MAX:
                    raise
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")

    async def _is_committed(self, decided: Decided, commit: Commit) -> bool:
        if decided.batch is None or decided.batch.snapshot is None:
            raise AssertionError("what is committed rests on something that was loaded")
        return isinstance(await self._store.commit(decided.batch.snapshot, commit), Committed)

    async def _finish(
        self,
        intent: Intent,
        contents: Sequence[Content | RowRefusal],
        results: Sequence[RowResult],
        visits: Sequence[Activity],
    ) -> None:
        """Do what comes after the commit of the identities; all of it can be done again."""
        door, reading, begun_ms = self._job.door, self._job.reading, self._checkpoint.begun_ms
        said: list[Said] = []
        fresh: set[int] = set()
        for content, result in zip(contents, results, strict=True):
            if result.mpid is None or isinstance(content, RowRefusal):
                continue
            if result.outcome is RowOutcome.CREATED:
                fresh.add(result.mpid)
            said.append(Said(result.mpid, event_batch(content, reading, door.input.name, begun_ms)))
        await keep_sections(self._store.user_data, door.workspace.id, said, fresh)
        if visits:
            await self._store.touch(visits)
        length = self._results.append(intent.lines, self._checkpoint.length)
        self._checkpoint = self._checkpoint.with_chunk(intent, results, length)


def _commit_of(decided: Decided) -> Commit | None:
    commit = commit_of(decided.answers)
    if commit is None:
        entries = [log_entry(answer) for answer in decided.answers if captures(answer)]
        commit = Commit(log=entries) if entries else None
    return commit


def _intent_of(decided: Decided, commit: Commit | None) -> Intent:
    results = decided.results
    evidence = None if commit is None else commit.log[-1].decision_id
    return Intent(results[-1].row, lines_of(results), evidence)
