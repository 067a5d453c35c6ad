"""Runs what takes minutes, one job at a time among all processes over a database: rehearsals, resolutions and checks of the database.

What was asked for is kept in the store, so that it survives the server: a small document lists the jobs, and each has a place for
its report. A process that has the turn (`turns`) takes the oldest that waits. A job that is said to run while nobody has the turn
was left by a process that ended; it is taken again from its beginning. Old ones are forgotten when new ones need their place.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, cast
from uuid import uuid4

import msgspec

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity
from knownas.service.history.folds import Stage, Tell
from knownas.service.kept_document import rewrite
from knownas.service.limits import (
    JOB_ATTEMPTS_MAX,
    JOB_LOOK_SECONDS,
    JOB_TELL_SECONDS,
    JOB_TURN_MS,
    JOBS_KEPT_MAX,
    JOBS_WAITING_MAX,
)
from knownas.service.turns import Turns
from knownas.store.errors import StoreError
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

EVERY_SCOPE: Final = ""
"""Stands for the scope of a job that is about all of them."""

_LIST: Final = "jobs"
_REPORT: Final = "job/"
_TURN: Final = "jobs"


class JobKind(StrEnum):
    """What a job does."""

    REHEARSAL = "rehearsal"
    RESOLUTION = "resolution"
    SELF_CHECK = "self_check"


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(msgspec.Struct, frozen=True):
    """A job as it is listed. `asked` is what it was asked with; `place` is where its report is kept; `why` is of a failed one.

    Times are Unix milliseconds.
    """

    id: str
    kind: JobKind
    scope: str
    asked_ms: int
    asked: dict[str, Any]
    place: int
    state: JobState = JobState.QUEUED
    attempts: int = 0
    doing: str = ""
    done: int = 0
    of: int = 0
    finished_ms: int | None = None
    why: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end."""
        return self.state in (JobState.DONE, JobState.FAILED)


async def forget_in_reports(store: Store, identities: Mapping[Identity, Identity]) -> int:
    """Put other identities in the place of some in all reports that are kept; returns in how many.

    A text of a report that is one of the values, whatever it says there, becomes the other one.

    Raises:
        StoreError: the store could not do it; a report that was written anew meanwhile may name them still.
    """
    changed = 0
    for place in range(JOBS_KEPT_MAX):
        name = f"{_REPORT}{place}"
        kept = await store.kept(name)
        if kept is None:
            continue
        report = _REPORT_FORM.decode(kept)
        shown = cast("Document", _without(report.report, {one.value: now.value for one, now in identities.items()}))
        if shown != report.report:
            changed += await store.privacy.replace_or_drop(name, kept, _ENCODER.encode(_Report(report.job, shown)))
    return changed


async def is_still_running(store: Store, asked_before_ms: int) -> bool:
    """Whether a job is under way that was asked for before a time, and so may have read what was there then.

    Raises:
        StoreError: the store does not answer.
    """
    kept = await store.kept(_LIST)
    jobs = [] if kept is None else _LIST_FORM.decode(kept)
    return any(one.state is JobState.RUNNING and one.asked_ms <= asked_before_ms for one in jobs)


def _without(told: object, values: Mapping[str, str]) -> object:
    """Replace texts that are one of some values."""
    if isinstance(told, str):
        return values.get(told, told)
    if isinstance(told, list):
        return [_without(one, values) for one in cast("list[object]", told)]
    if isinstance(told, dict):
        return {name: _without(one, values) for name, one in cast("dict[str, object]", told).items()}
    return told


class TooManyWait(Exception):
    """As many jobs wait as may."""


class _Report(msgspec.Struct, frozen=True):
    job: str
    report: Document


Work = Callable[[Job, Tell], Awaitable[Document]]
"""Does a job and returns its report; raises StoreError, or whatever else is in the way."""

_Jobs = Sequence[Job]
_LIST_FORM: Final = msgspec.json.Decoder(list[Job])
_REPORT_FORM: Final = msgspec.json.Decoder(_Report)
_ENCODER: Final = msgspec.json.Encoder()


