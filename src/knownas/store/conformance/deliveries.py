"""Tests what a store does with what outputs are told (`store.deliveries`): its order, how it is settled, how it waits again, what is shown.

The author of an adapter runs `DeliveryPromises` like the promises of the other parts; see `conformance.suite`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.audiences import AudienceCommit
from knownas.store.conformance.examples import PAGE, START_MS
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import LOOKALIKES
from knownas.store.conformance.verdicts import fails_with, is_so, same, turns
from knownas.store.deliveries import DeliveryState, DeliveryStore, NewDelivery, Settlement, StoredDelivery
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Store

OUTPUT: Final = 4
MANY: Final = 300
"""More deliveries than an adapter should want to name in one statement."""

RIVALS: Final = 6

WAITING, SENT, DEAD, DROPPED = (
    DeliveryState.WAITING,
    DeliveryState.SENT,
    DeliveryState.DEAD,
    DeliveryState.DROPPED,
)

CALLS: Final[Mapping[str, Callable[[DeliveryStore], Awaitable[object]]]] = {
    "waiting_outputs": lambda deliveries: deliveries.waiting_outputs(),
    "waiting": lambda deliveries: deliveries.waiting(OUTPUT, 0, PAGE),
    "settle": lambda deliveries: deliveries.settle([Settlement(1, SENT, START_MS)]),
    "wait_again": lambda deliveries: deliveries.wait_again([1]),
    "later": lambda deliveries: deliveries.later(
        StoredDelivery(1, "d", OUTPUT, 1, 100, "production", 7, START_MS, DEAD, START_MS, None, b"x")
    ),
    "deliveries": lambda deliveries: deliveries.deliveries(OUTPUT, None, None, PAGE),
    "deliveries_about": lambda deliveries: deliveries.deliveries_about(100, 7, None, PAGE),
    "delivery": lambda deliveries: deliveries.delivery(1),
    "count_deliveries": lambda deliveries: deliveries.count_deliveries(OUTPUT, WAITING, PAGE),
    "count_settled": lambda deliveries: deliveries.count_settled(START_MS),
    "forget_deliveries": lambda deliveries: deliveries.forget_deliveries(START_MS, PAGE),
}
"""A call of each of the port's methods."""


def told(name: str, mpid: int = 7, output: int = OUTPUT, connection: int = 5, workspace: int = 100) -> NewDelivery:
    """Make a delivery of some bytes."""
    document = b"\0\xff told " + name.encode()
    return NewDelivery(name, output, connection, workspace, "production", mpid, START_MS, document)


async def write(store: Store, *deliveries: NewDelivery) -> Sequence[StoredDelivery]:
    """Write what must be kept, and return it as it waits."""
    is_so(await store.audiences.commit(AudienceCommit(deliveries=deliveries)), "the commit is kept")
    found: dict[str, StoredDelivery] = {}
    for output in {one.output for one in deliveries}:
        found.update((one.delivery_id, one) for one in await store.deliveries.waiting(output, 0, PAGE))
    same([one.delivery_id for one in deliveries if one.delivery_id not in found], [], "what does not wait")
    return [found[one.delivery_id] for one in deliveries]


async def names(store: Store, output: int = OUTPUT) -> list[str]:
    """Return what waits, in order, by name."""
    return [one.delivery_id for one in await store.deliveries.waiting(output, 0, PAGE)]


async def settled(store: Store, state: DeliveryState, *deliveries: StoredDelivery) -> None:
    """Settle some."""
    await store.deliveries.settle([Settlement(one.seq, state, START_MS + 1, "because") for one in deliveries])


async def kill(store: Store, *deliveries: NewDelivery) -> Sequence[StoredDelivery]:
    """Write some that are dead letters at once."""
    waiting = await write(store, *deliveries)
    await settled(store, DEAD, *waiting)
    return waiting


