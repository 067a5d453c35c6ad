"""An erasure that dies at any of its operations is completed by whoever comes after, and leaves nothing.

The process dies at every call of the store in turn, before it is done or just after, and comes back with what is durable.
"""

from typing import Any

import msgspec
import pytest

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.core.privacy.evidence import faults_of
from knownas.service.erasing import Erasing
from knownas.service.evidence import Evidence
from knownas.service.toxic_list import ToxicState, toxic
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool
from tests.faults.mortal import Died, Fuse, Mortal
from tests.service.erasing_stage import ErasingStage, asked, holds, subject, told
from tests.store.world import EVERYTHING

REQUEST = "11111111-1111-4111-8111-111111111111"
PERSON = ("canary-customer", "canary@example.com", "canary-old@example.com", "canary-twitter", "canary-event")
OPERATIONS_MAX = 400


async def begun(fuse: Fuse) -> tuple[ErasingStage, MemoryStore]:
    """Let a person leave something everywhere, and ask for their erasure."""
    store = MemoryStore()
    at = await ErasingStage(store=Mortal(store, fuse), capture="all").open()  # type: ignore[arg-type]
    mpid = await at.login(customerid=PERSON[0], email=PERSON[2], twitter=PERSON[3], ios_idfv="shared-device")
    await at.modify(mpid, ("email", PERSON[2], PERSON[1]))
    await at.login(customerid="neighbour", ios_idfv="shared-device")
    await at.ask(Endpoint.SEARCH, email=PERSON[2])
    for number in range(3):
        await at.buy(mpid, f"{PERSON[4]}-{number}", request_id=f"r{number}")
    pool = Pool("shop", "production")
    value = toxic(pool, Identity(IdentityType.EMAIL, PERSON[1]), ToxicState.WATCHED, ToxicReason.DEVICES, at.now_ms)
    await at.service.toxic.following.tell([value])
    assert await store.keep("job/0", msgspec.json.encode({"job": "j", "report": {"values": [PERSON[0]]}}))
    await at.service.correcting.settle()
    await asked(at, subject(customerid=PERSON[0], email=PERSON[1]))
    assert holds(store, *PERSON) == list(PERSON)
    return at, store


async def carried_out(dies_at: int | None, *, is_done_first: bool = False) -> tuple[MemoryStore, Fuse, list[Any]]:
    """Carry the erasure out, dying once; returns what is kept then, and what was told."""
    fuse = Fuse()
    at, store = await begun(fuse)
    row = await store.privacy.request(REQUEST)
    assert row is not None
    fuse.count, fuse.dies_at, fuse.is_done_first = 0, dies_at, is_done_first
    try:
        await at.service.erasing.carry_out(row)
    except Died:
        fuse.dies_at = None
        again = await ErasingStage(store=store, capture="all", now_ms=at.now_ms + 1).open()
        row = await store.privacy.request(REQUEST)
        assert row is not None
        if row.due_ms is not None:
            await again.service.erasing.carry_out(row)
        at = again
    at.store = store
    return store, fuse, await told(at, REQUEST)


async def fault_of(store: MemoryStore, steps: list[Any], wanted: list[Any]) -> str | None:
    """Say what is wrong after an erasure; None if nothing."""
    left = holds(store, *PERSON)
    if left:
        return f"still there: {left}"
    if steps != wanted:
        return f"told {steps}, wanted {wanted}"
    row = await store.privacy.request(REQUEST)
    if row is None or row.ended_ms is None:
        return "not completed"
    entries = await Evidence(store.privacy).entries(0, EVERYTHING)
    faults = list(faults_of(entries))
    return f"the evidence is {faults}" if faults else None


async def first_fault(*, is_done_first: bool, stride: int = 1) -> str | None:
    """Let it die at each operation in turn, or each so many, and say where that leaves something wrong."""
    _, fuse, wanted = await carried_out(None)
    assert 20 < fuse.count < OPERATIONS_MAX
    for number in range(1 + is_done_first, fuse.count + 1, stride):
        store, _, steps = await carried_out(number, is_done_first=is_done_first)
        fault = await fault_of(store, steps, wanted)
        if fault is not None:
            return f"died at operation {number} of {fuse.count}: {fault}"
    return None


async def test_who_dies_is_followed_by_somebody_who_completes_it() -> None:
    """Nothing of the person is left, the evidence tells every step once, as if nothing had happened, and its chain is whole."""
    assert await first_fault(is_done_first=False, stride=4) is None
    # The same where the operation was done, and nobody learnt of it.
    assert await first_fault(is_done_first=True, stride=4) is None


@pytest.mark.soak
async def test_who_dies_at_any_operation_is_followed_by_somebody_who_completes_it() -> None:
    """The same at every operation there is."""
    assert await first_fault(is_done_first=False) is None
    assert await first_fault(is_done_first=True) is None


async def test_an_erasure_that_forgets_documents_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: lists and reports that are passed over still hold the person."""

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(Erasing, "_erase_documents", nothing)
    store, _, steps = await carried_out(None)
    assert str(await fault_of(store, steps, steps)).startswith("still there")


async def test_an_erasure_that_forgets_user_data_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: it does not complete where user data is left."""

    async def nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(Erasing, "_erase_user_data", nothing)
    with pytest.raises(Exception, match="found again"):
        await carried_out(None)
