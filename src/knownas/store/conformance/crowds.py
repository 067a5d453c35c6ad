"""Tests crowded identities: of many holders only the few that a lookup considers are loaded, and the right ones."""

from collections.abc import Iterable
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.core.identity.record import Record
from knownas.core.identity.records import considered
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, HOLDERS_SHOWN_MAX
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    OTHER_SCOPE,
    SHOP,
    STAMP,
    START_MS,
    found,
    get,
    loaded,
    put,
    record,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import same
from knownas.store.port import Activity, Pool, Store

MANY: Final = 3 * HOLDERS_CONSIDERED_MAX
DEVICE: Final = Identity(STAMP, "shared device")


def visitors(count: int, first_mpid: int = 1) -> list[Record]:
    """Make anonymous holders of the shared device; a larger MPID was active later."""
    mpids = range(first_mpid, first_mpid + count)
    return [record(mpid, {STAMP: [DEVICE.value]}, active_ms=START_MS + mpid) for mpid in mpids]


def users(count: int, first_mpid: int) -> list[Record]:
    """Make known holders of the shared device; a larger MPID was active later."""
    mpids = range(first_mpid, first_mpid + count)
    return [record(mpid, {STAMP: [DEVICE.value], CUSTOMER: [f"c{mpid}"]}, active_ms=START_MS + mpid) for mpid in mpids]


async def check(store: Store, holders: Iterable[Record], what: str, pool: Pool = SHOP) -> None:
    """Compare what the store considers of the shared device with what the core's rule says.

    Raises:
        AssertionError: they differ.
    """
    rule = considered(holders, lambda one: one.active_ms)
    snapshot = await store.load([wanted(DEVICE, pool=pool)])
    same(sorted(found(snapshot, pool)), list(rule.mpids), f"considered holders, {what}")
    same(list(loaded(snapshot, pool).crowded), [DEVICE] if rule.more else [], f"crowded identities, {what}")
    same(await store.sole_holders([(pool, DEVICE)]), [None], f"sole holders, {what}")