class Jobs:
    """The jobs of a database. One event loop, one of these."""

    def __init__(
        self, store: Store, works: Mapping[JobKind, Work], clock: Callable[[], int], turns: Turns | None = None
    ) -> None:
        """With `turns`, one of the processes that share a database does a job; without, there is only this one."""
        self._store = store
        self._works = works
        self._clock = clock
        self._turns = turns
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._closing = False

    async def add(self, kind: JobKind, scope: str, asked: dict[str, Any]) -> Job:
        """Ask for a job.

        Raises:
            TooManyWait: as many wait as may.
            StoreError: the store does not take it.
        """
        job_id, now_ms = uuid4().hex, self._clock()
        added: list[Job] = []

        def with_job(jobs: _Jobs) -> _Jobs:
            if sum(one.state is JobState.QUEUED for one in jobs) >= JOBS_WAITING_MAX:
                raise TooManyWait
            kept = list(jobs)
            if len(kept) >= JOBS_KEPT_MAX:
                kept.remove(min((one for one in kept if one.is_over), key=lambda one: one.asked_ms))
            place = min(set(range(JOBS_KEPT_MAX)) - {one.place for one in kept})
            added[:] = [Job(job_id, kind, scope, now_ms, asked, place)]
            return [*kept, *added]

        await self._change(with_job)
        self._asked.set()
        return added[0]

    async def listed(self, kind: JobKind, scope: str) -> _Jobs:
        """Return the jobs of a kind and scope, the newest first.

        Raises:
            StoreError: the store does not answer.
        """
        found = [one for one in await self._read() if one.kind is kind and one.scope == scope]
        return sorted(found, key=lambda one: (one.asked_ms, one.id), reverse=True)

    async def under_way(self, scope: str) -> _Jobs:
        """Return the jobs that wait or run, of a scope and of those that are about all scopes, the newest first.

        Raises:
            StoreError: the store does not answer.
        """
        found = [one for one in await self._read() if not one.is_over and one.scope in (scope, EVERY_SCOPE)]
        return sorted(found, key=lambda one: (one.asked_ms, one.id), reverse=True)

    async def find(self, kind: JobKind, scope: str, job_id: str) -> tuple[Job, Document | None] | None:
        """Return a job, with its report if it has one; None if there is none of the kind and scope, or no longer.

        Raises:
            StoreError: the store does not answer.
        """
        for one in await self.listed(kind, scope):
            if one.id == job_id:
                return one, await self._report(one)
        return None

    async def _report(self, job: Job) -> Document | None:
        kept = await self._store.kept(f"{_REPORT}{job.place}") if job.state is JobState.DONE else None
        if kept is None:
            return None
        report = _REPORT_FORM.decode(kept)
        return report.report if report.job == job.id else None

    def start(self) -> None:
        """Take jobs from now on, until it is closed."""
        if self._task is None and self._works:
            self._task = asyncio.get_running_loop().create_task(self._repeat())

    async def close(self) -> None:
        """Stop; a job under way goes back to those that wait."""
        self._closing = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(StoreError):
                await self._give_back()

    async def _give_back(self) -> None:
        if self._turns is not None:
            await self._turns.give_back(_TURN)

    async def _repeat(self) -> None:
        while not self._closing:
            try:
                job = await self._take()
                if job is not None:
                    await self._do(job)
                    await self._give_back()
                    continue
            except StoreError as error:
                log.warning("jobs: the store could not do it, again soon: %s", error)
            except Exception:
                # A fault of ours must not end all jobs in silence.
                log.exception("jobs")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), JOB_LOOK_SECONDS)
            self._asked.clear()

    async def _take(self) -> Job | None:
        """Take the job that was left running, or else the oldest that waits; None if there is none, or others have the turn."""
        waiting = [one for one in await self._read() if not one.is_over]
        if not waiting or not await self._turn():
            return None
        # Who has the turn knows that nobody runs what is said to run.
        waiting = [one for one in await self._read() if not one.is_over]
        if not waiting:
            return None
        job = min(waiting, key=lambda one: (one.state is JobState.QUEUED, one.asked_ms, one.id))
        if job.attempts >= JOB_ATTEMPTS_MAX:
            await self._end(job, f"it was ended {job.attempts} times before it came to its end")
            return None
        return await self._put(job, state=JobState.RUNNING, attempts=job.attempts + 1, doing="", done=0, of=0)

    async def _turn(self) -> bool:
        return self._turns is None or await self._turns.take(_TURN, JOB_TURN_MS) is not None

    async def _do(self, job: Job) -> None:
        """Do a job to its end, or until this process is stopped or loses the turn."""
        stages: list[Stage] = []
        work = asyncio.ensure_future(self._works[job.kind](job, lambda stage: stages.__setitem__(slice(None), [stage])))
        try:
            while not (await asyncio.wait((work,), timeout=JOB_TELL_SECONDS))[0]:
                if not await self._turn():
                    log.warning("job %s: another process has taken it", job.id)
                    return
                if stages:
                    await self._put(job, doing=stages[0].doing, done=stages[0].done, of=stages[0].of)
            await self._finish(job, work.result())
        except asyncio.CancelledError:
            with suppress(StoreError):
                await self._put(job, state=JobState.QUEUED, attempts=job.attempts - 1)
            raise
        except StoreError as error:
            log.warning("job %s: %s", job.id, error)
            if job.attempts < JOB_ATTEMPTS_MAX:
                await self._put(job, state=JobState.QUEUED)
                await asyncio.sleep(JOB_TELL_SECONDS)
            else:
                await self._end(job, str(error))
        except Exception as error:
            log.exception("job %s", job.id)
            await self._end(job, f"{type(error).__name__}: {error}")
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work

    async def _finish(self, job: Job, report: Document) -> None:
        name, written = f"{_REPORT}{job.place}", _ENCODER.encode(_Report(job.id, report))
        await rewrite(self._store, name, lambda _: written)
        await self._put(job, state=JobState.DONE, finished_ms=self._clock())

    async def _end(self, job: Job, why: str) -> None:
        await self._put(job, state=JobState.FAILED, finished_ms=self._clock(), why=why)

    async def _put(self, job: Job, **members: Any) -> Job:
        """Change some members of a job; return it as it is then. One that has been forgotten stays so."""
        changed: list[Job] = [job]

        def with_members(jobs: _Jobs) -> _Jobs:
            return [self._with(one, members, changed) if one.id == job.id else one for one in jobs]

        await self._change(with_members)
        return changed[0]

    @staticmethod
    def _with(job: Job, members: dict[str, Any], changed: list[Job]) -> Job:
        changed[:] = [msgspec.structs.replace(job, **members)]
        return changed[0]

    async def _read(self) -> _Jobs:
        return _jobs(await self._store.kept(_LIST))

    async def _change(self, change: Callable[[_Jobs], _Jobs]) -> None:
        """Change the list as others may do at the same time."""
        await rewrite(self._store, _LIST, lambda kept: _ENCODER.encode(change(_jobs(kept))))


def _jobs(kept: bytes | None) -> _Jobs:
    return [] if kept is None else _LIST_FORM.decode(kept)
