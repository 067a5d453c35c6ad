"""Removes what is older than it may be kept, once a day and in small steps (platform §13).

Removed are event batches, the ids of requests and messages with their receipts, what workspaces know of users who
were not seen for long, and what outputs were told. What waits to be told stays. Identity records stay: the same MPID answers when somebody comes back (platform §13, idsync §1.3).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from knownas.config.values import Configuration, RetentionSettings
from knownas.core.identity.document import Document
from knownas.service.identity.receipts import rfc3339
from knownas.service.repeating import happens_within
from knownas.service.turns import Turns
from knownas.store.errors import StoreError
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
FIRST_RUN_AFTER_SECONDS: Final = 60.0
"""How long a server has to start in peace before it removes anything."""

RUN_EVERY_SECONDS: Final = 86_400.0
"""The time from one run to the next."""

TURN_MS: Final = 22 * 3_600_000
"""How long after the start of one process's run no other process begins one."""

_JOB: Final = "retention"

FORGOTTEN_A_STEP: Final = 200
"""Things removed in one transaction: a few milliseconds, and a few dozen with a slow disk, which a request may wait."""

PAUSE_SECONDS: Final = 0.05
"""The pause between two steps, in which requests are served."""

STEPS_A_RUN_MAX: Final = 250_000
"""Steps of one run; what is left waits for the next day."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is older than these Unix milliseconds may go."""

    events_ms: int
    requests_ms: int
    sections_ms: int
    deliveries_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found older than it may be kept, and how much of it is gone: nothing after a dry run.

    `finished` False: the run was stopped, or had no steps left; the next one goes on.
    """

    at_ms: int
    dry_run: bool
    bounds: Bounds
    events: int
    requests: int
    sections: int
    deliveries: int
    removed: int
    finished: bool


class Retention:
    """The job that removes old data. One event loop, one job."""

    def __init__(
        self,
        store: Store,
        settings: RetentionSettings,
        clock: Callable[[], int],
        turns: Turns | None = None,
    ) -> None:
        """With `turns`, one process a day does it of those that share a database."""
        self._data = store.user_data
        self._deliveries = store.deliveries
        self._turns = turns
        self._settings = settings
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.last: Report | None = None
        """The last run that removed what it found, or counted only because the settings say so."""

    def bounds(self) -> Bounds:
        """Return the times before which things may go now; never before 1970."""
        now, settings = self._clock(), self._settings
        return Bounds(
            max(0, now - settings.events_days * DAY_MS),
            max(0, now - settings.requests_days * DAY_MS),
            max(0, now - settings.sections_days * DAY_MS),
            max(0, now - settings.deliveries_days * DAY_MS),
        )

    async def run(self, *, dry_run: bool) -> Report:
        """Count what is too old, and remove it unless this is a dry run.

        Raises:
            StoreError: the store could not do it; what was removed before stays removed.
        """
        at_ms, bounds = self._clock(), self.bounds()
        events, requests, sections = await self._data.count_older(
            events_ms=bounds.events_ms, requests_ms=bounds.requests_ms, sections_ms=bounds.sections_ms
        )
        deliveries = await self._deliveries.count_settled(bounds.deliveries_ms)
        removed, finished = (0, True) if dry_run else await self._forget(bounds)
        return Report(at_ms, dry_run, bounds, events, requests, sections, deliveries, removed, finished)

    async def _forget(self, bounds: Bounds) -> tuple[int, bool]:
        removed = 0
        for _ in range(STEPS_A_RUN_MAX):
            gone = await self._step(bounds)
            removed += gone
            if gone == 0:
                return removed, True
            if await happens_within(self._stopping, PAUSE_SECONDS):
                break
        return removed, False

    async def _step(self, bounds: Bounds) -> int:
        """Remove what users have left, and once nothing of that is too old, what outputs were told; return how much."""
        gone = await self._data.forget_older(
            events_ms=bounds.events_ms,
            requests_ms=bounds.requests_ms,
            sections_ms=bounds.sections_ms,
            limit=FORGOTTEN_A_STEP,
        )
        return gone or await self._deliveries.forget_deliveries(bounds.deliveries_ms, FORGOTTEN_A_STEP)

    def start(self) -> None:
        """Run from now on, a while after the start and then once a day, until it is closed."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._repeat())

    async def close(self) -> None:
        """Stop after the step that is under way."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await task

    async def _repeat(self) -> None:
        wait = FIRST_RUN_AFTER_SECONDS
        while not await happens_within(self._stopping, wait):
            wait = RUN_EVERY_SECONDS
            try:
                if self._turns is not None and not await self._turns.take(_JOB, TURN_MS):
                    continue
                self.last = await self.run(dry_run=self._settings.dry_run)
            except StoreError as error:
                log.warning("retention: the store could not do it, again tomorrow: %s", error)
            except Exception:
                # A fault of ours must not end the job in silence.
                log.exception("retention")
            else:
                _tell(self.last)

    async def document(self) -> Document:
        """Return the settings, what could go now, and the last run, as our own API shows them.

        Raises:
            StoreError: the store does not answer.
        """
        settings = self._settings
        return {
            "settings": {
                "events_days": settings.events_days,
                "profiles_days": settings.sections_days,
                "requests_days": settings.requests_days,
                "deliveries_days": settings.deliveries_days,
                "dry_run": settings.dry_run,
            },
            "now": report_document(await self.run(dry_run=True)),
            "last_run": None if self.last is None else report_document(self.last),
        }


def report_document(report: Report) -> Document:
    """Write a report down."""
    return {
        "at": rfc3339(report.at_ms),
        "dry_run": report.dry_run,
        "older_than": {
            "events": rfc3339(report.bounds.events_ms),
            "requests": rfc3339(report.bounds.requests_ms),
            "profiles": rfc3339(report.bounds.sections_ms),
            "deliveries": rfc3339(report.bounds.deliveries_ms),
        },
        "found": {
            "events": report.events,
            "requests": report.requests,
            "profiles": report.sections,
            "deliveries": report.deliveries,
        },
        "removed": report.removed,
        "finished": report.finished,
    }


def _tell(report: Report) -> None:
    log.info(
        "retention%s: found %d event batches, %d ids of requests, %d sections and %d deliveries too old; removed %d%s",
        " (dry run)" if report.dry_run else "",
        report.events,
        report.requests,
        report.sections,
        report.deliveries,
        report.removed,
        "" if report.finished else ", the rest goes with the next run",
    )


async def forget(configuration: Configuration, store: Store, clock: Callable[[], int], *, dry_run: bool) -> Report:
    """Run once with a configuration's settings, for the command line.

    Raises:
        StoreError: the store could not do it.
    """
    report = await Retention(store, configuration.retention, clock).run(dry_run=dry_run)
    _tell(report)
    return report
