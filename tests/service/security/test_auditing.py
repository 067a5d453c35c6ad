"""It is kept who read or changed a person's data, at next to no cost for whoever asks."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from knownas.core.identity.document import Document
from knownas.service.security import auditing
from knownas.service.security.auditing import Access, Auditing, access_document, persons_in
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.privacy import Audited, PrivacyStore

DAY_MS = 86_400_000
START_MS = 1_790_000_000_000


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms


class Failing:
    """A store that takes some rows, and then none for a while."""

    def __init__(self, privacy: PrivacyStore, fails: int) -> None:
        self.privacy = privacy
        self.fails = fails

    async def audit(self, rows: Sequence[Audited]) -> None:
        """Fail as often as was said."""
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("not now")
        await self.privacy.audit(rows)

    async def audited(self, mpid: int | None, after_seq: int, limit: int) -> Sequence[Audited]:
        """Return what was taken."""
        return await self.privacy.audited(mpid, after_seq, limit)


async def test_what_was_noted_is_written_in_the_background() -> None:
    """A second after it was noted it stands in the store; what one asks several times in it is one row with a count."""
    clock, store = Clock(), MemoryStore()
    one = Auditing(store.privacy, clock)
    one.start()
    for mpid in (7, 7, 8):
        one.note(mpid, "reader", "readProfile", 200)
    one.note(7, "admin", "showProfile", 404)
    assert await store.privacy.audited(None, 0, 10) == []
    await asyncio.sleep(auditing.FLUSH_SECONDS + 0.5)
    assert len(await store.privacy.audited(None, 0, 10)) == 3
    await one.close()
    found, following = await one.page(7, None, 0, 10)
    assert following is None
    assert found == [
        Access(START_MS, 7, "reader", "readProfile", 200, 2),
        Access(START_MS, 7, "admin", "showProfile", 404),
    ]
    assert access_document(found[0]) == {
        "at": "2026-09-21T14:13:20.000Z",
        "mpid": "7",
        "who": "reader",
        "what": "readProfile",
        "status": 200,
        "times": 2,
    }


async def test_closing_writes_everything() -> None:
    """What was noted just before the end is not lost."""
    store = MemoryStore()
    one = Auditing(store.privacy, Clock())
    one.start()
    for mpid in range(1, 2_501):
        one.note(mpid, "reader", "readProfile", 200)
    await one.close()
    assert len(await store.privacy.audited(None, 0, 10_000)) == 2_500


async def test_rows_wait_while_the_store_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A store that fails gets the rows later; beyond so many the newest are dropped, and it is logged how many."""
    store = MemoryStore()
    one = Auditing(Failing(store.privacy, 2), Clock())  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "WAITING_MAX", 3)
        for mpid in (1, 2):
            one.note(mpid, "reader", "readProfile", 200)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await one.flush()
            one.note(2, "reader", "readProfile", 200)
        one.note(3, "reader", "readProfile", 200)
        with caplog.at_level(logging.ERROR):
            await one.flush()
    assert [(row.mpid, row.times) for row in (await one.page(None, None, 0, 10))[0]] == [(1, 1), (2, 3)]
    assert "1 rows" in caplog.text


async def test_old_rows_are_forgotten() -> None:
    """After their time rows go; without a time, or in a dry run, none does."""
    clock, store = Clock(), MemoryStore()
    for mpid, days in ((1, 0), (2, 200), (3, 400)):
        clock.now_ms = START_MS + days * DAY_MS
        one = Auditing(store.privacy, clock, 365)
        one.note(mpid, "admin", "showProfile", 200)
        await one.close()
    assert await Auditing(store.privacy, clock).forget() == 0
    assert await Auditing(store.privacy, clock, 365).forget() == 1
    assert [row.mpid for row in await store.privacy.audited(None, 0, 10)] == [2, 3]


async def test_pages_begin_at_a_time() -> None:
    """Rows since a time are found without reading those before it; pages follow one another."""
    clock, store = Clock(), MemoryStore()
    one = Auditing(store.privacy, clock)
    for minute in range(300):
        clock.now_ms = START_MS + minute * 60_000
        one.note(1 + minute % 2, "admin", "showProfile", 200)
        await one.flush()
    since_ms = START_MS + 250 * 60_000
    found: list[Access] = []
    after: int | None = 0
    pages = 0
    while after is not None:
        page, after = await one.page(2, since_ms, after, 10)
        found += page
        pages += 1
    assert [row.at_ms for row in found] == [START_MS + minute * 60_000 for minute in range(251, 300, 2)]
    assert pages == 3


def test_the_persons_of_an_answer_are_those_that_it_names() -> None:
    """MPIDs are found wherever our answers name them, and other numbers are left alone."""
    document: Document = {
        "outcome": {"kind": "created", "mpid": "1", "source_mpid": "2"},
        "steps": [{"candidates": ["3"], "rejected": [{"mpid": "-4", "guard": "x"}], "left": [], "value": "99"}],
        "changed": True,
        "changes": [{"from_mpid": None, "to_mpid": "5"}],
        "items": [{"mpid": "1"}],
        "mpids": ["6"],
        "customerid": "77",
    }
    assert persons_in(document) == [1, 2, 3, -4, 5, 6]
    many: Document = {"items": [{"mpid": str(number)} for number in range(1, 5_000)]}
    assert len(persons_in(many)) == auditing.PERSONS_OF_ANSWER_MAX
