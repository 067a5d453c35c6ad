"""Tests that nothing of one pool can be seen or changed from another: each method of the port, own pool and others."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.documents import policy
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    EVERY_LINE,
    EXCLUSIVE,
    PAGE,
    STAMP,
    START_MS,
    changed,
    commit_of,
    entry,
    found,
    get,
    look_up,
    new,
    plain,
    put,
    record,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import is_so, same, was_kept
from knownas.store.port import END_OF_LOG, Activity, Commit, Pool, PoolWrites, Store

POOLS: Final = (
    Pool("shop", "production"),
    Pool("shop", "development"),
    Pool("shop", ""),
    Pool("Shop", "production"),
    Pool("shop ", "production"),
    Pool("club", "production"),
    Pool("", "production"),
    Pool("shop/production", ""),
    Pool("sho", "pproduction"),
    Pool("%", "_"),
)
"""Pools that a careless comparison, pattern or joined key takes for one another."""

SAME: Final = {CUSTOMER: ["ann"], STAMP: ["device"]}
ANN: Final = Identity(CUSTOMER, "ann")


def mpid_in(pool: Pool) -> int:
    """Return the MPID of the profile that the promises put into a pool."""
    return POOLS.index(pool) + 1


async def _load(store: Store, own: Pool, others: list[Pool]) -> None:
    everyone = [mpid_in(pool) for pool in POOLS]
    snapshot = await store.load([wanted(ANN, mpids=everyone, pool=own)])
    same(sorted(found(snapshot, own)), [mpid_in(own)], "what the pool loads by identity and by every MPID")
    together = await store.load([wanted(ANN, pool=pool) for pool in POOLS])
    for pool in others:
        same(sorted(found(together, pool)), [mpid_in(pool)], "what the other pool loads in the same batch")


async def _sole_holders(store: Store, own: Pool, others: list[Pool]) -> None:
    given = await store.sole_holders([(pool, ANN) for pool in (own, *others)])
    same([one and one.mpid for one in given], [mpid_in(pool) for pool in (own, *others)], "each pool's sole holder")


async def _commit(store: Store, own: Pool, others: list[Pool]) -> None:
    before = {pool: await get(store, mpid_in(pool)) for pool in others}
    snapshot = await store.load([wanted(ANN, Identity(EMAIL, "new"), pool=own)])
    after = record(mpid_in(own), {**SAME, EMAIL: ["new"]}, active_ms=START_MS + 1)
    was_kept(await store.commit(snapshot, commit_of(changed(snapshot, after, own), pool=own)), "a change of one pool")
    for pool in others:
        same(await get(store, mpid_in(pool)), before[pool], "the profile of another pool")
    stale = {pool: await store.load([wanted(Identity(EMAIL, "late"), pool=pool)]) for pool in (own, others[0])}
    for number, (pool, snapshot) in enumerate(stale.items()):
        commit = commit_of(new(record(100 + number, {EMAIL: ["late"]})), pool=pool)
        was_kept(await store.commit(snapshot, commit), "a first sighting in each of two pools")


async def _touch(store: Store, own: Pool, others: list[Pool]) -> None:
    await store.touch([Activity(mpid_in(own), START_MS + 5)])
    same((await get(store, mpid_in(own))).active_ms, START_MS + 5, "the activity of the touched profile")
    for pool in others:
        same((await get(store, mpid_in(pool))).active_ms, START_MS, "the activity in another pool")


async def _profile(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        stored = await store.profile(mpid_in(pool))
        same(stored and stored.pool, pool, "the pool that a profile names")
        same(stored and plain(stored.record), record(mpid_in(pool), SAME), "the profile")


async def _seen_profile(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        seen = await store.seen_profile(mpid_in(pool))
        same(seen and seen.stored.pool, pool, "the pool that a profile names")


async def _holders(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        same(await store.holders(pool, ANN, PAGE), [mpid_in(pool)], "each pool's holders")
    same(await store.holders(Pool("nobody", "production"), ANN, PAGE), [], "the holders in a pool that nobody has")


async def _records(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        same([one.mpid for one in await store.records(pool, None, PAGE)], [mpid_in(pool)], "the records of a pool")
    same(await store.records(Pool("nobody", "production"), None, PAGE), [], "the records of a pool that nobody has")


async def _log(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        entries = await store.log(pool, 0, PAGE)
        same([(one.pool, one.touched) for one in entries], [(pool, (mpid_in(pool),))], "the log of a pool")
        found = await store.sift(pool, 0, PAGE, EVERY_LINE)
        same(found.lines, entries, "the log of a pool, sifted for every line")
        same(found.until_seq, entries[-1].seq, "how far a pool's log was looked through")
    same(await store.log(Pool("nobody", "production"), 0, PAGE), [], "the log of a pool that nobody has")
    same((await store.sift(Pool("nobody", "production"), 7, PAGE, EVERY_LINE)).until_seq, 7, "the end of no log")


async def _history(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        entries = await store.history(mpid_in(pool), 0, PAGE)
        same([one.pool for one in entries], [pool], "the pools that a profile's history names")
        same(await store.history_back(mpid_in(pool), END_OF_LOG, PAGE), entries, "a profile's history, from its end")


async def _decision(store: Store, own: Pool, others: list[Pool]) -> None:
    for pool in (own, *others):
        logged = (await store.log(pool, 0, PAGE))[0]
        same(await store.decision(logged.decision_id), logged, "a decision by its id")


async def _policies(store: Store, own: Pool, others: list[Pool]) -> None:
    scopes = [scope for scope in {pool.scope for pool in others} if scope != own.scope]
    is_so(await store.add_policy(policy(own.scope, 1, b"own")), "a first version of the scope")
    for scope in scopes:
        same(await store.policies(scope), [], "the versions of another scope")
        is_so(await store.add_policy(policy(scope, 1)), "a first version of another scope")
    same(await store.policies(own.scope), [policy(own.scope, 1, b"own")], "the versions of the scope")


async def _server_wide(store: Store, own: Pool, _others: list[Pool]) -> None:
    await store.ping()
    is_so(await store.keep(own.scope, b"{}"), "a document named like a scope")
    same(await store.kept(own.scope), b"{}", "the document")
    same([one.mpid for one in await store.records(own, None, PAGE)], [mpid_in(own)], "the records beside it")


CHECKS: Final[Mapping[str, Callable[[Store, Pool, list[Pool]], Awaitable[None]]]] = {
    "load": _load,
    "sole_holders": _sole_holders,
    "commit": _commit,
    "touch": _touch,
    "profile": _profile,
    "seen_profile": _seen_profile,
    "holders": _holders,
    "records": _records,
    "log": _log,
    "sift": _log,
    "history": _history,
    "history_back": _history,
    "decision": _decision,
    "policies": _policies,
    "add_policy": _policies,
    "kept": _server_wide,
    "keep": _server_wide,
    "replace_kept": _server_wide,
    "ping": _server_wide,
}
"""What must hold for each of the port's methods but `close`, seen from one pool among others."""


