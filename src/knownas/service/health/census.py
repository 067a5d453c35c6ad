"""Has the profiles of a database counted now and then, by one of the servers over it, and remembers what came of it.

Counting looks through everything, so it is done beside what is served, and rests much longer than it takes. Where a store can't count
all profiles in time, those in a part of all MPIDs are counted: MPIDs are drawn evenly, so the part tells of the whole. What is remembered
names no identity, but one profile of each crowd: whoever is shown it looks that up.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType
from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.service.health.limits import (
    CENSUS_AGAIN_MS,
    CENSUS_LOOK_SECONDS,
    CENSUS_RESTS_TIMES,
    CENSUS_SHARES,
    CENSUS_TURN_MS,
    CROWDS_SHOWN_MAX,
)
from knownas.service.kept_document import rewrite
from knownas.service.repeating import Repeating
from knownas.service.turns import Turns
from knownas.store.census import Crowd, CrowdCounts, ProfileCounts
from knownas.store.errors import StoreDamaged, StoreUnavailable
from knownas.store.port import Pool, Store

log: Final = logging.getLogger(__name__)

_KEPT_AS: Final = "health/census"
_TURN: Final = "census"
_ALL_MPIDS: Final = MPID_MAX - MPID_MIN + 1


@dataclass(frozen=True, slots=True)
class Counted:
    """How many profiles there were at a time, in Unix milliseconds. Of so many equal parts of all MPIDs, one was counted."""

    at_ms: int
    parts: int
    profiles: Mapping[Pool, ProfileCounts]


@dataclass(frozen=True, slots=True)
class CountedCrowds:
    """How many anonymous profiles devices had at a time, in Unix milliseconds, and those with the most."""

    at_ms: int
    crowds: Mapping[Pool, CrowdCounts]
    largest: Mapping[Pool, Sequence[Crowd]]


@dataclass(frozen=True, slots=True)
class Census:
    """What was counted last. What can't be counted in time is None, or as old as it says. `took_ms` is how long all of it took."""

    counted: Counted | None
    crowds: CountedCrowds | None
    at_ms: int
    took_ms: int

    @property
    def again_ms(self) -> int:
        """When it is time to count again."""
        return self.at_ms + max(CENSUS_AGAIN_MS, self.took_ms * CENSUS_RESTS_TIMES)


class CensusTaking:
    """The counts of a database. One event loop, one of these."""

    def __init__(self, store: Store, clock: Callable[[], int], turns: Turns | None = None) -> None:
        """With `turns`, one of the processes that share a database counts."""
        self._store = store
        self._clock = clock
        self._turns = turns
        self._looking = Repeating(self.look, CENSUS_LOOK_SECONDS, log, "counting profiles", "again soon")

    async def last(self) -> Census | None:
        """Return what was counted last; None if nothing ever was.

        Raises:
            StoreError: the store does not answer, or what it keeps is not this (StoreDamaged).
        """
        return _read(await self._store.kept(_KEPT_AS))

    async def look(self) -> None:
        """Count if it is time to, and it is our turn.

        Raises:
            StoreError: the store does not answer.
        """
        last = await self.last()
        if last is not None and self._clock() < last.again_ms:
            return
        if self._turns is None or await self._turns.take(_TURN, CENSUS_TURN_MS):
            await self.take()

    async def take(self) -> None:
        """Count now, and remember it.

        Raises:
            StoreError: the store could not keep it.
        """
        before, began = await self.last(), asyncio.get_running_loop().time()
        counted, crowds = await self._profiles(), await self._crowds()
        if before is not None:
            counted, crowds = counted or before.counted, crowds or before.crowds
        took_ms = round((asyncio.get_running_loop().time() - began) * 1_000)
        document = _written(Census(counted, crowds, self._clock(), took_ms))
        await rewrite(self._store, _KEPT_AS, lambda _: document)

    def start(self) -> None:
        """Count now and then from now on, until it is closed."""
        self._looking.start()

    async def close(self) -> None:
        """Stop, also what is under way."""
        await self._looking.close()

    async def _profiles(self) -> Counted | None:
        """Count all profiles, or those in a part of all MPIDs; None if even that takes too long."""
        for parts in CENSUS_SHARES:
            at_ms = self._clock()
            try:
                found = await self._store.census.profiles(MPID_MIN, MPID_MIN + _ALL_MPIDS // parts - 1)
            except StoreUnavailable as error:
                log.warning("profiles in one of %d parts could not be counted: %s", parts, error)
                continue
            times = {pool: ProfileCounts(*(one * parts for one in counts)) for pool, counts in found.items()}
            return Counted(at_ms, parts, times)
        return None

    async def _crowds(self) -> CountedCrowds | None:
        at_ms = self._clock()
        try:
            crowds = await self._store.census.crowds(DEVICE_TYPES)
            largest = await self._store.census.largest(DEVICE_TYPES, CROWDS_SHOWN_MAX)
        except StoreUnavailable as error:
            log.warning("profiles by device could not be counted: %s", error)
            return None
        return CountedCrowds(at_ms, crowds, largest)


class _OfPool(msgspec.Struct, array_like=True, frozen=True):
    scope: str
    environment: str
    profiles: tuple[int, int, int] | None = None
    crowds: tuple[int, tuple[int, ...]] | None = None
    largest: list[tuple[IdentityType, int, int]] = msgspec.field(default_factory=list[tuple[IdentityType, int, int]])


class _Document(msgspec.Struct, array_like=True, frozen=True):
    at_ms: int
    took_ms: int
    profiles_at_ms: int | None
    parts: int
    crowds_at_ms: int | None
    pools: list[_OfPool]


_DECODER: Final = msgspec.json.Decoder(_Document)


def _written(census: Census) -> bytes:
    counted, crowds = census.counted, census.crowds
    profiles = dict[Pool, ProfileCounts]() if counted is None else counted.profiles
    sizes = dict[Pool, CrowdCounts]() if crowds is None else crowds.crowds
    largest = dict[Pool, Sequence[Crowd]]() if crowds is None else crowds.largest
    pools = [
        _OfPool(
            *pool,
            profiles.get(pool),
            sizes.get(pool),
            [(kind, anonymous, mpid) for kind, anonymous, mpid in largest.get(pool, ())],
        )
        for pool in dict.fromkeys([*profiles, *sizes])
    ]
    document = _Document(
        census.at_ms,
        census.took_ms,
        None if counted is None else counted.at_ms,
        1 if counted is None else counted.parts,
        None if crowds is None else crowds.at_ms,
        pools,
    )
    return msgspec.json.encode(document)


def _read(kept: bytes | None) -> Census | None:
    if kept is None:
        return None
    try:
        document = _DECODER.decode(kept)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not how many profiles there are: {error}") from error
    profiles: dict[Pool, ProfileCounts] = {}
    crowds: dict[Pool, CrowdCounts] = {}
    largest: dict[Pool, Sequence[Crowd]] = {}
    for one in document.pools:
        pool = Pool(one.scope, one.environment)
        if one.profiles is not None:
            profiles[pool] = ProfileCounts(*one.profiles)
        if one.crowds is not None:
            crowds[pool], largest[pool] = CrowdCounts(*one.crowds), [Crowd(*each) for each in one.largest]
    counted_ms, crowds_ms = document.profiles_at_ms, document.crowds_at_ms
    return Census(
        None if counted_ms is None else Counted(counted_ms, document.parts, profiles),
        None if crowds_ms is None else CountedCrowds(crowds_ms, crowds, largest),
        document.at_ms,
        document.took_ms,
    )
