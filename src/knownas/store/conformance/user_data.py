"""Tests what a store does with what is known of users (`store.user_data`): commits, their rivals, who sees what.

`UserDataPromises` is all of it. The author of an adapter runs it like the promises of the other half; see
`conformance.suite`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.conformance.examples import EMAIL, PAGE, START_MS, get, put, record
from knownas.store.conformance.rearranging import RearrangementPromises
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import (
    ANN,
    BOB,
    DOCUMENT,
    LOOKALIKES,
    MESSAGE,
    REQUEST,
    alias,
    happened,
    history,
    keep,
    load,
    receipt,
    refuse,
    section,
    shown,
    shows,
    version_of,
    whole,
)
from knownas.store.conformance.user_data_logs import UserDataLogPromises
from knownas.store.conformance.verdicts import fails_with, is_not_so, is_so, same
from knownas.store.errors import StoreUnavailable
from knownas.store.user_data import (
    AliasState,
    MessageKey,
    RequestKey,
    SectionKey,
    UserDataCommit,
    UserDataStore,
)

AT_ONCE: Final = 8
MANY: Final = 300
"""More keys than an adapter should want to look up by one statement."""

CALLS: Final[Mapping[str, Callable[[UserDataStore], Awaitable[object]]]] = {
    "load": lambda data: data.load([ANN], [REQUEST], [MESSAGE]),
    "commit": lambda data: data.commit(whole()),
    "sections_of": lambda data: data.sections_of(ANN.mpid),
    "events": lambda data: data.events(ANN, from_ms=0, to_ms=START_MS, after_seq=0, limit=PAGE),
    "events_back": lambda data: data.events_back(ANN, None, PAGE),
    "events_about": lambda data: data.events_about([ANN.mpid], 0, PAGE),
    "receipt": lambda data: data.receipt("receipt"),
    "section": lambda data: data.section(ANN),
    "receipts_named": lambda data: data.receipts_named("request", PAGE),
    "alias": lambda data: data.alias("alias"),
    "aliases_about": lambda data: data.aliases_about(ANN.workspace, ANN.environment, [ANN.mpid]),
    "aliases_due": lambda data: data.aliases_due(START_MS, PAGE),
    "count_older": lambda data: data.count_older(events_ms=0, requests_ms=0, sections_ms=0),
    "forget_older": lambda data: data.forget_older(events_ms=0, requests_ms=0, sections_ms=0, limit=PAGE),
}
"""A call of each of the port's methods."""

DOCUMENTS: Final = (b"", b"{}", b' {"b":1,\n"a":1.0} ', b"\0\xff\xfe", "\N{GRINNING FACE}".encode(), b"x" * 100_000)
"""Documents that come back changed from a store that looks into them."""

TAKEN: Final[Mapping[str, UserDataCommit]] = {
    "a section": UserDataCommit(sections=[section()]),
    "a request id": UserDataCommit(receipts=[receipt("ours", REQUEST)]),
    "a receipt id": UserDataCommit(receipts=[receipt("receipt")]),
    "a message id": UserDataCommit(messages={MESSAGE: START_MS}),
    "an alias request": UserDataCommit(new_aliases=[alias()]),
}
"""Commits of one thing each that can be kept only once."""


def together(one: UserDataCommit, other: UserDataCommit) -> UserDataCommit:
    """Return a commit of everything in two."""
    return UserDataCommit(
        sections=[*one.sections, *other.sections],
        events=[*one.events, *other.events],
        receipts=[*one.receipts, *other.receipts],
        messages={**one.messages, **other.messages},
        new_aliases=[*one.new_aliases, *other.new_aliases],
        settled_aliases=[*one.settled_aliases, *other.settled_aliases],
    )


