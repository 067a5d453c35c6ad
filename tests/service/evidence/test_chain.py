"""What happened is written down in one chain, whoever writes it."""

import asyncio

import pytest

from knownas.core.privacy.evidence import Fault, Finding, Happening, Head, Step, faults_of
from knownas.core.privacy.request import Regulation, RequestType, Subject, SubjectRequest
from knownas.service.evidence.chain import Evidence, entry_bytes, entry_from
from knownas.service.privacy.subject_request_form import KeptRequest, stored
from knownas.store.errors import StoreDamaged
from knownas.store.memory.store import MemoryStore
from knownas.store.privacy import PrivacyCommit, RequestWrite, Tombstone

REQUEST = "a7551968-d5d6-44b2-9831-815ac9017798"


def happening(number: int) -> Happening:
    """Return something that happened."""
    return Happening(number, REQUEST, Step.ERASED, {"store": "events", "rows": number})


async def test_many_writers_make_one_whole_chain() -> None:
    """Writers that come at the same time take turns; the chain is whole, and a second verifier finds what one alters."""
    privacy = MemoryStore().privacy
    writers = [Evidence(privacy) for _ in range(5)]
    for turn in range(6):
        await asyncio.gather(
            *(one.write([happening(turn), happening(place)][: 1 + place % 2]) for place, one in enumerate(writers))
        )
    entries = await writers[0].entries(0, 100)
    assert len(entries) == 6 * 7
    assert list(faults_of(entries, [await writers[1].head()])) == []
    assert len({one.salt for one in entries}) == len(entries)
    assert list(faults_of(entries[:-1], [await writers[1].head()])) == [Finding(Fault.CUT_OFF, 42)]


async def test_what_changes_is_kept_with_what_is_told_of_it() -> None:
    """A change that is refused leaves no entry; one that is made stands beside its entry."""
    privacy = MemoryStore().privacy
    evidence = Evidence(privacy)
    assert await evidence.write([happening(1)], PrivacyCommit(tombstones=[Tombstone(7, REQUEST, 1)]))
    asked = SubjectRequest(REQUEST, 1, Regulation.GDPR, RequestType.ERASURE, Subject(mpid=7), 1, 1, 1)
    row = stored(KeptRequest(asked))
    assert not await evidence.write([happening(2)], PrivacyCommit(requests=[RequestWrite(row, row.document)]))
    assert [one.number for one in await evidence.of_request(REQUEST)] == [1]
    assert 7 in await privacy.tombstones([7])


async def test_entries_are_found_by_their_numbers() -> None:
    """Some entries can be asked for at once; those that are not there are left out."""
    evidence = Evidence(MemoryStore().privacy)
    assert await evidence.head() == Head()
    await evidence.write([happening(one) for one in range(5)])
    assert [one.number for one in await evidence.numbered([4, 2, 9, 2])] == [2, 4]


async def test_an_entry_reads_back_as_it_was_written() -> None:
    """What is kept is the entry, and what is none is said to be damaged."""
    evidence = Evidence(MemoryStore().privacy)
    await evidence.write([happening(1)])
    (entry,) = await evidence.entries(0, 1)
    assert entry_from(entry_bytes(entry)) == entry
    with pytest.raises(StoreDamaged):
        entry_from(b'{"number": 1}')
