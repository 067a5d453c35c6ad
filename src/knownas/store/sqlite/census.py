"""The SQLite store's seventh part: how many profiles there are, and how crowded identities; counted beside what is served."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from knownas.core.identity.kinds import TYPE_OF_CODE, IdentityType
from knownas.store.census import CENSUS_SECONDS, CROWD_SIZES, Crowd, CrowdCounts, ProfileCounts
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Pool
from knownas.store.sqlite.connection import Binding
from knownas.store.sqlite.counting import count_apart
from knownas.store.sqlite.rows import code_of


class SqliteCensus:
    """Counts what is in a SQLite file. Implements `store.census.CensusStore`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        """Count the profiles of every pool with an MPID from one to another."""
        rows = await self._count("census_profiles", first_mpid, last_mpid)
        return {Pool(scope, environment): ProfileCounts(*counts) for scope, environment, *counts in rows}

    async def crowds(self, types: Collection[IdentityType]) -> Mapping[Pool, CrowdCounts]:
        """Count the identities of some types by how many anonymous profiles hold them."""
        rows = await self._count("census_crowds", _codes(types), *CROWD_SIZES)
        return {
            Pool(scope, environment): CrowdCounts(held, tuple(at_least)) for scope, environment, held, *at_least in rows
        }

    async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping[Pool, Sequence[Crowd]]:
        """Return the identities of some types that most anonymous profiles hold."""
        found: dict[Pool, list[Crowd]] = {}
        for scope, environment, code, anonymous, mpid in await self._count(
            "census_largest", _codes(types), CROWD_SIZES[1], limit
        ):
            found.setdefault(Pool(scope, environment), []).append(Crowd(TYPE_OF_CODE[code], anonymous, mpid))
        return found

    async def _count(self, statement: str, *bindings: Binding) -> Sequence[Sequence[Any]]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        (rows,) = await count_apart(self._path, statement, *bindings, seconds=CENSUS_SECONDS)
        return cast("Sequence[Sequence[Any]]", json.loads(cast("str", rows)))


def _codes(types: Collection[IdentityType]) -> str:
    return json.dumps(sorted(map(code_of, types)))
