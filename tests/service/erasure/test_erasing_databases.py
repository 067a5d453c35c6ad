"""In every database an erasure leaves nothing of the person, not even in the bytes of its files."""

import asyncio
from pathlib import Path

import pytest

from knownas.batch.verifying import How, verify
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.privacy.request import Subject
from knownas.service.history.subjects import subject_of
from knownas.store.memory.store import MemoryStore
from knownas.store.opening import open_store
from knownas.store.port import Store
from tests.service.erasing_stage import APP, SHOP, ErasingStage, erase, holds, subject
from tests.store.places import PLACES

PERSON = ("canary-customer", "canary@example.com", "canary-old@example.com", "canary-twitter", "canary-event")


async def erased(store: Store) -> tuple[ErasingStage, int]:
    """Let a person leave something everywhere, and erase them."""
    at = await ErasingStage(store=store, capture="all").open()
    mpid = await at.login(customerid=PERSON[0], email=PERSON[2], twitter=PERSON[3], ios_idfv="shared-device")
    await at.modify(mpid, ("email", PERSON[2], PERSON[1]))
    await at.login(customerid="neighbour", ios_idfv="shared-device")
    await at.ask(Endpoint.SEARCH, email=PERSON[2])
    for number in range(3):
        await at.buy(mpid, f"{PERSON[4]}-{number}", request_id=f"r{number}")
        await at.login(workspace=APP, customerid=PERSON[0])
    await at.service.correcting.settle()
    steps = await erase(at, subject(customerid=PERSON[0], email=PERSON[1]))
    # Nobody of the other workspace has learnt anything, but all is captured, so it has seen the person.
    assert steps[2][1]["identity_record"] is False
    steps = await erase(at, subject(mpid), APP, "22222222-2222-4222-8222-222222222222")
    assert steps[2][1]["identity_record"] is True
    return at, mpid


async def forgets(store: Store) -> None:
    """Erase a person, and look what is left."""
    at, mpid = await erased(store)
    stored = await store.profile(mpid)
    assert stored is not None
    assert not stored.record.size
    assert not await store.user_data.sections_of(mpid)
    lines = b"".join(entry.observation + entry.decision for entry in await at.log())
    assert not [value for value in PERSON if value.encode() in lines]
    assert b"shared-device" in lines
    await at.service.close()


@pytest.mark.parametrize("name", PLACES)
def test_every_database_forgets(name: str, tmp_path: Path) -> None:
    """The record is empty, the sections are gone, the log names nobody, and folds to what is kept."""
    with PLACES[name](tmp_path) as place:
        asyncio.run(forgets(place.open()))
        assert not place.contradictions()
        verified = asyncio.run(verify(place.url, How(processes=1)))
        assert [one.differences for one in verified if one.wrong] == []


async def test_a_memory_store_forgets() -> None:
    """The same where nothing is written to a disk."""
    store = MemoryStore()
    await erased(store)
    assert not holds(store, *PERSON)


def bytes_in(folder: Path) -> bytes:
    """Return what all files of a folder hold."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_no_byte_of_a_database_file_names_the_person(tmp_path: Path) -> None:
    """Neither in rows nor in free pages, nor in the log that SQLite writes ahead."""
    store = open_store(f"sqlite:///{tmp_path}/knownas.db")
    at, _ = await erased(store)
    await at.service.close()
    everything = bytes_in(tmp_path)
    assert b"shared-device" in everything
    assert not [value for value in PERSON if value.encode() in everything]


DEVICE = "canary-device"


async def forgets_both(store: Store) -> None:
    """Let two profiles have a device in common, erase one of them and then two of others, and look what is left of the device."""
    at = await ErasingStage(store=store, capture="all").open()
    mpids = [await at.login(customerid=f"canary-{number}", ios_idfv=DEVICE) for number in range(3)]
    await at.login(customerid="neighbour", ios_idfv="shared-device")
    await at.service.correcting.settle()
    await erase(at, subject(mpids[0]))
    assert DEVICE.encode() in b"".join(entry.observation for entry in await at.log())
    await erase(at, Subject(mpids=tuple(mpids[1:])), SHOP, "22222222-2222-4222-8222-222222222222")
    lines = b"".join(entry.observation + entry.decision for entry in await at.log())
    assert b"canary-" not in lines
    assert b"shared-device" in lines
    assert set(await store.privacy.tombstones(mpids)) == set(mpids)
    # Nor can a line be found under it.
    assert not await store.history(
        subject_of(at.place().rules.pools[0], Identity(IdentityType.IOS_IDFV, DEVICE)), 0, 10
    )
    await at.service.close()


@pytest.mark.parametrize("name", PLACES)
def test_every_database_forgets_what_several_profiles_had(name: str, tmp_path: Path) -> None:
    """Whether they are erased by one request or one after the other; the log folds to what is kept."""
    with PLACES[name](tmp_path) as place:
        asyncio.run(forgets_both(place.open()))
        assert not place.contradictions()
        verified = asyncio.run(verify(place.url, How(processes=1)))
        assert [one.differences for one in verified if one.wrong] == []
