"""Says what the author of an adapter supplies: how to open a store, and what outlives it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from knownas.store.port import Store


class Subject:
    """An adapter under test. One instance serves one promise, over data of its own that starts empty."""

    async def open_store(self) -> Store:
        """Open a store over this instance's data."""
        raise NotImplementedError

    async def reopen(self) -> Store | None:
        """Open the data again after its store was closed; None if nothing outlives a store."""
        return None

    async def open_beside(self) -> Store | None:
        """Open the data a second time, as another server process would; None if only one store can."""
        return None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Store]:
        """Open a store for a promise and close it afterwards."""
        store = await self.open_store()
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def rivals(self) -> AsyncGenerator[tuple[Store, Store]]:
        """Open two stores over the same data, or one twice where there can only be one."""
        async with self.opened() as store:
            beside = await self.open_beside()
            try:
                yield store, beside or store
            finally:
                if beside is not None:
                    await beside.close()
