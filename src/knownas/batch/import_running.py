"""Runs an import: section after section of a file, from where an earlier run was stopped, until every row has an outcome.

While the pieces of a section are taken by as many processes as there are processors (`import_working`), the next
section is read and arranged (`import_arranging`), and the results of the one before are put into the file's order and
written down (`import_results`). Sections are taken one after the other, so that of two rows about one user in
different sections the earlier one counts first.

All rows count as said when the import began: newer things that arrive meanwhile from elsewhere stay, and repeating a
step writes the same.

Memory is bounded: a section of rows, and in each process a chunk of rows with what the store has of them, and the
store's cache.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from knownas.batch.import_arranging import Arranger
from knownas.batch.import_deciding import Source
from knownas.batch.import_garbage import collected_afterwards
from knownas.batch.import_limits import ALONE_BYTES_MAX, PROCESSES_MAX
from knownas.batch.import_processes import WorkerProcess
from knownas.batch.import_reading import ImportFile
from knownas.batch.import_results import (
    HEADER,
    Checkpoint,
    ResultFile,
    Tally,
    UnusableResults,
    digest_of,
)
from knownas.batch.import_rows import Reading
from knownas.batch.import_staging import Section, Staging
from knownas.batch.import_working import TakesPieces, Worker
from knownas.service.chance import Chance
from knownas.service.security.directory import Door
from knownas.store.port import Store

FOLDER_SUFFIX: Final = ".work"
_KEPT_AS: Final = "import:"
_RUN_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be imported: a file, through an input, read in a certain way."""

    file: ImportFile
    door: Door
    reading: Reading
    suppression_key: bytes = b""
    """As `Source` has it; no part of what makes two imports one."""

    def digest(self) -> str:
        """Return a digest of all that decides what the import does; two with the same are one."""
        mapping = sorted((column, str(target)) for column, target in self.reading.mapping.given.items())
        words = (self.file.format.value, self.door.input.key, self.reading.environment.value)
        return digest_of(self.file.path, *words, str(self.reading.brings_over), str(mapping))

    def source(self, begun_ms: int) -> Source:
        """Return where its rows come from, as said at a time."""
        door = self.door
        said = (door.workspace.id, door.input.name, begun_ms, self.suppression_key)
        return Source(self.reading, door.rules, door.may_create, *said)


@dataclass(frozen=True, slots=True)
class Stage:
    """How far an import is: the fraction of the rows with an outcome, as far as one can tell, and their outcomes."""

    fraction: float
    tally: Tally


@dataclass(frozen=True, slots=True)
class Ended:
    """An import that is through. `was_finished` says that an earlier run had done all of it."""

    tally: Tally
    was_finished: bool


