"""Tests how a store ends and begins again: closing, what a closed store answers, and what outlives it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.documents import policy
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    EVERY_LINE,
    OTHER_SCOPE,
    PAGE,
    SHOP,
    STAMP,
    START_MS,
    commit_of,
    look_up,
    new,
    put,
    record,
    try_put,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import fails_with, is_so, same, was_kept, was_refused
from knownas.store.errors import StoreUnavailable
from knownas.store.port import Activity, Snapshot, Store

CALLS: Final[Mapping[str, Callable[[Store, Snapshot], Awaitable[object]]]] = {
    "ping": lambda store, _: store.ping(),
    "load": lambda store, _: store.load([wanted(Identity(EMAIL, "e"), mpids=[1])]),
    "sole_holders": lambda store, _: store.sole_holders([(SHOP, Identity(EMAIL, "e"))]),
    "commit": lambda store, snapshot: store.commit(snapshot, commit_of(new(record(2, {EMAIL: ["f"]})))),
    "touch": lambda store, _: store.touch([Activity(1, START_MS + 1)]),
    "profile": lambda store, _: store.profile(1),
    "seen_profile": lambda store, _: store.seen_profile(1),
    "holders": lambda store, _: store.holders(SHOP, Identity(EMAIL, "e"), PAGE),
    "records": lambda store, _: store.records(SHOP, None, PAGE),
    "decision": lambda store, _: store.decision("0" * 32),
    "history": lambda store, _: store.history(1, 0, PAGE),
    "history_back": lambda store, _: store.history_back(1, PAGE, PAGE),
    "sift": lambda store, _: store.sift(SHOP, 0, PAGE, EVERY_LINE),
    "log": lambda store, _: store.log(SHOP, 0, PAGE),
    "policies": lambda store, _: store.policies("shop"),
    "add_policy": lambda store, _: store.add_policy(policy("shop", 2)),
    "kept": lambda store, _: store.kept("first"),
    "keep": lambda store, _: store.keep("second", b"{}"),
    "replace_kept": lambda store, _: store.replace_kept("first", b"{}", b"[]"),
}
"""A call of each of the port's methods but `close`."""


async def everything(store: Store) -> list[Any]:
    """Return all that a store shows of two pools."""
    shown: list[Any] = [await store.policies("shop"), await store.kept("first")]
    for pool in (SHOP, OTHER_SCOPE):
        shown += [await store.records(pool, None, PAGE), await store.log(pool, 0, PAGE)]
    for mpid in (1, 2, 3):
        shown += [await store.profile(mpid), await store.history(mpid, 0, PAGE)]
    shown += [await look_up(store, Identity(STAMP, "device")), await look_up(store, Identity(EMAIL, "old"))]
    return shown


class LifecyclePromises(Subject):
    """What `close` and `ping` do, and what is there after opening again."""

    async def test_an_open_store_answers_a_ping(self) -> None:
        """A store that can be used says so, before and after writes."""
        async with self.opened() as store:
            await store.ping()
            await put(store, record(1, {EMAIL: ["e"]}))
            await store.ping()

    async def test_a_closed_store_answers_nothing(self) -> None:
        """Every call of a closed store raises StoreUnavailable, but closing it once more."""
        store = await self.open_store()
        await put(store, record(1, {EMAIL: ["e"]}))
        snapshot = await store.load([wanted(Identity(EMAIL, "e"))])
        await store.close()
        for name, call in CALLS.items():
            await fails_with(StoreUnavailable, call(store, snapshot), f"{name} of a closed store")
        await store.close()

    async def test_a_commit_under_way_ends_before_the_store(self) -> None:
        """A store that is closed while it commits either keeps the commit and says so, or fails it."""
        store = await self.open_store()
        await put(store, record(1, {EMAIL: ["e"]}))
        snapshot = await store.load([wanted(Identity(EMAIL, "f"))])
        commit = asyncio.ensure_future(store.commit(snapshot, commit_of(new(record(2, {EMAIL: ["f"]})))))
        await asyncio.sleep(0)
        await store.close()
        try:
            was_kept(await commit)
            acknowledged = True
        except StoreUnavailable:
            acknowledged = False
        again = await self.reopen()
        if again is not None:
            there = await look_up(again, Identity(EMAIL, "f"))
            await again.close()
            if acknowledged:
                same(there, [2], "the holder of an acknowledged commit")

    async def test_a_closed_store_keeps_everything(self) -> None:
        """After opening again everything is as it was: records, lookups, the log, policies and documents."""
        store = await self.open_store()
        await put(store, record(1, {CUSTOMER: ["ann"], STAMP: ["device"]}), record(2, {STAMP: ["device"]}))
        await put(store, record(3, {EMAIL: ["old"]}), pool=OTHER_SCOPE)
        await put(store, record(1, {CUSTOMER: ["ann"], EMAIL: ["new"]}))
        await store.touch([Activity(2, START_MS + 77)])
        await store.add_policy(policy("shop", 1))
        await store.keep("first", b"{}")
        before = await everything(store)
        await store.close()
        again = await self.reopen()
        if again is None:
            return
        same(await everything(again), before, "everything after opening again")
        was_refused(await try_put(again, record(3, {}), pool=SHOP), "an MPID that was taken before")
        await put(again, record(2, {STAMP: ["device"], EMAIL: ["later"]}))
        is_so((await again.log(SHOP, 0, PAGE))[-1].seq > max(one.seq for one in before[3]), "a larger number")
        await again.close()
