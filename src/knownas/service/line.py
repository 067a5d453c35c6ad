"""Keeps those who wait for an answer in line, and tells each in time when there will be none in time.

Whoever is served together is a batch. One timer serves the whole line: it is set for the deadline of whoever has waited
longest, so that a request costs no timer of its own.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from knownas.service.limits import REQUEST_SECONDS, SWEEP_SECONDS, WAITING_MAX
from knownas.store.errors import StoreError, StoreUnavailable, UnknownOutcome

_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")


class Overloaded(Exception):
    """More requests wait than the server is willing to keep; the caller should come back later."""


class Outdated(Exception):
    """Somebody of the batch has been told that nothing was changed, so it must not be committed as it is."""


Waiting = tuple[_Asked, asyncio.Future[_Told], float]
"""One who waits: for what, where the answer goes, and until when on the event loop's clock. A plain tuple, because there is
one for each request."""


class Line(Generic[_Asked, _Told]):
    """Those who wait, in the order in which they came, and those who are being served. One event loop, one line."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting[_Asked, _Told]] = deque()
        self._served: Sequence[Waiting[_Asked, _Told]] = ()
        self._is_committing = False
        self._is_outdated = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def join(self, asked: _Asked) -> "asyncio.Future[_Told]":
        """Wait for an answer, for `REQUEST_SECONDS` at most: then the future brings a StoreError.

        Raises:
            Overloaded: too many wait.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded
        loop = self._loop
        if loop is None:
            # Asking for the loop is a system call; there is one loop for a line's life.
            loop = self._loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Told] = loop.create_future()
        deadline = loop.time() + REQUEST_SECONDS
        self._waiting.append((asked, answer, deadline))
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._tell_the_late)
        return answer

    def serve(self, count: int) -> Sequence[Waiting[_Asked, _Told]]:
        """Take the first of the line as the batch that is served now, without those who have gone away."""
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), count))]
        self._served = batch = [one for one in taken if not one[1].done()]
        self._is_committing = self._is_outdated = False
        return batch

    def served(self) -> None:
        """Note that the batch has been served."""
        self._served = ()

    def put_back(self, some: Iterable[Waiting[_Asked, _Told]]) -> None:
        """Let some of the batch wait again, before all others."""
        self._waiting.extendleft(reversed([one for one in some if not one[1].done()]))

    def begin_commit(self) -> None:
        """Note that from now on, or until another batch is served, a change may have been kept of which nobody knows yet.

        Raises:
            Outdated: somebody of the batch was told that it was not.
        """
        if self._is_outdated:
            raise Outdated
        self._is_committing = True

    def end_commit(self) -> None:
        """Note that it is known what became of the change."""
        self._is_committing = False

    def _tell_the_late(self) -> None:
        """Tell everyone whose time is up, and set the timer for the next."""
        self._timer = None
        loop = self._loop
        if loop is None:
            raise AssertionError("there is a timer, so there is a loop")
        now = loop.time()
        pending = [(answer, deadline) for _, answer, deadline in self._served if not answer.done()]
        late = [answer for answer, deadline in pending if deadline <= now]
        if late:
            self._is_outdated = self._is_outdated or not self._is_committing
            _tell(late, _unknown() if self._is_committing else _unanswered())
        waiting = self._waiting
        while waiting and waiting[0][2] <= now:
            _tell((waiting.popleft()[1],), _unanswered())
        deadlines = [deadline for _, deadline in pending if deadline > now]
        deadlines += [deadline for _, _, deadline in islice(waiting, 1)]
        if deadlines:
            self._timer = loop.call_at(max(min(deadlines), now + SWEEP_SECONDS), self._tell_the_late)


_LATE: Final = f"there was no answer within {REQUEST_SECONDS:g} seconds"


def _unanswered() -> StoreError:
    return StoreUnavailable(f"{_LATE}; nothing was changed")


def _unknown() -> StoreError:
    return UnknownOutcome(f"{_LATE}; whether the change was kept is not known")


def _tell(answers: "Iterable[asyncio.Future[_Told]]", error: StoreError) -> None:
    for one in answers:
        if not one.done():
            one.set_exception(error)
