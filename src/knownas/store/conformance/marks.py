"""Tests that whatever changes what is known of somebody in a watched workspace leaves a mark, in the same transaction (`store.audiences`)."""

import asyncio
from typing import Final

from knownas.core.identity.record import Record
from knownas.store.audiences import EVERYWHERE, DocumentKind, StoredDocument
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    PAGE,
    SHOP,
    START_MS,
    commit_of,
    new,
    put,
    record,
    wanted,
)
from knownas.store.conformance.privacy_examples import ANNS
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import (
    ANN,
    BOB,
    DOCUMENT,
    happened,
    history,
    keep,
    section,
    version_of,
)
from knownas.store.conformance.verdicts import is_not_so, is_so, same, was_kept
from knownas.store.port import Commit, Store
from knownas.store.user_data import (
    EventsMove,
    Marks,
    NewMark,
    Rearrangement,
    SectionKey,
    SectionRemoval,
    UserDataCommit,
)

AUDIENCE: Final = StoredDocument(DocumentKind.AUDIENCE, 1, ANN.workspace, 0, b"{}")
ELSEWHERE: Final = SectionKey(200, "production", ANN.mpid)
"""A section of Ann in a workspace that nobody watches."""

WRITERS: Final = 12


async def watch(store: Store, number: int = 1, workspace: int = ANN.workspace) -> None:
    """Write a document of a workspace, so that it is watched."""
    document = AUDIENCE._replace(number=number, workspace=workspace)
    is_so(await store.audiences.write_document(document, None), "a new document is kept")


async def taken(store: Store) -> list[tuple[int, str, int, bytes]]:
    """Return the marks without their numbers."""
    return [one[1:] for one in await store.audiences.marks(0, PAGE)]


def fully(*keys: SectionKey) -> list[tuple[int, str, int, bytes]]:
    """Return the marks that say that anything may have changed."""
    return [(key.workspace, key.environment, key.mpid, b"") for key in keys]


