"""Tells controllers what has become of their requests, until each has heard it (platform §5.4).

What is to be told is a row of the store, written together with what it tells of (`subject_status.announced`). It goes when
its receiver has accepted it, together with the evidence of that; so it is lost by no crash. A process that is killed
between the two tells it again, which is the one way that it can be told twice.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from knownas.core.privacy.evidence import Fact, Happening, Step
from knownas.core.privacy.request import DAY_MS
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.calling import CallFailed, Calling
from knownas.service.privacy.limits import (
    CALL_PAUSE_SECONDS,
    CALL_PAUSE_SECONDS_MAX,
    CALLED_FOR_DAYS_MAX,
    CALLS_A_LOOK_MAX,
    CALLS_AT_ONCE_MAX,
    CALLS_WAITING_SEEN_MAX,
    PRIVACY_LOOK_SECONDS,
    PRIVACY_TURN_MS,
)
from knownas.service.privacy.signing import Signing
from knownas.service.privacy.subject_status import Callback, callback_bytes, callback_document, callback_from, in_order
from knownas.service.turns import Turns
from knownas.store.errors import StoreDamaged, StoreError
from knownas.store.privacy import Delivery, PrivacyCommit, PrivacyStore

log: Final = logging.getLogger(__name__)

DOMAIN_HEADER: Final = "X-OpenDSR-Processor-Domain"
SIGNATURE_HEADER: Final = "X-OpenDSR-Signature"
"""Who says it, and the signature of the raw body; platform §5.2."""

TURN: Final = "callbacks"
_FAR_MS: Final = 2**62
_ENCODER: Final = msgspec.json.Encoder()


class Callbacks:
    """The job that tells controllers. One event loop, one job."""

    def __init__(
        self,
        store: PrivacyStore,
        signing: Signing,
        calling: Calling,
        base_url: str,
        clock: Callable[[], int],
        turns: Turns | None = None,
    ) -> None:
        """Tell what a store keeps. With `turns`, one process does it at a time of those that share a database."""
        self._store = store
        self._evidence = Evidence(store)
        self._signing = signing
        self._calling = calling
        self._base_url = base_url
        self._clock = clock
        self._turns = turns
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._accepted: set[str] = set()
        """What was accepted, and is not removed yet because the store did not do it."""
        self.counted: Counter[str] = Counter()
        """How many calls were accepted, failed, and were given up."""

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Look at once: there may be something new to tell."""
        self._wake.set()

    async def close(self) -> None:
        """Finish the calls under way, and stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait((self._task,))
        await self._calling.close()

    async def tell_due(self) -> int:
        """Tell what is due, to each in the order in which it happened. Returns how many calls were accepted.

        Raises:
            StoreError: the store does not work now; what is left stays as it is.
        """
        now_ms = self._clock()
        if not await self._store.deliveries_due(now_ms, 1):
            return 0
        chains: dict[tuple[str, str], list[Delivery]] = {}
        for one in await self._store.deliveries_due(_FAR_MS, CALLS_WAITING_SEEN_MAX):
            callback = await self._read(one)
            if callback is not None:
                chains.setdefault((one.request_id, callback.url), []).append(one)
        due = [chain for chain in chains.values() if any(one.due_ms <= now_ms for one in chain)]
        room = asyncio.Semaphore(CALLS_AT_ONCE_MAX)

        async def told(chain: Sequence[Delivery]) -> int:
            async with room:
                return await self._tell_in_order(chain, now_ms)

        telling = [told(in_order(chain)) for chain in due[:CALLS_A_LOOK_MAX]]
        # Nobody's calls are given up because the store fails somebody else's.
        results = await asyncio.gather(*telling, return_exceptions=True)
        for one in results:
            if isinstance(one, BaseException):
                raise one
        return sum(one for one in results if isinstance(one, int))

    async def _tell_in_order(self, chain: Sequence[Delivery], now_ms: int) -> int:
        """Tell somebody of one request. What can't be told now keeps what came later waiting."""
        for place, one in enumerate(chain):
            if self._closing:
                return place
            until_ms = one.due_ms if one.due_ms > now_ms else await self._tell(one)
            if until_ms is not None:
                behind = [later._replace(due_ms=until_ms) for later in chain[place + 1 :] if later.due_ms < until_ms]
                if behind:
                    await self._store.commit(PrivacyCommit(deliveries=behind))
                return place
        return len(chain)

    async def _tell(self, delivery: Delivery) -> int | None:
        """Make one call. Returns when it is tried again; None if that is not needed."""
        callback = callback_from(delivery)
        if delivery.delivery_id not in self._accepted:
            failed = await self._called(callback)
            if failed is not None:
                return await self._put_off(delivery, callback, failed)
            self.counted["accepted"] += 1
            self._accepted.add(delivery.delivery_id)
        await self._end(delivery, callback, {"accepted": True})
        self._accepted.discard(delivery.delivery_id)
        return None

    async def _called(self, callback: Callback) -> str | None:
        """Call. Returns why it failed, in a word; None if it was accepted."""
        body = _ENCODER.encode(callback_document(callback, self._base_url))
        processor = await self._signing.processor()
        headers = {DOMAIN_HEADER: processor.domain, SIGNATURE_HEADER: processor.sign(body)}
        try:
            await self._calling.post(callback.url, body, headers)
        except CallFailed as failure:
            return str(failure)
        return None

    async def _put_off(self, delivery: Delivery, callback: Callback, why: str) -> int | None:
        """Try again later, after a longer pause each time; or give up after days."""
        now_ms = self._clock()
        if now_ms >= callback.since_ms + CALLED_FOR_DAYS_MAX * DAY_MS:
            self.counted["given_up"] += 1
            log.error("a callback of request %s is given up: %s", callback.request_id, why)
            await self._end(delivery, callback, {"accepted": False, "why": why})
            return None
        self.counted["failed"] += 1
        pause = min(CALL_PAUSE_SECONDS * 2.0 ** min(callback.attempts, 32), CALL_PAUSE_SECONDS_MAX)
        log.warning("a callback of request %s is tried again in %.0f s: %s", callback.request_id, pause, why)
        due_ms = now_ms + int(pause * 1000)
        document = callback_bytes(msgspec.structs.replace(callback, attempts=callback.attempts + 1))
        again = delivery._replace(due_ms=due_ms, document=document)
        await self._store.commit(PrivacyCommit(deliveries=[again]))
        return due_ms

    async def _end(self, delivery: Delivery, callback: Callback, facts: dict[str, Fact]) -> None:
        what: dict[str, Fact] = {"what": "callback", "status": callback.state.value, "calls": callback.attempts + 1}
        happening = Happening(self._clock(), callback.request_id, Step.DELIVERED, {**what, **facts})
        await self._evidence.write([happening], PrivacyCommit(delivered=[delivery.delivery_id]))

    async def _read(self, delivery: Delivery) -> Callback | None:
        try:
            return callback_from(delivery)
        except StoreDamaged:
            log.exception("a callback of request %s can't be read", delivery.request_id)
            return None

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                told = await self._tell_in_turn()
            except StoreError as error:
                log.warning("callbacks are tried again later: %s", error)
                told = 0
            except Exception:
                log.exception("callbacks are tried again later")
                told = 0
            if not told:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PRIVACY_LOOK_SECONDS):
                        await self._wake.wait()

    async def _tell_in_turn(self) -> int:
        """Tell what is due, unless another process is at it."""
        if self._turns is None:
            return await self.tell_due()
        if not await self._store.deliveries_due(self._clock(), 1) or not await self._turns.take(TURN, PRIVACY_TURN_MS):
            return 0
        try:
            return await self.tell_due()
        finally:
            await self._turns.give_back(TURN)
