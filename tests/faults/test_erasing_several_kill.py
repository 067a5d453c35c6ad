"""An erasure of several profiles that dies at any of its operations is completed by whoever comes after, and leaves nothing of any."""

from typing import Any

import pytest

from knownas.core.privacy.request import Subject
from knownas.service.erasure.erasing import Erasing
from knownas.service.erasure.erasing_case import Case
from knownas.store.memory.store import MemoryStore
from tests.faults.dying_erasures import OPERATIONS_MAX, PERSON, carried_out, first_fault
from tests.faults.mortal import Fuse, Mortal
from tests.service.erasing_stage import APP, ErasingStage, asked, holds, raw

OPERATIONS = range(41, 2 * OPERATIONS_MAX)


async def begun(fuse: Fuse) -> tuple[ErasingStage, MemoryStore, tuple[int, ...]]:
    """Let a person come who has three profiles, one of which another workspace knows, and ask for the erasure of all."""
    store = MemoryStore()
    at = await ErasingStage(store=Mortal(store, fuse), capture="all", stays_out="users").open()  # type: ignore[arg-type]
    first = await at.login(customerid=PERSON[0], ios_idfv=PERSON[1], twitter=PERSON[3])
    second = await at.login(customerid="second", email=PERSON[2], ios_idfv=PERSON[1])
    third = await at.login(customerid="third")
    await at.login(workspace=APP, customerid="third", other="known-there")
    for mpid in (first, second, third):
        await at.buy(mpid, f"{PERSON[4]}-{mpid}", request_id=f"r{mpid}")
    await at.service.correcting.settle()
    await asked(at, Subject((raw("customerid", PERSON[0]),), mpids=(second, third)))
    return at, store, (first, second)


async def test_who_dies_is_followed_by_somebody_who_completes_it() -> None:
    """Nothing is left of any profile, the evidence tells every step of each once, and its chain is whole."""
    assert await first_fault(begun, OPERATIONS, is_done_first=False, stride=11) is None
    # The same where the operation was done, and nobody learnt of it.
    assert await first_fault(begun, OPERATIONS, is_done_first=True, stride=11) is None


@pytest.mark.soak
async def test_who_dies_at_any_operation_is_followed_by_somebody_who_completes_it() -> None:
    """The same at every operation there is."""
    assert await first_fault(begun, OPERATIONS, is_done_first=False) is None
    assert await first_fault(begun, OPERATIONS, is_done_first=True) is None


async def test_an_erasure_of_the_first_profile_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteur: the others are passed over, and something of them is still there."""
    monkeypatch.setattr(Case, "each", lambda self: [self.of(0)])
    ending = await carried_out(begun)
    assert str(await ending.fault(ending.steps)).startswith("still there")


async def test_an_erasure_that_forgets_after_the_first_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteur: a profile's own identities are forgotten before they are taken out of the log, and something finds that."""
    rewrite = Erasing._log  # type: ignore[attr-defined] - the step that is broken

    async def forgotten(self: Erasing, case: Case, place: Any) -> Case:
        if case.at:
            case = await self._cases.write(case, self._clock(), own=())  # type: ignore[attr-defined]
        return await rewrite(self, case, place)

    monkeypatch.setattr(Erasing, "_log", forgotten)
    ending = await carried_out(begun)
    assert holds(ending.store, *PERSON) == [PERSON[1], PERSON[2]]
    assert str(await ending.fault(ending.steps)).startswith("still there")
