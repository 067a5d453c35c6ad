"""The PostgreSQL store's seventh part: how many profiles there are, and how crowded identities."""

from collections.abc import Collection, Mapping, Sequence

from knownas.core.identity.kinds import TYPE_OF_CODE, IdentityType
from knownas.store.census import CENSUS_SECONDS, CROWD_SIZES, Crowd, CrowdCounts, ProfileCounts
from knownas.store.port import Pool
from knownas.store.postgres.database import Database
from knownas.store.postgres.rows import Row, code_of


class PostgresCensus:
    """Counts what is in a database. Implements `store.census.CensusStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def profiles(self, first_mpid: int, last_mpid: int) -> Mapping[Pool, ProfileCounts]:
        """Count the profiles of every pool with an MPID from one to another."""
        rows = await self._count("census_profiles", first_mpid, last_mpid)
        pools = await self._pools()
        return {pools[pool]: ProfileCounts(*counts) for pool, *counts in rows}

    async def crowds(self, types: Collection[IdentityType]) -> Mapping[Pool, CrowdCounts]:
        """Count the identities of some types by how many anonymous profiles hold them, by a statement for each of two tables."""
        codes = _codes(types)
        held = await self._count("census_held", codes)
        crowded = {pool: tuple(counts) for pool, *counts in await self._count("census_crowds", codes, *CROWD_SIZES)}
        pools, nobody = await self._pools(), (0,) * len(CROWD_SIZES)
        return {pools[pool]: CrowdCounts(count, crowded.get(pool, nobody)) for pool, count in held}

    async def largest(self, types: Collection[IdentityType], limit: int) -> Mapping[Pool, Sequence[Crowd]]:
        """Return the identities of some types that most anonymous profiles hold."""
        rows = await self._count("census_largest", _codes(types), CROWD_SIZES[1], limit)
        pools, found = await self._pools(), dict[Pool, list[Crowd]]()
        for pool, code, anonymous, mpid in rows:
            found.setdefault(pools[pool], []).append(Crowd(TYPE_OF_CODE[code], anonymous, mpid))
        return found

    async def _count(self, name: str, *arguments: object) -> Sequence[Row]:
        return await self._database.read(name, *arguments, seconds=CENSUS_SECONDS)

    async def _pools(self) -> Mapping[int, Pool]:
        return {number: Pool(*names) for number, *names in await self._database.read("pools")}


def _codes(types: Collection[IdentityType]) -> Sequence[int]:
    return sorted(map(code_of, types))