class WaitingPromises(Subject):
    """What waits, and how it ends."""

    async def test_what_is_written_waits_in_its_order(self) -> None:
        """Of each output by itself, commit by commit and within each, byte for byte, page by page, in every server and after closing."""
        rows = [told(f"{number}", mpid=mpid) for number, mpid in enumerate((7, MPID_MIN, MPID_MAX, 0, 7, 8))]
        elsewhere = told("elsewhere", output=9)
        async with self.rivals() as (one, other):
            await write(one, rows[0], elsewhere, *rows[1:4])
            await write(other, *rows[4:])
            for store in (one, other):
                same(list(await store.deliveries.waiting_outputs()), [OUTPUT, 9], "the outputs")
                found = await store.deliveries.waiting(OUTPUT, 0, PAGE)
                same([NewDelivery(*row[1:8], row.document) for row in found], rows, "what waits")
                same({(row.state, row.settled_ms, row.why) for row in found}, {(WAITING, None, None)}, "its state")
                is_so(found[0].seq > 0 and all(low.seq < high.seq for low, high in pairwise(found)), "ascending")
                same(await store.deliveries.waiting(OUTPUT, found[1].seq, 2), found[2:4], "a page")
                same(list(await store.deliveries.waiting(OUTPUT, found[-1].seq, PAGE)), [], "those after the last")
                same(await names(store, 9), ["elsewhere"], "what waits for another output")
                same(await names(store, 8), [], "what waits for one that is told nothing")
        again = await self.reopen()
        if again is not None:
            same(await names(again), [row.delivery_id for row in rows], "what waits after opening again")
            await again.close()

    async def test_what_is_there_is_not_written_again(self) -> None:
        """A delivery with the id of another, whether that waits or is settled, is left out; what is written with it is kept."""
        async with self.opened() as store:
            (row,) = await write(store, told("there"))
            for turn in range(2):
                again = [told("there", mpid=9, output=9), told(f"new {turn}")]
                is_so(await store.audiences.commit(AudienceCommit(deliveries=again)), "the commit is kept")
                same(await names(store, 9), [], "what waits a second time")
                if not turn:
                    same(await names(store), ["there", "new 0"], "what waits")
                    await settled(store, SENT, row)
            same(await names(store), ["new 0", "new 1"], "what waits after it was sent")

    async def test_what_is_settled_waits_no_more(self) -> None:
        """It stays, with what became of it, when and why; also after closing. What waits on stands where it stood."""
        async with self.opened() as store:
            rows = await write(store, *(told(f"{number}") for number in range(MANY)))
            ends = [
                Settlement(rows[0].seq, SENT, START_MS + 1),
                Settlement(rows[1].seq, DEAD, START_MS + 2, "no such user: 'é'"),
                Settlement(rows[2].seq, DROPPED, START_MS + 3, ""),
            ]
            await store.deliveries.settle(ends)
            await store.deliveries.settle([])
            await store.deliveries.settle([Settlement(row.seq, SENT, START_MS + 4) for row in rows[5:]])
            same(await names(store), ["3", "4"], "what waits")
            wanted = [
                row._replace(state=end.state, settled_ms=end.at_ms, why=end.why)
                for row, end in zip(rows[:3], ends, strict=True)
            ]
            same([await store.deliveries.delivery(row.seq) for row in rows[:3]], wanted, "what became of them")
        again = await self.reopen()
        if again is not None:
            same([await again.deliveries.delivery(row.seq) for row in rows[:3]], wanted, "the same after opening again")
            same(await names(again), ["3", "4"], "what waits after opening again")
            await again.close()

    async def test_what_is_settled_is_settled_once(self) -> None:
        """A later settlement changes nothing, nor does one of a delivery that there is not; those beside it count."""
        async with self.opened() as store:
            first, second = await write(store, told("first"), told("second"))
            await store.deliveries.settle([Settlement(first.seq, DEAD, START_MS, "as it was")])
            await store.deliveries.settle(
                [
                    Settlement(first.seq, SENT, START_MS + 9, "as it is"),
                    Settlement(second.seq + 99, SENT, START_MS),
                    Settlement(second.seq, SENT, START_MS + 9),
                ]
            )
            found = [await store.deliveries.delivery(row.seq) for row in (first, second)]
            same([row and (row.state, row.settled_ms, row.why) for row in found], [
                (DEAD, START_MS, "as it was"),
                (SENT, START_MS + 9, None),
            ], "what became of them")  # fmt: skip
            same(list(await store.deliveries.waiting_outputs()), [], "the outputs for which anything waits")

    async def test_of_rivals_that_settle_one_does(self) -> None:
        """What became of a delivery is what one of them said, whole."""
        async with self.rivals() as (one, other):
            (row,) = await write(one, told("contested"))
            states = (SENT, DEAD, DROPPED)
            said = [Settlement(row.seq, states[n % 3], START_MS + n, f"by {n}") for n in range(RIVALS)]
            await asyncio.gather(*((one, other)[n % 2].deliveries.settle([end]) for n, end in enumerate(said)))
            found = await one.deliveries.delivery(row.seq)
            is_so(
                found is not None and Settlement(row.seq, found.state, found.settled_ms or 0, found.why) in said,
                "what is kept is what one of them said",
            )
            same(await other.deliveries.delivery(row.seq), found, "what another server shows")


