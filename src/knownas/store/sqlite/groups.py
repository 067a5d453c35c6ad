"""The SQLite store's sixth part: who is in which group, in the same file as what follows from it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.errors import StoreUnavailable
from knownas.store.groups import Contributed, GroupCount, GroupName, LargeGroup, PlaceWrite, StoredPlace
from knownas.store.sqlite.connection import Binding, Connection, LostRace, Row, SharedReads, named_errors
from knownas.store.sqlite.counting import count_apart
from knownas.store.sqlite.finding import find
from knownas.store.sqlite.marking import watch_of
from knownas.store.sqlite.statements import statements
from knownas.store.user_data import SectionKey


def write_places(connection: Connection, writes: Sequence[PlaceWrite], watches: Mapping[int, int]) -> None:
    """Write places inside a transaction that its caller has begun.

    Raises:
        LostRace: one is not as it was read, or a watch is another one.
    """
    if any(watch_of(connection, workspace) != watch for workspace, watch in watches.items()):
        raise LostRace("a document was written")
    if not writes:
        return
    ((version,),) = connection.execute(statements()["tick_sections"]).fetchall()
    new: list[Sequence[Binding]] = []
    changed: list[Sequence[Binding]] = []
    removed: list[Sequence[Binding]] = []
    for key, kind, was, value, document in writes:
        if was is None:
            new += [] if value is None else [(*key, kind, version, value, document)]
        elif value is None:
            removed.append((*key, kind, was))
        else:
            changed.append((version, value, document, *key, kind, was))
    for statement, rows in (("change_group_place", changed), ("add_group_place", new), ("remove_group_place", removed)):
        if rows:
            before = connection.total_changes()
            connection.executemany(statements()[statement], rows)
            if connection.total_changes() - before != len(rows):
                raise LostRace(statement)


class SqliteGroups:
    """Keeps places in a SQLite file. Implements `store.groups.GroupStore`."""

    def __init__(self, path: Path, reads: SharedReads) -> None:
        """Read over `reads`."""
        self._path = path
        self._reads = reads
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def places(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, Sequence[StoredPlace]]:
        """Return the places of users, by a statement for each 128 of them."""
        self._check_open()
        found: dict[SectionKey, list[StoredPlace]] = {}
        with named_errors():
            rows = find(self._reads.connection(), "group_places", list(dict.fromkeys(keys)))
        for workspace, environment, mpid, *place in rows:
            found.setdefault(SectionKey(workspace, environment, mpid), []).append(StoredPlace._make(place))
        return {key: sorted(of) for key, of in found.items()}

    async def contributions(self, names: Sequence[GroupName], limit: int) -> Mapping[GroupName, Sequence[Contributed]]:
        """Return what the members of groups contribute, by a statement for each group."""
        rows = {name: self._read("group_contributions", *name, limit) for name in dict.fromkeys(names)}
        return {name: [Contributed._make(row) for row in found] for name, found in rows.items() if found}

    async def members(self, name: GroupName, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the members of a group by MPID."""
        first = MPID_MIN if after_mpid is None else after_mpid + 1
        if first > MPID_MAX:
            return []
        return [row[0] for row in self._read("group_members", *name, first, limit)]

    async def count(self, kind: int, environment: str) -> GroupCount:
        """Count the groups of a kind, and their members; off the loop, since the time grows with them."""
        self._check_open()
        return GroupCount._make(await count_apart(self._path, "count_groups", kind, environment))

    async def larger(
        self, kind: int, environment: str, members: int, after_value: str, limit: int
    ) -> Sequence[LargeGroup]:
        """Return the groups with more than so many members by value; off the loop, since the time grows with all of them."""
        self._check_open()
        (rows,) = await count_apart(self._path, "larger_groups", kind, environment, members, after_value, limit)
        found = cast("list[tuple[str, int, int]]", json.loads(rows))
        return sorted(LargeGroup._make(row) for row in found)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _read(self, statement: str, *bindings: Binding) -> list[Row]:
        self._check_open()
        with named_errors():
            return self._reads.connection().execute(statements()[statement], bindings).fetchall()
