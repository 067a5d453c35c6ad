"""A URL may name several servers: each is tried with its own time, and the one that works is tried first."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from knownas.store.errors import StoreUnavailable
from knownas.store.postgres.address import PLACES_MAX, Place, read_address
from knownas.store.postgres.connections import SETTINGS
from knownas.store.postgres.servers import Servers
from tests.postgres import bare_database

SHORT_SECONDS = 0.3
SOCKET = ".s.PGSQL.5432"


@pytest.fixture
def bare() -> Iterator[str]:
    """Give a database with nothing in it."""
    with bare_database() as url:
        yield url


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://u@a/db", ()),
        ("postgresql://u@/db?host=/run/postgresql", ()),
        ("postgresql://u@a,b/db", (Place("a", 5432), Place("b", 5432))),
        ("postgresql://u:p%40w@a:1,b:2/db", (Place("a", 1), Place("b", 2))),
        ("postgresql://u@[::1]:1,[fe80::2]/db", (Place("::1", 1), Place("fe80::2", 5432))),
        ("postgresql://u@/db?host=/run/a,/run/b", (Place("/run/a", 5432), Place("/run/b", 5432))),
        ("postgresql://u@/db?host=a,b&port=1,2", (Place("a", 1), Place("b", 2))),
        ("postgresql://u@/db?host=a,b&port=7", (Place("a", 7), Place("b", 7))),
    ],
)
def test_a_url_names_its_servers(url: str, places: tuple[Place, ...]) -> None:
    """The servers of a URL are read with their ports, as PostgreSQL's own programs read them."""
    assert read_address(url).places == places


@pytest.mark.parametrize("hosts", ["a:x,b", "a,b:y", ",".join("a" * (PLACES_MAX + 1))])
def test_servers_that_cannot_be_read_are_refused(hosts: str) -> None:
    """A port that is none, or too many servers, are refused when the URL is read."""
    with pytest.raises(StoreUnavailable):
        read_address(f"postgresql://u@{hosts}/db")


async def test_a_server_that_hangs_costs_its_own_time(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first server that takes connections and says nothing is given up in its own time, and is not the first again."""
    monkeypatch.setattr("knownas.store.postgres.driver.CONNECT_SECONDS", SHORT_SECONDS)
    tries = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        await reader.read()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="knownas-mute-") as folder:
        async with await asyncio.start_unix_server(hang, Path(folder) / SOCKET):
            servers = Servers(read_address(bare.replace("host=", f"host={folder},")))
            for _ in range(3):
                connection = await servers.open(SETTINGS, is_new=True)
                assert await connection.fetch("SELECT 1") == [(1,)]
                await connection.close(timeout=SHORT_SECONDS)
    assert tries == 1


async def test_no_server_at_all_is_told(tmp_path: Path) -> None:
    """If no server can be reached, the first reason is told."""
    servers = Servers(read_address(f"postgresql://u@/db?host={tmp_path}/a,{tmp_path}/b"))
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="can't be reached"):
            await servers.open(SETTINGS)
