"""Keeps deliveries in a real store that fails where a test says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from knownas.store.audiences import AudienceCommit
from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement, StoredDelivery
from knownas.store.errors import StoreUnavailable
from knownas.store.memory.deliveries import MemoryDeliveries
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store


@dataclass
class KeptDeliveries:
    """The deliveries of a store. `is_down` makes every call fail, `fails_settling` so many of those that settle."""

    store: Store = field(default_factory=MemoryStore)
    is_down: bool = False
    fails_settling: int = 0

    async def write(self, deliveries: Iterable[NewDelivery]) -> None:
        """Write what is to be told."""
        assert await self.store.audiences.commit(AudienceCommit(deliveries=list(deliveries)))

    async def written(self, output: int) -> list[StoredDelivery]:
        """Return all deliveries of an output, in order."""
        return list(await self.store.deliveries.deliveries(output, None, None, 10_000))[::-1]

    @property
    def rows(self) -> dict[int, StoredDelivery]:
        """All deliveries of a store in memory, to be looked at and tampered with."""
        assert isinstance(self.store, MemoryStore)
        assert isinstance(self.store.deliveries, MemoryDeliveries)
        return self.store.deliveries._deliveries

    def in_state(self, *states: DeliveryState) -> list[StoredDelivery]:
        """Return what is in some states, in order, of a store in memory."""
        return [one for _, one in sorted(self.rows.items()) if one.state in states]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        self._check()
        if self.fails_settling:
            self.fails_settling -= 1
            raise StoreUnavailable("full")
        await self.store.deliveries.settle(settlements)

    def __getattr__(self, name: str) -> Any:
        self._check()
        return getattr(self.store.deliveries, name)

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailable("down")