class AgainPromises(Subject):
    """Dead letters that wait again."""

    async def test_dead_letters_wait_again_at_the_end(self) -> None:
        """In the given order, under new numbers and the old ids, as if they had never been settled; also after closing."""
        async with self.opened() as store:
            dead = await kill(store, *(told(f"dead {n}", mpid=n + 1) for n in range(4)))
            await write(store, told("waits", mpid=99))
            same(
                list(await store.deliveries.wait_again([dead[2].seq, dead[0].seq])),
                [dead[2].seq, dead[0].seq],
                "those that wait again",
            )
            same(await names(store), ["waits", "dead 2", "dead 0"], "what waits")
            found = await store.deliveries.waiting(OUTPUT, 0, PAGE)
            same([row._replace(seq=0) for row in found[1:]], [dead[n]._replace(seq=0) for n in (2, 0)], "what they are")
            is_so(found[1].seq > found[0].seq > dead[3].seq, "new numbers")
            same(await store.deliveries.delivery(dead[2].seq), None, "what is under the old number")
            (after,) = await write(store, told("after", mpid=98))
            is_so(after.seq > found[2].seq, "a number that was never given out")
        again = await self.reopen()
        if again is not None:
            same(await names(again), ["waits", "dead 2", "dead 0", "after"], "what waits after opening again")
            await again.close()

    async def test_only_dead_letters_wait_again(self) -> None:
        """Not what waits, was sent or given up, nor what there is not; each but once."""
        async with self.opened() as store:
            waits, sent, dropped, dead = await write(
                store, *(told(name, mpid=number) for number, name in enumerate(("waits", "sent", "dropped", "dead"), 1))
            )
            for state, row in ((SENT, sent), (DROPPED, dropped), (DEAD, dead)):
                await settled(store, state, row)
            asked = [waits.seq, sent.seq, dropped.seq, dead.seq, dead.seq, dead.seq + 99]
            same(list(await store.deliveries.wait_again(asked)), [dead.seq], "those that wait again")
            same(list(await store.deliveries.wait_again([dead.seq])), [], "those that wait again a second time")
            same(list(await store.deliveries.wait_again([])), [], "those of none")
            same(await names(store), ["waits", "dead"], "what waits")

    async def test_nothing_old_is_told_after_something_new(self) -> None:
        """Where something later was told about the same profile over the same connection, or waits, a dead letter stays dead."""
        async with self.opened() as store:
            dead = await kill(store, *(told(f"dead {n}", mpid=n + 1) for n in range(7)))
            later = await write(
                store,
                told("was sent", mpid=1),
                told("waits", mpid=2),
                told("was given up", mpid=3),
                told("died", mpid=4),
                told("over another connection", mpid=5, connection=6),
                told("to another output", mpid=6, output=9),
            )
            for state, row in ((SENT, later[0]), (DROPPED, later[2]), (DEAD, later[3])):
                await settled(store, state, row)
            same([await store.deliveries.later(row) for row in dead], [True, True, *[False] * 5], "what is later")
            allowed = [row.seq for row in dead[2:]]
            same(list(await store.deliveries.wait_again([row.seq for row in dead])), allowed, "those that wait again")
            kept = [await store.deliveries.delivery(row.seq) for row in dead[:2]]
            same([row and (row.state, row.why) for row in kept], [(DEAD, "because")] * 2, "those that stay")

    async def test_of_several_dead_letters_the_older_comes_first(self) -> None:
        """It keeps its place among what was written, so the newer can follow it; not the other way round, and both at once can."""
        async with self.opened() as store:
            for turn, (first, second, both) in enumerate(
                (("old", "new", True), ("new", "old", False), ("both", "", True))
            ):
                mpid = turn + 1
                old, new = await kill(store, told(f"old {turn}", mpid=mpid), told(f"new {turn}", mpid=mpid))
                rows = {"old": old, "new": new}
                if first == "both":
                    same(len(await store.deliveries.wait_again([old.seq, new.seq])), 2, "both at once")
                else:
                    same(len(await store.deliveries.wait_again([rows[first].seq])), 1, f"the {first} one")
                    same(
                        len(await store.deliveries.wait_again([rows[second].seq])), int(both), f"then the {second} one"
                    )
            same(await names(store), ["old 0", "new 0", "new 1", "old 2", "new 2"], "what waits")

    async def test_what_was_erased_does_not_wait_again(self) -> None:
        """Its document is empty; everything else of it is still shown."""
        async with self.opened() as store:
            (row,) = await kill(store, told("erased"))
            for _ in turns():
                if not await store.audiences.forget_profile(100, 7, 1):
                    break
            kept = await store.deliveries.delivery(row.seq)
            same(kept and (kept.state, kept.document), (DEAD, b""), "what is left of it")
            same(list(await store.deliveries.wait_again([row.seq])), [], "those that wait again")

    async def test_of_rivals_one_lets_a_letter_wait_again(self) -> None:
        """It waits once, however many ask at the same time; and what is written meanwhile comes after it or keeps it dead."""
        async with self.rivals() as (one, other):
            (row,) = await kill(one, told("contested"))
            asking = [(one, other)[n % 2].deliveries.wait_again([row.seq]) for n in range(RIVALS)]
            answers = await asyncio.gather(*asking)
            same(sum(len(answer) for answer in answers), 1, "how often it was let wait")
            same(await names(one), ["contested"], "what waits")
            (again,) = await kill(one, told("raced", mpid=9))
            answer, _ = await asyncio.gather(
                other.deliveries.wait_again([again.seq]),
                one.audiences.commit(AudienceCommit(deliveries=[told("newer", mpid=9)])),
            )
            wanted = ["contested", "raced", "newer"] if answer else ["contested", "newer"]
            same(await names(other), wanted, "what waits after the race")


