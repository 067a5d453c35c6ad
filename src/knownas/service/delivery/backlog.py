"""Keeps in mind what waits for one output: what of it may go next, and what has to be tried again and when.

The store knows what waits. What is known beside that, how often something was tried and when it is due, is lost with the process; whoever comes
next tries at once. Waiting deliveries are read from the oldest on each time, since one may appear before others that were seen (`store.deliveries`),
and are used for a short while only, since what they tell may be erased.
"""

import logging
from asyncio import sleep, to_thread
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from knownas.core.delivery.batching import Batch, Batching, Later, Waiting, next_batch
from knownas.core.delivery.message import Message
from knownas.core.delivery.splitting import WHOLE, Parts, halved
from knownas.service.delivery.form import message_from
from knownas.service.delivery.limits import (
    GROWN_BY,
    PLANNED_ON_THE_LOOP_MAX,
    SEEN_BYTES_MAX,
    SEEN_FRESH_MS,
    SETTLED_AT_ONCE_MAX,
    UNREADABLE_WAITS_MS,
    WAITING_A_PAGE,
    WAITING_SEEN_MAX,
)
from knownas.store.deliveries import DeliveryState, DeliveryStore, Settlement, StoredDelivery
from knownas.store.errors import StoreDamaged

log: Final = logging.getLogger(__name__)


class Told(Protocol):
    """Counts what became of deliveries and requests, by a word."""

    def __call__(self, what: str, count: int = 1) -> None:
        """Count some more."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """A waiting delivery as it was read. `message` is without the settings of its connection; None if it can't be read."""

    row: StoredDelivery
    message: Message | None
    read_ms: int


