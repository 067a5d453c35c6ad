"""Shows what an output was told and would not have, and has it sent again; stops an output, and lets it go on.

A dead letter is sent again as it was written, under the same id, at the end of its output. That is refused where the output was told, or
is to be told, anything later about the same profile over the same connection: told after it, the old message would undo the new one. Such a letter
stays where it is, to be looked at, until it is forgotten with the deliveries of its time. What was erased is not sent again either.
"""

from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum

from knownas.service.delivery.limits import DEAD_AGAIN_MAX, WAITING_A_PAGE
from knownas.service.delivery.outputs import Outputs
from knownas.store.deliveries import DeliveryState, DeliveryStore, StoredDelivery


class Resent(StrEnum):
    """What came of asking that a delivery is sent again."""

    WAITING = "waiting"
    """It waits to be sent."""
    SUPERSEDED = "superseded"
    """Something later was told about the same profile: it stays dead."""
    ERASED = "erased"
    """What it told was erased: it stays dead."""
    NOT_DEAD = "not_dead"
    """It was sent, waits by now, or was given up."""
    UNKNOWN = "unknown"
    """The output has no such delivery."""


class DeadLetters:
    """What somebody who looks after outputs asks for. `wake` is told which output has something to send."""

    def __init__(self, store: DeliveryStore, outputs: Outputs, wake: Callable[[int], None]) -> None:
        self._store = store
        self._outputs = outputs
        self._wake = wake

    async def look(
        self,
        output: int,
        state: DeliveryState | None = DeliveryState.DEAD,
        before_seq: int | None = None,
        limit: int = 100,
    ) -> Sequence[StoredDelivery]:
        """Return deliveries of an output in a state, or in any, the newest first, those before one.

        Raises:
            StoreError: the store does not answer.
        """
        return await self._store.deliveries(output, state, before_seq, limit)

    async def send_again(self, output: int, seq: int) -> Resent:
        """Have one dead letter sent again.

        Raises:
            StoreError: the store does not do it.
        """
        one = await self._store.delivery(seq)
        if one is None or one.output != output:
            return Resent.UNKNOWN
        if one.state is not DeliveryState.DEAD:
            return Resent.NOT_DEAD
        if not one.document:
            return Resent.ERASED
        if await self._store.wait_again([seq]):
            self._wake(output)
            return Resent.WAITING
        # Somebody may have been faster, or have written something meanwhile.
        now = await self._store.delivery(seq)
        return Resent.SUPERSEDED if now is not None and now.state is DeliveryState.DEAD else Resent.NOT_DEAD

    async def send_all_again(self, output: int) -> tuple[int, int]:
        """Have dead letters of an output sent again, the oldest first, `DEAD_AGAIN_MAX` at most. Returns how many are, and how many stay dead.

        Raises:
            StoreError: the store does not do it.
        """
        oldest: deque[int] = deque(maxlen=DEAD_AGAIN_MAX)
        before_seq: int | None = None
        count = 0
        while page := await self._store.deliveries(output, DeliveryState.DEAD, before_seq, WAITING_A_PAGE):
            oldest.extendleft(one.seq for one in page)
            count += len(page)
            before_seq = page[-1].seq
        again = len(await self._store.wait_again(list(oldest))) if oldest else 0
        self._wake(output)
        return again, count - again

    async def pause(self, output: int) -> bool:
        """Stop an output until it is resumed. Returns whether there is one.

        A request that is under way is finished; no other is begun after `OUTPUT_FRESH_MS`.

        Raises:
            StoreError: the store does not do it.
        """
        return await self._outputs.pause(output)

    async def resume(self, output: int) -> bool:
        """Let an output that is paused or faulted go on. Returns whether there is one.

        Raises:
            StoreError: the store does not do it.
        """
        is_there = await self._outputs.resume(output)
        self._wake(output)
        return is_there
