"""Tests that what came of judging is not written once what it was made from is gone, or somebody has written another document."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from knownas.store.audiences import AudienceCommit, Held, MembershipChange, Passed, StandingWrite, StoredMark, Turn
from knownas.store.conformance.examples import PAGE, START_MS, wanted
from knownas.store.conformance.marks import watch
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import ANN, BOB, DOCUMENT, keep, section, version_of
from knownas.store.conformance.verdicts import is_not_so, is_so, same, was_kept
from knownas.store.deliveries import NewDelivery
from knownas.store.groups import PlaceWrite
from knownas.store.port import Commit, Store
from knownas.store.privacy import Holding
from knownas.store.user_data import Rearrangement, SectionKey, SectionRemoval, UserDataCommit

RIVALS: Final = 24
CONNECTION: Final = 5
OUTPUT: Final = 4
KIND: Final = 3
TURN: Final = "turn/tested"


async def erase(store: Store, key: SectionKey = ANN) -> None:
    """Remove all that a workspace has of somebody."""
    await store.privacy.erase(Holding(key.workspace, key.mpid, [], b""), PAGE)


def all_of(key: SectionKey, versions: Mapping[SectionKey, int]) -> AudienceCommit:
    """Make a commit that writes all that can be written about somebody, by what was read."""
    return AudienceCommit(
        standings=[StandingWrite(key, None, DOCUMENT, None)],
        changes=[MembershipChange(key, 1, is_member=True, at_ms=START_MS, document=b"because")],
        held=[held(key)],
        passed=[Passed(CONNECTION, key.mpid, "nothing_to_send", "email")],
        deliveries=[
            NewDelivery(f"d-{key.mpid}", OUTPUT, CONNECTION, key.workspace, key.environment, key.mpid, START_MS, b"x")
        ],
        marks=[StoredMark(0, *key, b"more")],
        places=[PlaceWrite(key, KIND, None, "aa")],
        rests_on=versions,
    )


def held(key: SectionKey) -> Held:
    """Make what an output has of somebody."""
    return Held(CONNECTION, key.mpid, "email", "email", "raw", f"{key.mpid}@example.com")


async def nothing_of(store: Store, key: SectionKey, marks: int) -> None:
    """Look that nothing of a commit was kept."""
    audiences = store.audiences
    same((await audiences.subjects([key]))[key].standing, None, "the standing")
    same(list(await audiences.members(key.workspace, key.environment, 1, None, PAGE)), [], "the members")
    same(list(await audiences.changes_of(key, None, PAGE)), [], "the changes")
    same(list(await audiences.held_of([CONNECTION], [key.mpid])), [], "what is held")
    same(list(await audiences.passed_over(CONNECTION, None, None, PAGE)), [], "who is passed over")
    same(list(await store.deliveries.waiting(OUTPUT, 0, PAGE)), [], "what waits")
    same(len(await audiences.marks(0, PAGE)), marks, "how many marks there are")
    same(dict(await store.groups.places([key])), {}, "the places")


class RestPromises(Subject):
    """What `store.audiences` says of what a commit rests on."""

    async def test_nothing_is_written_of_who_was_erased(self) -> None:
        """What rests on others only is written as ever."""

        async def remove(store: Store) -> None:
            await erase(store)

        await self._look_at(remove)

    async def test_nothing_is_written_of_who_was_forgotten_for_their_age(self) -> None:
        """Nobody has asked for that; it is the same."""

        async def remove(store: Store) -> None:
            await store.user_data.forget_older(events_ms=0, requests_ms=0, sections_ms=START_MS, limit=PAGE)

        await self._look_at(remove)

    async def test_nothing_is_written_of_whose_section_a_correction_removed(self) -> None:
        """It may have moved: then it is another's."""

        async def remove(store: Store) -> None:
            change = Rearrangement(removed=[SectionRemoval(ANN, await version_of(store))])
            was_kept(await store.commit(await store.load([wanted(mpids=[1])]), Commit(rearranged=change)))

        await self._look_at(remove)

    async def _look_at(self, remove: Callable[[Store], Awaitable[None]]) -> None:
        """Remove the section of Ann, who was seen for the last time long ago, and write what was judged before."""
        async with self.opened() as store:
            await watch(store)
            await keep(store, UserDataCommit(sections=[section(seen_ms=START_MS - 1), section(BOB)]))
            versions = {ANN: await version_of(store), BOB: await version_of(store, BOB)}
            await remove(store)
            marks = len(await store.audiences.marks(0, PAGE))
            for late in (versions, {ANN: versions[ANN]}):
                is_not_so(await store.audiences.commit(all_of(ANN, late)), "written of who is gone")
            await nothing_of(store, ANN, marks)
            is_so(await store.audiences.commit(all_of(BOB, {BOB: versions[BOB]})), "what rests on another")
            same(list(await store.audiences.held_of([CONNECTION], [BOB.mpid])), [held(BOB)], "what is held")

    async def test_a_section_that_changes_may_be_rested_on(self) -> None:
        """As long as nobody removes any: who comes often is judged all the same. In a workspace that nobody watches, too."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(sections=[section()]))
            before = await version_of(store)
            await keep(store, UserDataCommit(sections=[section(document=b"changed", version=before)]))
            is_so(await store.audiences.commit(all_of(ANN, {ANN: before})), "what rests on the earlier version")

    async def test_who_came_back_is_somebody_else(self) -> None:
        """A section that is there again is not the one that was read; the next that is read may be rested on."""
        async with self.opened() as store:
            await watch(store)
            await keep(store, UserDataCommit(sections=[section()]))
            before = await version_of(store)
            await erase(store)
            await keep(store, UserDataCommit(sections=[section()]))
            marks = len(await store.audiences.marks(0, PAGE))
            is_not_so(await store.audiences.commit(all_of(ANN, {ANN: before})), "written of who was there before")
            await nothing_of(store, ANN, marks)
            after = await version_of(store)
            await keep(store, UserDataCommit(sections=[section(document=b"changed", version=after)]))
            is_so(await store.audiences.commit(all_of(ANN, {ANN: after})), "what rests on who came back")

    async def test_a_section_that_changed_beside_a_removal_is_read_again(self) -> None:
        """It might be another one. One that has not changed is surely the same."""
        async with self.opened() as store:
            cal = ANN._replace(mpid=9)
            await keep(store, UserDataCommit(sections=[section(), section(BOB), section(cal)]))
            versions = {key: await version_of(store, key) for key in (BOB, cal)}
            await erase(store)
            await keep(store, UserDataCommit(sections=[section(BOB, b"changed", versions[BOB])]))
            is_not_so(await store.audiences.commit(all_of(BOB, {BOB: versions[BOB]})), "it may be another one")
            is_so(await store.audiences.commit(all_of(BOB, {BOB: await version_of(store, BOB)})), "read again")
            is_so(await store.audiences.commit(all_of(cal, {cal: versions[cal]})), "one that has not changed")

    async def test_what_a_page_of_sections_says_may_be_rested_on(self) -> None:
        """As what was read one by one: it is refused for who is gone, or came back, and for nobody else."""
        async with self.opened() as store:
            cal, dan = ANN._replace(mpid=9), ANN._replace(mpid=10)
            await keep(store, UserDataCommit(sections=[section(), section(BOB), section(cal), section(dan)]))
            stretch = await store.audiences.stretch(ANN.workspace, None, PAGE)
            page = None if stretch is None else await store.audiences.sections_in(100, None, stretch.until, PAGE)
            told = {} if page is None else dict(zip(page.mpids, page.versions, strict=True))
            versions = {key: told[key.mpid] for key in (ANN, BOB, cal, dan)}
            changed = section(dan, document=b"changed", version=await version_of(store, dan))
            await keep(store, UserDataCommit(sections=[changed]))
            is_so(await store.audiences.commit(all_of(dan, {dan: versions[dan]})), "who changed, and nobody is gone")
            for one in (ANN, BOB):
                await erase(store, one)
            await keep(store, UserDataCommit(sections=[section(BOB)]))
            is_not_so(await store.audiences.commit(all_of(ANN, {ANN: versions[ANN]})), "written of who is gone")
            is_not_so(await store.audiences.commit(all_of(BOB, {BOB: versions[BOB]})), "written of who came back")
            is_so(await store.audiences.commit(all_of(cal, {cal: versions[cal]})), "one that has not changed")

    async def test_who_erases_finds_all_that_was_written(self) -> None:
        """Of whoever writes about somebody while they are erased, each was over before, or is refused."""
        async with self.rivals() as (store, beside):
            keys = [ANN._replace(mpid=number) for number in range(1, RIVALS + 1)]
            await keep(store, UserDataCommit(sections=[section(key) for key in keys]))
            versions = {key: await version_of(store, key) for key in keys}

            async def look(key: SectionKey) -> int:
                await erase(beside, key)
                return len(await beside.audiences.held_of([CONNECTION], [key.mpid]))

            async def write(key: SectionKey) -> bool:
                return await store.audiences.commit(AudienceCommit(held=[held(key)], rests_on={key: versions[key]}))

            writing = [asyncio.ensure_future(write(key)) for key in keys]
            found = await asyncio.gather(*map(look, keys))
            same(found, [int(await one) for one in writing], "what was found of each when they were erased")

    async def test_what_was_judged_by_an_earlier_document_is_not_written(self) -> None:
        """Whatever it is about: the watches are compared in the commit."""
        async with self.opened() as store:
            await watch(store)
            stale = AudienceCommit(held=[held(ANN)], watches={ANN.workspace: 0})
            is_not_so(await store.audiences.commit(stale), "what is written by an earlier watch")
            same(list(await store.audiences.held_of([CONNECTION], [ANN.mpid])), [], "what is held")
            fresh = AudienceCommit(held=[held(ANN)], watches={ANN.workspace: 1})
            is_so(await store.audiences.commit(fresh), "what is written by the newest")

    async def test_what_was_judged_in_an_earlier_turn_is_not_written(self) -> None:
        """Nor what was judged in a turn that nobody ever took; whoever needs none names none."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(sections=[section(ANN)]))
            versions = {ANN: await version_of(store, ANN)}
            out_of_turn = replace(all_of(ANN, versions), turn=Turn(TURN, b"ours"))
            is_not_so(await store.audiences.commit(out_of_turn), "what is written before the turn is taken")
            is_so(await store.keep(TURN, b"ours"), "the turn is taken")
            is_so(await store.audiences.commit(AudienceCommit(turn=Turn(TURN, b"ours"))), "what is written in the turn")
            is_so(await store.replace_kept(TURN, b"ours", b"theirs"), "somebody else takes the turn")
            is_not_so(await store.audiences.commit(out_of_turn), "what is written out of turn")
            await nothing_of(store, ANN, 0)
            is_so(await store.audiences.commit(replace(out_of_turn, turn=None)), "what is written without a turn")

    async def test_who_takes_the_turn_finds_all_that_was_written(self) -> None:
        """Of whoever writes while it is taken, each was over before, or is refused."""
        async with self.rivals() as (store, beside):
            keys = [ANN._replace(mpid=number) for number in range(1, RIVALS + 1)]
            await keep(store, UserDataCommit(sections=[section(key) for key in keys]))
            is_so(await store.keep(TURN, b"ours"), "the turn is taken")
            commits = [AudienceCommit(held=[held(key)], turn=Turn(TURN, b"ours")) for key in keys]
            writing = [asyncio.ensure_future(store.audiences.commit(one)) for one in commits]
            is_so(await beside.replace_kept(TURN, b"ours", b"theirs"), "somebody else takes the turn")
            found = {one.mpid for one in await beside.audiences.held_of([CONNECTION], [key.mpid for key in keys])}
            written = {key.mpid for key, one in zip(keys, writing, strict=True) if await one}
            same(found, written, "what was found when the turn was taken")
