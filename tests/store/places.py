"""Names the places where a store can keep what it is given, for tests that hold for each of them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from knownas.store.port import Store
from knownas.store.postgres.store import PostgresStore
from knownas.store.sqlite.store import SqliteStore
from tests.citus import CITUS_DSN, distributed_database
from tests.postgres import fresh_database, key_by_key_database
from tests.store import inspection, postgres_inspection


@dataclass(frozen=True)
class Place:
    """Where data of a test are: any number of stores can be opened over them, and all can be looked into from outside."""

    url: str
    open: Callable[[], Store]
    contradictions: Callable[[], list[str]]
    unexplained: Callable[[], list[str]]


@contextmanager
def _sqlite(folder: Path) -> Iterator[Place]:
    file = folder / "knownas.db"
    yield Place(
        f"sqlite:///{file}",
        lambda: SqliteStore(file),
        lambda: inspection.contradictions(file),
        lambda: inspection.unexplained(file),
    )
    # A file of a test that runs often is not left behind.
    for part in folder.glob("knownas.db*"):
        part.unlink()


@contextmanager
def _postgres(_: Path) -> Iterator[Place]:
    with fresh_database() as url:
        yield _over_postgres(url)


def _over_postgres(url: str) -> Place:
    return Place(
        url,
        lambda: PostgresStore(url),
        lambda: asyncio.run(postgres_inspection.contradictions(url)),
        lambda: asyncio.run(postgres_inspection.unexplained(url)),
    )


@contextmanager
def _citus(_: Path) -> Iterator[Place]:
    with distributed_database() as url:
        yield _over_postgres(url)


@contextmanager
def key_by_key(_: Path) -> Iterator[Place]:
    """Make a place that is asked like a distributed database; none of `PLACES`, since it is one for a few tests only."""
    with key_by_key_database() as url:
        yield _over_postgres(url)


PLACES: Final = {"sqlite": _sqlite, "postgres": _postgres, **({"citus": _citus} if CITUS_DSN else {})}
"""Makes a place with nothing in it, by its kind. No event loop may be running, neither then nor at its end."""
