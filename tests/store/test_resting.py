"""The suite notices memory stores that keep what came of judging although what it was made from is gone, each broken in one way."""

import pytest

from knownas.store.audiences import AudienceCommit
from knownas.store.conformance.resting import RestPromises
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.memory.audiences import MemoryAudiences
from knownas.store.memory.store import MemoryStore
from knownas.store.memory.user_data import MemoryUserData
from knownas.store.port import Store
from knownas.store.user_data import Rearrangement, SectionKey

PROMISES = [name for name in dir(RestPromises) if name.startswith("test_")]


class NeverLooks(MemoryUserData):
    """Takes every section for there."""

    def is_still_there(self, key: SectionKey, version: int) -> bool:
        del key, version
        return True


class TakesAnyForTheSame(MemoryUserData):
    """Takes a section that is there again for the one that was read."""

    def is_still_there(self, key: SectionKey, version: int) -> bool:
        del version
        return self._version(key) is not None


class TakesNoneForTheSame(MemoryUserData):
    """Refuses what rests on a section that has changed, though none was removed."""

    def is_still_there(self, key: SectionKey, version: int) -> bool:
        return self._version(key) == version


class ForgetsCorrections(MemoryUserData):
    """Keeps what corrections remove."""

    def rearrange(self, change: Rearrangement) -> None:
        kept = {one.key: self._sections[one.key] for one in change.removed}
        super().rearrange(change)
        self._sections.update(kept)


class LooksAtTheFirst(MemoryAudiences):
    """Looks for one of the sections."""

    def _stands(self, commit: AudienceCommit) -> bool:
        rests = dict(list(commit.rests_on.items())[1:])
        return super()._stands(AudienceCommit(commit.standings, places=commit.places, rests_on=rests))


BROKEN = [NeverLooks, TakesAnyForTheSame, TakesNoneForTheSame, ForgetsCorrections, LooksAtTheFirst]


def subject(part: type[MemoryUserData | MemoryAudiences]) -> StoreConformance:
    """Put a memory store to the test of which one part behaves in another way."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            store = MemoryStore()
            whole = store._user_data if issubclass(part, MemoryUserData) else store._audiences
            whole.__class__ = part  # type: ignore[assignment]
            return store

    return Tested()


async def test_a_sound_store_passes() -> None:
    """The memory store as it is keeps these promises when it is put to the test like the broken ones."""
    await run_all(lambda: subject(MemoryUserData), PROMISES)


@pytest.mark.parametrize("part", BROKEN, ids=lambda part: part.__name__)
async def test_a_broken_store_is_found_out(part: type[MemoryUserData | MemoryAudiences]) -> None:
    """It breaks a promise, and not all of them."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(part), PROMISES)
    assert all(isinstance(error, AssertionError) for error in found.value.exceptions)
    assert len(found.value.exceptions) < len(PROMISES)
