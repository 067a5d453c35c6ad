"""Lets one of several processes at a time do what none of them needs to do twice: background jobs.

A turn is a small document that the store keeps: who has it, and until when. Taking one compares and replaces it, so of
several processes one gets it. A process that ends without giving its turn back keeps it until its time is over. Clocks of
several machines may differ: two processes may then have a turn at once, which costs work and nothing else, since what a
job changes is protected by itself, or rests on the turn in which it was made (`store.audiences.AudienceCommit`).
"""

from collections.abc import Callable
from typing import Final
from uuid import uuid4

import msgspec

from knownas.store.audiences import Turn
from knownas.store.port import Store

_KEPT_AS: Final = "turn/"


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    holder: str
    until_ms: int


_DECODER: Final = msgspec.json.Decoder(_Kept)


class Turns:
    """The turns of one process. `clock` gives Unix milliseconds."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._holder = uuid4().hex

    async def take(self, job: str, for_ms: int) -> Turn | None:
        """Take the turn at a job for some time, or again if it is ours, and return it; None if somebody else has it.

        Raises:
            StoreError: the store does not work now.
        """
        name = _KEPT_AS + job
        kept = await self._store.kept(name)
        now_ms = self._clock()
        mine = Turn(name, msgspec.json.encode(_Kept(self._holder, now_ms + for_ms)))
        if kept is None:
            return mine if await self._store.keep(*mine) else None
        turn = _DECODER.decode(kept)
        if turn.holder != self._holder and turn.until_ms > now_ms:
            return None
        return mine if await self._store.replace_kept(name, kept, mine.document) else None

    async def give_back(self, job: str) -> None:
        """Let others have the turn at a job, if it is still ours.

        Raises:
            StoreError: the store does not work now.
        """
        kept = await self._store.kept(_KEPT_AS + job)
        if kept is not None and _DECODER.decode(kept).holder == self._holder:
            await self._store.replace_kept(_KEPT_AS + job, kept, msgspec.json.encode(_Kept(self._holder, 0)))
