"""The PostgreSQL store keeps the promises of the port, and some of its own about its database."""

import asyncio
from collections.abc import Iterator

import pytest

from knownas.store.conformance.suite import StoreConformance
from knownas.store.port import Store
from knownas.store.postgres.store import PostgresStore
from tests.postgres import fresh_database
from tests.store.postgres_inspection import contradictions


class TestPostgres(StoreConformance):
    """The promises, kept by the PostgreSQL store; its database outlives it, and others may open it at the same time."""

    @pytest.fixture(autouse=True)
    def _database(self) -> Iterator[None]:
        with fresh_database() as self.url:
            yield
            assert asyncio.run(contradictions(self.url)) == []

    async def open_store(self) -> Store:
        return PostgresStore(self.url)

    async def reopen(self) -> Store:
        return PostgresStore(self.url)

    async def open_beside(self) -> Store:
        return PostgresStore(self.url)