class UserDataCommitPromises(Subject):
    """What `load`, `commit` and `sections_of` do, and what a closed store answers."""

    async def test_user_data_comes_back_as_it_was(self) -> None:
        """Everything of a commit comes back to the byte, however odd its documents, from either store."""
        async with self.rivals() as (one, other):
            for number, document in enumerate(DOCUMENTS, start=1):
                commit = whole(number)
                commit = replace(
                    commit,
                    sections=[write._replace(document=document) for write in commit.sections],
                    events=[write._replace(document=document) for write in commit.events],
                    receipts=[one._replace(document=document) for one in commit.receipts],
                )
                await keep(one, commit)
                for store in (one, other):
                    await shows(store, commit, f"what comes back of {document[:20]!r}")

    async def test_user_data_of_any_mpid_comes_back(self) -> None:
        """MPIDs are signed and have 64 bits; sections, events, messages and alias requests of all of them are kept."""
        async with self.opened() as store:
            for number, mpid in enumerate((MPID_MIN, -7, 7, MPID_MAX)):
                name, key = str(number), SectionKey(2**31 + number, "production", mpid)
                commit = UserDataCommit(
                    sections=[section(key)],
                    events=[happened(key)],
                    messages={MessageKey("web", mpid, "message"): START_MS},
                    new_aliases=[alias(name, source=mpid, destination=mpid, stamp="stamp", reason="why")],
                )
                await keep(store, commit)
                await shows(store, commit, f"what is known of {mpid}")

    async def test_what_was_not_kept_is_not_there(self) -> None:
        """An empty store shows nothing, and a load of nothing is allowed, as is a commit of nothing."""
        async with self.opened() as store:
            for what in await shown(store, whole()):
                is_not_so(bool(what), "something is in an empty store")
            nothing = await store.user_data.load([])
            same(
                len(nothing.sections) + len(nothing.requests) + len(nothing.messages), 0, "what a load of nothing finds"
            )
            await keep(store, UserDataCommit(), "a commit of nothing")

    async def test_a_large_load_is_whole(self) -> None:
        """A load of many keys, some of them twice, finds all there are, and no others."""
        async with self.opened() as store:
            sections = [SectionKey(100, "production", mpid) for mpid in range(1, 2 * MANY)]
            requests = [RequestKey("web", str(number)) for number in range(2 * MANY)]
            messages = [MessageKey("web", number, "message") for number in range(2 * MANY)]
            commit = UserDataCommit(
                sections=[section(key, str(key.mpid).encode()) for key in sections[::2]],
                receipts=[receipt(f"ours {key.request_id}", key) for key in requests[::2]],
                messages=dict.fromkeys(messages[::2], START_MS),
            )
            await keep(store, commit)
            found = await store.user_data.load([*sections, *sections[:9]], [*requests, *requests[:9]], messages * 2)
            documents = {key: stored.document for key, stored in found.sections.items()}
            same(documents, {key: str(key.mpid).encode() for key in sections[::2]}, "the sections")
            same(set(found.requests), set(requests[::2]), "the requests")
            same(set(found.messages), set(messages[::2]), "the messages")

    async def test_a_refused_commit_of_user_data_leaves_nothing(self) -> None:
        """Whatever stands against a commit, nothing else of it is kept."""
        async with self.rivals() as (one, other):
            for commit in TAKEN.values():
                await keep(one, commit)
            await keep(one, UserDataCommit(sections=[section(BOB)], new_aliases=[alias("settled")]))
            settled = alias("settled", state=AliasState.DONE, settled_ms=START_MS)
            await keep(one, UserDataCommit(settled_aliases=[settled]))
            obstacles = {
                **TAKEN,
                "a stale section": UserDataCommit(sections=[section(BOB, b"new", -1)]),
                "a section that is not there": UserDataCommit(sections=[section(BOB._replace(mpid=9), b"new", 1)]),
                "an alias that is settled": UserDataCommit(settled_aliases=[settled]),
                "an alias that is not there": UserDataCommit(settled_aliases=[settled._replace(request_id="new")]),
                "a request id twice": UserDataCommit(
                    receipts=[receipt("a", RequestKey("web", "new")), receipt("b", RequestKey("web", "new"))]
                ),
                "an alias twice": UserDataCommit(new_aliases=[alias("new"), alias("new")]),
            }
            for number, (what, obstacle) in enumerate(obstacles.items(), start=1):
                before = await shown(other, whole(number))
                for mixed in (together(whole(number), obstacle), together(obstacle, whole(number))):
                    await refuse(other, mixed, f"a commit with {what}")
                    for store in (one, other):
                        same(await shown(store, whole(number)), before, f"what is left of a commit with {what}")
                await keep(other, whole(number), "the rest alone")

    async def test_a_change_of_a_changed_section_is_refused(self) -> None:
        """Of two changes of one section over the same version, the second is refused: no update is lost."""
        async with self.rivals() as (one, other):
            await keep(one, UserDataCommit(sections=[section(), section(BOB)]))
            for turn in range(3):
                version = await version_of(one)
                same(await version_of(other), version, "the version that the rival sees")
                theirs, mine = f"theirs {turn}".encode(), f"mine {turn}".encode()
                await keep(other, UserDataCommit(sections=[section(ANN, theirs, version)]), "the faster change")
                await refuse(one, UserDataCommit(sections=[section(ANN, mine, version)]), "the slower change")
                seen = (await one.user_data.load([ANN])).sections[ANN]
                same(seen.document, theirs, "what the slower one finds")
                await keep(one, UserDataCommit(sections=[section(ANN, mine, seen.version)]), "its second try")
                same((await other.user_data.sections_of(ANN.mpid))[ANN].document, mine, "what the rival sees")
            same((await one.user_data.load([BOB])).sections[BOB].document, DOCUMENT, "another section")

    async def test_what_is_written_as_it_was_has_another_version(self) -> None:
        """A section that is written with the document that it has counts as changed."""
        async with self.rivals() as (one, other):
            await keep(one, UserDataCommit(sections=[section()]))
            stale = await version_of(other)
            await keep(one, UserDataCommit(sections=[section(version=stale)]))
            await refuse(other, UserDataCommit(sections=[section(document=b"new", version=stale)]), "a stale change")

    async def test_what_a_commit_does_not_write_may_change(self) -> None:
        """A section's version stands while others are written, and while it is looked at."""
        async with self.rivals() as (one, other):
            await keep(one, UserDataCommit(sections=[section(), section(BOB)]))
            version = await version_of(one)
            changed = section(BOB, b"new", await version_of(other, BOB))
            await keep(other, together(UserDataCommit(sections=[changed], events=[happened()]), whole(1)))
            await load(other, whole())
            await keep(one, UserDataCommit(sections=[section(version=version)]), "a change of what nobody has changed")

    async def test_a_section_made_anew_is_another(self) -> None:
        """A version does not come back: not with a section that was removed and made again since."""
        async with self.rivals() as (one, other):
            await keep(one, UserDataCommit(sections=[section()]))
            stale = await version_of(one)
            forgotten = await other.user_data.forget_older(
                events_ms=0, requests_ms=0, sections_ms=START_MS + 1, limit=PAGE
            )
            same(forgotten, 1, "the number of sections removed")
            await refuse(one, UserDataCommit(sections=[section(version=stale)]), "a change of what was removed")
            await keep(other, UserDataCommit(sections=[section(document=b"anew")]), "the section made anew")
            await refuse(one, UserDataCommit(sections=[section(version=stale)]), "a change of what it was before")

    async def test_what_was_absent_is_kept_once(self) -> None:
        """Of two rivals that saw the same thing absent, the second is refused; with another thing it is kept."""
        async with self.rivals() as (one, other):
            for number, (what, commit) in enumerate(TAKEN.items(), start=1):
                same(await shown(one, commit), await shown(other, commit), f"{what}, before")
                await keep(other, together(commit, whole(number)), f"{what}, the first time")
                await refuse(one, together(commit, whole(number + 100)), f"{what}, the second time")
                await refuse(other, commit, f"{what}, by the one who kept it")
                await keep(one, whole(number + 100), "what is not taken")

    async def test_of_commits_at_once_one_is_kept(self) -> None:
        """Of many commits under way at once, all that have nothing in common are kept, and one of those that do."""
        async with self.rivals() as rivals:
            for turn, commit in enumerate(TAKEN.values()):
                commits = [together(commit, whole(AT_ONCE * turn + number)) for number in range(AT_ONCE)]
                outcomes = await self._at_once([one.user_data for one in rivals], commits)
                same(sum(outcomes), 1, "the number kept of those with something in common")
            strangers = [whole(1_000 + number) for number in range(AT_ONCE)]
            same(await self._at_once([one.user_data for one in rivals], strangers), [True] * AT_ONCE, "the others kept")
            for stranger in strangers:
                await shows(rivals[0], stranger, "what was kept at once with others")

    @staticmethod
    async def _at_once(data: Sequence[UserDataStore], commits: Sequence[UserDataCommit]) -> list[bool]:
        return await asyncio.gather(*(data[turn % len(data)].commit(one) for turn, one in enumerate(commits)))

    async def test_both_halves_commit_at_once(self) -> None:
        """Records and user data can be committed at the same time, and all of it is there when that is acknowledged."""
        async with self.opened() as store:
            data = store.user_data

            async def put_all() -> None:
                for mpid in range(1, AT_ONCE):
                    await put(store, record(mpid, {EMAIL: [str(mpid)]}))
                    same((await get(store, mpid)).mpid, mpid, "the profile")

            outcomes = await asyncio.gather(put_all(), *(data.commit(whole(number)) for number in range(AT_ONCE)))
            same(outcomes[1:], [True] * AT_ONCE, "the commits kept")
            for number in range(AT_ONCE):
                await shows(store, whole(number), "what was kept")

    async def test_sections_are_a_workspaces_own(self) -> None:
        """No workspace, environment or profile sees or changes another's section or events, however alike their keys."""
        keys = [SectionKey(*key) for key in product((1, 10), ("production", "Production", "production ", ""), (1, 10))]
        async with self.opened() as store:
            for key in keys:
                commit = UserDataCommit(sections=[section(key, repr(key).encode())], events=[happened(key)])
                await keep(store, commit, f"the first of {key}")
            changed, *others = keys
            await keep(store, UserDataCommit(sections=[section(changed, b"new", await version_of(store, changed))]))
            found = (await store.user_data.load(keys)).sections
            same(
                {key: found[key].document for key in others}, {key: repr(key).encode() for key in others}, "the others"
            )
            for key in keys:
                alone = (await store.user_data.load([key])).sections
                same(dict(alone), {key: found[key]}, "a section loaded alone")
                same(await store.user_data.section(key), found[key], "a section read alone")
                same(len(await history(store, key)), 1, "the number of batches of events")
            same(await store.user_data.section(SectionKey(1, "production", 2)), None, "a section that is not there")
            for mpid in (1, 10):
                wanted = {key: one for key, one in found.items() if key.mpid == mpid}
                same(dict(await store.user_data.sections_of(mpid)), wanted, "a profile's sections")

    async def test_a_profile_is_read_with_what_workspaces_know(self) -> None:
        """Its record, and its sections: none, one, several."""
        mpid = ANN.mpid
        keys = [SectionKey(*key) for key in product((1, 10), ("production", "development"), (mpid, mpid + 1))]
        async with self.opened() as store:
            same(await store.seen_profile(mpid), None, "a profile that is not there")
            await put(store, record(mpid, {EMAIL: ["e"]}))
            for key in keys:
                await keep(store, UserDataCommit(sections=[section(key, repr(key).encode())]), f"the first of {key}")
                seen = await store.seen_profile(mpid)
                same(seen and seen.stored, await store.profile(mpid), "the profile")
                same(seen and dict(seen.sections), dict(await store.user_data.sections_of(mpid)), "its sections")
            await put(store, record(mpid, {EMAIL: ["e", "f"]}))
            seen = await store.seen_profile(mpid)
            same(seen and seen.stored, await store.profile(mpid), "the profile after a change")

    async def test_ids_are_an_inputs_own(self) -> None:
        """An input's request and message ids are told apart to the byte, and from those of other inputs and profiles."""
        async with self.opened() as store:
            data = store.user_data
            requests = [RequestKey(*key) for key in product(("web", "Web", "web "), LOOKALIKES)]
            messages = [MessageKey(*key) for key in product(("web", "Web"), (1, 10), LOOKALIKES)]
            for number, (request, message) in enumerate(zip(requests, messages, strict=False)):
                seen = await data.load([], requests, messages)
                same(set(seen.requests), set(requests[:number]), "the requests seen")
                same(set(seen.messages), set(messages[:number]), "the messages seen")
                commit = UserDataCommit(receipts=[receipt(str(number), request)], messages={message: START_MS})
                await keep(store, commit, f"{request} and {message}")

    async def test_names_are_told_apart_to_the_byte(self) -> None:
        """Receipts and alias requests are found by their very id, and by no other that looks like it."""
        async with self.opened() as store:
            data = store.user_data
            for number, name in enumerate(LOOKALIKES):
                same(await data.receipt(name), None, f"the receipt {name!r}, before")
                same(await data.alias(name), None, f"the alias request {name!r}, before")
                same(await data.receipts_named(name, PAGE), [], f"the batches named {name!r}, before")
                kept, row = receipt(name, RequestKey("web", name)), alias(name, source=number + 1)
                await keep(store, UserDataCommit(receipts=[kept], new_aliases=[row]), f"{name!r}")
                same(await data.receipt(name), kept, f"the receipt {name!r}")
                same(await data.alias(name), row, f"the alias request {name!r}")
                same(await data.receipts_named(name, PAGE), [kept], f"the batches named {name!r}")

    async def test_closed_user_data_answers_nothing(self) -> None:
        """Every call of what is known of users raises StoreUnavailable once the store is closed."""
        store = await self.open_store()
        data = store.user_data
        await keep(store, whole(1))
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(data), f"{name} of a closed store")
        await fails_with(StoreUnavailable, data.commit(UserDataCommit()), "a commit of nothing to a closed store")

    async def test_commits_under_way_end_before_the_store(self) -> None:
        """A store that is closed while user data are committed either keeps a commit and says so, or fails it."""
        store = await self.open_store()
        data = store.user_data
        commits = [asyncio.ensure_future(data.commit(whole(number))) for number in range(AT_ONCE)]
        await asyncio.sleep(0)
        await store.close()
        outcomes = await asyncio.gather(*commits, return_exceptions=True)
        unexpected = [one for one in outcomes if one is not True and not isinstance(one, StoreUnavailable)]
        same(unexpected, [], "outcomes other than kept and unavailable")
        again = await self.reopen()
        if again is not None:
            for number, outcome in enumerate(outcomes):
                if outcome is True:
                    await shows(again, whole(number), "an acknowledged commit")
                elif await again.user_data.commit(whole(number)):
                    await shows(again, whole(number), "what was not there, kept again")
                else:
                    await shows(again, whole(number), "a commit that is there, though that was not said")
            await again.close()

    async def test_user_data_outlives_the_store(self) -> None:
        """After opening again all is as it was, versions included, and what was refused before still is."""
        store = await self.open_store()
        for commit in (*TAKEN.values(), whole(1)):
            await keep(store, commit)
        rejected = alias(state=AliasState.REJECTED, reason="too_late", settled_ms=START_MS + 5)
        await keep(store, UserDataCommit(settled_aliases=[rejected]))
        before, version, events = await shown(store, whole(1)), await version_of(store), await history(store)
        await keep(store, UserDataCommit(sections=[section(BOB)], events=[happened()]))
        await store.close()
        again = await self.reopen()
        if again is None:
            return
        same(await shown(again, whole(1)), before, "everything after opening again")
        same(await again.user_data.alias("alias"), rejected, "a settled alias request")
        for what, commit in TAKEN.items():
            await refuse(again, commit, f"{what} that was taken before")
        await keep(again, UserDataCommit(sections=[section(ANN, b"new", version)], events=[happened()]), "a change")
        seqs = [one.seq for one in await history(again)]
        is_so(seqs == sorted(set(seqs)) and len(seqs) == len(events) + 2, "numbers go on ascending")
        await again.close()


class UserDataPromises(UserDataCommitPromises, UserDataLogPromises, RearrangementPromises):
    """All that `store.user_data` demands of an adapter."""
