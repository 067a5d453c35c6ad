"""Tests lost races: what was decided over a snapshot that no longer holds is not kept.

The rivals are two stores over the same data where the adapter allows it, as two server processes would be.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from knownas.core.identity.kinds import Identity, IdentityType
from knownas.store.conformance.examples import (
    CUSTOMER,
    EMAIL,
    OTHER_ENVIRONMENT,
    OTHER_SCOPE,
    PAGE,
    SHOP,
    STAMP,
    START_MS,
    changed,
    commit_of,
    entry,
    found,
    get,
    look_up,
    new,
    put,
    record,
    wanted,
)
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import same, was_kept, was_refused
from knownas.store.port import Activity, Commit, Committed, Store

ANN: Final = Identity(CUSTOMER, "ann")
DEVICE: Final = Identity(STAMP, "device")
RIVALS: Final = 8

Interference = Callable[[Store], Awaitable[None]]


class RacePromises(Subject):
    """What happens between a `load` and its `commit`."""

    async def test_a_first_sighting_makes_one_profile(self) -> None:
        """Of two simultaneous first sightings of a value one is kept, whether or not its type is exclusive."""
        for number, kind in enumerate((CUSTOMER, EMAIL)):
            async with self.rivals() as (one, other):
                await self._race(one, other, kind, 10 * number)

    async def _race(self, one: Store, other: Store, kind: IdentityType, base: int) -> None:
        seen = Identity(kind, f"seen first {base}")
        first, second = await one.load([wanted(seen)]), await other.load([wanted(seen)])
        outcomes = [
            await other.commit(second, commit_of(new(record(base + 2, {kind: [seen.value]})))),
            await one.commit(first, commit_of(new(record(base + 1, {kind: [seen.value]})))),
        ]
        was_kept(outcomes[0], "the faster one")
        was_refused(outcomes[1], "the slower one")
        same(await look_up(one, seen), [base + 2], "whom the slower one finds when it looks again")

    async def test_of_many_first_sightings_one_is_kept(self) -> None:
        """Of many snapshots in which a value was absent, exactly one may make its profile."""
        async with self.rivals() as rivals:
            snapshots = [await rivals[turn % 2].load([wanted(ANN, DEVICE)]) for turn in range(RIVALS)]
            outcomes = [
                await rivals[turn % 2].commit(
                    snapshot, commit_of(new(record(turn + 1, {CUSTOMER: ["ann"], STAMP: [f"device {turn}"]})))
                )
                for turn, snapshot in enumerate(snapshots)
            ]
            same(sum(isinstance(outcome, Committed) for outcome in outcomes), 1, "the number kept")
            same(len(await look_up(rivals[0], ANN)), 1, "the number of holders")
            same(len(await rivals[1].records(SHOP, None, PAGE)), 1, "the number of profiles")
            same(len(await rivals[1].log(SHOP, 0, PAGE)), 1, "the number of lines")

    async def test_a_change_of_a_changed_profile_is_refused(self) -> None:
        """Of two changes of one profile over the same state of it, the second is refused: no update is lost."""
        async with self.rivals() as (one, other):
            await put(one, record(1, {CUSTOMER: ["ann"]}))
            first, second = await one.load([wanted(ANN)]), await other.load([wanted(ANN)])
            mine = changed(first, record(1, {CUSTOMER: ["ann"], EMAIL: ["mine"]}))
            yours = changed(second, record(1, {CUSTOMER: ["ann"], EMAIL: ["yours"]}))
            was_kept(await other.commit(second, commit_of(yours)))
            was_refused(await one.commit(first, commit_of(mine)), "the slower change")
            same((await get(one, 1)).identities[EMAIL], ("yours",), "the value")
            same(await look_up(one, Identity(EMAIL, "mine")), [], "the holders of the refused value")

    async def test_what_a_decision_saw_may_not_have_changed(self) -> None:
        """A commit is refused if a record or the holders it was decided over have changed, though it writes others."""
        async with self.rivals() as (one, other):
            await put(one, record(1, {EMAIL: ["e"]}), record(2, {STAMP: ["device"]}), record(3, {}))
            interferences: dict[str, Interference] = {
                "a loaded profile got a value": lambda store: put(store, record(1, {EMAIL: ["e", "f"]})),
                "a wanted identity got a holder": lambda store: put(store, record(4, {STAMP: ["device"]})),
                "a wanted identity got its first holder": lambda store: put(store, record(5, {CUSTOMER: ["ann"]})),
                "a wanted identity lost a holder": lambda store: put(store, record(2, {})),
                "a wanted identity lost its last holder": lambda store: put(store, record(4, {})),
                "a wanted identity got a holder again": lambda store: put(store, record(2, {STAMP: ["device"]})),
                "a loaded profile was active": lambda store: store.touch([Activity(1, START_MS + 9)]),
                "a profile wanted by its MPID changed": lambda store: put(store, record(3, {EMAIL: ["g"]})),
            }
            for number, (what, interfere) in enumerate(interferences.items(), start=100):
                snapshot = await one.load([wanted(Identity(EMAIL, "e"), DEVICE, ANN, mpids=[3])])
                await interfere(other)
                commit = commit_of(new(record(number, {EMAIL: [f"new {number}"]})))
                was_refused(await one.commit(snapshot, commit), f"a commit after {what}")
                same(await one.profile(number), None, "the refused profile")

    async def test_what_a_decision_did_not_see_may_change(self) -> None:
        """A commit is kept although others have written meanwhile, as long as that did not concern it."""
        async with self.rivals() as (one, other):
            await put(one, record(1, {EMAIL: ["e"]}), record(2, {EMAIL: ["other"]}))
            snapshot = await one.load([wanted(Identity(EMAIL, "e"), DEVICE)])
            await put(other, record(2, {EMAIL: ["another"]}), record(3, {CUSTOMER: ["ann"]}))
            await put(other, record(4, {STAMP: ["device"]}), pool=OTHER_SCOPE)
            await put(other, record(5, {EMAIL: ["e"]}), pool=OTHER_ENVIRONMENT)
            await other.touch([Activity(2, START_MS + 5), Activity(4, START_MS + 5)])
            was_kept(await other.commit(await other.load([]), Commit(log=[entry()])))
            mine = commit_of(
                changed(snapshot, record(1, {EMAIL: ["e"], STAMP: ["device"]})), new(record(6, {EMAIL: ["six"]}))
            )
            was_kept(await one.commit(snapshot, mine))
            same(await look_up(other, DEVICE), [1], "the holder")

    async def test_a_snapshot_serves_once(self) -> None:
        """A second commit over a snapshot is refused if the first changed what it shows."""
        async with self.opened() as store:
            await put(store, record(1, {EMAIL: ["e"]}))
            snapshot = await store.load([wanted(Identity(EMAIL, "e"), ANN)])
            was_kept(await store.commit(snapshot, commit_of(changed(snapshot, record(1, {EMAIL: ["e", "f"]})))))
            again = changed(snapshot, record(1, {EMAIL: ["e", "g"]}))
            was_refused(await store.commit(snapshot, commit_of(again)), "a second change of the profile")
            stranger = commit_of(new(record(2, {CUSTOMER: ["ann"]})))
            was_refused(await store.commit(snapshot, stranger), "a change over what was true before the first")

    async def test_the_loser_wins_when_it_looks_again(self) -> None:
        """After a conflict, loading again and deciding again over what is there now leads to a commit that holds."""
        async with self.rivals() as (one, other):
            for turn in range(RIVALS):
                stale = await one.load([wanted(ANN)])
                await put(other, record(1, {CUSTOMER: ["ann"], EMAIL: [f"theirs {turn}"]}))
                theirs = found(stale).get(1) or record(1, {CUSTOMER: ["ann"]})
                lost = [changed(stale, theirs)] if turn else [new(theirs)]
                was_refused(await one.commit(stale, commit_of(*lost)), "the stale decision")
                fresh = await one.load([wanted(ANN)])
                seen = found(fresh)[1]
                same(seen.identities[EMAIL], (f"theirs {turn}",), "what it sees when it looks again")
                mine = seen._replace(identities={CUSTOMER: ("ann",), EMAIL: (f"mine {turn}",)})
                was_kept(await one.commit(fresh, commit_of(changed(fresh, mine))))
                same((await get(other, 1)).identities[EMAIL], (f"mine {turn}",), "what the rival sees")

    async def test_an_acknowledged_commit_is_seen_by_the_rival(self) -> None:
        """What one store has committed, the other sees in its next look, by every method."""
        async with self.rivals() as (one, other):
            for mpid in range(1, RIVALS + 1):
                await put(one, record(mpid, {CUSTOMER: [str(mpid)], STAMP: ["device"]}))
                same(await look_up(other, Identity(CUSTOMER, str(mpid))), [mpid], "the holder")
                same(await look_up(other, DEVICE), list(range(1, mpid + 1)), "the holders")
                same((await get(other, mpid)).mpid, mpid, "the profile")
                same(len(await other.records(SHOP, None, PAGE)), mpid, "the records")
                same(len(await other.log(SHOP, 0, PAGE)), mpid, "the log")
                same(len(await other.history(mpid, 0, PAGE)), 1, "the history")
