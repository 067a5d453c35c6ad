"""Tests corrections that change user data: both halves of the store in one commit, all of it or nothing."""

from dataclasses import replace

from knownas.store.conformance.examples import (
    EMAIL,
    PAGE,
    SHOP,
    START_MS,
    commit_of,
    get,
    new,
    plain,
    put,
    record,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import (
    ANN,
    BOB,
    DOCUMENT,
    MESSAGE,
    alias,
    happened,
    history,
    keep,
    section,
    version_of,
)
from knownas.store.conformance.verdicts import is_not_so, same, turns, was_kept, was_refused
from knownas.store.port import CommitOutcome, Store
from knownas.store.user_data import (
    AliasState,
    AliasTurn,
    EventsMove,
    MessageKey,
    Rearrangement,
    SectionKey,
    SectionRemoval,
    UserDataCommit,
)

CAL = SectionKey(100, "production", 9)
MOVED = b'{"moved": true}'
CORRECTED = record(1, {EMAIL: ["corrected"]})


async def begin(store: Store) -> None:
    """Keep two profiles' sections and events, a message and an alias request that is done."""
    await put(store, CORRECTED._replace(identities={}))
    events = [happened(ANN, START_MS + number, document=str(number).encode()) for number in range(3)]
    await keep(store, UserDataCommit(sections=[section(), section(BOB)], events=[*events, happened(BOB)]))
    await keep(store, UserDataCommit(messages={MESSAGE: START_MS}, new_aliases=[alias()]))
    await keep(store, UserDataCommit(settled_aliases=[alias(state=AliasState.DONE, settled_ms=START_MS)]))


async def change_of(store: Store) -> Rearrangement:
    """Return a change of everything that there is: Ann's second batch becomes Cal's, her section changes, Bob's goes."""
    moved = (await history(store))[1]
    bobs = (await history(store, BOB))[0]
    return Rearrangement(
        sections=[section(ANN, b"less", await version_of(store)), section(CAL, b"more")],
        removed=[SectionRemoval(BOB, await version_of(store, BOB))],
        moved=[EventsMove(ANN, moved.seq, CAL.mpid, MOVED), EventsMove(BOB, bobs.seq, BOB.mpid, MOVED)],
        events=[happened(CAL, START_MS + 7)],
        messages={MESSAGE: START_MS + 5, MessageKey("web", CAL.mpid, "message"): START_MS},
        aliases=[AliasTurn("alias", AliasState.DONE, AliasState.UNDONE)],
    )


async def correct(store: Store, change: Rearrangement) -> CommitOutcome:
    """Correct a profile, log a line and change user data, in one commit."""
    snapshot = await store.load([wanted(*CORRECTED.lookups(), mpids=[2])])
    commit = commit_of(new(record(2, {EMAIL: ["corrected"]})))
    return await store.commit(snapshot, replace(commit, rearranged=change))


async def all_of(store: Store) -> list[object]:
    """Return everything that a change could have changed."""
    data = store.user_data
    keys = (ANN, BOB, CAL)
    found: list[object] = [await history(store, key) for key in keys]
    found += [dict(await data.sections_of(key.mpid)) for key in keys]
    found += [await data.alias("alias"), [one.decision_id for one in await store.log(SHOP, 0, PAGE)]]
    found += [await store.profile(2), (await data.load([], [], [MESSAGE])).messages]
    return found


class RearrangementPromises(Subject):
    """What `commit` does with user data that a correction changes, and `events_about`."""

    async def test_a_correction_changes_both_halves(self) -> None:
        """Records, lines, sections, events, messages and alias requests change by one commit, and all stores see it."""
        async with self.rivals() as (one, other):
            await begin(one)
            before = await history(one)
            bobs = (await history(one, BOB))[0]
            was_kept(await correct(one, await change_of(one)))
            for store in (one, other):
                data = store.user_data
                same(plain(await get(store, 2)).identities, {EMAIL: ("corrected",)}, "the corrected profile")
                same(await history(store), [before[0], before[2]], "what is left")
                moved, made = await history(store, CAL)
                same(moved, before[1]._replace(document=MOVED), "what was moved")
                same(made[1:], happened(CAL, START_MS + 7)[1:], "what was added")
                same(await history(store, BOB), [bobs._replace(document=MOVED)], "what says something else now")
                sections = (await data.load([ANN, BOB, CAL])).sections
                same({key: found.document for key, found in sections.items()}, {ANN: b"less", CAL: b"more"}, "sections")
                asked = [MESSAGE, MessageKey("web", CAL.mpid, "message")]
                same(set((await data.load([], [], asked)).messages), set(asked), "the messages")
                row = await data.alias("alias")
                same(row and row.state, AliasState.UNDONE, "the alias request")
                same(len(await store.log(SHOP, 0, PAGE)), 2, "the lines")

    async def test_a_correction_that_lost_a_race_leaves_nothing(self) -> None:
        """Whatever is no longer as it was loaded refuses all of a correction, in both halves."""
        async with self.rivals() as (one, other):
            await begin(one)
            change = await change_of(other)
            written, removed, moved = change.sections[0], change.removed[0], change.moved[0]
            stale: dict[str, Rearrangement] = {
                "a section that changed": replace(
                    change, sections=[section(ANN, b"less", (written.version or 0) + 99)]
                ),
                "a section that is there": replace(change, sections=[section(ANN, b"less")]),
                "a removed section that changed": replace(change, removed=[removed._replace(version=-5)]),
                "events that are gone": replace(change, moved=[moved._replace(seq=moved.seq + 1_000)]),
                "events of somebody else": replace(change, moved=[moved._replace(key=BOB)]),
                "an alias in another state": replace(
                    change, aliases=[AliasTurn("alias", AliasState.UNDONE, AliasState.DONE)]
                ),
                "an alias that is not there": replace(
                    change, aliases=[AliasTurn("no", AliasState.DONE, AliasState.UNDONE)]
                ),
            }
            before = await all_of(one)
            for what, one_stale in stale.items():
                was_refused(await correct(other, one_stale), what)
                same(await all_of(one), before, f"what is left after {what}")
            was_kept(await correct(other, change), "the same with everything as it is")

    async def test_a_correction_that_changed_a_section_is_noticed(self) -> None:
        """Who has loaded a section before a correction wrote or removed it can't write it any more."""
        async with self.rivals() as (one, other):
            await begin(one)
            stale = {key: await version_of(other, key) for key in (ANN, BOB)}
            was_kept(await correct(one, await change_of(one)))
            for key, version in stale.items():
                kept = await other.user_data.commit(UserDataCommit(sections=[section(key, b"stale", version)]))
                is_not_so(kept, "a stale change is kept")
            await keep(other, UserDataCommit(sections=[section(BOB)]), "the section made anew")

    async def test_a_correction_of_records_alone_is_kept(self) -> None:
        """An empty change of user data changes none of it."""
        async with self.opened() as store:
            await begin(store)
            before = (await all_of(store))[:6]
            was_kept(await correct(store, Rearrangement()))
            same((await all_of(store))[:6], before, "the user data")

    async def test_events_about_profiles_are_found_wherever_they_were_kept(self) -> None:
        """Kept events of several profiles come by ascending number, of all workspaces and environments, by pages."""
        keys = [ANN, BOB, ANN._replace(workspace=7), ANN._replace(environment="development"), CAL]
        async with self.opened() as store:
            for number in range(2):
                for key in keys:
                    await keep(store, UserDataCommit(events=[happened(key, START_MS + number)]))
            asked, after = [ANN.mpid, BOB.mpid, ANN.mpid], 0
            found: list[tuple[SectionKey, int, bytes]] = []
            for _ in turns():
                page = await store.user_data.events_about(asked, after, 3)
                if not page:
                    break
                found += [(key, one.first_ms, one.document) for key, one in page]
                seqs = [one.seq for _, one in page]
                same(seqs, sorted(set(seqs)), "the numbers of a page")
                after = seqs[-1]
            expected = [(key, START_MS + number, DOCUMENT) for number in range(2) for key in keys[:4]]
            same(found, expected, "the events of two profiles")
            same(await store.user_data.events_about([], 0, PAGE), [], "the events of nobody")