class CrowdPromises(Subject):
    """What `load` shows of an identity with many holders, and what `touch` does to it."""

    async def test_up_to_sixteen_holders_are_all_loaded(self) -> None:
        """Sixteen holders are no crowd, whoever they are: all are loaded."""
        holders = [*visitors(HOLDERS_CONSIDERED_MAX - 6), *users(6, first_mpid=100)]
        async with self.opened() as store:
            await put(store, *holders)
            same(len(found(await store.load([wanted(DEVICE)]))), HOLDERS_CONSIDERED_MAX, "the number of holders")
            await check(store, holders, "sixteen of both kinds")

    async def test_a_crowd_is_cut_to_the_most_recent(self) -> None:
        """Of more holders, the sixteen anonymous ones active last and the four smallest known ones are loaded."""
        holders = [*users(HOLDERS_CONSIDERED_MAX, first_mpid=-200), *visitors(MANY), *users(MANY, first_mpid=500)]
        async with self.opened() as store:
            await put(store, *holders[::2], *holders[1::2])
            snapshot = await store.load([wanted(DEVICE)])
            same(len(found(snapshot)), HOLDERS_CONSIDERED_MAX + HOLDERS_SHOWN_MAX, "the number considered")
            await check(store, holders, "a large crowd")

    async def test_the_seventeenth_holder_makes_a_crowd(self) -> None:
        """The crowd begins with the seventeenth holder, and ends when it goes."""
        holders = visitors(HOLDERS_CONSIDERED_MAX + 1)
        async with self.opened() as store:
            await put(store, *holders)
            await check(store, holders, "seventeen")
            await put(store, record(holders[3].mpid, {}))
            await check(store, [*holders[:3], *holders[4:]], "seventeen less one")

    async def test_a_crowd_of_known_users_shows_four(self) -> None:
        """Of a crowd of known users only the four with the smallest MPIDs are loaded, however lately others came."""
        holders = [*users(MANY, first_mpid=-MANY - 5), *users(MANY, first_mpid=5)]
        async with self.opened() as store:
            await put(store, *reversed(holders))
            await check(store, holders, "known users only")

    async def test_ties_go_to_the_smaller_mpid(self) -> None:
        """Of holders that were active in the same millisecond, those with the smaller MPID are considered."""
        holders = [
            one._replace(active_ms=START_MS + one.mpid % 2)
            for one in [*visitors(MANY, first_mpid=-MANY), *visitors(MANY)]
        ]
        async with self.opened() as store:
            await put(store, *reversed(holders))
            await check(store, holders, "two activities in all")

    async def test_a_member_changes_sides(self) -> None:
        """Who becomes known leaves the anonymous part of a crowd, and who stops being so comes back to it."""
        holders = visitors(MANY)
        async with self.opened() as store:
            await put(store, *holders)
            named = [one._replace(identities={**one.identities, CUSTOMER: (f"c{one.mpid}",)}) for one in holders[-9:]]
            holders = [*holders[:-9], *(one._replace(known=True) for one in named)]
            await put(store, *holders[-9:])
            await check(store, holders, "nine became known")
            holders = [*holders[:-5], *visitors(5, first_mpid=MANY - 4)]
            await put(store, *holders[-5:])
            await check(store, holders, "five no longer are")

    async def test_a_change_moves_a_member_forward(self) -> None:
        """A member whose record changes stands in a crowd by its new activity."""
        holders = visitors(MANY)
        async with self.opened() as store:
            await put(store, *holders)
            holders[2] = record(holders[2].mpid, {STAMP: [DEVICE.value], EMAIL: ["e"]}, active_ms=START_MS + 1_000)
            await put(store, holders[2])
            await check(store, holders, "one changed lately")

    async def test_touch_moves_a_member_forward(self) -> None:
        """A visit that changes nothing brings a member to the front of its crowd, and changes none of its values."""
        holders = visitors(MANY)
        async with self.opened() as store:
            await put(store, *holders)
            await store.touch([Activity(3, START_MS + 1_000), Activity(1, START_MS + 2_000)])
            holders[2] = holders[2]._replace(active_ms=START_MS + 1_000)
            holders[0] = holders[0]._replace(active_ms=START_MS + 2_000)
            await check(store, holders, "two visits")
            same((await get(store, 3)).active_ms, START_MS + 1_000, "the last activity")
            same((await get(store, 3)).identities, holders[2].identities, "the values")

    async def test_touch_never_goes_back(self) -> None:
        """An activity from before the last known one is passed over, in the same call and in a later one."""
        holders = visitors(MANY)
        async with self.opened() as store:
            await put(store, *holders)
            await store.touch([Activity(5, START_MS + 900), Activity(5, START_MS + 800), Activity(MANY, 0)])
            await store.touch([Activity(5, START_MS), Activity(MANY, START_MS - 1)])
            holders[4] = holders[4]._replace(active_ms=START_MS + 900)
            await check(store, holders, "visits from the past")
            same((await get(store, 5)).active_ms, START_MS + 900, "the last activity")
            same((await get(store, MANY)).active_ms, START_MS + MANY, "the untouched activity")

    async def test_touch_passes_over_unknown_profiles(self) -> None:
        """The activity of a profile that does not exist is passed over, and those beside it hold."""
        async with self.opened() as store:
            await put(store, *users(1, first_mpid=1), *visitors(1, first_mpid=2), record(3, {}))
            await store.touch([Activity(mpid, START_MS + 50) for mpid in (1, 404, 2, 3)])
            await store.touch([])
            same([(await get(store, mpid)).active_ms for mpid in (1, 2, 3)], [START_MS + 50] * 3, "the activities")
            same(await store.profile(404), None, "the unknown profile")

    async def test_all_holders_are_told(self) -> None:
        """Whoever can be looked up by an identity is told, of a crowd as of one or nobody, at most so many."""
        async with self.opened() as store:
            same(await store.holders(SHOP, DEVICE, MANY), [], "the holders of what nobody holds")
            for count in (1, 2, MANY):
                crowd = visitors(count)
                async with self.opened() as another:
                    await put(another, *crowd)
                    everybody = sorted(one.mpid for one in crowd)
                    same(sorted(await another.holders(SHOP, DEVICE, MANY)), everybody, f"{count} holders")
                    same(len(await another.holders(SHOP, DEVICE, 1)), 1, "at most one holder")
                    same(await another.holders(OTHER_SCOPE, DEVICE, MANY), [], "the holders in another scope")

    async def test_a_touched_member_can_still_change(self) -> None:
        """A profile that was touched is found, changed and let go like any other."""
        holders = visitors(MANY)
        async with self.opened() as store:
            await put(store, *holders)
            await store.touch([Activity(7, START_MS + 700)])
            await put(store, record(7, {}, active_ms=START_MS + 701))
            del holders[6]
            await check(store, holders, "a touched one let go")

    async def test_whom_a_crowd_leaves_out_is_loaded_by_mpid(self) -> None:
        """A member that a crowd leaves out is loaded if another identity, or its MPID, asks for it."""
        holders = visitors(MANY)
        holders[0] = holders[0]._replace(identities={**holders[0].identities, EMAIL: ("e",)})
        async with self.opened() as store:
            await put(store, *holders)
            snapshot = await store.load([wanted(DEVICE, Identity(EMAIL, "e"), mpids=[2])])
            rule = considered(holders, lambda one: one.active_ms)
            same(sorted(found(snapshot)), sorted({*rule.mpids, 1, 2}), "the crowd and two more")

    async def test_a_crowd_stays_in_its_pool(self) -> None:
        """Who shares an identity in another pool does not count."""
        here, there = visitors(HOLDERS_CONSIDERED_MAX), visitors(MANY, first_mpid=1_000)
        async with self.opened() as store:
            await put(store, *here)
            await put(store, *there, pool=OTHER_SCOPE)
            await check(store, here, "the sixteen of the shop")
            await check(store, there, "the crowd of the club", OTHER_SCOPE)
