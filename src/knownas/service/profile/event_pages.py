"""Shows the kept events of a profile from the last one back, a page at a time: however many there are, few are read.

Batches come in the order in which they were kept, the last first, and the events of one from its end. So the newest stand first as
far as they came in the order in which they happened.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from knownas.service.profile.kept_batches import KeptBatch, kept_from
from knownas.store.user_data import SectionKey, StoredEvents, UserDataStore

BATCHES_FIRST_READ: Final = 2
"""Batches that are read at first for a page; each time that they are not enough, twice as many."""

BATCHES_A_PAGE_MAX: Final = 1_000
"""Batches that are looked through for one page, which most of them may say nothing for."""


class EventPlace(NamedTuple):
    """Where an event stands among those of a section: the `seq` of its batch, and its place in it."""

    seq: int
    place: int


class ShownEvent(NamedTuple):
    """An event that is kept: what it says, when it happened and came (Unix milliseconds), through which input, from what device.

    `alias_of` is the profile from which an alias request copied it.
    """

    at: EventPlace
    type: str
    name: str | None
    at_ms: int
    came_ms: int
    input: str
    platform: str | None
    stamp: str | None
    message_id: str | None
    alias_of: str | None
    data: msgspec.Raw

    def document(self) -> Any:
        """Return what it says, whole."""
        return msgspec.json.decode(self.data)


class EventsPage(NamedTuple):
    """Some events, the newest first, and the place before which the next page begins; None at the end."""

    events: list[ShownEvent]
    next: EventPlace | None


class _Named(msgspec.Struct, frozen=True):
    """The members of an event by which people call it."""

    event_name: Any = None
    screen_name: Any = None


_NAMED: Final = msgspec.json.Decoder(_Named)


class EventPages:
    """The kept events of profiles, for people who look at them. Reads only."""

    def __init__(self, store: UserDataStore) -> None:
        self._store = store

    async def back(self, key: SectionKey, before: EventPlace | None, limit: int) -> EventsPage:
        """Return the events of a profile in a workspace that stand before a place, or the last ones; at most `limit`.

        Raises:
            StoreError: the store does not answer.
        """
        found: list[ShownEvent] = []
        before_seq = None if before is None else before.seq + 1
        looked, reads = 0, BATCHES_FIRST_READ
        while looked < BATCHES_A_PAGE_MAX:
            batches = await self._store.events_back(key, before_seq, reads)
            for stored in batches:
                for one in _events_back(stored, before):
                    if len(found) == limit:
                        return EventsPage(found, found[-1].at)
                    found.append(one)
            if len(batches) < reads:
                return EventsPage(found, None)
            before_seq = batches[-1].seq
            looked, reads = looked + reads, reads * 2
        return EventsPage(found, None if before_seq is None else EventPlace(before_seq, 0))

    async def find(self, key: SectionKey, at: EventPlace) -> ShownEvent | None:
        """Return one event; None if there is none at this place.

        Raises:
            StoreError: the store does not answer.
        """
        batches = await self._store.events_back(key, at.seq + 1, 1)
        if not batches or batches[0].seq != at.seq:
            return None
        return next((one for one in _events_back(batches[0], None) if one.at == at), None)


def _events_back(stored: StoredEvents, before: EventPlace | None) -> Iterator[ShownEvent]:
    """Yield the events of a batch that count, from its end, those before a place."""
    kept = kept_from(stored.document)
    if not kept.is_aside:
        for place in reversed(range(len(kept.events))):
            at = EventPlace(stored.seq, place)
            if before is None or at < before:
                yield _shown(stored, kept, at)


def _shown(stored: StoredEvents, kept: KeptBatch, at: EventPlace) -> ShownEvent:
    one = kept.events[at.place]
    named = _NAMED.decode(one.data)
    name = next((said for said in (named.event_name, named.screen_name) if isinstance(said, str)), None)
    return ShownEvent(
        *(at, one.type, name, one.at_ms, stored.at_ms, kept.input),
        *(kept.platform, kept.stamp, one.message_id, kept.alias_of, one.data),
    )
