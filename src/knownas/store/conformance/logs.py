"""Tests the log: its order, its pages, and the ways to find a line again."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    EXCLUSIVE,
    OTHER_SCOPE,
    PAGE,
    SHOP,
    commit_of,
    entry,
    new,
    put,
    record,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import is_so, same, turns, was_kept, was_refused
from knownas.store.port import END_OF_LOG, Commit, LogEntry, PoolWrites, Sieve, Store

COMMITS: Final = 7
LINES: Final = 5


async def keep(store: Store, *entries: LogEntry) -> None:
    """Commit lines of log that changed nothing.

    Raises:
        AssertionError: the store would not.
    """
    was_kept(await store.commit(await store.load([]), Commit(log=entries)))


async def turned(page: Callable[[int], Awaitable[Sequence[LogEntry]]], limit: int) -> list[str]:
    """Turn pages to the end and return the decisions on them, in order.

    Raises:
        AssertionError: a page is longer than its limit, or its numbers do not ascend.
    """
    ids: list[str] = []
    seq = 0
    for _ in turns():
        entries = await page(seq)
        if not entries:
            break
        is_so(len(entries) <= limit, "a page within its limit")
        for one in entries:
            is_so(one.seq > seq, "ascending numbers")
            seq = one.seq
            ids.append(one.decision_id)
    return ids


class LogPromises(Subject):
    """What `log`, `history` and `decision` show of what was committed."""

    async def test_a_line_comes_back_as_it_was_written(self) -> None:
        """Every member of a line comes back, its documents to the byte, by each way to find it."""
        line = LogEntry(
            decision_id="00ff" * 8,
            pool=SHOP,
            at_ms=2**45,
            policy_version=12,
            created_mpid=MPID_MIN,
            touched=(MPID_MAX, 7, -1, MPID_MIN),
            observation='{"b":1, "a": "\N{GRINNING FACE}\\u0000"}'.encode(),
            decision=b'{"z":null,"y":[ ]}',
        )
        async with self.opened() as store:
            await keep(store, line)
            found = await store.decision(line.decision_id)
            same(found and replace(found, seq=0), line, "the line by its id")
            same(await store.log(SHOP, 0, PAGE), [found], "the log")
            for mpid in line.touched:
                same(await store.history(mpid, 0, PAGE), [found], f"the history of {mpid}")
            same(await store.decision("00ff" * 7 + "0000"), None, "a line by an id that nobody has")

    async def test_the_log_keeps_the_order_of_commits(self) -> None:
        """Lines stand in the order of their commits, and inside a commit in the order given; numbers only ascend."""
        async with self.opened() as store:
            ids: list[str] = []
            for number in range(COMMITS):
                entries = [
                    entry(decision_id=f"{(7919 * (number * LINES + line)) % 104_729:032x}") for line in range(LINES)
                ]
                await keep(store, *entries)
                ids += [one.decision_id for one in entries]
            for limit in (1, 3, COMMITS * LINES, PAGE):

                async def page(after: int, limit: int = limit) -> Sequence[LogEntry]:
                    return await store.log(SHOP, after, limit)

                same(await turned(page, limit), ids, f"the log in pages of {limit}")

    async def test_a_history_shows_what_changed_the_profile(self) -> None:
        """A profile's history has the lines that changed its record, oldest first, in pages."""
        async with self.opened() as store:
            ids: dict[int, list[str]] = {1: [], 2: [], 3: []}
            for number in range(COMMITS * LINES):
                touched = [mpid for mpid in ids if number % mpid == 0]
                line = entry(touched=reversed(touched))
                await keep(store, line, entry())
                for mpid in touched:
                    ids[mpid].append(line.decision_id)
            for mpid, expected in ids.items():
                for limit in (1, 4, PAGE):

                    async def page(after: int, mpid: int = mpid, limit: int = limit) -> Sequence[LogEntry]:
                        return await store.history(mpid, after, limit)

                    same(await turned(page, limit), expected, f"the history of {mpid} in pages of {limit}")
            same(await store.history(4, 0, PAGE), [], "the history of nobody")

    async def test_a_history_is_read_back_from_its_end(self) -> None:
        """It has the same lines the other way round, in pages before any of them, down to the one that made the profile."""
        async with self.opened() as store:
            made = replace(entry(touched=(1,)), created_mpid=1)
            writes = {SHOP: PoolWrites([new(record(1, {EMAIL: ["a"]}))], EXCLUSIVE)}
            was_kept(await store.commit(await store.load([]), Commit(writes, [made])))
            for number in range(COMMITS * LINES):
                line = entry(touched=(1,)) if number % 3 else replace(entry(touched=(2,)), subjects=(1,))
                await keep(store, line, entry(touched=(2,)))
            forth = await store.history(1, 0, PAGE)
            same(len(forth), COMMITS * LINES + 1, "the lines of a history")
            for limit in (1, 4, PAGE):
                found: list[LogEntry] = []
                before = END_OF_LOG
                for _ in turns():
                    page = await store.history_back(1, before, limit)
                    if not page:
                        break
                    is_so(len(page) <= limit, "a page within its limit")
                    is_so(all(one.seq < before for one in page), "a page before the one before it")
                    found += page
                    before = page[-1].seq
                same(found, list(forth)[::-1], f"the history from its end in pages of {limit}")
            for place, line in enumerate(forth):
                wanted = list(forth)[:place][::-1][:2]
                same(await store.history_back(1, line.seq, 2), wanted, "what stands right before a line")
            same(await store.history_back(4, END_OF_LOG, PAGE), [], "the history of nobody, from its end")

    async def test_a_line_is_found_by_its_subjects(self) -> None:
        """A line stands in the history of every number that it names as a subject, once, like in that of its profiles."""
        async with self.opened() as store:
            line = replace(entry(touched=(7,)), subjects=(MPID_MAX, -5, 7, -5))
            await keep(store, entry(touched=(8,)), line, replace(entry(), subjects=(-5,)))
            found = [one.decision_id for one in await store.history(-5, 0, PAGE)]
            same(len(found), 2, "the lines about a subject")
            same(found[0], line.decision_id, "the older one")
            same([one.touched for one in await store.history(MPID_MAX, 0, PAGE)], [(7,)], "the profiles of a line")
            same(len(await store.history(7, 0, PAGE)), 1, "a profile that is a subject too")

    async def test_a_log_is_sifted_for_some_lines(self) -> None:
        """Lines that changed what was there, begin in a way or have a part are found, share by share, and no others."""
        sieve = Sieve((b'["logout",', b'["seed",'), (b'"first"', b"_required"))
        made = replace(entry(touched=(1,)), created_mpid=1)
        lines = {
            "made": made,
            "began": replace(made, decision_id="b0" * 16, observation=b'["logout",{"x":1}]'),
            "has": replace(made, decision_id="b1" * 16, decision=b'[1,"first",2]'),
            "guarded": replace(made, decision_id="b2" * 16, decision=b'["login_id_required"]'),
            "inside": replace(made, decision_id="b3" * 16, observation=b'["x",["seed",1]]'),
            "changed": entry(touched=(1, 2)),
            "nothing": replace(entry(), decision=b'"first"'),
        }
        async with self.opened() as store:
            await keep(store, *lines.values())
            await keep(store, entry(OTHER_SCOPE, touched=(9,)))
            ends = [one.seq for one in await store.log(SHOP, 0, PAGE)]
            wanted_ids = [lines[name].decision_id for name in ("began", "has", "guarded", "changed")]
            for limit in (1, 3, PAGE):
                found: list[str] = []
                seq = 0
                for _ in turns():
                    share = await store.sift(SHOP, seq, limit, sieve)
                    if share.until_seq <= seq:
                        break
                    is_so(share.until_seq in ends, "a share that ends at a line of the pool")
                    is_so(all(seq < one.seq <= share.until_seq for one in share.lines), "lines of their share")
                    seq = share.until_seq
                    found += [one.decision_id for one in share.lines]
                same(found, wanted_ids, f"the lines found in shares of {limit}")
                same(seq, ends[-1], "the end")
            line = (await store.sift(SHOP, 0, PAGE, sieve)).lines[0]
            same(line, await store.decision(line.decision_id), "a line whole")

    async def test_numbers_are_never_reused(self) -> None:
        """A line's number is larger than every one given out before, a refused commit in between or not."""
        async with self.opened() as store:
            await put(store, record(1, {CUSTOMER: ["ann"]}))
            last = (await store.log(SHOP, 0, PAGE))[-1].seq
            for turn in range(3):
                snapshot = await store.load([])
                refused = commit_of(new(record(2, {CUSTOMER: ["ann"]})), log=3)
                was_refused(await store.commit(snapshot, refused), "a held value")
                await put(store, record(10 + turn, {EMAIL: ["e"]}))
                entries = await store.log(SHOP, last, PAGE)
                same(len(entries), 1, "new lines")
                last = entries[0].seq

    async def test_pools_share_one_order(self) -> None:
        """A commit of several pools numbers its lines in the order given; each pool shows its own."""
        async with self.opened() as store:
            lines = [entry(SHOP), entry(OTHER_SCOPE), entry(SHOP), entry(OTHER_SCOPE)]
            snapshot = await store.load([wanted(), wanted(pool=OTHER_SCOPE)])
            writes = {SHOP: PoolWrites([new(record(1, {}))], EXCLUSIVE)}
            was_kept(await store.commit(snapshot, Commit(writes, lines)))
            shop, club = await store.log(SHOP, 0, PAGE), await store.log(OTHER_SCOPE, 0, PAGE)
            together = sorted([*shop, *club], key=lambda one: one.seq)
            same([one.decision_id for one in together], [one.decision_id for one in lines], "the order")
            same([len(shop), len(club)], [2, 2], "the lines of each")
            same({one.pool for one in club}, {OTHER_SCOPE}, "the pool that lines name")
