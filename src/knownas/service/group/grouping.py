"""Finds out who is in which group and what the members have in common, from what each of them says (platform §9).

A user's own part is read from their section, that of the others from their places in the store. Places follow the sections a moment later: whoever judges a
user writes them (`store.groups`). So what a user says of themselves counts at once, and what the others say after a moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from knownas.core.limits import GROUP_MEMBERS_MAX
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.group import (
    AggregateType,
    Contributed,
    Contribution,
    Place,
    aggregated,
    place_of,
)
from knownas.core.profile.section import Section
from knownas.service.audience.catalogue import Catalogue
from knownas.service.group.limits import GROUP_FOLLOWED_MAX
from knownas.service.group.values import Values
from knownas.store.groups import GroupName, GroupStore, PlaceWrite, StoredPlace
from knownas.store.user_data import SectionKey

Places = Mapping[SectionKey, Sequence[StoredPlace]]

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(dict[str, tuple[AggregateType, Contributed]])


@dataclass(frozen=True, slots=True)
class Grouped:
    """What comes of looking at some users: what their groups have come to, which places change, and in which groups that tells of others.

    The groups are those of a workspace whose other members have to be looked at by audiences.
    """

    values: Mapping[SectionKey, Values]
    writes: Sequence[PlaceWrite] = ()
    followed: frozenset[tuple[int, GroupName]] = frozenset()

    def __or__(self, other: "Grouped") -> "Grouped":
        return Grouped({**self.values, **other.values}, (*self.writes, *other.writes), self.followed | other.followed)


NOTHING_GROUPED: Final = Grouped({})


def place_bytes(contribution: Contribution) -> bytes:
    """Write down what a member contributes."""
    return _ENCODER.encode(dict(sorted(contribution.items())))


class Grouping:
    """Looks at users over one store."""

    def __init__(self, store: GroupStore) -> None:
        self._store = store

    async def places(self, catalogue: Catalogue, keys: Iterable[SectionKey]) -> Places:
        """Return the places of users of workspaces that have groups, or had. To be read before the sections that places are made of.

        Raises:
            StoreError: the store does not answer.
        """
        asked = [key for key in keys if catalogue.of(key.workspace).has_places]
        return await self._store.places(asked) if asked else {}

    async def values(self, catalogue: Catalogue, sections: Mapping[SectionKey, Section]) -> Mapping[SectionKey, Values]:
        """Return what the groups of users have come to.

        Raises:
            StoreError: the store does not answer.
        """
        return await self._values(catalogue, _placed(catalogue, sections))

    async def look(
        self, catalogue: Catalogue, sections: Mapping[SectionKey, Section | None], places: Places
    ) -> Grouped:
        """Return what comes of looking at users of such workspaces, whose sections were read after their places; None for who is known no more.

        Raises:
            StoreError: the store does not answer.
        """
        if not sections:
            return NOTHING_GROUPED
        placed = _placed(catalogue, {key: section for key, section in sections.items() if section is not None})
        writes: list[PlaceWrite] = []
        followed: set[tuple[int, GroupName]] = set()
        for key in sections:
            before = {one.kind: one for one in places.get(key, ())}
            after = placed.get(key, {})
            for kind in sorted(before.keys() | after.keys()):
                write = _write(key, kind, before.get(kind), after.get(kind))
                if write is not None:
                    writes.append(write)
                    followed |= _followed(catalogue, write, before.get(kind), after.get(kind))
        values = await self._values(catalogue, placed)
        return Grouped(values, writes, await self._small(followed))

    async def _values(
        self, catalogue: Catalogue, placed: Mapping[SectionKey, Mapping[int, Place]]
    ) -> Mapping[SectionKey, Values]:
        names = {
            GroupName(kind, key.environment, place.value)
            for key, places in placed.items()
            for kind, place in places.items()
            if catalogue.groups[kind].shown
        }
        if not names:
            return {}
        stored = await self._store.contributions(sorted(names), GROUP_MEMBERS_MAX + 1)
        said = {name: {one.mpid: _DECODER.decode(one.document) for one in of} for name, of in stored.items()}
        together: dict[GroupName, Values] = {}
        values: dict[SectionKey, Values] = {}
        for key, places in placed.items():
            found: dict[str, AttributeValue] = {}
            for kind, place in places.items():
                name, shown = GroupName(kind, key.environment, place.value), catalogue.groups[kind].shown
                if name not in names:
                    continue
                of = said.get(name, {})
                if of.get(key.mpid) == place.contribution:
                    if name not in together:
                        together[name] = aggregated(shown, list(of.values()))
                    found |= together[name]
                else:
                    found |= aggregated(shown, list({**of, key.mpid: place.contribution}.values()))
            if found:
                values[key] = found
        return values

    async def _small(self, followed: set[tuple[int, GroupName]]) -> frozenset[tuple[int, GroupName]]:
        """Leave out groups that aggregate nothing, whoever comes or goes."""
        if not followed:
            return frozenset()
        sizes = await self._store.contributions(sorted({name for _, name in followed}), GROUP_MEMBERS_MAX + 1)
        large = [name for name, of in sizes.items() if len(of) > GROUP_MEMBERS_MAX]
        endless = {
            name
            for name in large
            if len(await self._store.members(name, None, GROUP_FOLLOWED_MAX)) == GROUP_FOLLOWED_MAX
        }
        return frozenset(one for one in followed if one[1] not in endless)


def _placed(catalogue: Catalogue, sections: Mapping[SectionKey, Section]) -> Mapping[SectionKey, Mapping[int, Place]]:
    """Return where users are, by kind of groups, as their sections say."""
    return {
        key: {
            group.id: place
            for group in catalogue.of(key.workspace).groups.values()
            if (place := place_of(group.kind, section.attributes)) is not None
        }
        for key, section in sections.items()
    }


def _write(key: SectionKey, kind: int, before: StoredPlace | None, after: Place | None) -> PlaceWrite | None:
    version = None if before is None else before.version
    if after is None:
        return None if before is None else PlaceWrite(key, kind, version, None)
    document = place_bytes(after.contribution)
    if before is not None and (before.value, before.document) == (after.value, document):
        return None
    return PlaceWrite(key, kind, version, after.value, document)


def _followed(
    catalogue: Catalogue, write: PlaceWrite, before: StoredPlace | None, after: Place | None
) -> set[tuple[int, GroupName]]:
    """Return the groups of which the others have to be looked at because of a write: those of kinds that audiences ask for."""
    group, workspace = catalogue.groups.get(write.kind), write.key.workspace
    if group is None or group.document.is_deleted or not catalogue.of(workspace).asking_for(group):
        # Of a kind that is gone everybody is looked at.
        return set()
    if before is not None and after is not None and before.value == after.value:
        was, shown = _DECODER.decode(before.document), {one.name for one in group.shown}
        if all(was.get(name) == after.contribution.get(name) for name in shown):
            return set()
    names = [None if before is None else before.value, None if after is None else after.value]
    return {(workspace, GroupName(group.id, write.key.environment, one)) for one in names if one is not None}
