"""Memory stores whose sixth part is broken in one way each, to show that the conformance suite notices."""

from collections.abc import Mapping, Sequence
from itertools import count

from knownas.store.groups import Contributed, GroupCount, GroupName, LargeGroup, PlaceWrite, StoredPlace
from knownas.store.memory.groups import MemoryGroups
from knownas.store.user_data import SectionKey


class Unchecked(MemoryGroups):
    """Writes places whatever they were."""

    def stands(self, writes: Sequence[PlaceWrite]) -> bool:
        del writes
        return True


class NewWins(MemoryGroups):
    """Lets a new place take that of another."""

    def stands(self, writes: Sequence[PlaceWrite]) -> bool:
        return super().stands([one for one in writes if one.version is not None])


class NeverLeaves(MemoryGroups):
    """Keeps who has left in the group."""

    def write(self, writes: Sequence[PlaceWrite]) -> None:
        kept = {name: dict(of) for name, of in self._members.items()}
        super().write(writes)
        for name, of in kept.items():
            self._members[name] = {**of, **self._members.get(name, {})}


class VersionsAgain(MemoryGroups):
    """Counts versions by place."""

    def write(self, writes: Sequence[PlaceWrite]) -> None:
        self._versions = count(1)
        super().write(writes)


class AnyEnvironment(MemoryGroups):
    """Takes users of all environments together."""

    def write(self, writes: Sequence[PlaceWrite]) -> None:
        super().write([one._replace(key=one.key._replace(environment="production")) for one in writes])


class AnyWorkspace(MemoryGroups):
    """Knows a user's places by MPID alone."""

    def write(self, writes: Sequence[PlaceWrite]) -> None:
        super().write([one._replace(key=one.key._replace(workspace=100)) for one in writes])


class OneKind(MemoryGroups):
    """Has one place of a user."""

    async def places(self, keys: Sequence[SectionKey]) -> Mapping[SectionKey, Sequence[StoredPlace]]:
        return {key: found[:1] for key, found in (await super().places(keys)).items()}


class AsManyAsThereAre(MemoryGroups):
    """Shows all that a group has."""

    async def contributions(self, names: Sequence[GroupName], limit: int) -> Mapping[GroupName, Sequence[Contributed]]:
        return await super().contributions(names, limit + 1)


class AsWritten(MemoryGroups):
    """Shows what groups have in the order in which it was written."""

    async def contributions(self, names: Sequence[GroupName], limit: int) -> Mapping[GroupName, Sequence[Contributed]]:
        self._check_open()
        found = {name: self._members[name] for name in names if name in self._members}
        return {name: [Contributed(*one) for one in said.items()][:limit] for name, said in found.items()}


class PagesOneOff(MemoryGroups):
    """Shows the member that a page begins after."""

    async def members(self, name: GroupName, after_mpid: int | None, limit: int) -> Sequence[int]:
        return await super().members(name, None if after_mpid is None else after_mpid - 1, limit)


class CountsMembers(MemoryGroups):
    """Takes each member for a group."""

    async def count(self, kind: int, environment: str) -> GroupCount:
        found = await super().count(kind, environment)
        return GroupCount(found.members, found.members)


class LargeOnesTo(MemoryGroups):
    """Shows groups that are as large as that."""

    async def larger(
        self, kind: int, environment: str, members: int, after_value: str, limit: int
    ) -> Sequence[LargeGroup]:
        return await super().larger(kind, environment, members - 1, after_value, limit)


class OpenForEver(MemoryGroups):
    """Answers after it was closed."""

    def close(self) -> None:
        pass


BROKEN = [
    one
    for one in list(globals().values())
    if isinstance(one, type) and issubclass(one, MemoryGroups) and one is not MemoryGroups
]
