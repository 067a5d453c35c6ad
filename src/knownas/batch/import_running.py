"""Runs an import: takes a file chunk by chunk, from where an earlier run was stopped, until every row has an outcome.

A chunk goes through these steps, of which each may be the last before a kill:

1. its rows are read and decided in their order, over one read of the store;
2. the checkpoint is written with the intent: what the result file will say once the commit has happened;
3. the identity records and the log are committed in one transaction;
4. what the workspace knows of the users is committed (`import_keeping`), and visits are noted; both can be repeated;
5. the results are appended to the result file.

While a chunk is at step 4, the next one is at step 1; it goes on to step 2 only when the first is through step 5.

`import_results` explains how a later run finds out which steps happened. All rows count as said when the import
began: newer things that arrive meanwhile from elsewhere stay, and repeating a step writes the same.

Memory is bounded: a chunk of rows with what the store has of them, a block of the file, and the store's cache, each
in both processes.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from knownas.batch.import_deciding import Decided, Decider
from knownas.batch.import_garbage import collected_afterwards
from knownas.batch.import_keeping import CameTo, Keeper, KeeperProcess, RowKeeper, Source
from knownas.batch.import_limits import ALONE_BYTES_MAX, BUSY_ATTEMPTS_MAX, CHUNK_ROWS
from knownas.batch.import_reading import ImportFile, Row, RowReader, RowRefusal, UnreadableFile
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
from knownas.batch.import_rows import Content, Reading
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


class _Committed(NamedTuple):
    """A chunk whose identities are committed, while what its rows say is being kept."""

    intent: Intent
    results: Sequence[RowResult]
    visits: Sequence[Activity]


class Import:
    """One run of an import over a store and a result file."""

    def __init__(
        self, job: Job, store: Store, chance: Chance, results: ResultFile, database: str | None = None
    ) -> None:
        """`database` is where a second process may open the store too; without it, there is only this process."""
        self._job = job
        self._store = store
        self._chance = chance
        self._results = results
        self._database = database
        self._checkpoint = Checkpoint("", "", 0)
        self._unfinished: _Committed | None = None

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
        with self._keeping(checkpoint) as keeper:
            if checkpoint.intent is not None:
                self._settle(checkpoint.intent, rows, keeper)
            try:
                while chunk := list(islice(rows, CHUNK_ROWS)):
                    await self._take(chunk, decider, keeper)
                    watch(Stage(reader.fraction, self._checkpoint.tally))
            except UnreadableFile:
                await self._finish(keeper)
                raise
            await self._finish(keeper)
        self._results.save(replace(self._checkpoint, finished=True))
        return Ended(self._checkpoint.tally, was_finished=False)

    @contextmanager
    def _keeping(self, checkpoint: Checkpoint) -> Generator[Keeper]:
        """Yield what keeps what the rows say: a process of its own, if there is enough for one to do."""
        door, job = self._job.door, self._job
        begun_ms, after_row = checkpoint.begun_ms, checkpoint.last_row
        source = Source(job.file, job.reading, door.workspace.id, door.input.name, begun_ms, after_row)
        if self._database is None or job.file.path.stat().st_size <= ALONE_BYTES_MAX:
            yield RowKeeper(source, self._store.user_data)
            return
        with KeeperProcess(source, self._database) as keeper:
            yield keeper

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

    def _settle(self, intent: Intent, rows: Iterator[Row], keeper: Keeper) -> None:
        """Take up a chunk whose identities were committed by a run that was killed."""
        results = results_of(intent.lines)
        for _ in islice(rows, len(results)):
            pass
        visits = [
            Activity(result.mpid, self._checkpoint.begun_ms)
            for result in results
            if result.mpid is not None and result.outcome is RowOutcome.MATCHED
        ]
        self._follow_up(_Committed(intent, results, visits), keeper)

    async def _take(self, rows: Sequence[Row], decider: Decider, keeper: Keeper) -> None:
        """Decide every row of a chunk and commit its identities; the chunk before is through then."""
        with collected_afterwards():
            contents = [decider.content(row) for row in rows]
            done = 0
            while done < len(rows):
                done += await self._take_some(rows[done:], contents[done:], decider, keeper)

    async def _take_some(
        self, rows: Sequence[Row], contents: Sequence[Content | RowRefusal], decider: Decider, keeper: Keeper
    ) -> int:
        """Commit as many of the rows as can be decided together, again and again while others are faster."""
        busy = 0
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            decided = await decider.decide(rows, contents)
            commit = _commit_of(decided)
            intent = _intent_of(decided, commit)
            await self._finish(keeper)
            self._results.save(replace(self._checkpoint, intent=intent))
            try:
                if commit is None or await self._is_committed(decided, commit):
                    self._follow_up(_Committed(intent, decided.results, decided.visits), keeper)
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

    def _follow_up(self, committed: _Committed, keeper: Keeper) -> None:
        """Begin what comes after the commit of the identities."""
        results = committed.results
        fresh = frozenset(one.mpid for one in results if one.mpid and one.outcome is RowOutcome.CREATED)
        keeper.begin(CameTo(results[-1].row, [one.mpid for one in results], fresh))
        self._unfinished = committed

    async def _finish(self, keeper: Keeper) -> None:
        """Wait for what comes after the last commit of identities, if it isn't done; all of it can be done again."""
        if self._unfinished is None:
            return
        intent, results, visits = self._unfinished
        await keeper.end()
        if visits:
            await self._store.touch(visits)
        length = self._results.append(intent.lines, self._checkpoint.length)
        self._checkpoint = self._checkpoint.with_chunk(intent, results, length)
        self._unfinished = None


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
