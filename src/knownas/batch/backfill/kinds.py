"""Says what a backfill makes of a history: the kinds of rows between its steps, and their columns in Apache Arrow.

All steps but the first and the last speak of rows by their numbers in the history's order, from 1: the loading adds
what a database has given out before. Where an engine keeps all kinds in one table, each has the columns that it knows.
"""

import importlib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any, Final

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Endpoint, Environment

ENVIRONMENTS: Final = tuple(Environment)
ENDPOINTS: Final = (Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH)
"""Environments and endpoints, by the numbers that stand in the columns of observations."""

TYPES: Final = tuple(sorted(IdentityType))
"""The identity types in the order in which an observation has them; each is a column."""


class Kind(StrEnum):
    """The kinds of rows that folding makes. The first six are loaded."""

    PROFILES = "profiles"
    VALUES = "values"
    HOLDINGS = "holdings"
    LOG = "log"
    TOUCHED = "touched"
    SECTIONS = "sections"
    REFUSED = "refused"
    COUNTED = "counted"


COLUMNS: Final = {
    Kind.PROFILES: "pool mpid known created_ms active_ms source_mpid number identities carried",
    Kind.VALUES: "pool type value holders holder exclusive",
    Kind.HOLDINGS: "pool type value mpid known active_ms",
    Kind.LOG: "number decision_id pool at_ms created_mpid touched observation decision",
    Kind.TOUCHED: "mpid number",
    Kind.SECTIONS: "mpid workspace environment last_seen_ms document",
    Kind.REFUSED: "row_id reason message",
    Kind.COUNTED: "outcome rows",
}
"""The columns of each kind. `pool` is the place of an environment, or 0 where all share one pool."""

_TEXTS: Final = frozenset({"value", "environment", "reason", "message", "outcome"})
_BYTES: Final = frozenset({"identities", "carried", "decision_id", "touched", "observation", "decision", "document"})

_OBSERVED: Final = {"row_id": "int64", "at_ms": "int64", "environment": "int8", "endpoint": "int8", "input": "int16"}
ATTRIBUTES: Final = "attributes"
"""The column with an observation's attributes as JSON, if it has any."""

SET_ASIDE: Final = "set_aside"
"""The column with the identities of an observation that are quarantined, as JSON, if it names any."""


def arrow(module: str = "pyarrow") -> Any:
    """Return a module of Apache Arrow, which has no annotations, and is only there where an extra brings it."""
    return importlib.import_module(module)


def type_of(column: str) -> str:
    """Return Apache Arrow's name of a column's type."""
    if column in _TEXTS:
        return "string"
    return "binary" if column in _BYTES else "int64"


@cache
def schema_of(kind: Kind) -> Any:
    """Return the schema of a kind."""
    return _schema(COLUMNS[kind].split())


def table_of(kind: Kind, rows: Sequence[tuple[object, ...]]) -> Any:
    """Return rows of a kind as a table."""
    schema = schema_of(kind)
    columns: list[list[object]] = [list(one) for one in zip(*rows, strict=True)] if rows else [[] for _ in schema]
    return arrow().table(dict(zip(schema.names, columns, strict=True)), schema=schema)


@cache
def common_schema() -> Any:
    """Return the schema of all kinds in one table: the kind, then every column there is."""
    names = dict.fromkeys(name for columns in COLUMNS.values() for name in columns.split())
    pa = arrow()
    return _schema(list(names)).insert(0, pa.field("kind", pa.string()))


def _schema(names: list[str]) -> Any:
    pa = arrow()
    return pa.schema([(name, getattr(pa, type_of(name))()) for name in names])


@cache
def observation_schema() -> Any:
    """Return the schema of observations: where and when, attributes, what is quarantined, then one column a type."""
    pa = arrow()
    fields = [(name, getattr(pa, of_type)()) for name, of_type in _OBSERVED.items()]
    more = [(ATTRIBUTES, pa.binary()), (SET_ASIDE, pa.string())]
    return pa.schema([*fields, *more, *((kind.value, pa.string()) for kind in TYPES)])
