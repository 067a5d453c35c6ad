"""Finds whom a change of one member of a group concerns: the other members, in pages, of the groups that marks name.

What is left of a group stands in another mark, written in the transaction in which the page before it is done. So it goes on where another process was
killed, and no transaction is about more than some members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from knownas.service.audience.catalogue import Catalogue
from knownas.service.audience.judging import Asked
from knownas.service.audience.mark_form import Followed, followed_mark, told_from
from knownas.service.group.limits import GROUPS_FOLLOWED_A_ROUND, MEMBERS_FOLLOWED_A_PAGE
from knownas.store.audiences import EVERYBODY, StoredMark
from knownas.store.groups import GroupName, GroupStore
from knownas.store.user_data import SectionKey

_Group = tuple[int, GroupName]
"""A workspace, and a group of its users."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Who is to be looked at, the marks that say what is left of their groups, and those that wait for another time, by number."""

    asked: Mapping[SectionKey, Asked]
    left: Sequence[StoredMark] = ()
    waiting: frozenset[int] = frozenset()


NOBODY: Final = Follow({})


def group_of(mark: StoredMark) -> Followed | None:
    """Return the group that a mark is about; None for one about a profile, or about everybody."""
    return told_from(mark.document).group if mark.mpid == EVERYBODY else None


class Following:
    """Finds members over one store."""

    def __init__(self, store: GroupStore) -> None:
        self._store = store

    async def members(self, catalogue: Catalogue, marks: Sequence[StoredMark]) -> Follow:
        """Return what some marks ask for, as far as it is done at once; those about no group ask for nothing here.

        Raises:
            StoreError: the store does not answer.
        """
        after: dict[_Group, int | None] = {}
        waiting: set[int] = set()
        for mark in marks:
            followed = group_of(mark)
            if followed is None:
                continue
            group = mark.workspace, GroupName(followed.kind, mark.environment, followed.value)
            if group not in after and len(after) == GROUPS_FOLLOWED_A_ROUND:
                waiting.add(mark.seq)
                continue
            after[group] = _earlier(after.get(group, followed.after_mpid), followed.after_mpid)
        if not after:
            return NOBODY
        asked: dict[SectionKey, Asked] = {}
        left: list[StoredMark] = []
        for (workspace, name), page in (await self._pages(after)).items():
            kind, own = catalogue.groups.get(name.kind), catalogue.of(workspace)
            if kind is None or kind.document.is_deleted:
                continue
            wish = Asked(own.asking_for(kind))
            for mpid in page[:MEMBERS_FOLLOWED_A_PAGE]:
                key = SectionKey(workspace, name.environment, mpid)
                asked[key] = asked[key] | wish if key in asked else wish
            if len(page) > MEMBERS_FOLLOWED_A_PAGE:
                rest = Followed(name.kind, name.value, page[MEMBERS_FOLLOWED_A_PAGE - 1])
                left.append(followed_mark(workspace, name.environment, rest))
        return Follow(asked, left, frozenset(waiting))

    async def _pages(self, after: Mapping[_Group, int | None]) -> Mapping[_Group, Sequence[int]]:
        """Return the members that come next of each group, and one more if there are more."""
        limit = MEMBERS_FOLLOWED_A_PAGE + 1
        firsts = [group for group, mpid in after.items() if mpid is None]
        pages: dict[_Group, Sequence[int]] = {}
        if firsts:
            found = await self._store.contributions([name for _, name in firsts], limit)
            pages = {group: [one.mpid for one in found.get(group[1], ())] for group in firsts}
        for group, mpid in after.items():
            if mpid is not None:
                pages[group] = await self._store.members(group[1], mpid, limit)
        return pages


def _earlier(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two places in a group; None is its beginning."""
    return None if one is None or other is None else min(one, other)
