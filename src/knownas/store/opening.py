"""Opens the store that a configuration's `database` names."""

from pathlib import Path
from typing import Final

from knownas.store.errors import StoreUnavailable
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.sqlite.store import SqliteStore

SQLITE: Final = "sqlite:///"
MEMORY: Final = "memory://"


def open_store(database: str) -> Store:
    """Open `sqlite:///file` (relative to the working directory; `sqlite:////file` is absolute) or `memory://`.

    Raises:
        StoreError: it can't be opened, or no adapter serves such an address.
    """
    if database.startswith(SQLITE):
        return SqliteStore(Path(database.removeprefix(SQLITE)))
    if database == MEMORY:
        return MemoryStore()
    scheme = database.partition(":")[0]
    raise StoreUnavailable(f"no store serves {scheme!r}; use {SQLITE}knownas.db")
