"""Erasures that are carried out again on restored data come to their end wherever they are interrupted, and leave nothing.

The process dies at every call of the store in turn, before it is done or just after, and whoever comes next begins anew with what is
durable.
"""

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from knownas.core.privacy.evidence import Head, Step, faults_of
from knownas.service.erasure.erasing import Erasing
from knownas.service.erasure.replaying import Replaying
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.ledger_reading import LedgerAfter, ledger_after
from knownas.store.memory.store import MemoryStore
from tests.faults.mortal import Died, Fuse, Mortal
from tests.service.erasing_stage import SHOP, ErasingStage, erase, holds, subject
from tests.store.world import EVERYTHING

WORDS = ("canary-customer", "canary@example.com", "canary-moved@example.com", "canary-late@example.com", "canary-event")
REQUESTS = ("11111111-1111-4111-8111-111111111111", "21111111-1111-4111-8111-111111111111")
OPERATIONS_MAX = 600


class Scene:
    """Data as of a backup, and the ledger of what came after it."""

    def __init__(self, kept: MemoryStore, ledger: LedgerAfter, backup: Head, now_ms: int) -> None:
        self.kept, self.ledger, self.backup, self.now_ms = kept, ledger, backup, now_ms

    async def replayed(self, dies_at: int | None = None, *, is_done_first: bool = False) -> tuple[MemoryStore, int]:
        """Carry out again what the ledger tells, dying once; returns what is kept then, and how many operations it took."""
        store, fuse = copy.deepcopy(self.kept), Fuse()
        await self._replay(store, fuse, dies_at, is_done_first=is_done_first)
        if dies_at is not None:
            await self._replay(store, Fuse(), None, is_done_first=False)
        return store, fuse.count

    async def _replay(self, store: MemoryStore, fuse: Fuse, dies_at: int | None, *, is_done_first: bool) -> None:
        at = ErasingStage(store=Mortal(store, fuse), capture="all", stays_out="users", now_ms=self.now_ms)  # type: ignore[arg-type]
        service = (await at.open()).service
        assert service.keeping_out is not None
        replaying = Replaying(
            service.store, service.directory, service.resolver, service.erasing, service.keeping_out, at.clock
        )
        fuse.count, fuse.dies_at, fuse.is_done_first = 0, dies_at, is_done_first
        try:
            await replaying.replay(self.ledger, self.backup, {"backup": "b"}, lambda *_: None)
        except Died:
            assert dies_at is not None

    async def fault_of(self, store: MemoryStore) -> str | None:
        """Say what is wrong with restored data; None if nothing."""
        left = holds(store, *WORDS)
        if left:
            return f"still there: {left}"
        chain = await Evidence(store.privacy).entries(0, EVERYTHING)
        broken = list(faults_of(chain))
        if broken:
            return f"the chain is broken: {broken}"
        told = [(one.happening.step, one.happening.request_id) for one in chain[self.backup.number :]]
        wanted = [(one.happening.step, one.happening.request_id) for one in self.ledger.entries]
        wanted += [(Step.RESTORED, ""), *((Step.REPLAYED, one) for one in REQUESTS)]
        if told != wanted:
            return f"the evidence tells {told}"
        if {one.request_id for one in await store.privacy.tombstones_after(None, 10)} != set(REQUESTS):
            return "a tombstone is missing"
        return None if await store.privacy.suppressions_after(b"", 100) else "nobody stays out"


def copied(store: MemoryStore) -> MemoryStore:
    """Return a store with the same data."""
    return copy.deepcopy(store)


async def scene_in(folder: Path) -> Scene:
    """Let people come, take a backup, and let two be erased."""
    store = MemoryStore()
    at = ErasingStage(store=store, capture="all", stays_out="users", further=f"privacy: {{ledger: {folder}/ledger}}\n")
    await at.open()
    gone = await at.login(customerid=WORDS[0], email=WORDS[1], ios_idfv="shared-device")
    other = await at.login(customerid="neighbour", email=WORDS[2], ios_idfv="shared-device")
    await at.buy(gone, WORDS[4], request_id="r1")
    await at.ask(email=WORDS[3])
    await at.service.correcting.settle()
    kept, backup = copied(store), await at.service.privacy.evidence.head()
    await at.modify(other, ("email", WORDS[2], None))
    await at.modify(gone, ("email", WORDS[1], WORDS[2]))
    late = await at.login(customerid="late", email=WORDS[3])
    await at.service.correcting.settle()
    for mpid, request_id in zip((gone, late), REQUESTS, strict=True):
        await erase(at, subject(mpid), SHOP, request_id)
    assert set(holds(kept, *WORDS)) == set(WORDS)
    return Scene(kept, ledger_after([folder / "ledger"], backup), backup, at.now_ms + 1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The same data for all tests: each has a copy."""
    return asyncio.run(scene_in(tmp_path_factory.mktemp("scene")))


async def first_fault(scene: Scene, stride: int) -> str | None:
    """Let it die at each so many operations, before and after them, and say where that leaves something wrong."""
    store, operations = await scene.replayed()
    assert await scene.fault_of(store) is None
    assert 50 < operations < OPERATIONS_MAX
    for number in range(1, operations + 1, stride):
        for is_done_first in (False, True):
            store, _ = await scene.replayed(number, is_done_first=is_done_first)
            fault = await scene.fault_of(store)
            if fault is not None:
                return f"died at operation {number} of {operations}: {fault}"
    return None


async def test_a_replay_that_dies_is_completed(scene: Scene) -> None:
    """Before and after its operations: nothing is left, each erasure is told once, and the chain is whole."""
    assert await first_fault(scene, stride=13) is None


@pytest.mark.soak
async def test_a_replay_that_dies_at_any_operation_is_completed(scene: Scene) -> None:
    """The same at every operation there is."""
    assert await first_fault(scene, stride=1) is None


async def test_a_replay_that_leaves_a_step_out_is_caught(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteurs: one does not look whom the digests are of, one does not take from others, one does not rewrite the log."""

    async def nothing(*_: Any) -> Any:
        return {}

    async def none_rewritten(*_: Any) -> int:
        return 0

    async def none_left(*_: Any) -> dict[str, int]:
        return {}

    for cls, name, instead in (
        (Replaying, "_named", nothing),
        (Replaying, "_relieve", nothing),
        (Erasing, "_redact", none_rewritten),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(cls, name, instead)
            patched.setattr(Erasing, "_left", none_left)
            store, _ = await scene.replayed()
        assert "still there" in (await scene.fault_of(store) or ""), name
