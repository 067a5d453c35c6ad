"""The PostgreSQL store's sixth part: who is in which group, over the same connections as what follows from it."""

from collections.abc import Mapping, Sequence

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.groups import Contributed, GroupCount, GroupName, LargeGroup, PlaceWrite, StoredPlace
from knownas.store.postgres.arrays import columns_text
from knownas.store.postgres.database import Database
from knownas.store.postgres.limits import CALL_SECONDS, CALL_SECONDS_A_ROW, SLOW_CALL_SECONDS
from knownas.store.user_data import SectionKey


def place_arguments(writes: Sequence[PlaceWrite], watches: Mapping[int, int]) -> Sequence[object]:
    """Return the arguments of the function `audience_write_places_1`."""
    rows = [
        (one.key.mpid, one.key.workspace, one.key.environment, one.kind, one.version, one.value, one.document)
        for one in writes
        if one.version is not None or one.value is not None
    ]
    return [*columns_text(rows, 7, {6}), *columns_text(list(watches.items()), 2)]


class PostgresGroups:
    """Keeps places in a database. Implements `store.groups.GroupStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def places(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, Sequence[StoredPlace]]:
        """Return the places of users, by one statement."""
        asked = list(dict.fromkeys(keys))
        found: dict[SectionKey, list[StoredPlace]] = {}
        columns = columns_text([(key.mpid, key.workspace, key.environment) for key in asked], 3)
        for row in await self._database.read("group_places", *columns, seconds=_seconds(len(asked))):
            number: int = row[0]
            found.setdefault(asked[number - 1], []).append(StoredPlace(*row[1:]))
        return {key: sorted(of) for key, of in found.items()}

    async def contributions(self, names: Sequence[GroupName], limit: int) -> Mapping[GroupName, Sequence[Contributed]]:
        """Return what the members of groups contribute, by one statement."""
        asked = list(dict.fromkeys(names))
        found: dict[GroupName, list[Contributed]] = {}
        columns = columns_text(asked, 3)
        for row in await self._database.read("group_contributions", *columns, limit, seconds=SLOW_CALL_SECONDS):
            number: int = row[0]
            found.setdefault(asked[number - 1], []).append(Contributed(*row[1:]))
        return {name: sorted(of) for name, of in found.items()}

    async def members(self, name: GroupName, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the members of a group by MPID."""
        first = MPID_MIN if after_mpid is None else after_mpid + 1
        if first > MPID_MAX:
            return []
        return [row[0] for row in await self._database.read("group_members", *name, first, limit)]

    async def count(self, kind: int, environment: str) -> GroupCount:
        """Count the groups of a kind, and their members."""
        (row,) = await self._database.read("count_groups", kind, environment, seconds=SLOW_CALL_SECONDS)
        return GroupCount(*row)

    async def larger(
        self, kind: int, environment: str, members: int, after_value: str, limit: int
    ) -> Sequence[LargeGroup]:
        """Return the groups with more than so many members by value."""
        arguments = (kind, environment, members, after_value, limit)
        rows = await self._database.read("larger_groups", *arguments, seconds=SLOW_CALL_SECONDS)
        return [LargeGroup(*row) for row in rows]


def _seconds(rows: int) -> float:
    return CALL_SECONDS + rows * CALL_SECONDS_A_ROW
