"""Tests what a store shows of events, receipts and alias requests, and how it forgets what is old."""

from collections.abc import Sequence
from typing import Final

from knownas.store.conformance.examples import PAGE, START_MS
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import (
    ANN,
    BOB,
    alias,
    happened,
    history,
    keep,
    receipt,
    refuse,
    section,
)
from knownas.store.conformance.verdicts import is_so, same
from knownas.store.port import Store
from knownas.store.user_data import (
    AliasRow,
    AliasState,
    MessageKey,
    RequestKey,
    SectionKey,
    StoredEvents,
    UserDataCommit,
    UserDataStore,
)

BATCHES: Final = 7
HOUR_MS: Final = 3_600_000
OLD_MS: Final = START_MS - 1
"""Just older than what `forget` is asked to remove."""


def ids(aliases: Sequence[AliasRow]) -> list[str]:
    """Return the ids of alias requests."""
    return [row.request_id for row in aliases]


async def between(data: UserDataStore, from_ms: int, to_ms: int, after_seq: int = 0) -> list[StoredEvents]:
    """Return the events of Ann in a range of time."""
    return list(await data.events(ANN, from_ms=from_ms, to_ms=to_ms, after_seq=after_seq, limit=PAGE))


async def settle(store: Store, *rows: AliasRow) -> None:
    """Settle alias requests that must be queued."""
    await keep(store, UserDataCommit(settled_aliases=rows), "the settlement")


async def forget(data: UserDataStore, limit: int = PAGE) -> int:
    """Remove what is older than the start, of every kind."""
    return await data.forget_older(events_ms=START_MS, requests_ms=START_MS, sections_ms=START_MS, limit=limit)


async def count(data: UserDataStore) -> tuple[int, int, int]:
    """Count what is older than the start."""
    return await data.count_older(events_ms=START_MS, requests_ms=START_MS, sections_ms=START_MS)


async def keep_old_and_new(store: Store, number: int, tag: str = "") -> None:
    """Keep so many of each kind that are old, and one of each that is not. Their names begin with the tag."""
    for at_ms, times in ((OLD_MS, number), (START_MS, 1)):
        for turn in range(times):
            name, key = f"{tag}{at_ms} {turn}", SectionKey(100, "production", at_ms + 1_000 * turn)
            commit = UserDataCommit(
                sections=[section(key, seen_ms=at_ms)],
                events=[happened(key, first_ms=at_ms - 1, last_ms=at_ms)],
                receipts=[receipt(name, RequestKey("web", name), at_ms=at_ms)],
                messages={MessageKey("web", 7, name): at_ms},
                new_aliases=[alias(name, requested_ms=at_ms - 10 * HOUR_MS)],
            )
            await keep(store, commit)


