"""Commits that change many holders at once leave both stores alike: from nobody to a crowd and back, in any order.

The service never commits most of these; that a store keeps them apart is what its other users rely on.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from knownas.core.identity.decision import RecordWrite
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.record import Record, values_of
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Activity, Commit, CommitOutcome, LogEntry, Pool, PoolWrites, Snapshot, Store, Wanted
from tests.store.places import PLACES, Place
from tests.store.world import EVERYTHING, records_in

PROGRAMS, COMMITS, AT_ONCE = 40, 12, 10
POOL = Pool("shop", "production")
TYPES = (IdentityType.CUSTOMER_ID, IdentityType.EMAIL, IdentityType.IOS_IDFV)
IDENTITIES = [Identity(kind, value) for kind in TYPES for value in ("1", "2")]
PAGE = 2


@dataclass(frozen=True)
class Change:
    """What a profile is to hold, and whether it is to be known; it is made if there is none of this number."""

    mpid: int
    held: tuple[Identity, ...]
    known: bool
    at_ms: int


@dataclass
class Draft:
    """One commit, for whichever store; `behind` are commits of others after it has loaded."""

    looked_up: list[Identity]
    named: list[int]
    changes: list[Change]
    exclusive: frozenset[IdentityType]
    lines: list[tuple[int, ...]]
    touches: list[Activity]
    behind: list["Draft"] = field(default_factory=list["Draft"])


class Drawing:
    """Draws commits; counts the profiles and lines that it has given numbers to."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._most_new = self._random.choice((1, 3, 20))
        self.mpids = 0
        self.now_ms = 1

    def commit(self, *, alone: bool = False) -> Draft:
        """Draw a commit about some profiles that there may be, and some new ones."""
        random = self._random
        self.now_ms += random.choice((0, 1, 5))
        there = [mpid for mpid in range(1, self.mpids + 1) if random.random() < 0.4]
        new = range(self.mpids + 1, self.mpids + 1 + random.randint(0, self._most_new))
        self.mpids += len(new)
        changes = [self._change(mpid) for mpid in (*there, *new)]
        random.shuffle(changes)
        touched = [change.mpid for change in changes]
        return Draft(
            [one for one in IDENTITIES if random.random() < 0.5],
            list(range(1, self.mpids + 1)),
            changes,
            frozenset(kind for kind in TYPES if random.random() < 0.1),
            [tuple(random.sample(touched, random.randint(1, len(touched)))) for _ in range(2) if touched],
            [Activity(mpid, self.now_ms + random.randint(-3, 3)) for mpid in there if random.random() < 0.2],
            [] if alone or random.random() < 0.9 else [self.commit(alone=True)],
        )

    def _change(self, mpid: int) -> Change:
        held = self._random.sample(IDENTITIES, self._random.choice((0, 1, 1, 2, 4)))
        return Change(mpid, tuple(held), self._random.random() < 0.4, self.now_ms)


@dataclass
class Side:
    """One of the two stores, and how many lines it was given."""

    store: Store
    lines: int = 0

    async def play(self, draft: Draft) -> list[type[CommitOutcome]]:
        """Load, let others come in between, and commit; return how each commit ended."""
        await self.store.touch(draft.touches)
        snapshot = await self.store.load([Wanted(POOL, draft.looked_up, draft.named)])
        outcomes = [outcome for one in draft.behind for outcome in await self.play(one)]
        writes = PoolWrites(list(_writes(snapshot, draft.changes)), draft.exclusive)
        outcomes.append(type(await self.store.commit(snapshot, Commit({POOL: writes}, list(self._log(draft))))))
        return outcomes

    def _log(self, draft: Draft) -> Iterator[LogEntry]:
        for touched in draft.lines:
            self.lines += 1
            yield LogEntry(f"{self.lines:032x}", POOL, self.lines, 1, None, touched, b"{}", b"{}")

    async def history(self, mpid: int) -> list[str]:
        """Return a profile's lines, read by small pages."""
        lines: list[str] = []
        after, more = 0, True
        while more:
            page = await self.store.history(mpid, after, PAGE)
            lines += [entry.decision_id for entry in page]
            more = len(page) == PAGE
            after = page[-1].seq if page else after
        return lines

    async def loaded(self, looked_up: Sequence[Identity]) -> tuple[dict[int, Record], set[Identity]]:
        """Return what a load of some identities brings, without the versions."""
        loaded = (await self.store.load([Wanted(POOL, looked_up)])).pools.get(POOL)
        if loaded is None:
            return {}, set()
        return {one.mpid: one._replace(version=0) for one in loaded.records}, set(loaded.crowded)

    async def alone(self) -> list[int | None]:
        """Return who alone holds each identity."""
        sole = await self.store.sole_holders([(POOL, one) for one in IDENTITIES])
        return [None if one is None else one.mpid for one in sole]


def _writes(snapshot: Snapshot, changes: Sequence[Change]) -> Iterator[RecordWrite]:
    loaded = snapshot.pools.get(POOL)
    there = {} if loaded is None else {record.mpid: record for record in loaded.records}
    for change in changes:
        before = there.get(change.mpid)
        at_ms = change.at_ms
        base = before or Record(change.mpid, {}, {}, known=False, created_ms=at_ms, active_ms=at_ms)
        active_ms = max(at_ms, base.active_ms)
        held = values_of(change.held)
        yield RecordWrite(before, base._replace(identities=held, known=change.known, active_ms=active_ms))


async def compare(seed: int, place: Place) -> None:
    """Play a program to a memory store and another one, and compare what each commit leaves."""
    drawing, memory, other = Drawing(seed), Side(MemoryStore()), Side(place.open())
    for number in range(COMMITS):
        draft = drawing.commit()
        where = f"program {seed}, commit {number}"
        assert await other.play(draft) == await memory.play(draft), where
        assert await records_in(other.store, POOL) == await records_in(memory.store, POOL), where
        assert await other.alone() == await memory.alone(), where
        for looked_up in (*([one] for one in IDENTITIES), IDENTITIES):
            assert await other.loaded(looked_up) == await memory.loaded(looked_up), where
    for mpid in range(1, drawing.mpids + 1):
        assert await other.history(mpid) == await memory.history(mpid), f"program {seed}, profile {mpid}"
    assert len(await other.store.log(POOL, 0, EVERYTHING)) == len(await memory.store.log(POOL, 0, EVERYTHING))
    await asyncio.gather(other.store.close(), memory.store.close())


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("first", range(0, PROGRAMS, AT_ONCE))
def test_stores_keep_the_same_holders(first: int, kind: str, tmp_path: Path) -> None:
    """Whatever many profiles get, give up and hand over in one commit, a store finds whom memory finds, in each order."""
    for seed in range(first, first + AT_ONCE):
        with PLACES[kind](tmp_path) as place:
            asyncio.run(compare(seed, place))
            assert place.contradictions() == [], f"program {seed}"
