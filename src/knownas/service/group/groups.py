"""Defines kinds of groups and looks through them: who is in which group, how many there are, which aggregate nothing (platform §9)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from knownas.core.audience.reading_text import Fault
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.core.limits import GROUP_MEMBERS_MAX
from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.group import Aggregated, digest_of, kind_fault, shared_value
from knownas.core.profile.section import Section
from knownas.service.audience.catalogue import Catalogue, Catalogues, KnownGroup
from knownas.service.audience.documents import GroupDocument, group_from
from knownas.service.audience.sweeps import Phase, progress_from, sweep_name, swept_version
from knownas.service.audience.writing import Writing
from knownas.service.group.grouping import Grouping
from knownas.service.group.limits import GROUP_DESCRIPTION_CHARACTERS_MAX, GROUP_ID_CHARACTERS_MAX, GROUP_KINDS_MAX
from knownas.service.group.values import NO_VALUES, Values
from knownas.service.profile.sections import read
from knownas.store.audiences import DocumentKind, StoredDocument
from knownas.store.groups import GroupCount, GroupName
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

Faults = tuple[Fault, ...]

_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{GROUP_ID_CHARACTERS_MAX}}}")


class GroupWish(NamedTuple):
    """A kind of groups as somebody wants it: an id, the attribute whose value members share, and what is aggregated."""

    id: str
    source: str
    attributes: tuple[Aggregated, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A group that aggregates nothing: what its members share (None if that has just changed), the digest of it, and how many they are."""

    value: str | None
    digest: str
    members: int


