"""An erasure that dies at any of its operations is completed by whoever comes after, and leaves nothing.

The process dies at every call of the store in turn, before it is done or just after, and comes back with what is durable.
"""

import msgspec
import pytest

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.service.erasure.erasing import Erasing
from knownas.service.toxic.list import ToxicState, toxic
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool
from tests.faults.dying_erasures import OPERATIONS_MAX, PERSON, carried_out, first_fault
from tests.faults.mortal import Fuse, Mortal
from tests.service.erasing_stage import ErasingStage, asked, holds, subject

OPERATIONS = range(21, OPERATIONS_MAX)


async def begun(fuse: Fuse) -> tuple[ErasingStage, MemoryStore, tuple[int, ...]]:
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
    return at, store, (mpid,)


async def test_who_dies_is_followed_by_somebody_who_completes_it() -> None:
    """Nothing of the person is left, the evidence tells every step once, as if nothing had happened, and its chain is whole."""
    assert await first_fault(begun, OPERATIONS, is_done_first=False, stride=4) is None
    # The same where the operation was done, and nobody learnt of it.
    assert await first_fault(begun, OPERATIONS, is_done_first=True, stride=4) is None


@pytest.mark.soak
async def test_who_dies_at_any_operation_is_followed_by_somebody_who_completes_it() -> None:
    """The same at every operation there is."""
    assert await first_fault(begun, OPERATIONS, is_done_first=False) is None
    assert await first_fault(begun, OPERATIONS, is_done_first=True) is None


async def test_an_erasure_that_forgets_documents_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: lists and reports that are passed over still hold the person."""

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(Erasing, "_erase_documents", nothing)
    ending = await carried_out(begun)
    assert str(await ending.fault(ending.steps)).startswith("still there")


async def test_an_erasure_that_forgets_user_data_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: it does not complete where user data is left."""

    async def nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(Erasing, "_erase_user_data", nothing)
    with pytest.raises(Exception, match="found again"):
        await carried_out(begun)
