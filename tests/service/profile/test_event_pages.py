"""A profile's events from the last one back: every page of any size, over batches of any size."""

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from knownas.service.profile.event_pages import EventPages, EventPlace, ShownEvent
from knownas.store.memory.store import MemoryStore
from knownas.store.user_data import EventsWrite, SectionKey, UserDataCommit
from tests.store.world import START_MS

KEY = SectionKey(100, "production", 7)


def kept(name: str, count: int, *, is_aside: bool) -> EventsWrite:
    """Make a batch of so many events; one that is aside counts for nobody."""
    events = [
        {"type": "custom_event", "at_ms": START_MS, "message_id": None, "data": {"event_name": f"{name}-{number}"}}
        for number in range(count)
    ]
    document = {"stamp": None, "platform": "iOS", "input": "app", "events": events, "is_aside": is_aside}
    return EventsWrite(KEY, START_MS, START_MS, START_MS, msgspec.json.encode(document))


async def all_pages(batches: list[tuple[int, bool]], limit: int) -> tuple[list[ShownEvent], list[ShownEvent | None]]:
    """Return what all pages show, and each of it looked up alone."""
    store = MemoryStore()
    writes = [kept(str(number), count, is_aside=is_aside) for number, (count, is_aside) in enumerate(batches)]
    await store.user_data.commit(UserDataCommit(events=writes))
    pages = EventPages(store.user_data)
    shown: list[ShownEvent] = []
    before: EventPlace | None = None
    for _ in range(sum(count for count, _ in batches) + 1):
        page = await pages.back(KEY, before, limit)
        assert len(page.events) <= limit
        shown += page.events
        before = page.next
        if before is None:
            break
    assert before is None
    return shown, [await pages.find(KEY, one.at) for one in shown]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12), st.integers(1, 7))
def test_every_event_that_counts_is_shown_once(batches: list[tuple[int, bool]], limit: int) -> None:
    """The last batch first, each from its end; batches without events and those that are aside show none."""
    shown, alone = asyncio.run(all_pages(batches, limit))
    wanted = [
        f"{number}-{place}"
        for number, (count, is_aside) in reversed(list(enumerate(batches)))
        for place in reversed(range(0 if is_aside else count))
    ]
    assert [one.name for one in shown] == wanted
    assert alone == shown


def test_what_is_not_there_is_not_found() -> None:
    """Neither an event beyond a batch, nor one of a batch that is not kept."""

    async def look() -> list[ShownEvent | None]:
        store = MemoryStore()
        await store.user_data.commit(UserDataCommit(events=[kept("a", 2, is_aside=False)]))
        pages = EventPages(store.user_data)
        first = (await pages.back(KEY, None, 1)).events[0].at
        return [await pages.find(KEY, one) for one in (EventPlace(first.seq, 2), EventPlace(first.seq + 1, 0))]

    assert asyncio.run(look()) == [None, None]