class ShownPromises(Subject):
    """What is shown of deliveries, counted and forgotten."""

    async def test_deliveries_are_shown_newest_first(self) -> None:
        """Those of an output, in a state or in all, page by page; those about a profile in a workspace, to whichever output."""
        async with self.opened() as store:
            await write(store, *(told(f"{n}", mpid=7 + n % 2, output=OUTPUT + n % 3 % 2) for n in range(9)))
            elsewhere = await write(store, told("elsewhere", workspace=101))
            rows = list(await store.deliveries.waiting(OUTPUT, 0, PAGE))
            await settled(store, SENT, *rows[1:4])
            await settled(store, DEAD, rows[4])
            found = list(await store.deliveries.deliveries(OUTPUT, None, None, PAGE))
            same([row.seq for row in found], [row.seq for row in rows][::-1], "all of an output")
            same(await store.deliveries.deliveries(OUTPUT, None, found[1].seq, 2), found[2:4], "a page")
            by_state = {state: await store.deliveries.deliveries(OUTPUT, state, None, PAGE) for state in DeliveryState}
            for state, some in by_state.items():
                same(list(some), [row for row in found if row.state is state], f"those that are {state.value}")
            sent = by_state[SENT]
            same(await store.deliveries.deliveries(OUTPUT, SENT, sent[0].seq, 1), sent[1:2], "a page in a state")
            about = await store.deliveries.deliveries_about(100, 7, None, PAGE)
            same([row.delivery_id for row in about], ["8", "6", "4", "2", "0"], "those about a profile")
            same(await store.deliveries.deliveries_about(100, 7, about[1].seq, 2), about[2:4], "a page of them")
            same(
                list(await store.deliveries.deliveries_about(101, 7, None, PAGE)),
                list(elsewhere),
                "in another workspace",
            )
            same(await store.deliveries.delivery(about[2].seq), about[2], "one of them")
            same(await store.deliveries.delivery(elsewhere[0].seq + 99), None, "one that there is not")

    async def test_deliveries_are_told_apart_to_the_byte(self) -> None:
        """Ids that resemble one another are others, as are environments."""
        async with self.opened() as store:
            rows = [told(one)._replace(environment=one) for one in LOOKALIKES]
            found = await write(store, *rows)
            same([(one.delivery_id, one.environment) for one in found], [(one, one) for one in LOOKALIKES], "the ids")

    async def test_deliveries_are_counted_up_to_a_limit(self) -> None:
        """By output and state."""
        async with self.opened() as store:
            rows = await write(store, *(told(f"{n}") for n in range(6)), told("elsewhere", output=9))
            await settled(store, SENT, *rows[:2])
            counts = [await store.deliveries.count_deliveries(OUTPUT, state, PAGE) for state in (WAITING, SENT, DEAD)]
            same(counts, [4, 2, 0], "the counts")
            same(await store.deliveries.count_deliveries(OUTPUT, WAITING, 3), 3, "the count up to a limit")
            same(await store.deliveries.count_deliveries(9, WAITING, PAGE), 1, "the count of another output")

    async def test_old_deliveries_are_forgotten(self) -> None:
        """Those settled before a time, so many at once, as many as are counted; what waits stays however old, and no number comes again."""
        async with self.opened() as store:
            rows = await write(store, *(told(f"{n}", mpid=n + 1) for n in range(8)))
            await store.deliveries.settle([Settlement(row.seq, SENT, START_MS + n) for n, row in enumerate(rows[:7])])
            same(await store.deliveries.forget_deliveries(START_MS, PAGE), 0, "nothing was settled before")
            counts = [await store.deliveries.count_settled(START_MS + n) for n in (0, 4, 99)]
            same(counts, [0, 4, 7], "how many were settled before")
            gone = [await store.deliveries.forget_deliveries(START_MS + 4, 3) for _ in range(3)]
            same(gone, [3, 1, 0], "what goes each time")
            same(await store.deliveries.count_settled(START_MS + 4), 0, "how many are left of those")
            left = await store.deliveries.deliveries(OUTPUT, None, None, PAGE)
            same([row.delivery_id for row in left], ["7", "6", "5", "4"], "what stays")
            await settled(store, DROPPED, rows[7])
            await store.deliveries.forget_deliveries(START_MS + 99, PAGE)
            same(list(await store.deliveries.deliveries(OUTPUT, None, None, PAGE)), [], "what is left")
            (after,) = await write(store, told("after"))
            is_so(after.seq > rows[7].seq, "a number that was never given out")

    async def test_every_call_of_deliveries_fails_once_closed(self) -> None:
        """All raise StoreUnavailable."""
        store = await self.open_store()
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(store.deliveries), name)


class DeliveryPromises(WaitingPromises, AgainPromises, ShownPromises):
    """All that `store.deliveries` demands of an adapter."""
