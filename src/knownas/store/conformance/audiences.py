"""Tests what a store does for audiences (`store.audiences`): documents, standings and their rivals, members, what outputs have.

`AudiencePromises` is all of it, marks included. The author of an adapter runs it like the promises of the other parts; see
`conformance.suite`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.audiences import (
    AudienceCommit,
    AudienceStore,
    DocumentKind,
    Held,
    Member,
    MembershipChange,
    Passed,
    StandingWrite,
    StoredDocument,
    StoredMark,
    StoredStanding,
)
from knownas.store.conformance.change_counts import ChangeCountPromises
from knownas.store.conformance.examples import EMAIL, PAGE, START_MS, plain, put, record
from knownas.store.conformance.marks import AUDIENCE, ELSEWHERE, MarkPromises, taken, watch
from knownas.store.conformance.resting import RestPromises
from knownas.store.conformance.sweeps import SweepPromises
from knownas.store.conformance.user_data_examples import (
    ANN,
    BOB,
    DOCUMENT,
    LOOKALIKES,
    happened,
    history,
    keep,
    section,
)
from knownas.store.conformance.verdicts import fails_with, is_not_so, is_so, same, turns
from knownas.store.deliveries import DeliveryState, NewDelivery, Settlement
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Store
from knownas.store.user_data import SectionKey, UserDataCommit

RIVALS: Final = 8
A_FEW: Final = 2
"""Fewer things than there are of a profile."""

MANY: Final = 300
"""More keys than an adapter should want to look up by one statement."""

CONNECTION: Final = StoredDocument(DocumentKind.CONNECTION, 5, ANN.workspace, 0, b"{}")
EMAIL_HELD: Final = Held(5, ANN.mpid, "email", "email", "raw", "ann@example.com")
JOINED: Final = MembershipChange(ANN, 1, is_member=True, at_ms=START_MS, document=b"because")
LEFT: Final = JOINED._replace(is_member=False, at_ms=START_MS + 1, document=b"no longer")
DELIVERY: Final = NewDelivery("d-1", 4, 5, ANN.workspace, ANN.environment, ANN.mpid, START_MS, b"told")

CALLS: Final[Mapping[str, Callable[[AudienceStore], Awaitable[object]]]] = {
    "documents": lambda audiences: audiences.documents(),
    "write_document": lambda audiences: audiences.write_document(AUDIENCE, None),
    "watches": lambda audiences: audiences.watches(),
    "marks": lambda audiences: audiences.marks(0, PAGE),
    "due": lambda audiences: audiences.due(START_MS, PAGE),
    "subjects": lambda audiences: audiences.subjects([ANN]),
    "newest_events": lambda audiences: audiences.newest_events([ANN], PAGE),
    "standings": lambda audiences: audiences.standings([ANN]),
    "stretch": lambda audiences: audiences.stretch(100, None, PAGE),
    "sections_in": lambda audiences: audiences.sections_in(100, None, "7/production", PAGE),
    "section_keys": lambda audiences: audiences.section_keys(100, None, PAGE),
    "commit": lambda audiences: audiences.commit(AudienceCommit()),
    "members": lambda audiences: audiences.members(100, "production", 1, None, PAGE),
    "count_members": lambda audiences: audiences.count_members(100, "production", 1),
    "changes_of": lambda audiences: audiences.changes_of(ANN, None, PAGE),
    "count_changes": lambda audiences: audiences.count_changes(100, "production", 1, 0, START_MS, 1_000),
    "held_of": lambda audiences: audiences.held_of([5], [7]),
    "held_values": lambda audiences: audiences.held_values(5, ["value"]),
    "holders_of": lambda audiences: audiences.holders_of(5, None, PAGE),
    "passed_over": lambda audiences: audiences.passed_over(5, None, None, PAGE),
    "count_passed": lambda audiences: audiences.count_passed(5),
    "forget_profile": lambda audiences: audiences.forget_profile(100, 7, PAGE),
}
"""A call of each of the port's methods."""


async def commit(store: Store, **what: object) -> None:
    """Commit what must be kept."""
    is_so(await store.audiences.commit(AudienceCommit(**what)), "the commit is kept")  # type: ignore[arg-type]


async def standing_of(store: Store, key: SectionKey = ANN) -> StoredStanding | None:
    """Return how somebody stands."""
    return (await store.audiences.subjects([key]))[key].standing


