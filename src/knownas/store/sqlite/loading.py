"""Loads what a batch wants to see, and remembers enough of it to notice a change before the commit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

from knownas.core.identity.kinds import TYPE_OF_CODE, Identity
from knownas.core.identity.record import Record
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, HOLDERS_SHOWN_MAX
from knownas.store.port import Loaded, Pool, Wanted
from knownas.store.sqlite.connection import Binding, Connection, Row
from knownas.store.sqlite.rows import code_of, record_from
from knownas.store.sqlite.statements import statements, with_keys

IDENTITIES_A_STATEMENT: Final = 96
"""Identities looked up by one statement; a longer list is cut into several."""

Key = tuple[int, int, str]
"""A row of the identity table: pool, type code, value."""


class IdentityRow(NamedTuple):
    """What the identity table says of a value: its number, when its holders changed last, how many, the only one."""

    identity: int
    version: int
    holders: int
    holder: int | None


@dataclass(slots=True)
class PoolView:
    """What one pool holds of what was wanted, while it is being loaded and after."""

    by_mpid: dict[int, Record] = field(default_factory=dict[int, Record])
    crowded: list[Identity] = field(default_factory=list[Identity])


@dataclass(slots=True)
class SqliteSnapshot:
    """What was loaded, with the versions it was loaded at.

    `clock` tells whether anybody has changed identity records since; what is known of users does not move it.
    `asked` are the identities looked up: one of them that is not among `identities` was absent.
    """

    clock: int
    views: dict[Pool, PoolView] = field(default_factory=dict[Pool, PoolView])
    identities: dict[Key, IdentityRow] = field(default_factory=dict[Key, IdentityRow])
    asked: set[Key] = field(default_factory=set[Key])

    @property
    def pools(self) -> Mapping[Pool, Loaded]:
        """What each wanted pool holds."""
        return {pool: Loaded(view.by_mpid.values(), view.crowded) for pool, view in self.views.items()}


def load(connection: Connection, pools: Mapping[Pool, int], wanted: Sequence[Wanted]) -> SqliteSnapshot:
    """Load the considered holders of all wanted identities and the wanted profiles, as of one moment."""
    connection.execute("BEGIN")
    try:
        snapshot = SqliteSnapshot(clock(connection))
        view_of = {pools[pool]: snapshot.views.setdefault(pool, PoolView()) for pool in {one.pool for one in wanted}}
        asked = snapshot.asked
        for one in wanted:
            pool = pools[one.pool]
            for identity in one.identities:
                asked.add((pool, code_of(identity.type), identity.value))
        ordered = list(asked)
        for start in range(0, len(ordered), IDENTITIES_A_STATEMENT):
            _load_holders(connection, ordered[start : start + IDENTITIES_A_STATEMENT], view_of, snapshot)
        for one in wanted:
            for mpid in one.mpids:
                _load_profile(connection, pools[one.pool], mpid, snapshot.views[one.pool])
    finally:
        connection.execute("COMMIT")
    return snapshot


def sole_holders(connection: Connection, keys: Sequence[Key]) -> list[Record | None]:
    """Return for each key the record of the profile that alone holds it. Each answer stands for itself."""
    found: list[Record | None] = [None] * len(keys)
    for start in range(0, len(keys), IDENTITIES_A_STATEMENT):
        bindings: list[Binding] = []
        for key in keys[start : start + IDENTITIES_A_STATEMENT]:
            bindings += key
        size = _size_for(len(bindings) // len(_NOBODY))
        bindings += _NOBODY * (size - len(bindings) // len(_NOBODY))
        for row in connection.execute(_sole_holders_statement(size), bindings):
            found[start + row[0]] = record_from(row[1:])
    return found


def clock(connection: Connection) -> int:
    """Return a number that moves with every change of identity records, whichever connection makes it."""
    return next(iter(connection.execute(statements()["clock"])))[0]


def _load_holders(
    connection: Connection, keys: Sequence[Key], view_of: Mapping[int, PoolView], snapshot: SqliteSnapshot
) -> None:
    # Few sizes mean few statements to prepare; the repeats at the end find the same rows again.
    size = _size_for(len(keys))
    padded: list[Key] = [*keys, *[keys[-1]] * (size - len(keys))]
    bindings: list[Binding] = [part for key in padded for part in key]
    identities = snapshot.identities
    crowds: dict[Key, int] = {}
    for row in connection.execute(_holders_statement(size), bindings):
        pool, code, value, identity, version, holders, holder, mpid = row[:8]
        identities[pool, code, value] = IdentityRow(identity, version, holders, holder)
        if mpid is None:
            if holders > HOLDERS_CONSIDERED_MAX:
                crowds[pool, code, value] = identity
        else:
            view = view_of[pool]
            if mpid not in view.by_mpid:
                view.by_mpid[mpid] = record_from(row[7:])
    for (pool, code, value), identity in crowds.items():
        view = view_of[pool]
        view.crowded.append(Identity(TYPE_OF_CODE[code], value))
        for row in _crowd(connection, identity):
            view.by_mpid.setdefault(row[1], record_from(row[1:]))


def _crowd(connection: Connection, identity: int) -> Iterator[Row]:
    crowd = statements()["crowd"]
    yield from connection.execute(crowd, (identity, 0, HOLDERS_CONSIDERED_MAX))
    yield from connection.execute(crowd, (identity, 1, HOLDERS_SHOWN_MAX))


def _load_profile(connection: Connection, pool: int, mpid: int, view: PoolView) -> None:
    if mpid not in view.by_mpid:
        for row in connection.execute(statements()["profile"], (mpid,)):
            if row[0] == pool:
                view.by_mpid[mpid] = record_from(row[1:])


_SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, IDENTITIES_A_STATEMENT)
_NOBODY: Final[tuple[Binding, ...]] = (None, None, None)
"""A key that no row has."""


def _size_for(keys: int) -> int:
    return next(size for size in _SIZES if size >= keys)


@cache
def _holders_statement(size: int) -> str:
    return with_keys("holders", ["(?, ?, ?)"] * size)


@cache
def _sole_holders_statement(size: int) -> str:
    return with_keys("sole_holders", [f"({place}, ?, ?, ?)" for place in range(size)])
