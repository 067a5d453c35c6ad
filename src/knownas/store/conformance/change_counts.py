"""Tests that changes of membership are counted by interval: those of one audience in some time, and no others."""

from collections.abc import Sequence
from typing import Final

from knownas.store.audiences import AudienceCommit, ChangeCount, MembershipChange
from knownas.store.conformance.examples import PAGE, START_MS
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.user_data_examples import ANN, BOB
from knownas.store.conformance.verdicts import is_so, same, turns
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

HOUR_MS: Final = 3_600_000
FIRST_MS: Final = START_MS - START_MS % HOUR_MS
"""When an hour begins."""


def changed(at_ms: int, *, is_member: bool = True, key: SectionKey = ANN, audience: int = 1) -> MembershipChange:
    """Make a change of a membership."""
    return MembershipChange(key, audience, is_member, at_ms, b"because")


async def note(store: Store, *changes: MembershipChange) -> None:
    """Keep changes of membership."""
    is_so(await store.audiences.commit(AudienceCommit(changes=changes)), "the changes are kept")


async def counted(
    store: Store, from_ms: int, until_ms: int, every_ms: int = HOUR_MS, audience: int = 1
) -> Sequence[ChangeCount]:
    """Count the changes of an audience in the workspace and environment of Ann."""
    of = (ANN.workspace, ANN.environment, audience)
    return list(await store.audiences.count_changes(*of, from_ms, until_ms, every_ms))


class ChangeCountPromises(Subject):
    """What `store.audiences` says of how changes of membership are counted."""

    async def test_changes_are_counted_by_interval(self) -> None:
        """Those who joined and those who left apart; who does both counts for both, and intervals without any are left out."""
        async with self.opened() as store:
            await note(store, changed(FIRST_MS), changed(FIRST_MS + 1, key=BOB))
            await note(store, changed(FIRST_MS + HOUR_MS - 1, is_member=False))
            await note(store, changed(FIRST_MS + 3 * HOUR_MS, is_member=False, key=BOB))
            hours = [ChangeCount(FIRST_MS, 2, 1), ChangeCount(FIRST_MS + 3 * HOUR_MS, 0, 1)]
            same(await counted(store, FIRST_MS, FIRST_MS + 4 * HOUR_MS), hours, "the hours")
            day_ms = 24 * HOUR_MS
            first = FIRST_MS - FIRST_MS % day_ms
            found = await counted(store, first, first + 2 * day_ms, day_ms)
            same([sum(one[place] for one in found) for place in (1, 2)], [2, 2], "what all days come to")
            is_so(all(one.from_ms % day_ms == 0 for one in found), "days begin when a day does")

    async def test_a_time_has_its_beginning_and_not_its_end(self) -> None:
        """Also where they are in the midst of an interval."""
        async with self.opened() as store:
            await note(store, *(changed(FIRST_MS + at) for at in range(5)))
            same(await counted(store, FIRST_MS + 1, FIRST_MS + 4), [ChangeCount(FIRST_MS, 3, 0)], "the three between")
            same(await counted(store, FIRST_MS + 4, FIRST_MS + 4), [], "a time without length")
            same(await counted(store, FIRST_MS + 5, FIRST_MS + HOUR_MS), [], "a time in which nothing changed")

    async def test_changes_of_others_are_not_counted(self) -> None:
        """Of another audience, environment or workspace."""
        async with self.opened() as store:
            elsewhere = (ANN._replace(environment="development"), ANN._replace(workspace=200))
            await note(store, *(changed(FIRST_MS, key=key) for key in elsewhere), *[changed(FIRST_MS, audience=2)] * 2)
            same(await counted(store, 0, FIRST_MS + HOUR_MS), [], "what is counted of one of which nothing changed")
            await note(store, changed(FIRST_MS))
            same(await counted(store, 0, FIRST_MS + HOUR_MS), [ChangeCount(FIRST_MS, 1, 0)], "what is counted")
            same(await counted(store, 0, FIRST_MS + HOUR_MS, audience=2), [ChangeCount(FIRST_MS, 2, 0)], "of another")

    async def test_who_was_forgotten_is_not_counted(self) -> None:
        """Their changes are gone."""
        async with self.opened() as store:
            await note(store, changed(FIRST_MS), changed(FIRST_MS, key=BOB))
            for _ in turns():
                if not await store.audiences.forget_profile(ANN.workspace, ANN.mpid, PAGE):
                    break
            same(await counted(store, FIRST_MS, FIRST_MS + 1), [ChangeCount(FIRST_MS, 1, 0)], "what is left to count")