class UserDataLogPromises(Subject):
    """What `events`, the receipts, the aliases, `count_older` and `forget_older` do."""

    async def test_events_come_in_the_order_they_were_kept(self) -> None:
        """Events come back by ascending seq, in the order of commits and within one, whatever their times."""
        async with self.rivals() as (one, other):
            for turn in range(BATCHES):
                first, second = (happened(ANN, START_MS - turn - place, document=b"%d" % turn) for place in (0, 5))
                stranger = happened(BOB, START_MS - turn)
                await keep((one, other)[turn % 2], UserDataCommit(events=[first, stranger, second]))
            for store in (one, other):
                kept = await history(store)
                times = [START_MS - turn - place for turn in range(BATCHES) for place in (0, 5)]
                same([event.first_ms for event in kept], times, "the events in order")
                seqs = [event.seq for event in kept + await history(store, BOB)]
                is_so(seqs[: len(kept)] == sorted(seqs[: len(kept)]), "the numbers ascend")
                is_so(min(seqs) > 0, "the numbers are positive")
                same(len(set(seqs)), 3 * BATCHES, "the number of different numbers")

    async def test_events_are_found_by_their_time(self) -> None:
        """A batch is found if any of its events can be in the range, of which both ends count."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(events=[happened(ANN, START_MS, START_MS + 10)]))
            data = store.user_data
            touching = ((0, 0), (10, 10), (-5, 0), (10, 15), (4, 6), (-5, 15))
            for first, last in touching:
                found = await between(data, START_MS + first, START_MS + last)
                same(len(found), 1, f"the number of batches from {first} to {last}")
            for first, last in ((-5, -1), (11, 15), (6, 4 - 10)):
                found = await between(data, START_MS + first, START_MS + last)
                same(found, [], f"the batches from {first} to {last}")

    async def test_pages_of_events_show_each_batch_once(self) -> None:
        """Turning pages, of any size, shows each batch of the range once, in order, and those that came meanwhile."""
        async with self.opened() as store:
            data = store.user_data
            for turn in range(BATCHES):
                late = happened(ANN, START_MS + 1_000)
                await keep(store, UserDataCommit(events=[happened(ANN, START_MS + turn), late, happened(BOB)]))
            whole = await between(data, START_MS, START_MS + 999)
            same(len(whole), BATCHES, "the number of batches in the range")
            for limit in (1, 2, BATCHES - 1, BATCHES, PAGE):
                seen: list[StoredEvents] = []
                for _ in range(BATCHES + 1):
                    after_seq = seen[-1].seq if seen else 0
                    page = await data.events(
                        ANN, from_ms=START_MS, to_ms=START_MS + 999, after_seq=after_seq, limit=limit
                    )
                    is_so(len(page) <= limit, "a page is no longer than its limit")
                    seen += page
                same(seen, whole, f"all pages of {limit}")
            await keep(store, UserDataCommit(events=[happened(ANN, START_MS)]))
            same(len(await between(data, START_MS, START_MS + 999, whole[-1].seq)), 1, "what came after the last page")

    async def test_events_are_looked_back_at(self) -> None:
        """The batches of one section, those kept last first; pages of any size show each once, and none that came meanwhile."""
        async with self.rivals() as (one, other):
            for turn in range(BATCHES):
                commit = UserDataCommit(events=[happened(ANN, START_MS - turn), happened(BOB), happened(ANN, START_MS)])
                await keep((one, other)[turn % 2], commit)
            whole = (await history(one))[::-1]
            same(await other.user_data.events_back(ANN, None, PAGE), whole, "all batches")
            same(await other.user_data.events_back(ANN, whole[-1].seq, PAGE), [], "what is before the first")
            for limit in (1, 3, len(whole), PAGE):
                seen: list[StoredEvents] = []
                for _ in range(len(whole) + 1):
                    page = await one.user_data.events_back(ANN, seen[-1].seq if seen else None, limit)
                    is_so(len(page) <= limit, "a page is no longer than its limit")
                    if not seen:
                        await keep(other, UserDataCommit(events=[happened(ANN, START_MS)]))
                        latest = await one.user_data.events_back(ANN, None, 1)
                        is_so(latest[0].seq > page[0].seq, "what came last is first of all")
                        whole = (await history(one))[::-1]
                    seen += page
                same(seen, whole[1:], f"all pages of {limit}")

    async def test_batches_are_found_by_their_senders_id(self) -> None:
        """Batches of all inputs with one sender's id are found, the newest first, at most so many."""
        async with self.opened() as store:
            data = store.user_data
            times = {"a": 5, "b": 9, "c": 1, "d": 7}
            for name, at_ms in times.items():
                named, other = RequestKey(name, "wanted"), RequestKey(name, f"other {name}")
                await keep(
                    store, UserDataCommit(receipts=[receipt(name, named, at_ms), receipt(f"not {name}", other, 9)])
                )
            newest_first = ["b", "d", "a", "c"]
            for limit in (1, 3, PAGE):
                found = [one.receipt_id for one in await data.receipts_named("wanted", limit)]
                same(found, newest_first[:limit], f"the newest {limit}")

    async def test_only_a_kept_batch_takes_its_senders_id(self) -> None:
        """An id goes from one refused batch to the next and to the one that is kept, and from there nowhere."""
        wanted, same_elsewhere = RequestKey("web", "wanted"), RequestKey("app", "wanted")
        refused = [receipt(name, wanted, START_MS, kept=False) for name in ("first", "second")]
        elsewhere = receipt("elsewhere", same_elsewhere, START_MS - 1, kept=False)
        taking = receipt("taking", wanted, START_MS)
        async with self.rivals() as (one, other):
            data = one.user_data
            await refuse(one, UserDataCommit(receipts=refused), "two batches under one id at once")
            await keep(one, UserDataCommit(receipts=[elsewhere]))
            for newest in (*refused, taking):
                same((await data.load([], [wanted])).requests, set[RequestKey](), "what is taken before")
                await keep(other, UserDataCommit(receipts=[newest]), f"the {newest.receipt_id} one")
                found = await data.receipts_named("wanted", PAGE)
                same(list(found), [newest, elsewhere], f"those with the id after the {newest.receipt_id} one")
            for before in refused:
                nameless = before._replace(request_id=None)
                same(await data.receipt(before.receipt_id), nameless, "one that has lost the id, by ours")
            same((await data.load([], [wanted, same_elsewhere])).requests, {wanted}, "what is taken")
            for late in (receipt("late", wanted), receipt("late", wanted, kept=False)):
                await refuse(one, UserDataCommit(receipts=[late]), "one that comes after a kept one")
            same(list(await data.receipts_named("wanted", PAGE)), [taking, elsewhere], "those with the id in the end")

    async def test_batches_without_a_name_do_not_collide(self) -> None:
        """Any number of batches to which their sender gave no id are kept, and found by ours only."""
        async with self.opened() as store:
            nameless = [receipt(f"ours {number}") for number in range(BATCHES)]
            for one in nameless:
                await keep(store, UserDataCommit(receipts=[one]))
            await keep(store, UserDataCommit(receipts=[receipt("empty", RequestKey("web", ""))]), "an empty name")
            for one in nameless:
                same(await store.user_data.receipt(one.receipt_id), one, "a receipt by our id")
            for name in ("None", "NULL", "ours 0"):
                same(await store.user_data.receipts_named(name, PAGE), [], f"the batches named {name}")
            same(
                [one.receipt_id for one in await store.user_data.receipts_named("", PAGE)], ["empty"], "those named ''"
            )

    async def test_an_alias_request_is_settled_once(self) -> None:
        """A queued request is due until it is settled; then it is not settled again, and its id stays taken."""
        async with self.rivals() as (one, other):
            for turn, state in enumerate((AliasState.DONE, AliasState.REJECTED)):
                queued = alias(f"alias {turn}", stamp="stamp")
                settled = queued._replace(state=state, reason=f"reason {turn}", settled_ms=START_MS + turn)
                await refuse(one, UserDataCommit(settled_aliases=[settled]), "the settlement of what is not there")
                await keep(one, UserDataCommit(new_aliases=[queued]))
                same(ids(await other.user_data.aliases_due(queued.due_ms, PAGE)), [f"alias {turn}"], "what is due")
                await settle(other, settled)
                for store in (one, other):
                    same(await store.user_data.alias(f"alias {turn}"), settled, "the settled request")
                    same(await store.user_data.aliases_due(queued.due_ms, PAGE), [], "what is due afterwards")
                    await refuse(store, UserDataCommit(settled_aliases=[settled]), "a second settlement")
                    await refuse(store, UserDataCommit(new_aliases=[queued]), "a request with its id")
                same(await one.user_data.alias(f"alias {turn}"), settled, "the request after what was refused")

    async def test_due_aliases_come_earliest_first(self) -> None:
        """Queued requests that are due by now are found, of any workspace, the earliest first, at most so many."""
        async with self.opened() as store:
            data = store.user_data
            dues = {"c": 3, "a": 1, "e": 5, "b": 2, "d": 4}
            rows = [alias(name, due_ms=START_MS + due, workspace=100 + due) for name, due in dues.items()]
            await keep(store, UserDataCommit(new_aliases=rows))
            same(ids(await data.aliases_due(START_MS, PAGE)), [], "what is due before the first")
            same(ids(await data.aliases_due(START_MS + 3, PAGE)), ["a", "b", "c"], "what is due")
            same(ids(await data.aliases_due(START_MS + 9, 4)), ["a", "b", "c", "d"], "the first four")
            settled = [row._replace(state=AliasState.DONE, settled_ms=1) for row in rows if row.request_id in "ad"]
            await settle(store, *settled)
            same(ids(await data.aliases_due(START_MS + 9, PAGE)), ["b", "c", "e"], "what is left")

    async def test_aliases_are_found_by_either_profile(self) -> None:
        """Requests that name a profile as source or destination are found once, in the order they were made."""
        async with self.opened() as store:
            rows = [
                alias("last", 1, 2, START_MS + 9),
                alias("first", 3, 1, START_MS + 1),
                alias("done", 2, 3, START_MS + 2, state=AliasState.DONE, settled_ms=START_MS + 3),
                alias("other workspace", 1, 2, START_MS, workspace=10),
                alias("other environment", 1, 2, START_MS, environment="development"),
            ]
            await keep(store, UserDataCommit(new_aliases=rows))
            expected = {
                (1,): ["first", "last"],
                (2,): ["done", "last"],
                (3,): ["first", "done"],
                (2, 3): ["first", "done", "last"],
                (1, 2, 3, 4, 1): ["first", "done", "last"],
                (4,): [],
                (): [],
                tuple(range(2, 700)): ["first", "done", "last"],
            }
            for mpids, wanted in expected.items():
                found = await store.user_data.aliases_about(100, "production", mpids)
                same(ids(found), wanted, f"the requests about {mpids[:9]}")
            for workspace, environment in ((10, "production"), (100, "development")):
                found = await store.user_data.aliases_about(workspace, environment, [1, 2])
                same([(row.workspace, row.environment) for row in found], [(workspace, environment)], "another's")

    async def test_what_is_old_is_counted_and_forgotten(self) -> None:
        """What is older than a time is counted and removed, by kind; what is of that very time stays, as aliases do."""
        async with self.rivals() as (one, other):
            await keep_old_and_new(one, BATCHES)
            data = other.user_data
            same(await count(data), (BATCHES, 2 * BATCHES, BATCHES), "what is old")
            same(await data.count_older(events_ms=0, requests_ms=0, sections_ms=0), (0, 0, 0), "what is older than all")
            same(
                await data.forget_older(events_ms=START_MS, requests_ms=0, sections_ms=0, limit=PAGE), BATCHES, "events"
            )
            same(await count(one.user_data), (0, 2 * BATCHES, BATCHES), "what is old after the events went")
            requests = await data.forget_older(events_ms=0, requests_ms=START_MS, sections_ms=0, limit=PAGE)
            same(requests, 2 * BATCHES, "request and message ids")
            same(await count(one.user_data), (0, 0, BATCHES), "what is old after the ids went")
            same(await forget(data), BATCHES, "sections")
            same(await forget(data), 0, "what is left to remove")
            await self._only_old_is_gone(one)

    async def _only_old_is_gone(self, store: Store, tag: str = "") -> None:
        for at_ms, there in ((OLD_MS, False), (START_MS, True)):
            name, key = f"{tag}{at_ms} 0", SectionKey(100, "production", at_ms)
            found = await store.user_data.load([key], [RequestKey("web", name)], [MessageKey("web", 7, name)])
            seen = (len(found.sections), len(found.requests), len(found.messages))
            same(seen, (there, there, there), f"the section, the request and the message of {name}")
            same(len(await history(store, key)), int(there), f"the events of {name}")
            same(await store.user_data.receipt(name) is not None, there, f"the receipt of {name}")
            same(len(await store.user_data.receipts_named(name, PAGE)), int(there), f"the batches named {name}")
            is_so(await store.user_data.alias(name) is not None, f"the alias request of {name} is there")

    async def test_little_is_forgotten_at_a_time(self) -> None:
        """No call removes more than its limit, and calling again until nothing is left removes all."""
        async with self.opened() as store:
            data = store.user_data
            for limit in (1, 3, 4 * BATCHES - 1, 4 * BATCHES):
                await keep_old_and_new(store, BATCHES, f"{limit} ")
                left = 4 * BATCHES
                same(sum(await count(data)), left, "what is old")
                while left > 0:
                    same(await forget(data, limit), min(limit, left), f"how many are removed of {left}")
                    left = max(0, left - limit)
                    same(sum(await count(data)), left, "what is old afterwards")
                same(await forget(data, limit), 0, "what is left to remove")
                await self._only_old_is_gone(store, f"{limit} ")
                await forget_everything(data)

    async def test_forgotten_ids_can_be_used_again(self) -> None:
        """What was forgotten is absent: its ids can be kept again, but numbers of events do not come again."""
        async with self.opened() as store:
            commit = UserDataCommit(
                sections=[section(seen_ms=OLD_MS)],
                events=[happened(ANN, OLD_MS)],
                receipts=[receipt("receipt", RequestKey("web", "request"), OLD_MS)],
                messages={MessageKey("web", 7, "message"): OLD_MS},
            )
            seqs: list[int] = []
            for _ in range(3):
                await keep(store, commit, "what was forgotten")
                await refuse(store, commit, "what was not forgotten")
                seqs += [event.seq for event in await history(store)]
                same(await forget(store.user_data), 4, "the number of things removed")
            is_so(seqs == sorted(set(seqs)), "the numbers of events ascend")

    async def test_a_section_that_was_seen_is_not_old(self) -> None:
        """A section counts from when it was written as seen last, not from when it was made."""
        async with self.opened() as store:
            await keep(store, UserDataCommit(sections=[section(seen_ms=OLD_MS), section(BOB, seen_ms=OLD_MS)]))
            version = (await store.user_data.load([ANN])).sections[ANN].version
            await keep(store, UserDataCommit(sections=[section(version=version, seen_ms=START_MS)]))
            same(await count(store.user_data), (0, 0, 1), "what is old")
            same(await forget(store.user_data), 1, "the number of things removed")
            same(list((await store.user_data.load([ANN, BOB])).sections), [ANN], "the sections left")


async def forget_everything(data: UserDataStore) -> None:
    """Remove all but alias requests, so that what comes next starts empty."""
    later = START_MS + 1
    await data.forget_older(events_ms=later, requests_ms=later, sections_ms=later, limit=PAGE)