class Import:
    """One run of an import over a store and a result file."""

    def __init__(
        self,
        job: Job,
        store: Store,
        chance: Chance,
        results: ResultFile,
        database: str | None = None,
        after_section: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`database` is where other processes may open the store too; without it, there is only this process.

        `after_section` is done whenever a section has been taken, while no process writes for this import.
        """
        self._after_section = after_section
        self._job = job
        self._store = store
        self._chance = chance
        self._results = results
        self._database = database
        self._staging = Staging(results.path.with_name(results.path.name + FOLDER_SUFFIX))
        self._lanes = self._count()
        self._arranger = Arranger(job.file, job.reading, job.door.rules, self._staging, self._lanes)
        self._checkpoint = Checkpoint("", "", 0)
        self._tally = Tally()

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
        self._tally = self._checkpoint.tally
        self._staging.open(self._checkpoint.last_row)
        with self._workers() as workers:
            await self._take_all(workers, watch)
        if self._arranger.unreadable is not None:
            raise self._arranger.unreadable
        self._save(replace(self._checkpoint, finished=True))
        self._staging.close()
        return Ended(self._checkpoint.tally, was_finished=False)

    async def _begin(self, about: str, now_ms: int) -> None:
        begun = Checkpoint(os.urandom(_RUN_BYTES).hex(), about, now_ms)
        document = {
            "file": self._job.file.path.name,
            "input": self._job.door.input.name,
            "about": about,
            "begun_ms": now_ms,
        }
        await self._store.keep(_KEPT_AS + begun.run, msgspec.json.encode(document))
        self._save(begun)

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
        is_known = await self._store.kept(_KEPT_AS + found.run) is not None
        is_there = found.evidence is None or await self._store.decision(found.evidence) is not None
        if not is_known or not is_there:
            raise UnusableResults(
                f"{where} belongs to another database, or this one is older than the results; give another --results"
            )
        self._checkpoint = found

    def _save(self, checkpoint: Checkpoint) -> None:
        self._results.save(checkpoint)
        self._checkpoint = checkpoint

    @contextmanager
    def _workers(self) -> Generator[Sequence[TakesPieces]]:
        """Yield what takes the pieces: processes of their own, if there is enough for them to do."""
        source = self._job.source(self._checkpoint.begun_ms)
        if self._database is None or self._is_small:
            yield [Worker(source, self._store, self._chance, self._staging)]
            return
        folder, database = self._staging.folder, self._database
        with ExitStack() as started:
            yield [started.enter_context(WorkerProcess(source, database, folder)) for _ in range(self._lanes)]

    @property
    def _is_small(self) -> bool:
        return self._job.file.path.stat().st_size <= ALONE_BYTES_MAX

    def _count(self) -> int:
        """Return how many take pieces at a time."""
        alone = self._database is None or self._is_small
        return 1 if alone else min(len(os.sched_getaffinity(0)), PROCESSES_MAX)

    async def _take_all(self, workers: Sequence[TakesPieces], watch: Callable[[Stage], None]) -> None:
        section = await asyncio.to_thread(self._arranger.section, self._checkpoint.last_row)
        done: Section | None = None
        while section is not None:
            # Neither is given up while the other goes on: a thread can't be.
            taken, following = await asyncio.gather(
                self._take(section, workers, watch),
                asyncio.to_thread(self._meanwhile, done, section.last_row),
                return_exceptions=True,
            )
            if taken is not None:
                raise taken
            if isinstance(following, BaseException):
                raise following
            if self._after_section is not None:
                await self._after_section()
            done, section = section, following
        self._write_down(done)

    async def _take(self, section: Section, workers: Sequence[TakesPieces], watch: Callable[[Stage], None]) -> None:
        """Let each worker take the pieces of its lane; those of a run that had more lanes are shared out too."""
        failed = False

        async def go_on(lane: int, worker: TakesPieces) -> None:
            nonlocal failed
            try:
                for number, piece in enumerate(section.pieces):
                    if piece.lane % len(workers) == lane and not failed:
                        self._tally = self._tally.with_tally(await worker.take(section, number))
                        watch(Stage(self._arranger.fraction_of(self._tally.rows), self._tally))
            except BaseException:
                failed = True
                raise

        for outcome in await asyncio.gather(*(go_on(*one) for one in enumerate(workers)), return_exceptions=True):
            if outcome is not None:
                raise outcome

    def _meanwhile(self, done: Section | None, last_row: int) -> Section | None:
        """Write the results of one section down, and arrange the one after a row."""
        if done is not None:
            self._write_down(done)
        return self._arranger.section(last_row)

    def _write_down(self, done: Section | None) -> None:
        """Append the results of a section to the result file in the file's order, if there was any, and count it."""
        before = self._checkpoint
        tally, evidence, lines = before.tally, before.evidence, list[tuple[int, str]]()
        with collected_afterwards():
            for step in () if done is None else self._staging.steps(done):
                tally, evidence = tally.with_tally(step.tally), step.evidence or evidence
                lines += step.lines
            lines.sort()
        text = "".join(line for _, line in lines)
        length = self._results.append(text if before.length else HEADER + text, before.length)
        last_row = before.last_row if done is None else done.last_row
        self._save(replace(before, last_row=last_row, length=length, tally=tally, evidence=evidence))
        if done is not None:
            self._staging.remove(done)
