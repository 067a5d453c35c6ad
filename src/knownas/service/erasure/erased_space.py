"""Has free space overwritten for all erasures that wait for it, and lets it rest in between.

It costs as much as reading and writing the whole database. So one does it for all that wait for it, and after it there is
a rest of several times what it took.
"""

from collections.abc import Callable
from typing import NamedTuple

from knownas.service.limits import SCRUB_QUICK_MS, SCRUB_RESTS_TIMES
from knownas.store.privacy import PrivacyStore, Scrubbed


class _Scrub(NamedTuple):
    """What came of overwriting free space, when that began, and until when it is not done again."""

    done: Scrubbed
    began_ms: int
    rests_until_ms: int


class ErasedSpace:
    """The free space of one store. One event loop, one of these."""

    def __init__(self, store: PrivacyStore, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[str, int] = {}
        self._last: _Scrub | None = None

    def joins(self, request_id: str) -> int:
        """Note that an erasure has nothing to do any more but this; returns since when that is so, Unix milliseconds."""
        return self._waiting.setdefault(request_id, self._clock())

    async def overwrite(self, request_id: str) -> Scrubbed | int:
        """Overwrite what an erasure has freed, or say when that is to be asked for again, Unix milliseconds.

        Raises:
            StoreError: the store could not do it.
        """
        waits_since_ms, began_ms, last = self.joins(request_id), self._clock(), self._last
        if last is not None and last.done.complete and waits_since_ms < last.began_ms:
            return last.done
        if last is not None and began_ms < last.rests_until_ms:
            return last.rests_until_ms
        scrubbed = await self._store.scrub()
        ended_ms = self._clock()
        took_ms = ended_ms - began_ms if scrubbed.complete else 0
        rests_ms = took_ms * SCRUB_RESTS_TIMES if took_ms > SCRUB_QUICK_MS else 0
        self._last = _Scrub(scrubbed, began_ms, ended_ms + rests_ms)
        return scrubbed

    def leave(self, request_id: str) -> None:
        """Forget an erasure that does not wait any more."""
        self._waiting.pop(request_id, None)
