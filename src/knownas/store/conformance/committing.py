"""Tests commits: all or nothing, every kind of change of several profiles at once, and the constraints."""

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    EXCLUSIVE,
    OTHER_ENVIRONMENT,
    OTHER_SCOPE,
    PAGE,
    SHOP,
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
    try_put,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import is_not_so, is_so, same, was_kept, was_refused
from knownas.store.port import Commit, PoolWrites

ANN = Identity(CUSTOMER, "ann")
BOB = Identity(CUSTOMER, "bob")
MAIL = Identity(EMAIL, "mail@example.com")


class CommitPromises(Subject):
    """What `commit` keeps, and what it refuses whoever else is there."""

    async def test_a_commit_is_seen_at_once(self) -> None:
        """What was committed is seen by every way to look at it as soon as the commit has returned."""
        async with self.opened() as store:
            snapshot = await store.load([wanted(ANN)])
            commit = commit_of(new(record(1, {CUSTOMER: ["ann"]})))
            was_kept(await store.commit(snapshot, commit))
            same(await look_up(store, ANN), [1], "the holder")
            same(plain(await get(store, 1)), record(1, {CUSTOMER: ["ann"]}), "the profile")
            same([one.mpid for one in await store.records(SHOP, None, PAGE)], [1], "the records")
            same([one.decision_id for one in await store.log(SHOP, 0, PAGE)], [commit.log[0].decision_id], "the log")

    async def test_a_commit_of_several_pools_is_kept_whole(self) -> None:
        """One commit may change several profiles of several pools and log several lines."""
        pools = (SHOP, OTHER_SCOPE, OTHER_ENVIRONMENT)
        async with self.opened() as store:
            snapshot = await store.load([wanted(ANN, MAIL, pool=pool) for pool in pools])
            writes = {
                pool: PoolWrites(
                    [
                        new(record(10 * number + 1, {CUSTOMER: ["ann"]})),
                        new(record(10 * number + 2, {EMAIL: [MAIL.value]})),
                    ],
                    EXCLUSIVE,
                )
                for number, pool in enumerate(pools)
            }
            log = [entry(pool) for pool in pools for _ in range(2)]
            was_kept(await store.commit(snapshot, Commit(writes, log)))
            for number, pool in enumerate(pools):
                same(await look_up(store, ANN, MAIL, pool=pool), [10 * number + 1, 10 * number + 2], "the holders")
                same(len(await store.log(pool, 0, PAGE)), 2, "the lines")

    async def test_a_refused_commit_leaves_nothing(self) -> None:
        """When one write of a commit meets a conflict, none of its records, identities and lines are kept."""
        async with self.opened() as store:
            await put(store, record(1, {CUSTOMER: ["ann"], EMAIL: ["old"]}))
            await put(store, record(9, {CUSTOMER: ["taken"]}))
            before = await get(store, 1)
            lines = [one.decision_id for one in await store.log(SHOP, 0, PAGE)]
            snapshot = await store.load([wanted(BOB, mpids=[1]), wanted(MAIL, pool=OTHER_SCOPE)])
            writes = {
                OTHER_SCOPE: PoolWrites([new(record(2, {EMAIL: [MAIL.value]}))], EXCLUSIVE),
                SHOP: PoolWrites(
                    [
                        changed(snapshot, record(1, {CUSTOMER: ["ann"], EMAIL: ["fresh"]}, active_ms=START_MS + 9)),
                        new(record(3, {CUSTOMER: ["bob"]})),
                        new(record(4, {CUSTOMER: ["taken"]})),
                    ],
                    EXCLUSIVE,
                ),
            }
            refused = Commit(writes, [entry(OTHER_SCOPE, [2]), entry(SHOP, [1, 3, 4])])
            was_refused(await store.commit(snapshot, refused), "a commit that takes a held value")
            same(await get(store, 1), before, "the changed profile")
            same([await store.profile(mpid) for mpid in (2, 3, 4)], [None] * 3, "the new profiles")
            for one in (BOB, Identity(EMAIL, "fresh")):
                same(await look_up(store, one), [], f"the holders of {one}")
            same(await look_up(store, MAIL, pool=OTHER_SCOPE), [], "the holders in the other pool")
            same([one.decision_id for one in await store.log(SHOP, 0, PAGE)], lines, "the log")
            same(await store.log(OTHER_SCOPE, 0, PAGE), [], "the other pool's log")
            same(await store.history(3, 0, PAGE), [], "the history of a profile that was not made")
            was_kept(await try_put(store, record(3, {CUSTOMER: ["bob"]})), "the same change by itself")

    async def test_a_changed_profile_is_found_by_its_new_values_only(self) -> None:
        """Values that a change adds lead to the profile from then on; those that it removes no longer do."""
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["a", "b"], CUSTOMER: ["c"]}))
            await put(store, record(1, {EMAIL: ["b", "d"]}, active_ms=START_MS + 5))
            holders = {value: await look_up(store, Identity(EMAIL, value)) for value in "abd"}
            same(holders, {"a": [], "b": [1], "d": [1]}, "the holders")
            same(await look_up(store, Identity(CUSTOMER, "c")), [], "the holders of the removed customer ID")
            same(plain(await get(store, 1)).identities, {EMAIL: ("b", "d")}, "the values")
            is_not_so((await get(store, 1)).known, "known")
            same((await get(store, 1)).active_ms, START_MS + 5, "the activity")

    async def test_a_profile_can_have_been_made_at_another_time(self) -> None:
        """A correction of the history says when a profile was made and what it is linked from; both are kept."""
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["a"]}), record(2, {EMAIL: ["b"]}))
            snapshot = await store.load([wanted(mpids=[1, 2])])
            before = found(snapshot)[1]
            revised = before._replace(created_ms=START_MS - 7, source_mpid=2)
            other = changed(snapshot, record(2, {EMAIL: ["b"], CUSTOMER: ["c"]}))
            was_kept(await store.commit(snapshot, commit_of(RecordWrite(before, revised), other)), "a correction")
            same(plain(await get(store, 1)), plain(revised), "the revised profile")
            same(plain(await get(store, 2)), record(2, {EMAIL: ["b"], CUSTOMER: ["c"]}), "the one beside it")

    async def test_a_value_comes_and_goes(self) -> None:
        """A value that everybody gave up can be had again, by the same profile or another, any number of times."""
        async with self.opened() as store:
            for turn in range(3):
                for mpid in (1, 2):
                    await put(store, record(mpid, {CUSTOMER: ["ann"]}))
                    same(await look_up(store, ANN), [mpid], f"the holder in turn {turn}")
                    await put(store, record(mpid, {}))
                    same(await look_up(store, ANN), [], "the holders of a value given up")

    async def test_a_value_moves_between_profiles(self) -> None:
        """One commit takes an exclusive value from one profile and gives it to another, in either order of writes."""
        async with self.opened() as store:
            await put(store, record(1, {CUSTOMER: ["ann"]}), record(2, {EMAIL: ["e"]}))
            for to, other in ((2, 1), (1, 2)):
                await put(store, record(to, {CUSTOMER: ["ann"]}), record(other, {EMAIL: ["e"]}))
                same(await look_up(store, ANN), [to], "the holder")
            await put(store, record(1, {}), record(3, {CUSTOMER: ["ann"]}))
            same(await look_up(store, ANN), [3], "the new profile that got it")
            is_so((await get(store, 1)).orphan, "the profile that lost everything")

    async def test_values_are_swapped(self) -> None:
        """Profiles may exchange exclusive values in one commit, in pairs and around a ring."""
        names = ["a", "b", "c"]
        async with self.opened() as store:
            await put(store, *(record(mpid, {CUSTOMER: [name]}) for mpid, name in enumerate(names, start=1)))
            await put(store, record(1, {CUSTOMER: ["b"]}), record(2, {CUSTOMER: ["a"]}))
            holders = {name: await look_up(store, Identity(CUSTOMER, name)) for name in names}
            same(holders, {"a": [2], "b": [1], "c": [3]}, "the holders after the swap")
            await put(store, record(1, {CUSTOMER: ["a"]}), record(2, {CUSTOMER: ["c"]}), record(3, {CUSTOMER: ["b"]}))
            holders = {name: await look_up(store, Identity(CUSTOMER, name)) for name in names}
            same(holders, {"a": [1], "c": [2], "b": [3]}, "the holders after the ring")

    async def test_an_exclusive_value_has_one_holder(self) -> None:
        """A commit that would give an exclusive value a second holder is refused, even if it never looked there."""
        async with self.opened() as store:
            await put(store, record(1, {CUSTOMER: ["ann"]}))
            unseen = await store.load([])
            was_refused(
                await store.commit(unseen, commit_of(new(record(2, {CUSTOMER: ["ann"]})))), "a value of somebody else"
            )
            twice = commit_of(new(record(3, {CUSTOMER: ["bob"]})), new(record(4, {CUSTOMER: ["bob"]})))
            was_refused(await store.commit(await store.load([wanted(BOB)]), twice), "a value given to two at once")
            snapshot = await store.load([wanted(ANN)])
            holder = changed(snapshot, record(1, {CUSTOMER: ["ann"], EMAIL: ["e"]}))
            both = commit_of(holder, new(record(5, {CUSTOMER: ["ann"]})))
            was_refused(await store.commit(snapshot, both), "a value whose holder is written too, and keeps it")
            same(await look_up(store, ANN, BOB), [1], "the holders")

    async def test_other_values_are_shared(self) -> None:
        """A value of a type that is not exclusive has any number of holders, made together or one by one."""
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["e"]}), record(2, {EMAIL: ["e"]}))
            await put(store, record(3, {EMAIL: ["e"]}))
            same(await look_up(store, Identity(EMAIL, "e")), [1, 2, 3], "the holders")
            await put(store, record(2, {}))
            same(await look_up(store, Identity(EMAIL, "e")), [1, 3], "the holders that are left")

    async def test_a_new_rule_does_not_judge_what_was_there(self) -> None:
        """Values that were shared before their type became exclusive stay, and nobody else gets them."""
        stricter = EXCLUSIVE | {EMAIL}
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["e"]}), record(2, {EMAIL: ["e"]}))
            await put(store, record(1, {EMAIL: ["e", "f"]}), exclusive=stricter)
            outcome = await try_put(store, record(3, {EMAIL: ["e"]}), exclusive=stricter)
            was_refused(outcome, "a further holder under the new rule")
            same(await look_up(store, Identity(EMAIL, "e")), [1, 2], "the holders")
            await put(store, record(1, {EMAIL: ["f"]}), record(2, {}), exclusive=stricter)
            await put(store, record(3, {EMAIL: ["e"]}), exclusive=stricter)
            same(await look_up(store, Identity(EMAIL, "e")), [3], "the holder of the value that was given up")

    async def test_an_old_rule_shares_what_was_exclusive(self) -> None:
        """A value that was taken as exclusive may be shared once its type no longer is, and stays so."""
        async with self.opened() as store:
            await put(store, record(1, {CUSTOMER: ["ann"]}))
            await put(store, record(2, {CUSTOMER: ["ann"]}), exclusive=frozenset())
            await put(store, record(1, {CUSTOMER: ["ann"], EMAIL: ["e"]}))
            same(await look_up(store, ANN), [1, 2], "the holders")

    async def test_an_mpid_names_one_profile(self) -> None:
        """A new profile under an MPID that is taken is refused, in the same pool and in any other."""
        async with self.opened() as store:
            await put(store, record(1, {CUSTOMER: ["ann"]}))
            for pool in (SHOP, OTHER_SCOPE, OTHER_ENVIRONMENT):
                commit = commit_of(new(record(1, {CUSTOMER: ["bob"]})), pool=pool)
                was_refused(await store.commit(await store.load([wanted(BOB, pool=pool)]), commit), "a taken MPID")
            same((await get(store, 1)).identities, {CUSTOMER: ("ann",)}, "the profile that has it")

    async def test_every_commit_gives_a_new_version(self) -> None:
        """A record's version changes with each commit that writes it, and comes back as load showed it."""
        async with self.opened() as store:
            versions: list[int] = []
            for turn in range(4):
                await put(store, record(1, {EMAIL: [str(turn)]}))
                versions.append((await get(store, 1)).version)
                same(found(await store.load([wanted(mpids=[1])]))[1].version, versions[-1], "the loaded version")
            same(len(set(versions)), len(versions), "the number of versions")

    async def test_a_write_over_an_older_state_is_refused(self) -> None:
        """A write whose `before` is not the record as it is now is refused, however fresh the snapshot."""
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["a"]}))
            old = await get(store, 1)
            await put(store, record(1, {EMAIL: ["b"]}))
            snapshot = await store.load([])
            stale = RecordWrite(old, old._replace(identities={EMAIL: ("c",)}))
            was_refused(await store.commit(snapshot, commit_of(stale)), "a write over an older state")
            same((await get(store, 1)).identities, {EMAIL: ("b",)}, "the values")
