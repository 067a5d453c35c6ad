"""The memory store's sixth part: who is in which group."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count

from knownas.store.errors import StoreUnavailable
from knownas.store.groups import Contributed, GroupCount, GroupName, LargeGroup, PlaceWrite, StoredPlace
from knownas.store.user_data import SectionKey


class MemoryGroups:
    """Keeps places in memory. Implements `store.groups.GroupStore`."""

    def __init__(self) -> None:
        self._places: dict[SectionKey, dict[int, StoredPlace]] = {}
        self._members: dict[GroupName, dict[int, bytes]] = {}
        self._versions = count(1)
        self._closed = False

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    def stands(self, writes: Sequence[PlaceWrite]) -> bool:
        """Whether places are as they were read."""
        return all(self._version(one.key, one.kind) == one.version for one in writes)

    def _version(self, key: SectionKey, kind: int) -> int | None:
        place = self._places.get(key, {}).get(kind)
        return None if place is None else place.version

    def write(self, writes: Sequence[PlaceWrite]) -> None:
        """Take places over, after they were found as they were read."""
        for key, kind, _, value, document in writes:
            of_user = self._places.setdefault(key, {})
            before = of_user.pop(kind, None)
            if before is not None:
                name = GroupName(kind, key.environment, before.value)
                del self._members[name][key.mpid]
                if not self._members[name]:
                    del self._members[name]
            if value is not None:
                of_user[kind] = StoredPlace(kind, value, document, next(self._versions))
                self._members.setdefault(GroupName(kind, key.environment, value), {})[key.mpid] = document
            if not of_user:
                del self._places[key]

    async def places(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, Sequence[StoredPlace]]:
        """Return the places of users, by kind."""
        self._check_open()
        return {key: sorted(self._places[key].values()) for key in keys if key in self._places}

    async def contributions(self, names: Sequence[GroupName], limit: int) -> Mapping[GroupName, Sequence[Contributed]]:
        """Return what the members of groups contribute."""
        self._check_open()
        found = {name: self._members[name] for name in names if name in self._members}
        return {name: [Contributed(*one) for one in sorted(said.items())[:limit]] for name, said in found.items()}

    async def members(self, name: GroupName, after_mpid: int | None, limit: int) -> Sequence[int]:
        """Return the members of a group by MPID."""
        self._check_open()
        mpids = sorted(self._members.get(name, ()))
        return [one for one in mpids if after_mpid is None or one > after_mpid][:limit]

    async def count(self, kind: int, environment: str) -> GroupCount:
        """Count the groups of a kind, and their members."""
        self._check_open()
        sizes = self._sizes(kind, environment)
        return GroupCount(len(sizes), sizes.total())

    async def larger(
        self, kind: int, environment: str, members: int, after_value: str, limit: int
    ) -> Sequence[LargeGroup]:
        """Return the groups with more than so many members by value."""
        self._check_open()
        sizes = self._sizes(kind, environment)
        values = sorted(value for value, size in sizes.items() if size > members and value > after_value)[:limit]
        return [LargeGroup(one, sizes[one], min(self._members[GroupName(kind, environment, one)])) for one in values]

    def _sizes(self, kind: int, environment: str) -> Counter[str]:
        return Counter({name.value: len(of) for name, of in self._members.items() if name[:2] == (kind, environment)})

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
