"""Tests what a store counts of its profiles (`store.census`): by pool and kind, in parts, and how crowded identities are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN, Record
from knownas.store.census import CROWD_SIZES, CensusStore, Crowd, CrowdCounts, ProfileCounts
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    OTHER_ENVIRONMENT,
    OTHER_SCOPE,
    SHOP,
    STAMP,
    put,
    record,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import fails_with, same
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Store

CALLS: Final[Mapping[str, Callable[[CensusStore], Awaitable[object]]]] = {
    "profiles": lambda census: census.profiles(MPID_MIN, MPID_MAX),
    "crowds": lambda census: census.crowds(DEVICE_TYPES),
    "largest": lambda census: census.largest(DEVICE_TYPES, 1),
}
"""A call of each of the port's methods."""

IDFV: Final = IdentityType.IOS_IDFV
EVERYWHERE: Final = (MPID_MIN, MPID_MAX)
SEVERAL: Final = CROWD_SIZES[1]


def visitors(count: int, first_mpid: int, device: str, kind: IdentityType = STAMP) -> list[Record]:
    """Make anonymous holders of a device."""
    return [record(mpid, {kind: [device]}) for mpid in range(first_mpid, first_mpid + count)]


def users(count: int, first_mpid: int, device: str) -> list[Record]:
    """Make known holders of a device."""
    return [record(mpid, {STAMP: [device], CUSTOMER: [f"c{mpid}"]}) for mpid in range(first_mpid, first_mpid + count)]


async def largest(store: Store, limit: int = 10) -> list[Crowd]:
    """Return the largest crowds of the shop."""
    return list((await store.census.largest(DEVICE_TYPES, limit)).get(SHOP, ()))


class CensusPromises(Subject):
    """All that `store.census` demands of an adapter."""

    async def test_profiles_are_counted_by_pool_and_kind(self) -> None:
        """Known, anonymous and empty ones, each pool by itself."""
        async with self.opened() as store:
            same(sum(map(sum, (await store.census.profiles(*EVERYWHERE)).values())), 0, "profiles of an empty store")
            await put(store, *users(3, 1, "d"), *visitors(2, 11, "d"), record(21, {}), record(22, {EMAIL: ["e"]}))
            await put(store, record(31, {EMAIL: ["e"]}), pool=OTHER_ENVIRONMENT)
            await put(store, record(41, {}), record(42, {CUSTOMER: ["c1"]}), pool=OTHER_SCOPE)
            wanted = {
                SHOP: ProfileCounts(3, 3, 1),
                OTHER_ENVIRONMENT: ProfileCounts(0, 1, 0),
                OTHER_SCOPE: ProfileCounts(1, 0, 1),
            }
            same(dict(await store.census.profiles(*EVERYWHERE)), wanted, "the profiles")

    async def test_a_profile_is_counted_as_what_it_is_now(self) -> None:
        """Who becomes known, and who loses all, changes sides."""
        async with self.opened() as store:
            await put(store, *visitors(2, 1, "d"))
            await put(store, record(1, {STAMP: ["d"], CUSTOMER: ["c"]}), record(2, {}))
            same((await store.census.profiles(*EVERYWHERE))[SHOP], ProfileCounts(1, 0, 1), "the profiles")

    async def test_a_part_of_all_profiles_is_counted(self) -> None:
        """Those with an MPID from one to another, both included."""
        async with self.opened() as store:
            mpids = (MPID_MIN, -5, 5, 9, MPID_MAX)
            await put(store, *(record(mpid, {EMAIL: [f"{mpid}"]}) for mpid in mpids))
            for first, last, count in ((*EVERYWHERE, 5), (-5, 5, 2), (5, MPID_MAX, 3), (6, 8, 0), (MPID_MIN, -5, 2)):
                found = await store.census.profiles(first, last)
                same(sum(map(sum, found.values())), count, f"the profiles from {first} to {last}")

    async def test_identities_are_counted_by_how_many_anonymous_profiles_hold_them(self) -> None:
        """Of some types, each pool by itself; known holders make no crowd."""
        async with self.opened() as store:
            first = 1
            for size in (least + more for least in CROWD_SIZES for more in (-1, 0)):
                await put(store, *visitors(size, first, f"of {size}"))
                first += size
            await put(store, *users(max(CROWD_SIZES), 10_001, "users'"), *users(1, 20_001, "d"))
            await put(store, *visitors(3, 30_001, "d"), *visitors(SEVERAL, 40_001, "phone", IDFV))
            await put(store, *visitors(2, 50_001, "of 5"), pool=OTHER_SCOPE)
            sizes = [3, *(least + more for least in CROWD_SIZES for more in (-1, 0))]
            of_stamps = CrowdCounts(len(sizes) + 1, _at_least(sizes))
            found = await store.census.crowds({STAMP})
            same(found[SHOP], of_stamps, "the crowds of the shop's stamps")
            same(found[OTHER_SCOPE], CrowdCounts(1, (1, 0, 0, 0)), "the crowds of the club")
            both = (await store.census.crowds(DEVICE_TYPES))[SHOP]
            same(both.held, of_stamps.held + 1, "devices of all types")
            same(both.at_least[1], of_stamps.at_least[1] + 1, "crowds of all types")

    async def test_a_value_that_nobody_holds_any_more_is_not_counted(self) -> None:
        """Nor does who has left make a crowd."""
        async with self.opened() as store:
            await put(store, *visitors(SEVERAL, 1, "d"), *visitors(1, 100, "alone"))
            await put(store, record(1, {}), record(100, {}))
            same((await store.census.crowds({STAMP}))[SHOP], CrowdCounts(1, (1, 0, 0, 0)), "the crowds")
            same(await largest(store), [], "the largest")

    async def test_the_largest_crowds_are_named(self) -> None:
        """The largest first, each by the smallest MPID of its anonymous holders, and no more than are asked for."""
        async with self.opened() as store:
            await put(store, *users(2, -50, "busy"), *visitors(SEVERAL + 2, 1, "busy"))
            await put(
                store, *visitors(SEVERAL, 300, "b"), *visitors(SEVERAL, 200, "a"), *visitors(SEVERAL - 1, 400, "c")
            )
            await put(store, *visitors(SEVERAL, 100, "elsewhere"), pool=OTHER_ENVIRONMENT)
            busy, a, b = Crowd(STAMP, SEVERAL + 2, 1), Crowd(STAMP, SEVERAL, 200), Crowd(STAMP, SEVERAL, 300)
            same(await largest(store), [busy, a, b], "the largest")
            same(await largest(store, 2), [busy, a], "the two largest")
            same((await store.census.largest({IDFV}, 9)).get(SHOP, []), [], "of another type")
            there = (await store.census.largest(DEVICE_TYPES, 9))[OTHER_ENVIRONMENT]
            same(list(there), [Crowd(STAMP, SEVERAL, 100)], "in the other environment")

    async def test_a_store_that_is_closed_counts_nothing(self) -> None:
        """It says so."""
        store = await self.open_store()
        await put(store, *visitors(1, 1, "d"))
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(store.census), f"{name} of a closed store")


def _at_least(sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(size >= least for size in sizes) for least in CROWD_SIZES)
