"""Tests what a store keeps of groups of users (`store.groups`): places and their rivals, what groups have, how many there are."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.audiences import AudienceCommit, DocumentKind, StandingWrite, StoredDocument
from knownas.store.conformance.examples import PAGE
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import ANN, BOB
from knownas.store.conformance.verdicts import fails_with, is_not_so, is_so, same
from knownas.store.errors import StoreUnavailable
from knownas.store.groups import Contributed, GroupCount, GroupName, GroupStore, LargeGroup, PlaceWrite, StoredPlace
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

RIVALS: Final = 8
MANY: Final = 300
"""More keys than an adapter should want to look up by one statement."""

KIND: Final = 3
OTHER_KIND: Final = 4
HOME: Final = GroupName(KIND, "production", "aa")
AWAY: Final = GroupName(KIND, "production", "bb")
GROUP: Final = StoredDocument(DocumentKind.GROUP, KIND, ANN.workspace, 0, b"{}")
TESTED: Final = SectionKey(ANN.workspace, "development", ANN.mpid)
"""Ann in the other environment."""

CALLS: Final[Mapping[str, Callable[[GroupStore], Awaitable[object]]]] = {
    "places": lambda groups: groups.places([ANN]),
    "contributions": lambda groups: groups.contributions([HOME], PAGE),
    "members": lambda groups: groups.members(HOME, None, PAGE),
    "count": lambda groups: groups.count(KIND, "production"),
    "larger": lambda groups: groups.larger(KIND, "production", 1, "", PAGE),
}
"""A call of each of the port's methods."""


def placed(key: SectionKey = ANN, name: GroupName = HOME, document: bytes = b"{}") -> PlaceWrite:
    """Make the write of a new place."""
    return PlaceWrite(key, name.kind, None, name.value, document)


async def write(store: Store, *places: PlaceWrite) -> None:
    """Write places that must be kept."""
    is_so(await store.audiences.commit(AudienceCommit(places=places)), "the places are kept")


async def place_of(store: Store, key: SectionKey = ANN) -> StoredPlace:
    """Return the one place that somebody must have."""
    (place,) = (await store.groups.places([key]))[key]
    return place


