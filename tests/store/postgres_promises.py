"""The promises of the port, to be kept by a PostgreSQL store, wherever its database is."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from knownas.store.conformance.suite import StoreConformance
from knownas.store.port import Store
from knownas.store.postgres.store import PostgresStore
from tests.store.postgres_inspection import contradictions


class PostgresConformance(StoreConformance):
    """The promises; the database outlives its store, others may open it at the same time, and nothing in it is at odds."""

    def database(self) -> AbstractContextManager[str]:
        """Give a database with nothing in it."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _database(self) -> Iterator[None]:
        with self.database() as self.url:
            yield
            assert asyncio.run(contradictions(self.url)) == []

    async def open_store(self) -> Store:
        return PostgresStore(self.url)

    async def reopen(self) -> Store:
        return PostgresStore(self.url)

    async def open_beside(self) -> Store:
        return PostgresStore(self.url)
