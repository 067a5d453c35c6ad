"""The SQLite store keeps the promises of the port, and some of its own: layout, damage, locks and a full disk."""

from pathlib import Path

import pytest

from knownas.store.conformance.suite import StoreConformance
from knownas.store.port import Store
from knownas.store.sqlite.store import SqliteStore


class TestSqlite(StoreConformance):
    """The promises, kept by the SQLite store; its file outlives it, and others may open it at the same time."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "knownas.db"

    async def open_store(self) -> Store:
        return SqliteStore(self.path)

    async def reopen(self) -> Store:
        return SqliteStore(self.path)

    async def open_beside(self) -> Store:
        return SqliteStore(self.path)
