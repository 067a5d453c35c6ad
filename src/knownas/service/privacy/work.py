"""Carries out the requests of data subjects that are due, and forgets those that have ended long ago (platform §5.5).

Each type of request has its *work*, which takes the row of a due request, and does all of it: it begins the request,
and ends by writing it completed with its evidence. Bulk deletions that nobody completes stand among them. A work can be taken up again at any step, so a request that is interrupted
or fails is simply tried again: after a pause that grows with the time for which it is due.
"""

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from knownas.core.privacy.request import DAY_MS, RequestType
from knownas.service.erasure.bulk_deletion_form import is_deletion
from knownas.service.privacy.limits import (
    FORGET_EVERY_SECONDS,
    PRIVACY_LOOK_SECONDS,
    PRIVACY_PAUSE_SECONDS_MAX,
    PRIVACY_PAUSE_SECONDS_MIN,
    PRIVACY_TURN_MS,
    REQUESTS_A_LOOK_MAX,
    REQUESTS_FORGOTTEN_A_STEP,
    REQUESTS_LEFT_MAX,
)
from knownas.service.privacy.subject_request_form import kept_request
from knownas.service.turns import Turns
from knownas.store.errors import StoreDamaged, StoreError
from knownas.store.privacy import PrivacyCommit, PrivacyStore, RequestWrite, StoredRequest

log: Final = logging.getLogger(__name__)

Work = Callable[[StoredRequest], Awaitable[None]]
"""Carries a due request out, from wherever it was interrupted, and completes it."""

TURN: Final = "privacy"

DELETION: Final = "bulk_deletion"
"""What a bulk deletion counts as, beside the types of requests."""


class PrivacyWork:
    """The job that carries requests out. One event loop, one job."""

    def __init__(
        self,
        store: PrivacyStore,
        works: Mapping[RequestType, Work],
        requests_days: int,
        clock: Callable[[], int],
        turns: Turns | None = None,
        *,
        deletion: Work | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Carry out what a store keeps; a type without a work stays pending.

        Requests are forgotten `requests_days` after they have ended. With `turns`, one process does it at a time of those
        that share a database. `deletion` completes bulk deletions. `changed` is called after each request, for those who tell of it.
        """
        self._store = store
        self._works = dict(works)
        self._deletion = deletion
        self._kept_ms = requests_days * DAY_MS
        self._clock = clock
        self._turns = turns
        self._changed = changed
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._forget_at = 0.0
        self.counted: Counter[tuple[str, str]] = Counter()
        """How many requests of each type were done, and how often one failed or was put off."""

    def take_up(self, kind: RequestType, work: Work) -> None:
        """Carry requests of a type out by a work from now on."""
        self._works[kind] = work

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Look at once: there may be something to do."""
        self._wake.set()

    async def close(self) -> None:
        """Stop; what is under way is interrupted, and goes on when a process is there again."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def work_off(self) -> int:
        """Carry out what is due, the earliest first. Returns how many were tried.

        Raises:
            StoreError: the store does not work now; what is left is done later.
        """
        tried = left = 0
        while tried < REQUESTS_A_LOOK_MAX and left < REQUESTS_LEFT_MAX and not self._closing.is_set():
            rows = await self._store.requests_due(self._clock(), left + 1)
            if len(rows) <= left:
                break
            work = self._work_of(rows[left])
            if work is None:
                left += 1
            else:
                await self._carry_out(rows[left], work)
                tried += 1
        return tried

    def _work_of(self, row: StoredRequest) -> Work | None:
        """Return what is to be done with a row; None if nobody here can do anything with it."""
        if is_deletion(row):
            return self._deletion
        try:
            return self._works.get(kept_request(row).request.type)
        except StoreDamaged:
            log.exception("request %s can't be read", row.request_id)
            return None

    async def _carry_out(self, row: StoredRequest, work: Work) -> None:
        kind = DELETION if is_deletion(row) else kept_request(row).request.type.value
        try:
            await work(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, others must not wait for it
            self.counted[kind, "failed"] += 1
            pause = await self._put_off(row)
            _tell_failure(row.request_id, error, pause)
        else:
            # One that its work leaves due comes back after a pause, and not at once.
            await self._put_off(row)
            current = await self._store.request(row.request_id)
            is_open = current is not None and current.ended_ms is None
            self.counted[kind, "put_off" if is_open else "done"] += 1
        self._changed()

    async def _put_off(self, row: StoredRequest) -> float:
        """Let a request that is still due wait as long again as it is due by now. Returns for how many seconds."""
        now_ms = self._clock()
        current = await self._store.request(row.request_id)
        if current is None or current.due_ms is None or current.due_ms > now_ms:
            return 0.0
        since_ms = now_ms - (current.received_ms if is_deletion(current) else kept_request(current).request.due_ms)
        pause = min(max(since_ms / 1000, PRIVACY_PAUSE_SECONDS_MIN), PRIVACY_PAUSE_SECONDS_MAX)
        later = current._replace(due_ms=now_ms + int(pause * 1000))
        await self._store.commit(PrivacyCommit(requests=[RequestWrite(later, current.document)]))
        return pause

    async def forget_old(self) -> int:
        """Remove the requests that have ended long ago; their evidence stays. Returns how many went.

        Raises:
            StoreError: the store does not work now.
        """
        gone, step = 0, REQUESTS_FORGOTTEN_A_STEP
        while step == REQUESTS_FORGOTTEN_A_STEP and not self._closing.is_set():
            step = await self._store.forget_requests(self._clock() - self._kept_ms, REQUESTS_FORGOTTEN_A_STEP)
            gone += step
        return gone

    async def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            tried = 0
            try:
                tried = await self._work_in_turn()
            except StoreError as error:
                log.warning("requests of data subjects are carried out later: %s", error)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the job
                _tell_failure("", error, PRIVACY_LOOK_SECONDS)
            if not tried:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PRIVACY_LOOK_SECONDS):
                        await self._wake.wait()

    async def _work_in_turn(self) -> int:
        """Do what is due, unless another process is at it."""
        now = asyncio.get_running_loop().time()
        forget = now >= self._forget_at
        if not forget and not await self._store.requests_due(self._clock(), 1):
            return 0
        async with self._turn() as is_ours:
            if not is_ours:
                return 0
            if forget:
                self._forget_at = now + FORGET_EVERY_SECONDS
                await self.forget_old()
            return await self.work_off()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[bool]:
        """Have the turn, and keep it for as long as it takes; False if another process has it."""
        turns = self._turns
        if turns is None:
            yield True
            return
        if not await turns.take(TURN, PRIVACY_TURN_MS):
            yield False
            return

        async def keep() -> None:
            while True:
                await asyncio.sleep(PRIVACY_TURN_MS / 3000)
                with suppress(StoreError):
                    await turns.take(TURN, PRIVACY_TURN_MS)

        keeping = asyncio.get_running_loop().create_task(keep())
        try:
            yield True
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))
            with suppress(StoreError):
                await turns.give_back(TURN)


def _tell_failure(request_id: str, error: Exception, pause: float) -> None:
    """Log where it went wrong, and not what with: a message may quote whom a request is about."""
    where = "".join(traceback.format_tb(error.__traceback__))
    named = type(error).__name__
    log.error("request %s is tried again in %.0f s: %s\n%s", request_id or "of a data subject", pause, named, where)
