"""A bulk deletion that dies at any of its operations is never without evidence, and is completed by whoever comes after."""

from collections.abc import Sequence
from typing import Any

import pytest

from knownas.core.identity.observation import Environment
from knownas.core.privacy.evidence import Step, faults_of
from knownas.service.erasure import bulk_deletion
from knownas.service.erasure.bulk_deletion import Deletion
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.knowing import holding_of
from knownas.service.privacy.limits import DELETION_TAKEN_UP_MS
from knownas.store.errors import StoreBusy
from knownas.store.memory.store import MemoryStore
from knownas.store.privacy import PrivacyCommit, StoredRequest
from tests.faults.dying_erasures import OPERATIONS_MAX
from tests.faults.mortal import Died, Fuse, Mortal
from tests.service.erasing_stage import SHOP, ErasingStage
from tests.store.world import EVERYTHING

EVENTS = 5
TOLD = [(Step.STARTED, 2 * EVENTS), (Step.ERASED, 2 * EVENTS)]
"""What the evidence tells of a deletion, and of how many batches of events: each once."""


async def begun(fuse: Fuse) -> tuple[ErasingStage, MemoryStore, list[int]]:
    """Let two people come who leave something."""
    store = MemoryStore()
    at = await ErasingStage(store=Mortal(store, fuse), capture="all").open()  # type: ignore[arg-type]
    mpids = [await at.login(customerid=name) for name in ("ann", "bob")]
    for mpid in mpids:
        for number in range(EVENTS):
            await at.buy(mpid, f"{mpid}-{number}", request_id=f"r{mpid}-{number}")
    await at.service.correcting.settle()
    return at, store, mpids


async def left(at: ErasingStage, store: MemoryStore, mpids: Sequence[int]) -> int:
    """Count the batches of events that are left."""
    holdings = [holding_of(at.service.directory, SHOP, mpid) for mpid in mpids]
    return sum([(await store.privacy.count(one)).events for one in holdings])


async def told(store: MemoryStore) -> list[tuple[Step, Any]]:
    """Return what the evidence tells: the step, and of how many batches."""
    entries = await Evidence(store.privacy).entries(0, EVERYTHING)
    assert list(faults_of(entries)) == []
    return [(one.happening.step, one.happening.facts["events"]) for one in entries]


async def fault_at(dies_at: int | None, *, is_done_first: bool = False) -> tuple[str | None, int]:
    """Let it die once, look at what is there then, let somebody come after, and look again. What is wrong, and how many operations."""
    fuse = Fuse()
    at, store, mpids = await begun(fuse)
    asked = [Deletion(Environment.PRODUCTION, mpid) for mpid in mpids]
    fuse.count, fuse.dies_at, fuse.is_done_first = 0, dies_at, is_done_first
    try:
        await at.service.privacy.deletion.delete(at.door(), asked)
    except Died:
        fuse.dies_at = None
    there, steps = await left(at, store, mpids), await told(store)
    if there < 2 * EVENTS and not steps:
        return f"{2 * EVENTS - there} batches are gone, and nothing is told", fuse.count
    again = await ErasingStage(store=store, capture="all", now_ms=at.now_ms + DELETION_TAKEN_UP_MS).open()
    while await again.service.privacy.work.work_off():
        pass
    there, steps = await left(again, store, mpids), await told(store)
    row = await store.privacy.requests_due(2**62, 10)
    if (there, steps, row) not in ((0, TOLD, []), (2 * EVENTS, [], [])):
        return f"{there} batches are left, told is {steps}, waiting is {row}", fuse.count
    documents = [one.document for one in await rows(store)]
    if any(str(mpid).encode() in one for mpid in mpids for one in documents):
        return "the row still says whose data it was", fuse.count
    return None, fuse.count


async def rows(store: MemoryStore) -> Sequence[StoredRequest]:
    """Return all rows of requests and deletions."""
    return await store.privacy.requests_after(-1, "", EVERYTHING)


async def first_fault() -> str | None:
    """Let it die at each operation in turn, before it is done and just after, and say where that leaves something wrong."""
    fault, operations = await fault_at(None)
    if fault is not None:
        return fault
    assert 8 < operations < OPERATIONS_MAX
    for number in range(1, operations + 1):
        for is_done_first in (False, True):
            fault, _ = await fault_at(number, is_done_first=is_done_first)
            if fault is not None:
                return f"died at operation {number} of {operations}: {fault}"
    return None


async def test_no_kill_leaves_a_deletion_without_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """At every operation: whatever is gone is told, and whoever comes after deletes the rest and tells that once."""
    monkeypatch.setattr(bulk_deletion, "DELETED_A_STEP", 2)
    assert await first_fault() is None


async def test_one_who_tells_it_afterwards_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteur: nothing is written down before it goes, as it was once."""
    monkeypatch.setattr(bulk_deletion, "DELETED_A_STEP", 2)
    write = Evidence.write

    async def only_at_the_end(self: Evidence, happenings: Any, *_: object) -> bool:
        if happenings[0].step is Step.STARTED:
            return True
        return await write(self, happenings)

    monkeypatch.setattr(Evidence, "write", only_at_the_end)
    faults = [(await fault_at(number))[0] for number in range(1, 20)]
    assert any("nothing is told" in str(fault) for fault in faults)


async def test_one_that_forgets_what_is_to_go_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteur: it is told beforehand, and nobody who comes after is told what is left to do."""
    monkeypatch.setattr(bulk_deletion, "DELETED_A_STEP", 2)
    write = Evidence.write

    async def without_the_row(self: Evidence, happenings: Any, change: PrivacyCommit | None = None) -> bool:
        return await write(self, happenings, None if happenings[0].step is Step.STARTED else change)

    monkeypatch.setattr(Evidence, "write", without_the_row)
    assert "batches are left" in str(await first_fault())


async def test_two_who_complete_it_tell_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever began it may only be slow: it is deleted by both, and told by one of them."""
    at, store, mpids = await begun(Fuse())

    async def fails(*_: object) -> None:
        raise StoreBusy("later")

    with monkeypatch.context() as patched:
        patched.setattr(store.privacy, "erase", fails)
        with pytest.raises(StoreBusy):
            await at.service.privacy.deletion.delete(
                at.door(), [Deletion(Environment.PRODUCTION, one) for one in mpids]
            )
    (row,) = await rows(store)
    assert await at.service.privacy.work.work_off() == 0
    for _ in range(2):
        await at.service.privacy.deletion.carry_out(row)
    assert await told(store) == TOLD
    at.now_ms += DELETION_TAKEN_UP_MS
    assert await at.service.privacy.work.work_off() == 0
