"""The promises about deliveries leave nothing out, and the suite notices stores that break them."""

import inspect

import pytest

from knownas.store.conformance import deliveries
from knownas.store.conformance.deliveries import DeliveryPromises
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.deliveries import DeliveryStore
from knownas.store.memory.deliveries import MemoryDeliveries
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.store.broken_deliveries import BROKEN

METHODS = {name for name, _ in inspect.getmembers(DeliveryStore, inspect.isfunction) if not name.startswith("_")}
PROMISES = [name for name in dir(DeliveryPromises) if name.startswith("test_")]


def subject(part: type[MemoryDeliveries]) -> StoreConformance:
    """Put a memory store with another fifth part to the test."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            store = MemoryStore()
            store._deliveries = store._audiences._deliveries = part()
            return store

    return Tested()


def test_no_method_is_left_out() -> None:
    """Each method of the fifth part is tested for what it answers when closed."""
    assert set(deliveries.CALLS) == METHODS


async def test_a_sound_store_passes() -> None:
    """The memory store as it is keeps all promises about deliveries when it is put to the test like the broken ones."""
    await run_all(lambda: subject(MemoryDeliveries), PROMISES)


@pytest.mark.parametrize("part", BROKEN, ids=lambda part: part.__name__)
async def test_a_broken_fifth_part_is_found_out(part: type[MemoryDeliveries]) -> None:
    """A store with one thing wrong breaks at least one promise, and the report names it."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(part), PROMISES)
    broken = found.value.exceptions
    assert any(isinstance(error, AssertionError) for error in broken)
    assert all("the promise test_" in error.__notes__[0] for error in broken)
    assert len(broken) < len(PROMISES) * 3 / 4, "it is broken in one way, not in all"