class IsolationPromises(Subject):
    """What a pool sees of others with the same values: nothing."""

    async def test_load_keeps_pools_apart(self) -> None:
        """What a pool loads, by identity or by MPID, alone or in a batch with others, is its own."""
        await self._in_every_pool(_load)

    async def test_commit_keeps_pools_apart(self) -> None:
        """A change, and a first sighting, of one pool neither shows nor stands in the way in another."""
        await self._in_every_pool(_commit)

    async def test_touch_keeps_pools_apart(self) -> None:
        """A visit moves the activity of its own profile only, though others hold the same values."""
        await self._in_every_pool(_touch)

    async def test_profile_keeps_pools_apart(self) -> None:
        """A profile that is looked up by its MPID names its pool."""
        await self._in_every_pool(_profile)

    async def test_seen_profile_keeps_pools_apart(self) -> None:
        """A profile that is looked up with what a workspace knows of it names its pool."""
        await self._in_every_pool(_seen_profile)

    async def test_holders_keeps_pools_apart(self) -> None:
        """The holders of a value are those in its pool."""
        await self._in_every_pool(_holders)

    async def test_records_keeps_pools_apart(self) -> None:
        """A page of records has those of its pool."""
        await self._in_every_pool(_records)

    async def test_log_keeps_pools_apart(self) -> None:
        """A page of the log has the lines of its pool."""
        await self._in_every_pool(_log)

    async def test_history_keeps_pools_apart(self) -> None:
        """A profile's history has the lines of its pool."""
        await self._in_every_pool(_history)

    async def test_decision_keeps_pools_apart(self) -> None:
        """A decision names its pool."""
        await self._in_every_pool(_decision)

    async def test_policies_keeps_pools_apart(self) -> None:
        """A version of one scope's policy is none of another's."""
        await self._in_every_pool(_policies)

    async def test_documents_belong_to_no_pool(self) -> None:
        """A document kept under the name of a scope leaves its records as they are."""
        await self._in_every_pool(_server_wide)

    async def _in_every_pool(self, check: Callable[[Store, Pool, list[Pool]], Awaitable[None]]) -> None:
        async with self.opened() as store:
            for pool in POOLS:
                await put(store, record(mpid_in(pool), SAME), pool=pool)
            await check(store, POOLS[0], list(POOLS[1:]))

    async def test_the_same_value_is_seen_first_in_every_pool(self) -> None:
        """One commit may make a profile for the same exclusive value in every pool."""
        async with self.opened() as store:
            snapshot = await store.load([wanted(ANN, pool=pool) for pool in POOLS])
            writes = {pool: PoolWrites([new(record(mpid_in(pool), SAME))], EXCLUSIVE) for pool in POOLS}
            was_kept(await store.commit(snapshot, Commit(writes, [entry(pool, [mpid_in(pool)]) for pool in POOLS])))
            for pool in POOLS:
                same(await look_up(store, ANN, pool=pool), [mpid_in(pool)], "the holder in its pool")