class Backlog:
    """What waits for one output. One task at a time."""

    def __init__(self, output: int, store: DeliveryStore, told: Told) -> None:
        self._output = output
        self._store = store
        self._told = told
        self._seen: dict[int, _Seen] = {}
        self._read_ms = -SEEN_FRESH_MS
        self._times: dict[int, int] = {}
        self._due_ms: dict[int, int] = {}
        self._owed: list[Settlement] = []
        self._parts: Parts = WHOLE
        self._rests_until_ms: int | None = None
        self._rests_with = 0
        """Until when all that was seen waits for more, and how much that was."""

    def begin_anew(self) -> None:
        """Forget what was found out about the output: it is another one now."""
        self._times.clear()
        self._due_ms.clear()
        self._parts = WHOLE
        self._read_ms = -SEEN_FRESH_MS
        self._rests_until_ms = None

    async def next(self, batching: Batching, now_ms: int) -> Batch | Later | None:
        """Return what can be sent next, or when; None if nothing waits. A request that is short is decided on all that waits now.

        Raises:
            StoreError: the store does not answer.
        """
        if self._rests_until_ms is not None and now_ms < self._rests_until_ms and not await self._has_grown(now_ms):
            return Later(self._rests_until_ms)
        if now_ms - self._read_ms < SEEN_FRESH_MS:
            planned = await self._planned(batching, now_ms)
            if isinstance(planned, Batch) and (planned.is_full or self._parts):
                return planned
        planned = await self._planned_on_all(batching, now_ms)
        # Where something has to be tried again, whoever it does not hold back goes at once.
        only_waits = isinstance(planned, Later) and not self._due_ms and len(self._seen) > WAITING_A_PAGE
        self._rests_until_ms = planned.until_ms if isinstance(planned, Later) and only_waits else None
        self._rests_with = len(self._seen)
        return planned

    async def _has_grown(self, now_ms: int) -> bool:
        """Whether so much was written since all was looked at that something could be sent of it now.

        That is an eighth of what there was: so a request of thousands is not decided on for each message that it waits for. What is about
        nobody may be about a connection, and keeps nothing waiting that is before it.
        """
        while True:
            page = await self._store.waiting(self._output, max(self._seen, default=0), WAITING_A_PAGE)
            self._seen.update((row.seq, _read(row, now_ms)) for row in page)
            grown = len(self._seen) - self._rests_with
            if grown * GROWN_BY > self._rests_with or any(not row.mpid for row in page):
                return True
            if len(page) < WAITING_A_PAGE:
                return False
            await sleep(0)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle some of what waits, and what could not be settled before.

        Raises:
            StoreError: the store does not do it now. They are not forgotten: they are settled with the next ones.
        """
        self._owed += settlements
        for one in settlements:
            self._rests_until_ms = None
            self._seen.pop(one.seq, None)
            self._times.pop(one.seq, None)
            self._due_ms.pop(one.seq, None)
        while self._owed:
            some = self._owed[:SETTLED_AT_ONCE_MAX]
            await self._store.settle(some)
            self._owed = self._owed[SETTLED_AT_ONCE_MAX:]
            for state, count in Counter(one.state for one in some).items():
                self._told(state.value, count)

    def hold(self, seq: int, due_ms: int) -> None:
        """Let one wait until a time."""
        self._due_ms[seq] = due_ms
        self._rests_until_ms = None

    def tried(self, seq: int) -> int:
        """Count a try of one that was not taken. Returns how many there were."""
        self._times[seq] = self._times.get(seq, 0) + 1
        return self._times[seq]

    def split(self, refused: Sequence[int]) -> None:
        """Send those of a request that was refused as a whole in halves from now on."""
        self._parts = halved(self._parts, refused)

    async def _planned_on_all(self, batching: Batching, now_ms: int) -> Batch | Later | None:
        known, self._seen, self._read_ms = self._seen, {}, now_ms
        after_seq = size = 0
        counts: Counter[type[Message]] = Counter()
        while True:
            page = await self._store.waiting(self._output, after_seq, WAITING_A_PAGE)
            for row in page:
                seen = known.get(row.seq)
                seen = seen if seen is not None and seen.row == row else _read(row, now_ms)
                self._seen[row.seq] = seen
                size += len(row.document)
                if seen.message is not None:
                    counts[type(seen.message)] += 1
            is_end = len(page) < WAITING_A_PAGE
            is_all = is_end or size > SEEN_BYTES_MAX or len(self._seen) >= max(WAITING_SEEN_MAX, batching.most_of_any)
            if is_all or any(count >= batching.most(kind) for kind, count in counts.items()):
                await self._settle_unreadable(now_ms)
                # More than can be looked at waits: then nobody has to wait for more.
                planned = await self._planned(batching if is_end else replace(batching, wait_seconds=0.0), now_ms)
                if is_all or (isinstance(planned, Batch) and planned.is_full):
                    break
            after_seq = page[-1].seq
            # Nobody is to wait for a long backlog to be looked through.
            await sleep(0)
        if is_end:
            self._forget_unseen()
        return planned

    async def _planned(self, batching: Batching, now_ms: int) -> Batch | Later | None:
        waiting = [self._waiting(one) for one in self._seen.values()]
        while self._parts:
            planned = next_batch(waiting, batching, now_ms, frozenset(self._parts[0]))
            if planned is not None:
                return planned
            # All of it was answered for, or is held back and goes with the others when its time comes.
            self._parts = self._parts[1:]
        if len(waiting) > PLANNED_ON_THE_LOOP_MAX:
            return await to_thread(next_batch, waiting, batching, now_ms)
        return next_batch(waiting, batching, now_ms)

    def _waiting(self, one: _Seen) -> Waiting:
        row = one.row
        due_ms = self._due_ms.get(row.seq, 0) if one.message is not None else one.read_ms + UNREADABLE_WAITS_MS
        return Waiting(row.seq, row.connection, row.mpid, one.message, due_ms)

    def _forget_unseen(self) -> None:
        """Forget what is known of those that somebody else has settled."""
        for known in (self._times, self._due_ms):
            for seq in [one for one in known if one not in self._seen]:
                del known[seq]

    async def _settle_unreadable(self, now_ms: int) -> None:
        unread = [one for one in self._seen.values() if one.message is None]
        erased = [one.row.seq for one in unread if not one.row.document]
        late = [one.row.seq for one in unread if one.row.document and now_ms - one.read_ms >= UNREADABLE_WAITS_MS]
        if erased or late:
            await self.settle(
                [
                    *(Settlement(seq, DeliveryState.DROPPED, now_ms, "what it told was erased") for seq in erased),
                    *(Settlement(seq, DeliveryState.DEAD, now_ms, "it can't be read") for seq in late),
                ]
            )


def _read(row: StoredDelivery, now_ms: int) -> _Seen:
    try:
        # The settings are those of when it is sent.
        return _Seen(row, message_from(row.document, {}) if row.document else None, now_ms)
    except StoreDamaged:
        log.exception("delivery %d to output %d can't be read", row.seq, row.output)
        return _Seen(row, None, now_ms)