class MarkPromises(Subject):
    """What leaves a mark."""

    async def test_nothing_is_marked_where_nobody_watches(self) -> None:
        """Whatever is written."""
        async with self.opened() as store:
            ann = record(ANN.mpid, {EMAIL: ["ann"]})
            await put(store, ann)
            await put(store, ann._replace(identities={EMAIL: ("ann", "other")}))
            await keep(store, UserDataCommit(sections=[section()], events=[happened()]))
            await store.user_data.forget_older(events_ms=2**60, requests_ms=2**60, sections_ms=2**60, limit=PAGE)
            same(await taken(store), [], "the marks")
            same(len(await store.audiences.watches()), 0, "the watches")

    async def test_a_document_makes_its_workspace_watched(self) -> None:
        """Each one that is written counts, for its workspace and for all."""
        async with self.opened() as store:
            await watch(store)
            await watch(store, 2)
            await watch(store, 3, 200)
            same(dict(await store.audiences.watches()), {100: 2, 200: 1, EVERYWHERE: 3}, "the watches")

    async def test_a_batch_of_somebody_who_does_not_watch_marks_everybody(self) -> None:
        """In each watched workspace, and in no other."""
        async with self.opened() as store:
            await watch(store)
            await keep(store, UserDataCommit(sections=[section(), section(ELSEWHERE)], events=[happened(BOB)]))
            same(sorted(await taken(store)), fully(ANN, BOB), "the marks")

    async def test_a_batch_marks_whom_it_says(self) -> None:
        """And what it says of them, if it knows the watch of their workspace; else everybody."""
        async with self.opened() as store:
            await watch(store)
            await watch(store, 2, 200)
            commit = UserDataCommit(
                sections=[section(), section(BOB), section(ELSEWHERE)],
                marks=Marks({100: 1, 200: 7}, [NewMark(BOB, b"a little"), NewMark(ELSEWHERE, b"no more than this")]),
            )
            await keep(store, commit)
            same(sorted(await taken(store)), [(*BOB, b"a little"), (*ELSEWHERE, b"")], "the marks")

    async def test_a_mark_that_lasts_is_left_beside_those_of_everybody(self) -> None:
        """Whatever its maker knew of the watch: what it says is nowhere else. Where nobody watches there is none."""
        async with self.opened() as store:
            given = [NewMark(ANN, b"forward this", lasts=True), NewMark(ANN, b"a little")]
            await keep(store, UserDataCommit(sections=[section()], marks=Marks({100: 1}, given)))
            same(await taken(store), [], "the marks where nobody watches")
            await watch(store)
            for known in (1, 7):
                change = section(version=await version_of(store))
                await keep(store, UserDataCommit(sections=[change], marks=Marks({100: known}, given)))
            marks = [(*ANN, b"forward this"), (*ANN, b"a little"), (*ANN, b"forward this"), (*ANN, b"")]
            same(sorted(await taken(store)), sorted(marks), "the marks")

    async def test_a_batch_that_is_refused_leaves_no_mark(self) -> None:
        """Neither those that it gives, nor others."""
        async with self.opened() as store:
            await watch(store)
            await keep(store, UserDataCommit(sections=[section()], marks=Marks({100: 1})))
            is_not_so(await store.user_data.commit(UserDataCommit(sections=[section()])), "a rival's section is kept")
            same(await taken(store), [], "the marks")

    async def test_a_record_that_changes_marks_its_profile_everywhere(self) -> None:
        """A new profile has nothing yet that could be judged."""
        async with self.opened() as store:
            await watch(store)
            ann = record(ANN.mpid, {EMAIL: ["ann"]})
            await put(store, ann)
            same(await taken(store), [], "the marks of a new profile")
            await put(store, ann._replace(identities={EMAIL: ("ann",), CUSTOMER: ("c",)}, known=True))
            same(await taken(store), [(EVERYWHERE, "", ANN.mpid, b"")], "the marks of a changed one")

    async def test_a_correction_marks_all_that_it_moves(self) -> None:
        """Where it was, where it is, and what is removed."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(sections=[section(), section(BOB)], events=[happened(), happened(BOB)]))
            await watch(store)
            moved = (await history(store))[0]
            cal = BOB._replace(mpid=9)
            change = Rearrangement(
                sections=[section(ANN, b"less", await version_of(store)), section(cal)],
                removed=[SectionRemoval(BOB, await version_of(store, BOB))],
                moved=[EventsMove(ANN, moved.seq, cal.mpid, DOCUMENT)],
            )
            snapshot = await store.load([wanted(mpids=[1])])
            was_kept(await store.commit(snapshot, Commit(rearranged=change)))
            same(sorted(await taken(store)), fully(ANN, BOB, cal), "the marks")

    async def test_what_is_forgotten_for_its_age_leaves_marks(self) -> None:
        """Of events and of sections."""
        async with self.opened() as store:
            old, young = START_MS - 1_000, START_MS + 1_000
            await keep(
                store, UserDataCommit(sections=[section(), section(BOB, seen_ms=old)], events=[happened(ANN, old)])
            )
            cal = BOB._replace(mpid=9)
            await keep(store, UserDataCommit(sections=[section(cal, seen_ms=young)], events=[happened(cal, young)]))
            await watch(store)
            data = store.user_data
            gone = await data.forget_older(events_ms=START_MS, requests_ms=0, sections_ms=START_MS, limit=PAGE)
            same((gone, sorted(set(await taken(store)))), (2, fully(ANN, BOB)), "what is gone, and the marks")

    async def test_an_erasure_leaves_a_mark(self) -> None:
        """Of the profile, in the workspace that erases it."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(sections=[section(), section(BOB)], events=[happened()]))
            await watch(store)
            await store.privacy.erase(ANNS, PAGE)
            same(set(await taken(store)), set(fully(ANN)), "the marks")

    async def test_no_commit_misses_a_document(self) -> None:
        """Of two who write at once: when a document is written, every commit is over that does not know of it, and is seen."""
        async with self.rivals() as (store, beside):

            async def write(number: int) -> SectionKey:
                key = ANN._replace(mpid=1_000 + number)
                await asyncio.sleep(number / 1_000)
                await keep(store, UserDataCommit(sections=[section(key)]))
                return key

            async def watch_and_look() -> set[SectionKey]:
                await asyncio.sleep(WRITERS / 2_000)
                await watch(beside)
                return set(await beside.audiences.section_keys(ANN.workspace, None, PAGE))

            writing = [asyncio.ensure_future(write(number)) for number in range(WRITERS)]
            seen = await watch_and_look()
            written = await asyncio.gather(*writing)
            marked = {SectionKey(*one[:3]) for one in await taken(store)}
            same(
                len(set(written) - seen - marked), 0, "how many are neither seen by whoever begins to watch, nor marked"
            )

    async def test_a_profile_that_two_write_is_marked_by_each(self) -> None:
        """A mark is of a commit, not of a profile."""
        async with self.opened() as store:
            await watch(store)
            await keep(store, UserDataCommit(sections=[section()]))
            version = await version_of(store)
            await keep(store, UserDataCommit(sections=[section(version=version)]))
            same(await taken(store), fully(ANN, ANN), "the marks")
            same(
                [one.seq for one in await store.audiences.marks(0, 1)],
                [(await store.audiences.marks(0, PAGE))[0].seq],
                "a page",
            )

    async def test_a_commit_of_records_that_is_refused_leaves_no_mark(self) -> None:
        """Whoever was faster has left those that there are."""
        async with self.opened() as store:
            await watch(store)
            ann: Record = record(ANN.mpid, {CUSTOMER: ["c"]})
            await put(store, ann)
            snapshot = await store.load([wanted()])
            await store.commit(snapshot, commit_of(new(ann), pool=SHOP))
            same(await taken(store), [], "the marks")
