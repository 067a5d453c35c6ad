"""Shows the requests of data subjects to whoever answers for them: what is open, the most urgent first, and what has ended, the newest first.

What is looked through for a page is limited, so a page of something rare can have few requests, or none, and yet another one after it.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from knownas.core.privacy.request import DAY_MS, RequestState, RequestType, SubjectRequest
from knownas.service.erasure.bulk_deletion_form import is_deletion
from knownas.service.limits import DESK_LOOKED_THROUGH_MAX, DESK_OPEN_MAX, PAGE_MAX
from knownas.service.privacy.subject_request_form import KeptRequest, kept_request
from knownas.store.privacy import PrivacyStore, StoredRequest

SOON_DAYS: Final = 2
"""A request is urgent when so few days are left."""

END_OF_TIME_MS: Final = 2**53
"""Later than any request is due or was received, in Unix milliseconds."""

OPEN_STATES: Final = frozenset({RequestState.PENDING, RequestState.IN_PROGRESS})


class Urgency(StrEnum):
    """How an open request stands to the time by which it is to be completed; what has ended is `OVER`."""

    OVERDUE = "overdue"
    SOON = "soon"
    IN_TIME = "in_time"
    OVER = "over"


class Clock(NamedTuple):
    """What the clock says of a request: how urgent it is, and how many whole days are left, or over; 0 is today."""

    urgency: Urgency
    days: int


class Wish(NamedTuple):
    """Which requests are to be shown; None is any."""

    states: frozenset[RequestState]
    type: RequestType | None = None
    workspace: int | None = None

    def has(self, request: SubjectRequest) -> bool:
        """Whether a request is one of them."""
        is_type = self.type in (None, request.type)
        return is_type and self.workspace in (None, request.workspace) and request.state in self.states


class DeskPage(NamedTuple):
    """Requests, and before which one the next page begins: when it was received, and its id. None if this is the last."""

    requests: Sequence[KeptRequest]
    before: tuple[int, str] | None


class Open(NamedTuple):
    """The open requests, the most urgent first. `is_all` False: there are more than `DESK_OPEN_MAX`."""

    requests: Sequence[KeptRequest]
    is_all: bool


def clock_of(request: SubjectRequest, now_ms: int) -> Clock:
    """Say how much time is left to complete a request."""
    if request.state not in OPEN_STATES or request.expected_ms is None:
        return Clock(Urgency.OVER, 0)
    left_ms = request.expected_ms - now_ms
    if left_ms < 0:
        return Clock(Urgency.OVERDUE, -left_ms // DAY_MS)
    days = left_ms // DAY_MS
    return Clock(Urgency.SOON if days < SOON_DAYS else Urgency.IN_TIME, days)


class Desk:
    """The requests over one store, as they are shown."""

    def __init__(self, store: PrivacyStore) -> None:
        self._store = store

    async def open(self) -> Open:
        """Return the open requests, by when they are to be completed.

        Raises:
            StoreError: the store does not answer, or what it keeps is no request (StoreDamaged).
        """
        rows = await self._store.requests_due(END_OF_TIME_MS, DESK_OPEN_MAX + 1)
        kept = _shown(rows[:DESK_OPEN_MAX], lambda one: one.state in OPEN_STATES)
        ordered = sorted(kept, key=lambda one: (one.request.expected_ms or 0, one.request.request_id))
        return Open(ordered, is_all=len(rows) <= DESK_OPEN_MAX)

    async def page(self, wish: Wish, before: tuple[int, str] | None, limit: int) -> DeskPage:
        """Return requests that somebody wants to see, the newest first, those `before` one; at most so many.

        Raises:
            StoreError: the store does not answer, or what it keeps is no request (StoreDamaged).
        """
        found: list[KeptRequest] = []
        at = before or (END_OF_TIME_MS, "")
        for _ in range(0, DESK_LOOKED_THROUGH_MAX, PAGE_MAX):
            rows = await self._store.requests_before(*at, PAGE_MAX)
            for row in rows:
                if len(found) == limit:
                    return DeskPage(found, at)
                found += _shown([row], wish.has)
                at = (row.received_ms, row.request_id)
            if len(rows) < PAGE_MAX:
                return DeskPage(found, None)
        return DeskPage(found, at)


def _shown(rows: Sequence[StoredRequest], wanted: Callable[[SubjectRequest], bool]) -> list[KeptRequest]:
    kept = [kept_request(row) for row in rows if not is_deletion(row)]
    return [one for one in kept if wanted(one.request)]