async def version_of(store: Store, key: SectionKey = ANN) -> int:
    """Return the version of a standing that must be there."""
    standing = await standing_of(store, key)
    if standing is None:
        raise AssertionError(f"there should be a standing of {key}")
    return standing.version


def stands(key: SectionKey = ANN, version: int | None = None, due_ms: int | None = None) -> StandingWrite:
    """Make the write of a standing, a new one unless its version is given."""
    return StandingWrite(key, version, DOCUMENT, due_ms)


class AudiencePromises(MarkPromises, SweepPromises, RestPromises, ChangeCountPromises):
    """All that `store.audiences` demands of an adapter."""

    async def test_a_document_is_written_by_one_who_has_seen_it(self) -> None:
        """A new one has a number that nobody has; a changed one names the version."""
        async with self.opened() as store:
            audiences = store.audiences
            is_so(await audiences.write_document(AUDIENCE, None), "a new document is kept")
            is_not_so(await audiences.write_document(AUDIENCE, None), "a second one under its number is kept")
            alike = CONNECTION._replace(number=AUDIENCE.number)
            is_so(await audiences.write_document(alike, None), "one of another kind is kept")
            (first, other) = await audiences.documents()
            same((first._replace(version=0), other._replace(version=0)), (AUDIENCE, alike), "the documents")
            after = first._replace(document=b"changed")
            is_so(await audiences.write_document(after, first.version), "a change is kept")
            is_not_so(await audiences.write_document(after, first.version), "a change of an older version is kept")
            same((await audiences.documents())[0].document, b"changed", "what is kept")
            is_not_so((await audiences.documents())[0].version == first.version, "the version is the same")

    async def test_of_rivals_that_write_a_document_one_does(self) -> None:
        """The others hear that they did not."""
        async with self.rivals() as (store, beside):
            writing = ((store, beside)[number % 2].audiences.write_document(AUDIENCE, None) for number in range(RIVALS))
            same(sorted(await asyncio.gather(*writing)), [*([False] * (RIVALS - 1)), True], "who has written it")

    async def test_a_standing_is_written_by_one_who_has_seen_it(self) -> None:
        """Of two who judge the same profile, one loses; nothing of what else it says is kept."""
        async with self.opened() as store:
            await watch(store)
            await commit(store, standings=[stands()], changes=[JOINED])
            version = await version_of(store)
            for stale in (stands(), stands(version=version + 1), StandingWrite(ANN, version + 1, None, None)):
                refused = AudienceCommit(standings=[stale], changes=[LEFT], deliveries=[DELIVERY], held=[EMAIL_HELD])
                is_not_so(await store.audiences.commit(refused), "a stale standing is kept")
            same(await store.audiences.members(100, "production", 1, None, PAGE), [Member(7, START_MS)], "the members")
            same(len(await store.audiences.held_of([5], [7])), 0, "what is held")
            same(len(await store.deliveries.waiting(4, 0, PAGE)), 0, "what waits")
            await commit(store, standings=[stands(version=version)])
            again = await version_of(store)
            is_not_so(again == version, "a standing that is written again has the version of before")
            refused = AudienceCommit(standings=[StandingWrite(ANN, version, None, None)])
            is_not_so(await store.audiences.commit(refused), "a standing is taken away that somebody has written again")
            await commit(store, standings=[StandingWrite(ANN, again, None, None)], changes=[LEFT])
            same(await standing_of(store), None, "the standing that is left")
            same(len(await store.audiences.members(100, "production", 1, None, PAGE)), 0, "who is left")

    async def test_of_rivals_that_judge_one_wins(self) -> None:
        """And its change of membership is the only one."""
        async with self.rivals() as (store, beside):
            await watch(store)
            judged = AudienceCommit(standings=[stands()], changes=[JOINED])
            writing = ((store, beside)[number % 2].audiences.commit(judged) for number in range(RIVALS))
            same(sorted(await asyncio.gather(*writing)), [*([False] * (RIVALS - 1)), True], "who was first")
            same(len(await store.audiences.changes_of(ANN, None, PAGE)), 1, "how often somebody joined")

    async def test_standings_are_due_in_order(self) -> None:
        """Those that are due by a time, the earliest first; one without a time never is."""
        async with self.opened() as store:
            keys = [ANN._replace(mpid=number) for number in range(1, 6)]
            times = [START_MS + 3, START_MS + 2, None, START_MS, START_MS + 1]
            await commit(store, standings=[stands(key, due_ms=due_ms) for key, due_ms in zip(keys, times, strict=True)])
            same(await store.audiences.due(START_MS + 2, PAGE), [keys[3], keys[4], keys[1]], "who is due")
            same(await store.audiences.due(START_MS + 2, 2), [keys[3], keys[4]], "a page of them")
            await commit(store, standings=[stands(keys[3], await version_of(store, keys[3]))])
            same(await store.audiences.due(START_MS + 1, PAGE), [keys[4]], "who is due afterwards")

    async def test_a_subject_is_all_that_there_is_of_a_profile(self) -> None:
        """Its record, its sections in every workspace, and how it stands; nothing of somebody else."""
        async with self.opened() as store:
            ann = record(ANN.mpid, {EMAIL: ["ann"]})
            await put(store, ann, record(BOB.mpid, {EMAIL: ["bob"]}))
            await keep(store, UserDataCommit(sections=[section(), section(ELSEWHERE, b"elsewhere"), section(BOB)]))
            await commit(store, standings=[stands()])
            nobody = ANN._replace(mpid=99)
            found = await store.audiences.subjects([ANN, BOB, nobody])
            mpids = {key: None if one.record is None else plain(one.record).mpid for key, one in found.items()}
            same(mpids, {ANN: 7, BOB: 8, nobody: None}, "records")
            documents = {
                key: {of: one.document for of, one in subject.sections.items()} for key, subject in found.items()
            }
            same(
                documents, {ANN: {ANN: DOCUMENT, ELSEWHERE: b"elsewhere"}, BOB: {BOB: DOCUMENT}, nobody: {}}, "sections"
            )
            same(
                [one.standing and one.standing.document for one in found.values()], [DOCUMENT, None, None], "standings"
            )

    async def test_many_subjects_are_found_at_once(self) -> None:
        """More than one statement should be asked for."""
        async with self.opened() as store:
            keys = [ANN._replace(mpid=number) for number in range(1, MANY + 1)]
            await keep(store, UserDataCommit(sections=[section(key) for key in keys]))
            await commit(store, standings=[stands(key) for key in keys])
            found = await store.audiences.subjects(keys)
            same({key for key, one in found.items() if one.standing and key in one.sections}, set(keys), "who is found")

    async def test_the_newest_events_are_found_by_section(self) -> None:
        """At most so many of each, in the order in which they were kept."""
        async with self.opened() as store:
            events = [happened(ANN, START_MS + number) for number in range(5)]
            await keep(store, UserDataCommit(events=[*events, happened(BOB), happened(ELSEWHERE)]))
            found = await store.audiences.newest_events([ANN, BOB, ANN._replace(mpid=99)], 3)
            same(dict(found), {ANN: (await history(store))[2:], BOB: await history(store, BOB)}, "the newest events")

    async def test_sections_of_a_workspace_come_in_pages(self) -> None:
        """By profile, those of other workspaces left out."""
        async with self.opened() as store:
            keys = [
                SectionKey(100, name, mpid)
                for mpid in (MPID_MIN, 7, MPID_MAX)
                for name in ("development", "production")
            ]
            await keep(store, UserDataCommit(sections=[section(key) for key in (*keys, ELSEWHERE)]))
            pages: list[SectionKey] = []
            for _ in turns():
                page = await store.audiences.section_keys(100, pages[-1] if pages else None, 2)
                if not page:
                    break
                pages += page
            same(pages, keys, "the pages")

    async def test_members_come_in_pages(self) -> None:
        """By profile; who left is not among them, and who joined again is since then."""
        async with self.opened() as store:
            mpids = [MPID_MIN, 7, 8, MPID_MAX]
            joined = [JOINED._replace(key=ANN._replace(mpid=mpid)) for mpid in mpids]
            others = [
                JOINED._replace(audience=2),
                JOINED._replace(key=ELSEWHERE),
                JOINED._replace(key=ANN._replace(environment="development")),
            ]
            await commit(store, changes=[*joined, *others])
            await commit(store, changes=[LEFT, joined[2]._replace(is_member=False)])
            await commit(store, changes=[JOINED._replace(at_ms=START_MS + 9)])
            wanted = [Member(MPID_MIN, START_MS), Member(7, START_MS + 9), Member(MPID_MAX, START_MS)]
            audiences = store.audiences
            same(await audiences.members(100, "production", 1, None, PAGE), wanted, "the members")
            same(await audiences.members(100, "production", 1, MPID_MIN, 1), wanted[1:2], "a page of them")
            same(await audiences.members(100, "production", 1, MPID_MAX, PAGE), [], "those after the last")
            same(await audiences.count_members(100, "production", 1), 3, "how many there are")

    async def test_every_change_of_membership_is_kept(self) -> None:
        """The newest first, in pages, each with its reason."""
        async with self.opened() as store:
            await commit(store, changes=[JOINED, JOINED._replace(key=BOB)])
            await commit(store, changes=[LEFT])
            found = await store.audiences.changes_of(ANN, None, PAGE)
            same([one.change for one in found], [LEFT, JOINED], "the changes")
            same(await store.audiences.changes_of(ANN, found[0].seq, PAGE), found[1:], "the next page")
            same(await store.audiences.changes_of(ANN, None, 1), found[:1], "a page")

    async def test_what_outputs_have_is_found_by_profile_and_by_value(self) -> None:
        """Each byte of a value counts; the device is no part of what is held."""
        async with self.opened() as store:
            held = [EMAIL_HELD._replace(value=value) for value in LOOKALIKES]
            bobs, others = EMAIL_HELD._replace(mpid=8), EMAIL_HELD._replace(connection=6)
            await commit(store, held=[*held, bobs, others])
            audiences = store.audiences
            same(set(await audiences.held_of([5], [7])), set(held), "what is held of Ann")
            same(set(await audiences.held_of([5, 6], [7, 8])), {*held, bobs, others}, "what both have of both")
            for one in held:
                same(list(await audiences.held_values(5, [one.value])), [one], "who has a value")
            same(list(await audiences.held_values(5, [bobs.value])), [bobs], "who has Bob's value")
            await commit(store, held=[bobs._replace(device="stamp", platform="ios")])
            same(
                list(await audiences.held_of([5], [8])),
                [bobs._replace(device="stamp", platform="ios")],
                "with its device",
            )
            await commit(store, gave_up=[bobs, held[0]])
            same(set(await audiences.held_of([5], [7, 8])), set(held[1:]), "what is left")

    async def test_whom_a_connection_knows_comes_in_pages(self) -> None:
        """Of whom it has something, and whom it passes over."""
        async with self.opened() as store:
            has = [EMAIL_HELD._replace(mpid=mpid) for mpid in (MPID_MIN, 3, MPID_MAX)]
            passed = [Passed(5, 2, "no_identity", "email"), Passed(6, 4, "no_identity", "email")]
            await commit(store, held=has, passed=passed)
            same(await store.audiences.holders_of(5, None, PAGE), [MPID_MIN, 2, 3, MPID_MAX], "whom it knows")
            same(await store.audiences.holders_of(5, 2, 1), [3], "a page")

    async def test_who_is_passed_over_is_counted_and_listed(self) -> None:
        """By reason; what is said of somebody replaces what was."""
        async with self.opened() as store:
            passed = [Passed(5, mpid, "no_identity", "email") for mpid in (3, 1, 2)]
            await commit(store, passed=[*passed, Passed(5, 2, "opted_out", ""), Passed(6, 1, "opted_out", "")])
            audiences = store.audiences
            same(
                dict(await audiences.count_passed(5)), {("no_identity", "email"): 3, ("opted_out", ""): 1}, "the counts"
            )
            same(
                [one.mpid for one in await audiences.passed_over(5, None, None, PAGE)],
                [1, 2, 2, 3],
                "who is passed over",
            )
            same([one.mpid for one in await audiences.passed_over(5, "no_identity", 1, 1)], [2], "a page of a reason")
            same([one.mpid for one in await audiences.passed_over(5, "opted_out", None, PAGE)], [2], "another reason")
            await commit(store, passed_by=[(5, 2)], passed=[Passed(5, 2, "no_consent", "x")])
            same(
                dict(await audiences.count_passed(5)),
                {("no_identity", "email"): 2, ("no_consent", "x"): 1},
                "the counts",
            )

    async def test_marks_are_added_and_done(self) -> None:
        """In the commit that came of them."""
        async with self.opened() as store:
            await watch(store)
            await keep(store, UserDataCommit(sections=[section(), section(BOB)]))
            (first, second) = await store.audiences.marks(0, PAGE)
            same(await store.audiences.marks(first.seq, PAGE), [second], "the marks after the first")
            same(await store.audiences.marks(0, 1), [first], "a page of marks")
            added = StoredMark(0, 100, "production", 99, b"look again")
            await commit(store, done=[first.seq], marks=[added])
            same((await taken(store))[-1], added[1:], "the mark that was added")
            is_not_so(first in await store.audiences.marks(0, PAGE), "a mark that is done is there")

    async def test_what_a_workspace_has_of_a_profile_is_forgotten(self) -> None:
        """Step by step, and nothing of others; what waits to be told stays."""
        async with self.opened() as store:
            is_so(await store.audiences.write_document(CONNECTION, None), "the connection is kept")
            elsewhere = CONNECTION._replace(number=6, workspace=ELSEWHERE.workspace)
            is_so(await store.audiences.write_document(elsewhere, None), "another's connection is kept")
            for key, of in ((ANN, 5), (BOB, 5), (ELSEWHERE, 6)):
                held = EMAIL_HELD._replace(connection=of, mpid=key.mpid)
                await commit(
                    store,
                    standings=[stands(key, due_ms=START_MS)],
                    changes=[JOINED._replace(key=key)],
                    held=[held],
                    passed=[Passed(of, key.mpid, "no_identity", "email")],
                    marks=[StoredMark(0, *key, b"")],
                    deliveries=[DELIVERY._replace(delivery_id=f"{key}", workspace=key.workspace, mpid=key.mpid)],
                )
            for _ in turns():
                gone = await store.audiences.forget_profile(ANN.workspace, ANN.mpid, A_FEW)
                is_so(gone <= A_FEW, "no more is forgotten than was asked for")
                if not gone:
                    break
            audiences = store.audiences
            same(
                [await standing_of(store, key) is not None for key in (ANN, BOB, ELSEWHERE)],
                [False, True, True],
                "standings",
            )
            same(
                [len(await audiences.changes_of(key, None, PAGE)) for key in (ANN, BOB, ELSEWHERE)],
                [0, 1, 1],
                "changes",
            )
            same([one.mpid for one in await audiences.members(100, "production", 1, None, PAGE)], [8], "members")
            same(
                [(one.connection, one.mpid) for one in await audiences.held_of([5, 6], [7, 8])],
                [(5, 8), (6, 7)],
                "held",
            )
            same(
                [list(await audiences.holders_of(of, None, PAGE)) for of in (5, 6)], [[8], [7]], "whom connections know"
            )
            same(sorted(await taken(store)), sorted([(*BOB, b""), (*ELSEWHERE, b"")]), "marks")
            waiting = await store.deliveries.waiting(4, 0, PAGE)
            same([one.document for one in waiting], [b"told"] * 3, "what waits")
            await store.deliveries.settle([Settlement(one.seq, DeliveryState.SENT, START_MS) for one in waiting])
            settled = {one.mpid: one.document for one in await store.deliveries.deliveries(4, None, None, PAGE)}
            same((settled[8], await store.audiences.forget_profile(ANN.workspace, 99, PAGE)), (b"told", 0), "others")
            told = [
                one.document for one in await store.deliveries.deliveries_about(ANN.workspace, ANN.mpid, None, PAGE)
            ]
            same(told, [b""], "what is left of what it was told of")

    async def test_every_call_of_audiences_fails_once_closed(self) -> None:
        """With StoreUnavailable."""
        store = await self.open_store()
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(store.audiences), name)

    async def test_audiences_outlive_a_store(self) -> None:
        """Whoever opens the data again finds all of it."""
        async with self.opened() as store:
            await watch(store)
            await commit(
                store, standings=[stands(due_ms=START_MS)], changes=[JOINED], held=[EMAIL_HELD], deliveries=[DELIVERY]
            )
        again = await self.reopen()
        if again is None:
            return
        try:
            same(await again.audiences.due(START_MS, PAGE), [ANN], "who is due")
            same(await again.audiences.members(100, "production", 1, None, PAGE), [Member(7, START_MS)], "the members")
            same(list(await again.audiences.held_of([5], [7])), [EMAIL_HELD], "what is held")
            same(len(await again.deliveries.waiting(4, 0, PAGE)), 1, "what waits")
        finally:
            await again.close()
