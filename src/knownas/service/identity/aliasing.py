"""Takes alias requests, and carries them out when they are due (idsync §4.7).

A request is durable before it is accepted, and everything about it is in the store: whichever process runs when it
is due settles it, in one transaction with the copied events and both sections. Killed before that it is queued
still, killed after it is done.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, NamedTuple

from knownas.core.identity.document import Document
from knownas.core.profile.alias import (
    REJECTION_SENTENCES,
    AliasRefusal,
    AliasRefused,
    AliasRejection,
    AliasRequest,
    AliasTerms,
    Window,
    judge,
)
from knownas.service.history.successors import somebody_named
from knownas.service.identity.alias_settling import claim_of, settlement
from knownas.service.identity.receipts import rfc3339
from knownas.service.retrying import pause_before_retry
from knownas.service.security.directory import Door
from knownas.service.turns import Turns
from knownas.store.errors import StoreBusy, StoreDamaged, StoreError
from knownas.store.port import Store
from knownas.store.user_data import AliasRow, AliasState, UserDataCommit

log: Final = logging.getLogger(__name__)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

ALIASES_OF_PROFILE_MAX: Final = 1_000
"""Requests that may name a profile in a workspace; a further one is refused."""

DUE_A_PAGE: Final = 100
DUE_A_RUN_MAX: Final = 10_000
"""Due requests asked for at once, and settled before the runner looks at the clock again."""

SET_ASIDE_MAX: Final = 1_000
"""Due requests that a run may leave for the next one, because they wait for another or can't be carried out."""

COMMIT_ATTEMPTS_MAX: Final = 20
"""Times a request is kept or settled again because others were faster; then it is left for later."""

POLL_SECONDS_MAX: Final = 60.0
"""The longest sleep of the runner: another process may have taken a request that is due earlier."""

TURN_MS: Final = 60_000
"""How long a process that ended in the middle of settling keeps the others from it."""

_JOB: Final = "aliases"

TROUBLE_PAUSE_SECONDS: Final = 1.0
"""The runner's pause after an error of the store, or while a due request has to wait."""


class Queued(NamedTuple):
    """The request is accepted and durable."""

    row: AliasRow


class Repeated(NamedTuple):
    """The request was accepted before; nothing has changed."""

    row: AliasRow


