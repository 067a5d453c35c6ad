"""However much there is of a person, handing it out takes no more memory."""

import tracemalloc

import pytest

from knownas.core.identity.observation import Endpoint, Environment
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.profile.kept_batches import batch_write
from knownas.store.user_data import SectionKey, UserDataCommit
from tests.service.subject_stage import SHOP, SubjectStage


async def peak_of(batches: int) -> int:
    """Hand out a profile of so many batches; return the bytes of memory that this took at most."""
    stage = await SubjectStage().open()
    mpid = await stage.ask(Endpoint.LOGIN, customerid="busy")
    await stage.send(mpid)
    key = SectionKey(SHOP, "production", mpid)
    page = {"event_name": "page", "custom_attributes": {"path": "/" + "a-long-way/" * 40}}
    door = stage.service.directory.door("key-100")
    assert door is not None
    for start in range(0, batches, 500):
        events = [
            batch_write(
                key,
                EventBatch(
                    Environment.PRODUCTION,
                    stage.now_ms + n,
                    door.input.name,
                    Channel.SERVER,
                    mpid=mpid,
                    events=(Event("custom_event", stage.now_ms + n, None, page),),
                ),
            )
            for n in range(start, min(start + 500, batches))
        ]
        await stage.store.user_data.commit(UserDataCommit(events=events))
    tracemalloc.start()
    try:
        pieces = await stage.results.open(stage.asked(mpid))
        assert pieces is not None
        size = sum([len(piece) async for piece in pieces])
        assert size > batches
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await stage.close()


async def test_many_batches_take_no_more_memory() -> None:
    """Handing out 3,000 batches takes hardly more memory than 300: it is read, written and sent piece by piece."""
    await peak_of(10)
    few, many = await peak_of(300), await peak_of(3_000)
    assert many < few + 2_000_000


@pytest.mark.soak
async def test_a_hundred_thousand_batches_take_no_more_memory() -> None:
    """The same for 100,000 batches."""
    await peak_of(10)
    few, many = await peak_of(300), await peak_of(100_000)
    assert many < few + 2_000_000
