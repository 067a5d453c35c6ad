"""Tests what a store does for data subjects (`store.privacy`): requests and the evidence, their rivals, and what is kept beside.

`PrivacyPromises` is all of it, erasing included. The author of an adapter runs it like the promises of the other parts; see
`conformance.suite`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.conformance.examples import PAGE, START_MS
from knownas.store.conformance.privacy_erasing import ErasingPromises
from knownas.store.conformance.privacy_examples import (
    ANNS,
    asked,
    audited,
    changed,
    entry,
    everything,
    keep,
    new,
    refuse,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import LOOKALIKES
from knownas.store.conformance.verdicts import fails_with, is_so, same, turns
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Store
from knownas.store.privacy import (
    Audited,
    Delivery,
    PrivacyCommit,
    PrivacyStore,
    RedactedLine,
    RequestWrite,
    StoredRequest,
    Suppression,
    Tombstone,
)

RIVALS: Final = 8

CALLS: Final[Mapping[str, Callable[[PrivacyStore], Awaitable[object]]]] = {
    "commit": lambda privacy: privacy.commit(everything()),
    "request": lambda privacy: privacy.request("request"),
    "requests_in": lambda privacy: privacy.requests_in(100, "group", PAGE),
    "requests_after": lambda privacy: privacy.requests_after(0, "", PAGE),
    "requests_before": lambda privacy: privacy.requests_before(START_MS, "", PAGE),
    "requests_due": lambda privacy: privacy.requests_due(START_MS, PAGE),
    "forget_requests": lambda privacy: privacy.forget_requests(START_MS, PAGE),
    "entries": lambda privacy: privacy.entries(0, PAGE),
    "entries_of": lambda privacy: privacy.entries_of("request", PAGE),
    "last_entry": lambda privacy: privacy.last_entry(),
    "tombstones": lambda privacy: privacy.tombstones([7]),
    "tombstones_after": lambda privacy: privacy.tombstones_after(None, PAGE),
    "suppressions_after": lambda privacy: privacy.suppressions_after(b"", PAGE),
    "deliveries_due": lambda privacy: privacy.deliveries_due(START_MS, PAGE),
    "audit": lambda privacy: privacy.audit([audited()]),
    "audited": lambda privacy: privacy.audited(None, 0, PAGE),
    "forget_audited": lambda privacy: privacy.forget_audited(START_MS, PAGE),
    "count": lambda privacy: privacy.count(ANNS),
    "erase": lambda privacy: privacy.erase(ANNS, PAGE),
    "redact": lambda privacy: privacy.redact([RedactedLine(1, b"", b"", b"")]),
    "replace_or_drop": lambda privacy: privacy.replace_or_drop("name", b"before", None),
    "scrub": lambda privacy: privacy.scrub(),
}
"""Each method, to ask a store that is closed."""


async def shown(store: Store, number: int = 0) -> list[object]:
    """Return all that a store shows of what `everything` writes."""
    privacy, name = store.privacy, f"number {number}"
    return [
        await privacy.request(name),
        list(await privacy.entries(0, PAGE)),
        dict(await privacy.tombstones([1_000 + number])),
        list(await privacy.suppressions_after(b"", PAGE)),
        list(await privacy.deliveries_due(START_MS, PAGE)),
    ]


def told(commit: PrivacyCommit) -> list[object]:
    """Return what a store that holds nothing but a commit of `everything` shows of it."""
    tombstones = {one.mpid: one for one in commit.tombstones}
    request = commit.requests[0].request
    return [request, list(commit.entries), tombstones, list(commit.suppressed), list(commit.deliveries)]


class RequestPromises(Subject):
    """Requests: what a commit of them keeps and refuses, and in which order they are shown."""

    async def test_a_commit_for_subjects_is_kept_whole(self) -> None:
        """Everything that a commit names is shown at once, byte for byte, also by another server and after closing."""
        commit = everything()
        async with self.rivals() as (one, other):
            await keep(one, commit)
            for store in (one, other):
                same(await shown(store), told(commit), "what was committed")
                same(await store.privacy.entries_of("number 0", PAGE), [entry(1, "number 0")], "a request's evidence")
                same(await store.privacy.entries_of("", PAGE), [entry(2, "")], "the evidence of no request")
                same(await store.privacy.last_entry(), entry(2, ""), "the newest entry")
        again = await self.reopen()
        if again is not None:
            same(await shown(again), told(commit), "what was committed, after opening again")
            await again.close()

    async def test_a_refused_commit_for_subjects_keeps_nothing(self) -> None:
        """If one thing of a commit does not stand, nothing of it is kept, whichever it is."""
        async with self.opened() as store:
            await keep(store, PrivacyCommit(requests=[RequestWrite(asked("there"), None)]))
            before = await shown(store)
            whole = everything()
            wrong = {
                "a request that is there": [RequestWrite(asked("there", open_key=None), None)],
                "one that is not": [RequestWrite(asked("absent"), b"{}")],
                "one that says something else": [RequestWrite(asked("there", b"after"), b"other")],
                "an open key that is taken": [RequestWrite(asked("another", open_key="open there"), None)],
                "a request twice": [RequestWrite(asked("twice", open_key=None), None)] * 2,
                "an open key twice": [RequestWrite(asked(name, open_key="both"), None) for name in ("a", "b")],
            }
            for what, requests in wrong.items():
                await refuse(store, replace(whole, requests=[*whole.requests, *requests]), what)
                same(await shown(store), before, f"the store after {what}")
            for what, entries in {
                "a gap": [entry(2)],
                "two of a number": [entry(1), entry(1)],
                "a zeroth": [entry(0)],
            }.items():
                await refuse(store, replace(whole, entries=entries), what)
                same(await shown(store), before, f"the store after {what}")
            await keep(store, whole)
            for what, entries in {
                "a number that is taken": [entry(2)],
                "a gap": [entry(4)],
                "one back": [entry(3), entry(2)],
            }.items():
                await refuse(store, PrivacyCommit(entries=entries, tombstones=[Tombstone(5, "r", 0)]), what)
            same(await store.privacy.tombstones([5]), {}, "a tombstone of a refused commit")

    async def test_a_request_changes_from_what_was_loaded(self) -> None:
        """A change of a request names the document that it was decided on; each member can change, its open key can go."""
        async with self.opened() as store:
            first = asked()
            await keep(store, new(first))
            second = first._replace(
                document=b"waits longer", due_ms=START_MS + 5, group="late", received_ms=START_MS + 1
            )
            await keep(store, changed(first, second))
            await refuse(store, changed(first, first._replace(document=b"late")), "a change of what it was")
            same(await store.privacy.request("request"), second, "the request")
            ended = second._replace(document=b"", due_ms=None, ended_ms=START_MS + 9, open_key=None)
            await keep(store, changed(second, ended))
            same(await store.privacy.request("request"), ended, "the request that has ended")
            await keep(store, new(asked("next", open_key=first.open_key)), "what is open again")
            swapped = asked("next", b"swapped", open_key="mine")
            await keep(
                store,
                PrivacyCommit(
                    requests=[
                        RequestWrite(ended._replace(document=b"back", open_key=first.open_key), b""),
                        RequestWrite(swapped, b"{}"),
                    ]
                ),
                "a key that goes from one to the other",
            )
            same(await store.privacy.request("next"), swapped, "who gave its key away")

    async def test_requests_are_told_apart_to_the_byte(self) -> None:
        """Ids, groups and open keys that resemble one another are others."""
        async with self.opened() as store:
            rows = [asked(one, one.encode(), group=one, open_key=one) for one in LOOKALIKES]
            await keep(store, new(*rows))
            for row in rows:
                same(await store.privacy.request(row.request_id), row, f"the request {row.request_id[:9]!r}")
                same(await store.privacy.requests_in(100, row.request_id, PAGE), [row], "its group")
            same(await store.privacy.request("ids"), None, "one that is not there")

    async def test_requests_are_shown_in_order(self) -> None:
        """Groups are shown newest first, all requests in either order and page by page, what is due by its time."""
        async with self.opened() as store:
            times = [START_MS + number // 3 for number in range(9)]
            rows = [
                asked(f"r{number * 5 % 9}", group="g", received_ms=at_ms, due_ms=START_MS - at_ms, open_key=None)
                for number, at_ms in enumerate(times)
            ]
            others = [
                asked("other", workspace=101, group="g", due_ms=None),
                asked("alone", received_ms=START_MS + 50, due_ms=START_MS),
            ]
            await keep(store, new(*rows, *others))
            ordered = sorted([*rows, *others], key=lambda one: (one.received_ms, one.request_id))
            newest = [one for one in reversed(ordered) if (one.workspace, one.group) == (100, "g")]
            same(await store.privacy.requests_in(100, "g", PAGE), newest, "a group")
            same(await store.privacy.requests_in(100, "g", 4), newest[:4], "the newest of a group")
            for limit in (1, 3, PAGE):
                found: list[StoredRequest] = []
                after = (-1, "")
                for _ in turns():
                    page = await store.privacy.requests_after(*after, limit)
                    if not page:
                        break
                    is_so(len(page) <= limit, "a page of at most so many")
                    found += page
                    after = (page[-1].received_ms, page[-1].request_id)
                same(found, ordered, f"all requests in pages of {limit}")
                found, before = [], (2**62, "")
                for _ in turns():
                    page = await store.privacy.requests_before(*before, limit)
                    if not page:
                        break
                    is_so(len(page) <= limit, "a page of at most so many, the newest first")
                    found += page
                    before = (page[-1].received_ms, page[-1].request_id)
                same(found, ordered[::-1], f"all requests, the newest first, in pages of {limit}")
            due = sorted(rows, key=lambda one: (one.due_ms or 0, one.request_id))
            same(await store.privacy.requests_due(0, PAGE), due, "what is due")
            same(await store.privacy.requests_due(-1, 2), due[:2], "what is due first")
            same(await store.privacy.requests_due(START_MS, PAGE), [*due, others[1]], "what is due later")

    async def test_requests_that_ended_are_forgotten(self) -> None:
        """Requests that ended before a time go, so many at a time; what goes on, and the evidence, stays."""
        async with self.opened() as store:
            ended = [asked(f"e{one}", open_key=None, due_ms=None, ended_ms=START_MS + one) for one in range(5)]
            await keep(store, replace(new(*ended, asked()), entries=[entry(1, "e0")]))
            same(await store.privacy.forget_requests(START_MS, PAGE), 0, "nothing ended before")
            gone = [await store.privacy.forget_requests(START_MS + 4, 3) for _ in range(3)]
            same(gone, [3, 1, 0], "what goes each time")
            same(await store.privacy.requests_after(0, "", PAGE), [ended[4], asked()], "what stays")
            same(await store.privacy.entries_of("e0", PAGE), [entry(1, "e0")], "the evidence")

    async def test_of_rivals_for_subjects_one_wins(self) -> None:
        """Of simultaneous commits of one entry, open key, request or version of a request, in two servers, one is kept."""
        async with self.rivals() as (one, other):
            there = asked("there")
            await keep(one, new(there))
            contests: Mapping[str, Callable[[int], PrivacyCommit]] = {
                "an entry": lambda n: PrivacyCommit(entries=[entry(1, document=str(n).encode())]),
                "an open key": lambda n: new(asked(f"rival {n}", open_key="the one")),
                "a request": lambda n: new(asked("first", str(n).encode(), open_key=None)),
                "a version": lambda n: changed(there, there._replace(document=f"by {n}".encode())),
                "the next entry": lambda n: PrivacyCommit(
                    entries=[entry(2), entry(3)], requests=[RequestWrite(asked(f"entry {n}"), None)]
                ),
            }
            for what, contest in contests.items():
                commits = [(one, other)[number % 2].privacy.commit(contest(number)) for number in range(RIVALS)]
                outcomes = await asyncio.gather(*commits)
                same(sum(outcomes), 1, f"how many of the rivals for {what} win")
            same([entry.number for entry in await other.privacy.entries(0, PAGE)], [1, 2, 3], "the evidence")


class KeptBesidePromises(Subject):
    """The evidence in pages, tombstones, suppressions, deliveries, and who read what."""

    async def test_the_evidence_is_shown_in_order(self) -> None:
        """Entries come by their numbers, page by page, all of them or those of a request."""
        async with self.opened() as store:
            same(await store.privacy.last_entry(), None, "the newest of none")
            entries = [entry(number, f"r{number % 2}", bytes([number])) for number in range(1, 10)]
            await keep(store, PrivacyCommit(entries=entries[:4]))
            await keep(store, PrivacyCommit(entries=entries[4:]))
            same(await store.privacy.entries(0, PAGE), entries, "all")
            same(await store.privacy.entries(3, 2), entries[3:5], "some")
            same(await store.privacy.entries(9, PAGE), [], "those after the last")
            same(await store.privacy.entries_of("r1", PAGE), entries[::2], "those of a request")
            same(await store.privacy.entries_of("r1", 2), entries[:3:2], "the first of a request")

    async def test_a_tombstone_stays_as_it_is(self) -> None:
        """A profile that was erased has the tombstone of the first request, whatever comes later; others have none."""
        async with self.opened() as store:
            rows = [Tombstone(mpid, "first", START_MS) for mpid in (MPID_MIN, -5, 7, MPID_MAX)]
            await keep(store, PrivacyCommit(tombstones=[rows[2], rows[0], rows[3]]))
            await keep(store, PrivacyCommit(tombstones=[Tombstone(7, "second", START_MS + 1), rows[1]]))
            found = await store.privacy.tombstones([7, 8, MPID_MAX])
            same(dict(found), {7: rows[2], MPID_MAX: rows[3]}, "those of some profiles")
            same(dict(await store.privacy.tombstones([])), {}, "those of nobody")
            same(await store.privacy.tombstones_after(None, PAGE), rows, "all")
            same(await store.privacy.tombstones_after(-5, 1), [rows[2]], "the next one")
            same(await store.privacy.tombstones_after(MPID_MAX, PAGE), [], "those after the last")

    async def test_a_suppression_stays_until_it_is_lifted(self) -> None:
        """A digest is kept out once, by the first request, in the order of bytes, until that is lifted."""
        async with self.opened() as store:
            digests = [b"\0", b"\0\0", b"a", b"\x7f", b"\x80", b"\xff\xff"]
            rows = [Suppression(one, "first", START_MS) for one in digests]
            await keep(store, PrivacyCommit(suppressed=rows[::-1]))
            again = Suppression(b"a", "second", START_MS + 1)
            await keep(
                store, PrivacyCommit(suppressed=[again, Suppression(b"b", "r", 1)], lifted=[b"\0\0", b"b", b"?"])
            )
            kept = [one for one in rows if one.digest != b"\0\0"]
            same(await store.privacy.suppressions_after(b"", PAGE), kept, "all")
            same(await store.privacy.suppressions_after(b"a", 2), kept[2:4], "the next ones")
            await keep(store, PrivacyCommit(suppressed=[again._replace(digest=b"\0\0")]))
            same(
                (await store.privacy.suppressions_after(b"\0", 1))[0].request_id, "second", "one that was lifted before"
            )

    async def test_deliveries_are_due_until_they_are_done(self) -> None:
        """What is to be told is shown when it is due, the earliest first, as it was last put, until it is done."""
        async with self.opened() as store:
            rows = [Delivery(f"d{number}", "r", START_MS + 10 - number // 2, b"x") for number in range(6)]
            await keep(store, PrivacyCommit(deliveries=rows))
            ordered = sorted(rows, key=lambda one: (one.due_ms, one.delivery_id))
            same(await store.privacy.deliveries_due(START_MS + 10, PAGE), ordered, "what is due")
            same(await store.privacy.deliveries_due(START_MS + 9, 3), ordered[:3], "what is due first")
            same(await store.privacy.deliveries_due(START_MS, PAGE), [], "what is due now")
            later = rows[0]._replace(due_ms=START_MS + 99, document=b"y")
            done = ["d1", "d2", "nobody", "d9"]
            await keep(store, PrivacyCommit(deliveries=[later, rows[0]._replace(delivery_id="d9")], delivered=done))
            found = await store.privacy.deliveries_due(START_MS + 99, PAGE)
            same(found, [*(one for one in ordered if one.delivery_id in ("d3", "d4", "d5")), later], "what is left")

    async def test_who_read_what_is_shown_in_order(self) -> None:
        """Reads are numbered in the order in which they were kept, shown of one profile or of all, and go when they are old."""
        async with self.rivals() as (one, other):
            rows = [audited(7 + number % 2, START_MS + number, bytes([number])) for number in range(8)]
            await one.privacy.audit(rows[:3])
            await other.privacy.audit(rows[3:])
            await one.privacy.audit([])
            found = await one.privacy.audited(None, 0, PAGE)
            same([row._replace(seq=0) for row in found], rows, "all reads")
            seqs = [row.seq for row in found]
            is_so(seqs[0] > 0 and all(low < high for low, high in pairwise(seqs)), "ascending")
            same(await other.privacy.audited(8, 0, PAGE), found[1::2], "those of a profile")
            same(await other.privacy.audited(8, found[1].seq, 2), found[3:7:2], "the next ones")
            same(await other.privacy.audited(None, found[5].seq, PAGE), found[6:], "the last ones")
            gone = [await one.privacy.forget_audited(START_MS + 4, 3) for _ in range(3)]
            same(gone, [3, 1, 0], "what goes each time")
            same(await other.privacy.audited(None, 0, PAGE), found[4:], "what stays")
            await one.privacy.forget_audited(START_MS + 99, PAGE)
            await one.privacy.audit([rows[0]])
            last: Sequence[Audited] = await one.privacy.audited(None, 0, PAGE)
            is_so(last[0].seq > seqs[-1], "a number that was never given out")

    async def test_a_closed_store_does_nothing_for_subjects(self) -> None:
        """Every call raises StoreUnavailable once the store is closed."""
        store = await self.open_store()
        privacy = store.privacy
        await keep(store, everything())
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(privacy), f"{name} of a closed store")


class PrivacyPromises(RequestPromises, KeptBesidePromises, ErasingPromises):
    """All that `store.privacy` demands of an adapter."""