class Aliasing:
    """Alias requests over one store. One event loop, one of these a process."""

    def __init__(self, store: Store, clock: Callable[[], int], turns: Turns | None = None) -> None:
        """Work over a store; the clock gives Unix milliseconds. With `turns`, one process settles requests at a time."""
        self._store = store
        self._turns = turns
        self._data = store.user_data
        self._clock = clock
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def request(self, door: Door, asked: AliasRequest) -> Queued | Repeated | AliasRefused:
        """Take a request; what is accepted is durable when this returns.

        It is about the profiles that answer now for those that it names.

        Raises:
            StoreError: the store could not keep it, or others were faster every time.
        """
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            held = await self._data.alias(asked.request_id)
            if held is not None:
                return await self._repeated(held, door, asked)
            now_ms = self._clock()
            request, known = await self._meant(door, asked)
            verdict = judge(request, _terms(door), known, now_ms)
            if isinstance(verdict, AliasRefused):
                return verdict
            mpids = (request.source_mpid, request.destination_mpid)
            others = await self._data.aliases_about(door.workspace.id, request.environment.value, mpids)
            if len(others) >= ALIASES_OF_PROFILE_MAX:
                sentence = f"There are {len(others)} alias requests about these profiles, no more are taken."
                return AliasRefused(AliasRefusal.TOO_MANY_REQUESTS, sentence)
            row = _row(door, request, verdict.window, others, now_ms)
            if await self._data.commit(UserDataCommit(new_aliases=[row])):
                self._wake.set()
                return Queued(row)
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")

    async def show(self, request_id: str) -> Document | None:
        """Return what has become of a request; None if there is none with this id."""
        row = await self._data.alias(request_id)
        return None if row is None else _document(row)

    def start(self) -> None:
        """Begin to carry out requests when they are due, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Finish the request under way, and stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def run_due(self, now_ms: int) -> int:
        """Settle the requests that are due, the earliest first. Returns how many were.

        Raises:
            StoreError: the store does not work now; what is left is queued still.
        """
        settled = 0
        aside: set[str] = set()
        while settled < DUE_A_RUN_MAX and len(aside) < SET_ASIDE_MAX:
            due = await self._data.aliases_due(now_ms, DUE_A_PAGE + len(aside))
            page = [row for row in due if row.request_id not in aside]
            if not page:
                break
            for row in sorted(page, key=lambda row: claim_of(row).order):
                if self._closing:
                    return settled
                if await self._settle_guarded(row, now_ms):
                    settled += 1
                else:
                    aside.add(row.request_id)
        return settled

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                await self._run_in_turn(self._clock())
                pause = await self._until_next()
            except StoreError as error:
                log.warning("aliases are tried again later: %s", error)
                pause = TROUBLE_PAUSE_SECONDS
            except Exception:
                log.exception("aliases are tried again later")
                pause = TROUBLE_PAUSE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _run_in_turn(self, now_ms: int) -> None:
        """Settle the requests that are due, unless another process is at it."""
        if self._turns is None:
            await self.run_due(now_ms)
        elif await self._data.aliases_due(now_ms, 1) and await self._turns.take(_JOB, TURN_MS):
            try:
                await self.run_due(now_ms)
            finally:
                await self._turns.give_back(_JOB)

    async def _until_next(self) -> float:
        """Return how many seconds to sleep until a request is due."""
        now_ms = self._clock()
        due = await self._data.aliases_due(now_ms + int(POLL_SECONDS_MAX * 1000), 1)
        if not due:
            return POLL_SECONDS_MAX
        left_ms = due[0].due_ms - now_ms
        return left_ms / 1000 if left_ms > 0 else TROUBLE_PAUSE_SECONDS

    async def _settle_guarded(self, row: AliasRow, now_ms: int) -> bool:
        """Settle a request; one that can't be carried out holds up no other."""
        try:
            return await self._settle(row, now_ms)
        except StoreDamaged:
            log.exception("alias request %s can't be carried out", row.request_id)
        except StoreError:
            raise
        except Exception:
            log.exception("alias request %s can't be carried out", row.request_id)
        return False

    async def _settle(self, row: AliasRow, now_ms: int) -> bool:
        """Settle a request in one transaction; False if it has to wait, or if others have settled it."""
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            held = await self._data.alias(row.request_id)
            if held is None or held.state is not AliasState.QUEUED:
                return False
            commit = await settlement(self._store, held, now_ms)
            if commit is None:
                return False
            if await self._data.commit(commit):
                return True
            await pause_before_retry(attempt)
        log.warning("alias request %s: others were faster %d times", row.request_id, COMMIT_ATTEMPTS_MAX)
        return False

    async def _meant(self, door: Door, request: AliasRequest) -> tuple[AliasRequest, set[int]]:
        """Return a request about those who answer now, and which of them exist in its scope and environment."""
        pool = door.rules.pool(request.environment)
        known: set[int] = set()
        mpids: list[int] = []
        for mpid in (request.source_mpid, request.destination_mpid):
            stored = await somebody_named(self._store, mpid)
            mpids.append(mpid if stored is None else stored.record.mpid)
            if stored is not None and stored.pool == pool:
                known.add(stored.record.mpid)
        return replace(request, source_mpid=mpids[0], destination_mpid=mpids[1]), known

    async def _repeated(self, held: AliasRow, door: Door, asked: AliasRequest) -> Repeated | AliasRefused:
        """Tell a repeat from another request that bears the same id; it may name those who answered when it came first."""
        meant, _ = await self._meant(door, asked)
        was = (held.workspace, held.environment, held.source_mpid, held.destination_mpid)
        for one in (asked, meant):
            if was == (door.workspace.id, one.environment.value, one.source_mpid, one.destination_mpid):
                return Repeated(held)
        return AliasRefused(AliasRefusal.REQUEST_ID_TAKEN, "request_id: another alias request has this id.")


def _terms(door: Door) -> AliasTerms:
    settings = door.workspace.settings.alias
    return AliasTerms(door.rules.policy.strategy, settings.provisioned, settings.window_days * DAY_MS)


def _row(door: Door, request: AliasRequest, window: Window, others: Sequence[AliasRow], now_ms: int) -> AliasRow:
    """Return the request as it is kept: later than the others about its profiles, and due no earlier than they.

    So they are settled in the order in which they were made, even if the clock stands still or the delay changes.
    """
    delay_ms = round(door.workspace.settings.alias.delay_hours * HOUR_MS)
    return AliasRow(
        request.request_id,
        door.workspace.id,
        request.environment.value,
        request.source_mpid,
        request.destination_mpid,
        window.start_ms,
        window.end_ms,
        request.stamp,
        requested_ms=max(now_ms, *(one.requested_ms + 1 for one in others), 0),
        due_ms=max(now_ms + delay_ms, *(one.due_ms for one in others if one.state is AliasState.QUEUED), 0),
    )


def _document(row: AliasRow) -> Document:
    reason = None if row.reason is None else AliasRejection(row.reason)
    return {
        "request_id": row.request_id,
        "workspace": row.workspace,
        "environment": row.environment,
        "state": row.state.value,
        "reason": row.reason,
        "message": None if reason is None else REJECTION_SENTENCES[reason],
        "source_mpid": str(row.source_mpid),
        "destination_mpid": str(row.destination_mpid),
        "start": rfc3339(row.start_ms),
        "end": rfc3339(row.end_ms),
        "device_application_stamp": row.stamp,
        "requested_at": rfc3339(row.requested_ms),
        "due_at": rfc3339(row.due_ms),
        "settled_at": None if row.settled_ms is None else rfc3339(row.settled_ms),
    }
