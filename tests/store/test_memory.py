"""The memory store keeps the promises of the port."""

from knownas.store.conformance.suite import StoreConformance
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store


class TestMemory(StoreConformance):
    """The promises, kept by the memory store; nothing outlives it."""

    async def open_store(self) -> Store:
        return MemoryStore()
