"""Delivers what outputs are to be told, each by itself, by one process at a time of those that share a database.

Each output has a task of its own, so that one which is slow or out delays none of the others. A task ends when nothing waits for its output.
How one output is delivered to is `delivering_output`'s to say.

Who delivers has the turn (`turns`), and gives a sign of life now and then. A process begins no request that could outlast its turn, so two
that share a database are at it together only where clocks differ or a request outlives its limit. Even then nothing is lost: something is
told twice, under the same id.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never

from knownas.core.delivery.breaker import Breaker, Closed, HalfOpen, Open
from knownas.service.delivery.delivering_output import OutputDelivery, World
from knownas.service.delivery.limits import (
    BACKLOG_COUNTED_MAX,
    BACKLOG_LOOK_SECONDS,
    DELIVERY_CLOSE_SECONDS,
    DELIVERY_LOOK_PAUSE_SECONDS,
    DELIVERY_LOOK_SECONDS,
    DELIVERY_RETRY_SECONDS,
    DELIVERY_TURN_MS,
    DELIVERY_TURN_RENEWED_MS,
    OUTPUT_IDLE_SECONDS,
    SEND_SECONDS,
    SENDS_AT_ONCE_MAX,
)
from knownas.service.turns import Turns
from knownas.store.deliveries import DeliveryState
from knownas.store.errors import StoreError

log: Final = logging.getLogger(__name__)

TURN: Final = "deliveries"


class BreakerState(StrEnum):
    """Whether a destination is sent to, as it is shown."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with an output for which something waits: how much, since when, and whether its destination is out.

    `waiting` ends at `BACKLOG_COUNTED_MAX`. `oldest_seconds` is how long ago the oldest of it happened.
    """

    output: int
    waiting: int
    oldest_seconds: float
    breaker: BreakerState


@dataclass(slots=True)
class _Attended:
    """An output that is delivered to: its task, and what wakes it."""

    delivery: OutputDelivery
    wake: asyncio.Event
    task: asyncio.Task[None]


class Delivering:
    """The job that delivers. One event loop, one of these."""

    def __init__(self, world: World, turns: Turns | None = None) -> None:
        """With `turns`, one process does it at a time of those that share a database."""
        self._store = world.store
        self._clock = world.surroundings.now_ms
        self._world = replace(world, may_send=lambda: self._may_begin() and world.may_send())
        self._turns = turns
        self._turn_until_ms = 0
        self._room = asyncio.Semaphore(SENDS_AT_ONCE_MAX)
        self._attended: dict[int, _Attended] = {}
        self._backlog: dict[int, tuple[int, int]] = {}
        self._counted_ms: int | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.counted: Counter[tuple[int, str]] = Counter()
        """What became of deliveries and requests, by output and a word: `sent`, `dead`, `dropped`; `again`, `not_now`, `refused`, `faulted`."""

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self, output: int) -> None:
        """Look at once: there may be something new to tell an output."""
        attended = self._attended.get(output)
        if attended is not None:
            attended.wake.set()
        else:
            self._wake.set()

    async def close(self, wait_seconds: float = DELIVERY_CLOSE_SECONDS) -> None:
        """Finish the requests under way, as far as they take no longer than is waited for, and stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait((self._task,))
        tasks = [one.task for one in self._attended.values()]
        for one in self._attended.values():
            one.wake.set()
        if tasks:
            await asyncio.wait(tasks, timeout=wait_seconds)
        await self._leave()

    def standings(self) -> Iterator[Standing]:
        """Yield how it stands with each output for which something waited when that was last looked at, where this process delivers."""
        now_ms = self._clock()
        for output, (waiting, oldest_ms) in self._backlog.items():
            attended = self._attended.get(output)
            state = BreakerState.CLOSED if attended is None else _shown(attended.delivery.breaker)
            yield Standing(output, waiting, max(now_ms - oldest_ms, 0) / 1000, state)

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                await self._look()
            except StoreError as error:
                log.warning("deliveries are looked at again later: %s", error)
            except Exception:
                log.exception("deliveries are looked at again later")
            with suppress(TimeoutError):
                async with asyncio.timeout(DELIVERY_LOOK_SECONDS):
                    await self._wake.wait()

    async def _look(self) -> None:
        """Give each output for which something waits a task, if it is this process that delivers."""
        waiting = await self._store.waiting_outputs()
        if not await self._has_turn(is_needed=bool(waiting or self._attended)):
            await self._leave()
            return
        for output in waiting:
            attended = self._attended.get(output)
            if attended is not None:
                attended.wake.set()
            elif not self._closing:
                self._attend(output)
        await self._count(waiting)

    async def _has_turn(self, *, is_needed: bool) -> bool:
        if self._turns is None:
            return True
        if not is_needed:
            return False
        now_ms = self._clock()
        if self._turn_until_ms - now_ms < DELIVERY_TURN_MS - DELIVERY_TURN_RENEWED_MS:
            is_mine = await self._turns.take(TURN, DELIVERY_TURN_MS)
            self._turn_until_ms = now_ms + DELIVERY_TURN_MS if is_mine else 0
        return self._turn_until_ms > now_ms

    def _may_begin(self) -> bool:
        """Whether a request that begins now ends while it is this process that delivers."""
        return self._turns is None or self._turn_until_ms - self._clock() > SEND_SECONDS * 1000

    async def _leave(self) -> None:
        """Stop delivering, and let others."""
        attended, self._attended = self._attended, {}
        self._backlog.clear()
        for one in attended.values():
            one.task.cancel()
        if attended:
            await asyncio.wait([one.task for one in attended.values()], timeout=DELIVERY_CLOSE_SECONDS)
        if self._turns is not None and self._turn_until_ms:
            self._turn_until_ms = 0
            with suppress(StoreError):
                await self._turns.give_back(TURN)

    def _attend(self, output: int) -> None:
        def told(what: str, count: int = 1) -> None:
            self.counted[output, what] += count

        delivery, wake = OutputDelivery(output, self._world, told), asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._deliver(output, delivery, wake))
        self._attended[output] = _Attended(delivery, wake, task)

    async def _deliver(self, output: int, delivery: OutputDelivery, wake: asyncio.Event) -> None:
        """Deliver to one output until nothing waits for it any more."""
        try:
            while not self._closing:
                wake.clear()
                until_ms = await self._stepped(output, delivery)
                now_ms = self._clock()
                if until_ms is None:
                    if not await _woken(wake, OUTPUT_IDLE_SECONDS):
                        return
                elif until_ms > now_ms:
                    pause = (until_ms - now_ms) / 1000
                    # Whatever wakes it in between, it looks only so often.
                    await asyncio.sleep(min(pause, DELIVERY_LOOK_PAUSE_SECONDS))
                    await _woken(wake, pause - DELIVERY_LOOK_PAUSE_SECONDS)
        finally:
            attended = self._attended.get(output)
            if attended is not None and attended.delivery is delivery:
                del self._attended[output]
            await delivery.close()

    async def _stepped(self, output: int, delivery: OutputDelivery) -> int | None:
        try:
            async with self._room:
                return await delivery.step()
        except StoreError as error:
            log.warning("output %d is delivered to again later: %s", output, error)
        except Exception:
            log.exception("output %d is delivered to again later", output)
        return self._clock() + int(DELIVERY_RETRY_SECONDS * 1000)

    async def _count(self, outputs: Sequence[int]) -> None:
        """Count what waits, now and then, for the metrics."""
        now_ms = self._clock()
        if self._counted_ms is not None and now_ms - self._counted_ms < BACKLOG_LOOK_SECONDS * 1000:
            return
        self._counted_ms = now_ms
        found: dict[int, tuple[int, int]] = {}
        for output in outputs:
            oldest = await self._store.waiting(output, 0, 1)
            if oldest:
                count = await self._store.count_deliveries(output, DeliveryState.WAITING, BACKLOG_COUNTED_MAX)
                found[output] = count, oldest[0].at_ms
        self._backlog = found


async def _woken(wake: asyncio.Event, seconds: float) -> bool:
    """Wait until something happens, at most for so long. Returns whether it did."""
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()
    return wake.is_set()


def _shown(breaker: Breaker) -> BreakerState:
    match breaker:
        case Closed():
            return BreakerState.CLOSED
        case Open():
            return BreakerState.OPEN
        case HalfOpen():
            return BreakerState.HALF_OPEN
        case _:
            assert_never(breaker)
