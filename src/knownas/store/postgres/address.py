"""Reads a database URL, and says how it is shown: without its password."""

from dataclasses import dataclass, field
from getpass import getuser
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from knownas.store.errors import StoreUnavailable

SCHEMES: Final = ("postgresql://", "postgres://")
_WANTED: Final = "postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `url` is what the driver is given; `str` of an address is for messages."""

    url: str = field(repr=False)
    user: str
    hosts: str
    database: str

    def __str__(self) -> str:
        return f"PostgreSQL at {self.hosts}/{self.database}"


def read_address(url: str) -> Address:
    """Read a URL as PostgreSQL's own programs do; `host=` in its query may name hosts or a socket's folder.

    Raises:
        StoreUnavailable: it names no database, or can't be read.
    """
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError as error:
        raise StoreUnavailable(f"the database's URL can't be read: {error}; use {_WANTED}") from error
    named, _, hosts = parts.netloc.rpartition("@")
    user = unquote(named.partition(":")[0]) or (query.get("user") or [""])[-1]
    database = unquote(parts.path.removeprefix("/")) or (query.get("dbname") or query.get("database") or [""])[-1]
    if not database:
        raise StoreUnavailable(f"the database's URL names no database; use {_WANTED}")
    if "/" in database:
        raise StoreUnavailable(f"the database's URL has too many parts; use {_WANTED}")
    shown = unquote(hosts) or ",".join(query.get("host", [])) or "localhost"
    return Address(url, user or getuser(), shown, database)
