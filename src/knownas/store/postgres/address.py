"""Reads a database URL, and says how it is shown: without its password."""

from dataclasses import dataclass, field
from getpass import getuser
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from knownas.store.errors import StoreUnavailable

PLACES_MAX: Final = 16
"""Servers that a URL may name."""

PORT: Final = 5432
"""The port of a server whose port is not named."""

SCHEMES: Final = ("postgresql://", "postgres://")
_WANTED: Final = "postgresql://user:password@host:5432/database"


class Place(NamedTuple):
    """One server of several: its host, or the folder of its socket, and its port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `url` is what the driver is given; `str` of an address is for messages.

    `places` are the servers if the URL names several.
    """

    url: str = field(repr=False)
    user: str
    hosts: str
    database: str
    places: tuple[Place, ...] = ()

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
    given = (query.get("host") or [""])[-1]
    shown = unquote(hosts) or given or "localhost"
    try:
        places = _places(hosts or given, (query.get("port") or [""])[-1])
    except ValueError as error:
        raise StoreUnavailable(f"the database's URL can't be read: {error}; use {_WANTED}") from error
    return Address(url, user or getuser(), shown, database, places)


def _places(hosts: str, ports: str) -> tuple[Place, ...]:
    """Read which servers are named, if there are several. `ports` is one for all, or one for each.

    Raises:
        ValueError: there are too many, or a port is none.
    """
    named = hosts.split(",")
    if len(named) == 1:
        return ()
    if len(named) > PLACES_MAX:
        raise ValueError(f"it names more than {PLACES_MAX} servers")
    numbers = ports.split(",") if ports else [str(PORT)]
    if len(numbers) == 1:
        numbers *= len(named)
    return tuple(_place(one, number) for one, number in zip(named, numbers, strict=True))


def _place(named: str, port: str) -> Place:
    if named.startswith("["):
        host, _, rest = named.removeprefix("[").partition("]")
        own = rest.removeprefix(":")
    elif named.startswith("/"):
        host, own = named, ""
    else:
        host, _, own = named.partition(":")
    return Place(unquote(host), int(own or port))
