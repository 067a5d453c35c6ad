"""Plays generated visits: hands each to a sender, with the MPID that its device was answered last.

Knows no HTTP, so that the same traffic can be played against a server, a service, or the core alone. A sender
that wants the visits at their times waits before it sends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from knownas.demo.traffic import Visit

AT_ONCE_MAX: Final = 1_024
"""Visits on their way at the same time, at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visit was answered; `mpid` None where it named no profile, such as a search without a match."""

    mpid: int | None


class Send(Protocol):
    """What plays a visit: a client of a server, a service, or the core."""

    async def __call__(self, visit: Visit, previous_mpid: int | None, mpid: int | None, /) -> Answer:
        """Send one visit; `previous_mpid` goes along with the request, `mpid` is the profile that a modify names."""
        ...


@dataclass(frozen=True, slots=True)
class Played:
    """How many visits were sent, and how many were not: a modify on a device that was never answered."""

    sent: int
    unsent: int


class _Player:
    def __init__(self, visits: Iterable[Visit], send: Send) -> None:
        self._visits = iter(visits)
        self._send = send
        self._last: dict[str, int] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.sent = 0
        self.unsent = 0

    async def play(self) -> None:
        """Take visits until there are no more; several of these run at once."""
        while (visit := next(self._visits, None)) is not None:
            try:
                await self._take_turn(visit)
            except BaseException:
                # The others, which are cancelled only when they next wait, find nothing more to send.
                self._visits = iter(())
                raise

    async def _take_turn(self, visit: Visit) -> None:
        device = visit.previous_mpid
        if device is None:
            await self._play(visit, None)
            return
        # Nothing is awaited between taking a visit and queueing here, and a lock is first come, first served: so
        # a device's visits keep their order.
        async with self._turns[device]:
            await self._play(visit, device)

    async def _play(self, visit: Visit, device: str | None) -> None:
        last = None if device is None else self._last.get(device)
        modifies = visit.call == "modify"
        if modifies and last is None:
            self.unsent += 1
            return
        answer = await (self._send(visit, None, last) if modifies else self._send(visit, last, None))
        self.sent += 1
        if device is not None and answer.mpid is not None:
            self._last[device] = answer.mpid


async def play(visits: Iterable[Visit], send: Send, *, at_once: int = 1) -> Played:
    """Send every visit, those of one device one after the other.

    `at_once` is how many may be on their way, 1 to 1,024; with 1 they are sent strictly in their order.

    Raises:
        ValueError: `at_once` is out of its bounds.
        ExceptionGroup: the sender raised; the visits on their way are cancelled and no further one is sent.
    """
    if not 1 <= at_once <= AT_ONCE_MAX:
        raise ValueError(f"1 to {AT_ONCE_MAX} visits at once")
    player = _Player(visits, send)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(player.play())
    return Played(player.sent, player.unsent)
