"""Lets an erasure die at any of its operations, whoever comes next complete it, and says what is wrong then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from knownas.core.privacy.evidence import faults_of
from knownas.service.evidence.chain import Evidence
from knownas.store.memory.store import MemoryStore
from tests.faults.mortal import Died, Fuse
from tests.service.erasing_stage import ErasingStage, holds, told
from tests.store.world import EVERYTHING, RepeatingChance

REQUEST = "11111111-1111-4111-8111-111111111111"
PERSON = ("canary-customer", "canary@example.com", "canary-old@example.com", "canary-twitter", "canary-event")
"""What is looked for everywhere."""

OPERATIONS_MAX = 400

Begin = Callable[[Fuse], Awaitable[tuple[ErasingStage, MemoryStore, tuple[int, ...]]]]
"""Lets people come and asks for an erasure; returns the profiles that go as a whole and are to have a tombstone, as far as is looked."""


@dataclass(frozen=True)
class Ending:
    """What is kept after an erasure, how many operations it took, what was told of it, and whose tombstones are looked for."""

    store: MemoryStore
    operations: int
    steps: list[Any]
    whole: tuple[int, ...]

    async def fault(self, wanted: list[Any]) -> str | None:
        """Say what is wrong; None if nothing."""
        left = holds(self.store, *PERSON)
        if left:
            return f"still there: {left}"
        if self.steps != wanted:
            return f"told {self.steps}, wanted {wanted}"
        row = await self.store.privacy.request(REQUEST)
        if row is None or row.ended_ms is None:
            return "not completed"
        faults = list(faults_of(await Evidence(self.store.privacy).entries(0, EVERYTHING)))
        if faults:
            return f"the evidence is {faults}"
        tombstones = await self.store.privacy.tombstones(self.whole)
        is_told = [mpid in tombstones and tombstones[mpid].request_id == REQUEST for mpid in self.whole]
        return None if all(is_told) else "a tombstone is missing"


async def carried_out(begin: Begin, dies_at: int | None = None, *, is_done_first: bool = False) -> Ending:
    """Carry the erasure out, dying once."""
    fuse = Fuse()
    at, store, whole = await begin(fuse)
    row = await store.privacy.request(REQUEST)
    assert row is not None
    fuse.count, fuse.dies_at, fuse.is_done_first = 0, dies_at, is_done_first
    try:
        await at.service.erasing.carry_out(row)
    except Died:
        fuse.dies_at = None
        at = await replace(at, store=store, now_ms=at.now_ms + 1, chance=RepeatingChance(1)).open()
        row = await store.privacy.request(REQUEST)
        assert row is not None
        if row.due_ms is not None:
            await at.service.erasing.carry_out(row)
    at.store = store
    return Ending(store, fuse.count, await told(at, REQUEST), whole)


async def first_fault(begin: Begin, operations: range, *, is_done_first: bool, stride: int = 1) -> str | None:
    """Let it die at each operation in turn, or each so many, and say where that leaves something wrong.

    `operations` is between what numbers of them it is to take.
    """
    whole = await carried_out(begin)
    assert whole.operations in operations
    for number in range(1 + is_done_first, whole.operations + 1, stride):
        ending = await carried_out(begin, number, is_done_first=is_done_first)
        fault = await ending.fault(whole.steps)
        if fault is not None:
            return f"died at operation {number} of {whole.operations}: {fault}"
    return None