class GroupService:
    """The groups of all workspaces. `changed` is called when somebody has to be looked at because of it."""

    def __init__(
        self,
        store: Store,
        catalogues: Catalogues,
        writing: Writing,
        grouping: Grouping,
        calculations: Mapping[int, WorkspaceCalculations],
        clock: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._catalogues = catalogues
        self._writing = writing
        self._grouping = grouping
        self._calculations = calculations
        self._clock = clock
        self._changed = changed

    async def create(self, workspace: int, wish: GroupWish) -> int | Faults:
        """Define a kind of groups; return its number, or what is wrong with it, each with its place.

        Raises:
            StoreError: the store does not do it.
        """
        faults = _faults(wish)
        if faults:
            return faults
        document = GroupDocument(wish.id, wish.source, wish.attributes, self._clock(), wish.description)

        def make(catalogue: Catalogue, number: int) -> GroupDocument | Faults:
            del number
            return self._rivals(catalogue, workspace, None, wish) or document

        made = await self._writing.add(DocumentKind.GROUP, workspace, make)
        self._changed()
        return made

    async def change(self, group: KnownGroup, wish: GroupWish) -> Faults | None:
        """Define a kind of groups anew. What is aggregated as before goes on; the rest follows when everybody was looked at.

        Raises:
            StoreError: the store does not do it.
        """
        faults = _faults(wish)
        if faults:
            return faults
        is_ready = await self.progress(group) == 1
        now_ms = self._clock()

        def make(catalogue: Catalogue, stored: StoredDocument) -> GroupDocument | Faults:
            before = group_from(stored.document)
            return self._rivals(catalogue, group.workspace, group.id, wish) or _changed(
                before, wish, now_ms, is_ready=is_ready
            )

        refused = await self._writing.change(DocumentKind.GROUP, group.id, make)
        self._changed()
        return refused

    async def delete(self, group: KnownGroup) -> None:
        """Take a kind of groups away: nobody gets anything by it any more.

        Raises:
            StoreError: the store does not do it.
        """

        def make(_: Catalogue, stored: StoredDocument) -> GroupDocument:
            before = group_from(stored.document)
            return GroupDocument(
                before.id,
                before.source,
                before.attributes,
                before.created_ms,
                before.description,
                self._clock(),
                before.generation + 1,
                dropped=_dropped(before, ()),
                is_deleted=True,
            )

        await self._writing.change(DocumentKind.GROUP, group.id, make)
        self._changed()

    async def known(self, workspace: int) -> Mapping[str, KnownGroup]:
        """Return the kinds of groups that a workspace has, by the ids that somebody gave them.

        Raises:
            StoreError: the store does not answer.
        """
        groups = (await self._catalogues.refresh()).of(workspace).groups
        return {one.document.id: one for one in groups.values()}

    async def progress(self, group: KnownGroup) -> float:
        """Return the share of what has to be done before members get everything and audiences have followed: 1 once it is."""
        progress = progress_from(await self._store.kept(sweep_name(group)))
        if progress is None or progress.version[:-1] != str(swept_version(group)):
            return 0.0
        if progress.phase is Phase.OVER:
            return 1.0
        share = 0.0 if progress.mpid is None else (progress.mpid - MPID_MIN) / (MPID_MAX - MPID_MIN)
        return round((share if progress.phase is Phase.EVERYBODY else 1 + share) / 2, 4)

    async def count(self, group: KnownGroup, environment: str) -> GroupCount:
        """Count groups and members. Its time grows with them."""
        return await self._store.groups.count(group.id, environment)

    async def members(
        self, group: KnownGroup, environment: str, value: str, after_mpid: int | None, limit: int
    ) -> Sequence[int]:
        """Return the members of the group that shares a value, by MPID, those after one."""
        return await self._store.groups.members(GroupName(group.id, environment, digest_of(value)), after_mpid, limit)

    async def too_large(self, group: KnownGroup, environment: str, after_digest: str, limit: int) -> Sequence[TooLarge]:
        """Return the groups that are too large to aggregate anything, by digest, those after one. Its time grows with all groups."""
        rows = (group.id, environment, GROUP_MEMBERS_MAX, after_digest, limit)
        found: list[TooLarge] = []
        for value, members, mpid in await self._store.groups.larger(*rows):
            stored = await self._store.user_data.section(SectionKey(group.workspace, environment, mpid))
            shared = None if stored is None else shared_value(group.kind, read(stored).attributes)
            found.append(TooLarge(shared if shared and digest_of(shared) == value else None, value, members))
        return found

    async def values(self, key: SectionKey, section: Section | None) -> Values:
        """Return what the groups of a user have come to.

        Raises:
            StoreError: the store does not answer.
        """
        catalogue = self._catalogues.now
        if section is None or not catalogue.of(key.workspace).groups:
            return NO_VALUES
        return (await self._grouping.values(catalogue, {key: section})).get(key, NO_VALUES)

    def has_groups(self, workspace: int) -> bool:
        """Whether members of groups of a workspace get anything, as far as is known."""
        return any(one.shown for one in self._catalogues.now.of(workspace).groups.values())

    def _rivals(self, catalogue: Catalogue, workspace: int, own: int | None, wish: GroupWish) -> Faults:
        """Say what stands against a kind of groups beside the others."""
        others = [one for one in catalogue.of(workspace).groups.values() if one.id != own]
        if own is None and len(others) >= GROUP_KINDS_MAX:
            return (Fault("", f"a workspace has at most {GROUP_KINDS_MAX} kinds of groups"),)
        if any(one.document.id == wish.id for one in others):
            return (Fault("/id", "the workspace has groups of this id"),)
        taken = {each.name: f"groups of {one.document.id!r}" for one in others for each in one.kind.attributes}
        calculations = self._calculations.get(workspace)
        taken |= {} if calculations is None else dict.fromkeys(calculations.definitions, "a calculated attribute")
        return tuple(
            Fault(f"/attributes/{place}/id", f"{taken[one.name]} has this name")
            for place, one in enumerate(wish.attributes)
            if one.name in taken
        )


def _faults(wish: GroupWish) -> Faults:
    faults: list[Fault] = []
    if _ID.fullmatch(wish.id) is None:
        sentence = f"an id has 1 to {GROUP_ID_CHARACTERS_MAX} letters, digits, hyphens and underscores"
        faults.append(Fault("/id", sentence))
    if len(wish.description) > GROUP_DESCRIPTION_CHARACTERS_MAX:
        faults.append(Fault("/description", f"at most {GROUP_DESCRIPTION_CHARACTERS_MAX} characters are allowed"))
    wrong = kind_fault(wish.source, wish.attributes)
    if wrong is not None:
        faults.append(Fault("", wrong))
    return tuple(faults)


def _changed(before: GroupDocument, wish: GroupWish, now_ms: int, *, is_ready: bool) -> GroupDocument:
    """Return the document of a kind that is defined anew."""
    is_same = wish.source == before.source and set(wish.attributes) == set(before.attributes)
    names = tuple(one.name for one in wish.attributes)
    kept = {one.name for one in wish.attributes if wish.source == before.source and one in before.attributes}
    return GroupDocument(
        wish.id,
        wish.source,
        wish.attributes,
        before.created_ms,
        wish.description,
        now_ms,
        before.generation if is_same else before.generation + 1,
        tuple(one for one in before.shown if one in kept),
        before.dropped if is_same else _dropped(before, names, is_ready=is_ready),
    )


def _dropped(before: GroupDocument, names: Sequence[str], *, is_ready: bool = False) -> tuple[str, ...]:
    """Return the attributes that members may still be in audiences by, and get no more."""
    still = () if is_ready else before.dropped
    return tuple(sorted({*still, *before.shown} - {*names}))
