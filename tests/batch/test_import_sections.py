"""What rows say is folded into sections, and what finds no room there is told."""

import pytest

from knownas.batch.import_sections import Said, keep_sections
from knownas.core.identity.observation import Environment
from knownas.core.limits import ATTRIBUTES_MAX
from knownas.core.profile.event import Channel, EventBatch
from knownas.service.profile.sections import read
from knownas.store.memory.marks import MemoryMarks
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.user_data import SectionKey

KEY = SectionKey(100, "production", 7)


def row(**attributes: str) -> EventBatch:
    """Return what a row says."""
    return EventBatch(
        at_ms=5, environment=Environment.PRODUCTION, input="crm", channel=Channel.FEED, attributes=attributes
    )


async def test_what_finds_no_room_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A profile that has all the attributes it can have keeps them, and the log names what it got no more."""
    store = MemoryUserData(MemoryMarks())
    full = {f"a{number}": "x" for number in range(ATTRIBUTES_MAX)}

    await keep_sections(store, [Said(KEY, row(**full)), Said(KEY, row(a0="y", city="Ulm"))])

    kept = read((await store.load([KEY])).sections[KEY])
    assert kept.attributes.keys() == full.keys()
    assert [record.getMessage() for record in caplog.records] == [
        f"profile 7 has {ATTRIBUTES_MAX} attributes, and no room for: city"
    ]


async def test_nothing_is_told_where_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    """Rows that fit are kept without a word."""
    store = MemoryUserData(MemoryMarks())

    await keep_sections(store, [Said(KEY, row(city="Ulm"))])

    assert read((await store.load([KEY])).sections[KEY]).attributes.keys() == {"city"}
    assert caplog.records == []