class GroupPromises(Subject):
    """All that `store.groups` demands of an adapter."""

    async def test_a_place_is_written_by_one_who_has_read_it(self) -> None:
        """Of two who write the same one, one loses; nothing of what else it says is kept."""
        async with self.opened() as store:
            await write(store, placed())
            place = await place_of(store)
            same(place[:3], (KIND, "aa", b"{}"), "the place")
            moved = PlaceWrite(ANN, KIND, place.version, "bb", b"[]")
            for stale in (placed(), moved._replace(version=place.version + 1), moved._replace(version=0, value=None)):
                refused = AudienceCommit(standings=[StandingWrite(BOB, None, b"{}", None)], places=[placed(BOB), stale])
                is_not_so(await store.audiences.commit(refused), "a stale place is kept")
            same((await place_of(store)).version, place.version, "the place that is left")
            same(dict(await store.groups.places([BOB])), {}, "the other place")
            same((await store.audiences.subjects([BOB]))[BOB].standing, None, "the standing")
            await write(store, moved)
            after = await place_of(store)
            same(after[:3], (KIND, "bb", b"[]"), "the place afterwards")
            is_not_so(after.version == place.version, "the version is the same")

    async def test_a_place_that_was_left_is_a_new_one_afterwards(self) -> None:
        """And has a version that never was."""
        async with self.opened() as store:
            await write(store, placed())
            before = await place_of(store)
            await write(store, PlaceWrite(ANN, KIND, before.version, None))
            same(dict(await store.groups.places([ANN])), {}, "the places that are left")
            same(dict(await store.groups.contributions([HOME], PAGE)), {}, "what the group has")
            await write(store, placed(), PlaceWrite(BOB, KIND, None, None))
            is_not_so((await place_of(store)).version == before.version, "the version came again")

    async def test_of_rivals_that_write_a_place_one_wins(self) -> None:
        """Also where there was none."""
        async with self.rivals() as (store, beside):
            commit = AudienceCommit(places=[placed()])
            writing = ((store, beside)[number % 2].audiences.commit(commit) for number in range(RIVALS))
            same(sorted(await asyncio.gather(*writing)), [*([False] * (RIVALS - 1)), True], "who was first")

    async def test_who_does_not_know_the_newest_document_writes_nothing(self) -> None:
        """The watches are compared in the commit; a workspace that nobody watches has none."""
        async with self.opened() as store:
            is_so(await store.audiences.write_document(GROUP, None), "the document is kept")
            for stale in ({100: 0}, {100: 2}, {100: 1, 200: 1}):
                commit = AudienceCommit(places=[placed()], watches=stale)
                is_not_so(await store.audiences.commit(commit), f"what is written under {stale}")
            same(dict(await store.groups.places([ANN])), {}, "the places")
            is_so(await store.audiences.commit(AudienceCommit(places=[placed()], watches={100: 1})), "it is kept")

    async def test_a_document_finds_no_place_of_one_who_does_not_know_it(self) -> None:
        """Of whoever writes places while it is written, each was over before, or is refused."""
        async with self.rivals() as (store, beside):
            keys = [ANN._replace(mpid=number) for number in range(1, RIVALS + 1)]
            is_so(await store.audiences.write_document(GROUP, None), "the document is kept")
            commits = [AudienceCommit(places=[placed(key)], watches={100: 1}) for key in keys]
            writing = [asyncio.ensure_future(store.audiences.commit(one)) for one in commits]
            is_so(await beside.audiences.write_document(GROUP._replace(number=9), None), "another document is kept")
            before = set(await beside.groups.places(keys))
            kept = [key for key, was in zip(keys, await asyncio.gather(*writing), strict=True) if was]
            same(set(kept), before, "whose places were there when it was written")

    async def test_places_are_found_by_user(self) -> None:
        """In a workspace and an environment, by kind; of as many users as there are."""
        async with self.opened() as store:
            keys = [ANN._replace(mpid=number) for number in range(1, MANY + 1)]
            await write(store, *(placed(key) for key in keys))
            other, elsewhere = GroupName(OTHER_KIND, "development", "cc"), ANN._replace(workspace=200)
            await write(store, placed(TESTED, other), placed(TESTED, HOME), placed(elsewhere))
            found = await store.groups.places([*keys, TESTED, elsewhere, BOB._replace(mpid=MPID_MAX)])
            same(set(found), {*keys, TESTED, elsewhere}, "who is found")
            same([one[:2] for one in found[TESTED]], [(KIND, "aa"), (OTHER_KIND, "cc")], "somebody's places")

    async def test_what_groups_have_comes_by_member(self) -> None:
        """At most so much of each; nothing of others, nor of the other environment."""
        async with self.opened() as store:
            mpids = (MPID_MAX, 7, MPID_MIN, 8)
            for mpid in mpids:
                await write(store, placed(ANN._replace(mpid=mpid), document=f"{mpid}".encode()))
            await write(store, placed(ANN._replace(mpid=9), AWAY), placed(TESTED, GroupName(KIND, "", "aa")))
            nobody = GroupName(KIND, "production", "zz")
            found = await store.groups.contributions([AWAY, HOME, nobody, HOME], 3)
            said = [Contributed(mpid, f"{mpid}".encode()) for mpid in sorted(mpids)]
            same({name: list(of) for name, of in found.items()}, {HOME: said[:3], AWAY: [Contributed(9, b"{}")]}, "it")

    async def test_members_of_groups_come_in_pages(self) -> None:
        """By profile, to the last one that there can be."""
        async with self.opened() as store:
            mpids = [MPID_MIN, 7, 8, MPID_MAX]
            await write(store, *(placed(ANN._replace(mpid=mpid)) for mpid in mpids), placed(BOB._replace(mpid=9), AWAY))
            pages: list[int] = []
            for _ in mpids:
                pages += await store.groups.members(HOME, pages[-1] if pages else None, 2)
            same(pages, mpids, "the pages")

    async def test_groups_and_members_are_counted(self) -> None:
        """Of one kind in one environment; those that are larger than some come by value."""
        async with self.opened() as store:
            same(await store.groups.count(KIND, "production"), GroupCount(0, 0), "the count of nothing")
            sizes = {"aa": 3, "bb": 1, "cc": 2, "dd": 3}
            mpid = 0
            for value, size in sizes.items():
                for _ in range(size):
                    mpid += 1
                    await write(store, placed(ANN._replace(mpid=mpid), HOME._replace(value=value)))
            await write(store, placed(TESTED), placed(ANN, HOME._replace(kind=OTHER_KIND)))
            same(await store.groups.count(KIND, "production"), GroupCount(4, 9), "the count")
            large = [LargeGroup("aa", 3, 1), LargeGroup("cc", 2, 5), LargeGroup("dd", 3, 7)]
            same(list(await store.groups.larger(KIND, "production", 1, "", PAGE)), large, "the larger ones")
            same(list(await store.groups.larger(KIND, "production", 1, "aa", 1)), large[1:2], "a page of them")
            same(list(await store.groups.larger(KIND, "production", 2, "", PAGE)), [large[0], large[2]], "the largest")

    async def test_every_call_of_groups_fails_once_closed(self) -> None:
        """With StoreUnavailable, as those of the other parts do."""
        store = await self.open_store()
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(store.groups), name)

    async def test_places_outlive_a_store(self) -> None:
        """Whoever opens the data again finds them, and gives none of their versions again."""
        async with self.opened() as store:
            await write(store, placed())
            before = await place_of(store)
        again = await self.reopen()
        if again is None:
            return
        try:
            same(await place_of(again), before, "the place")
            await write(again, PlaceWrite(ANN, KIND, before.version, "bb"))
            is_so((await place_of(again)).version > before.version, "its next version is a later one")
        finally:
            await again.close()
