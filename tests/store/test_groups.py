"""The promises about groups leave nothing out, and the suite notices stores that break them."""

import inspect

import pytest

from knownas.store.conformance import groups
from knownas.store.conformance.groups import GroupPromises
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.groups import GroupStore
from knownas.store.memory.groups import MemoryGroups
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.store.broken_groups import BROKEN

METHODS = {name for name, _ in inspect.getmembers(GroupStore, inspect.isfunction) if not name.startswith("_")}
PROMISES = [name for name in dir(GroupPromises) if name.startswith("test_")]


def subject(part: type[MemoryGroups]) -> StoreConformance:
    """Put a memory store with another sixth part to the test."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            store = MemoryStore()
            store._groups = store._audiences._groups = part()
            return store

    return Tested()


def test_no_method_is_left_out() -> None:
    """Each method of the sixth part is tested for what it answers when closed."""
    assert set(groups.CALLS) == METHODS


async def test_a_sound_store_passes() -> None:
    """The memory store as it is keeps all promises about groups when it is put to the test like the broken ones."""
    await run_all(lambda: subject(MemoryGroups), PROMISES)


@pytest.mark.parametrize("part", BROKEN, ids=lambda part: part.__name__)
async def test_a_broken_sixth_part_is_found_out(part: type[MemoryGroups]) -> None:
    """A store with one thing wrong breaks at least one promise, and the report names it."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(part), PROMISES)
    broken = found.value.exceptions
    assert any(isinstance(error, AssertionError) for error in broken)
    assert all("the promise test_" in error.__notes__[0] for error in broken)
    assert len(broken) < len(PROMISES) * 3 / 4, "it is broken in one way, not in all"
