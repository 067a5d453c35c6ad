"""Lets a server check its own database against its history, now and then or when it is asked to, and tells what came of it.

The check is that of `knownas verify`, done as a job (`jobs`): by one process among all over a database, beside the server, again
from its beginning if that process ends. Whether the server is ready has nothing to do with it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from knownas.config.values import SelfCheckSettings
from knownas.core.identity.document import Document
from knownas.service.history.folds import Folds, Tell
from knownas.service.identity.receipts import rfc3339
from knownas.service.jobs import EVERY_SCOPE, Job, JobKind, Jobs, JobState, Work
from knownas.service.repeating import Repeating
from knownas.service.turns import Turns

log: Final = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0
"""How often a server looks whether a check is due, and what others have found."""

ASKING_TURN_MS: Final = 300_000
"""For how long only one process may ask for a check that is due."""

_HOUR_MS: Final = 3_600_000
_TURN: Final = "self-check"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the last check that came to its end found: how much differs, when that was (Unix seconds), and how long it took."""

    differing: int
    at_seconds: float
    seconds: float


class _Told(msgspec.Struct, frozen=True):
    """What of a report is counted."""

    differing: int
    seconds: float


def check_work(folds: Folds, scopes: Sequence[str], settings: SelfCheckSettings) -> Work:
    """Return what does a check as a job."""

    async def check(_job: Job, tell: Tell) -> Document:
        return await folds.check(scopes, tell, rows=settings.rows)

    return check


class SelfCheck:
    """The checks of a database. One event loop, one of these."""

    def __init__(
        self, jobs: Jobs, settings: SelfCheckSettings, clock: Callable[[], int], turns: Turns | None = None
    ) -> None:
        """With `turns`, one of the processes that share a database asks for a check that is due."""
        self._jobs = jobs
        self._settings = settings
        self._clock = clock
        self._turns = turns
        self._looking = Repeating(self.look, LOOK_SECONDS, log, "self-check", "again soon")
        self.last: Checked | None = None
        """What the last check found, as far as this process knows: a minute old at most while the server runs."""

    async def ask(self) -> str:
        """Ask for a check; return the id of it, or of the one that waits or runs already.

        Raises:
            TooManyWait: as many jobs wait as may.
            StoreError: the store does not take it.
        """
        under_way = next((one for one in await self._checks() if not one.is_over), None)
        return (under_way or await self._jobs.add(JobKind.SELF_CHECK, EVERY_SCOPE, {})).id

    async def document(self) -> Document:
        """Return what is under way and what the last check came to, as our own API shows it.

        Raises:
            StoreError: the store does not answer.
        """
        checks = await self._checks()
        under_way = next((one for one in checks if not one.is_over), None)
        last = next((one for one in checks if one.is_over), None)
        found = None if last is None else await self._jobs.find(JobKind.SELF_CHECK, EVERY_SCOPE, last.id)
        return {
            "every_hours": self._settings.every_hours,
            "under_way": None if under_way is None else _document(under_way, None),
            "last": None if found is None else _document(*found),
        }

    def start(self) -> None:
        """Look from now on, until it is closed."""
        self._looking.start()

    async def close(self) -> None:
        """Stop looking. A check that is under way is the jobs'."""
        await self._looking.close()

    async def look(self) -> None:
        """Learn what was found meanwhile, and ask for a check if one is due.

        Raises:
            StoreError: the store does not answer.
        """
        checks = await self._checks()
        await self._learn(checks)
        if self._is_due(checks) and (self._turns is None or await self._turns.take(_TURN, ASKING_TURN_MS)):
            await self.ask()

    async def learn(self) -> Job | None:
        """Learn what was found meanwhile, by whichever process; return the check that has ended last, however it did.

        Raises:
            StoreError: the store does not answer.
        """
        checks = await self._checks()
        await self._learn(checks)
        return next((one for one in checks if one.is_over), None)

    async def _learn(self, checks: Sequence[Job]) -> None:
        done = next((one for one in checks if one.state is JobState.DONE), None)
        if done is None or done.finished_ms is None:
            return
        at_seconds = done.finished_ms / 1000
        if self.last is None or self.last.at_seconds != at_seconds:
            found = await self._jobs.find(JobKind.SELF_CHECK, EVERY_SCOPE, done.id)
            report = None if found is None else found[1]
            if report is not None:
                told = msgspec.convert(report, _Told)
                self.last = Checked(told.differing, at_seconds, told.seconds)
                if self.last.differing:
                    log.error("self-check: %d differences; see GET /api/self-check", self.last.differing)

    def _is_due(self, checks: Sequence[Job]) -> bool:
        hours = self._settings.every_hours
        return hours is not None and (not checks or checks[0].asked_ms + hours * _HOUR_MS <= self._clock())

    async def _checks(self) -> Sequence[Job]:
        return await self._jobs.listed(JobKind.SELF_CHECK, EVERY_SCOPE)


def _document(job: Job, report: Document | None) -> Document:
    return {
        "id": job.id,
        "state": job.state,
        "asked_at": rfc3339(job.asked_ms),
        "finished_at": None if job.finished_ms is None else rfc3339(job.finished_ms),
        "progress": {"doing": job.doing, "done": job.done, "of": job.of},
        "why": job.why,
        "report": report,
    }
