"""Puts together whether identity resolution is healthy in a scope: what came of requests over time, and how things stand now.

The console and our own API show these same numbers.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from knownas.core.health.intervals import Span
from knownas.core.health.tally import RefusedFor, Tally
from knownas.core.health.traffic import Traffic, refused_unplaced, traffic_of
from knownas.core.identity.kinds import Identity
from knownas.service.health.census import CensusTaking, Counted, CountedCrowds
from knownas.service.health.tallying import Tallying
from knownas.service.history.self_check import Checked, SelfCheck
from knownas.service.jobs import Job, Jobs, JobState
from knownas.service.security.directory import Directory
from knownas.service.toxic.deciding import ToxicIdentities
from knownas.service.toxic.list import ToxicState
from knownas.service.turns import Turns
from knownas.store.census import CROWD_SIZES, Crowd, CrowdCounts, ProfileCounts
from knownas.store.port import Pool, Store

NOBODY: Final = ProfileCounts(0, 0, 0)


class InputName(NamedTuple):
    """An input by the workspace that it belongs to: its id, what it is called, and the input's name. None where that is not known."""

    workspace: int | None = None
    workspace_name: str | None = None
    name: str | None = None


GONE: Final = InputName()
"""Requests that named no input, or one that is not in the configuration any more."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An hour or a day: when it begins, in Unix milliseconds, and what came in it; None if nothing was counted then yet."""

    begin_ms: int
    traffic: Traffic | None


@dataclass(frozen=True, slots=True)
class Period:
    """Some hours or days one after the other, what came in all of them, and what was refused in them before a scope was known."""

    span: Span
    intervals: Sequence[Interval]
    whole: Traffic
    unplaced: Mapping[RefusedFor, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand in a pool now, or when they were counted last.

    `crowds` and `largest` are of devices. `checked` is what the last self-check found that came to its end, and `failed` a later one that did
    not. `log_since_ms` is when the oldest line of the log was written; None if there is none.
    """

    counted: Counted | None
    profiles: ProfileCounts
    counted_crowds: CountedCrowds | None
    crowds: CrowdCounts
    largest: Sequence[Crowd]
    toxic: Mapping[ToxicState, int]
    checked: Checked | None
    failed: Job | None
    under_way: Sequence[Job]
    log_since_ms: int | None


class Health:
    """The health of identity. One event loop, one of these."""

    def __init__(self, store: Store, directory: Directory, clock: Callable[[], int], turns: Turns | None) -> None:
        self.tallying: Final = Tallying(store, clock)
        """Counts what comes of requests."""
        self.census: Final = CensusTaking(store, clock, turns)
        """Counts what there is."""
        self._store = store
        self._directory = directory
        self._clock = clock

    def start(self) -> None:
        """Count from now on, until it is closed."""
        self.tallying.start()
        self.census.start()

    async def stop_counting(self) -> None:
        """Count no more what there is. What comes of requests is still noted."""
        await self.census.close()

    async def close(self) -> None:
        """Write down what was noted, and stop."""
        await self.tallying.close()

    def input_names(self) -> Mapping[str, InputName]:
        """Return what the inputs are called, by their lasting keys."""
        return {
            one.lasting_key: InputName(one.workspace.id, one.workspace.name, one.input.name)
            for one in self._directory.doors
        }

    async def period(self, scope: str, environment: str, span: Span, from_ms: int, to_ms: int) -> Period:
        """Return what came in the hours or days from one that has a time to the one before another time, as far as they are kept.

        Raises:
            StoreError: the store does not answer, or what it keeps can't be read.
        """
        now_ms = self._clock()
        wanted = max(0, span.at(now_ms) - span.at(from_ms) + 1)
        numbers = span.last(wanted, now_ms)
        tallies = await self.tallying.last(span, wanted)
        found = [
            (number, tally) for number, tally in zip(numbers, tallies, strict=True) if span.begin_ms(number) < to_ms
        ]
        known: list[Tally] = [tally for _, tally in found if tally is not None]
        intervals = [
            Interval(span.begin_ms(number), None if tally is None else traffic_of([tally], scope, environment))
            for number, tally in found
        ]
        return Period(span, intervals, traffic_of(known, scope, environment), refused_unplaced(known))

    async def identity_of(self, pool: Pool, crowd: Crowd) -> Identity | None:
        """Return the identity that a crowd has in common; None if it is a crowd no more, or the profile that stands for it has gone.

        Raises:
            StoreError: the store does not answer.
        """
        stored = await self._store.profile(crowd.mpid)
        values = () if stored is None else stored.record.identities.get(crowd.type, ())
        for one in (Identity(crowd.type, value) for value in values):
            if len(await self._store.holders(pool, one, CROWD_SIZES[1])) == CROWD_SIZES[1]:
                return one
        return None

    async def standing(self, pool: Pool, toxic: ToxicIdentities, self_check: SelfCheck, jobs: Jobs) -> Standing:
        """Return how things stand in a pool.

        Raises:
            StoreError: the store does not answer, or what it keeps can't be read.
        """
        await toxic.following.take_up()
        ended = await self_check.learn()
        census = await self.census.last()
        counted = None if census is None else census.counted
        crowds = None if census is None else census.crowds
        oldest = await self._store.log(pool, 0, 1)
        return Standing(
            counted,
            NOBODY if counted is None else counted.profiles.get(pool, NOBODY),
            crowds,
            CrowdCounts(0, ()) if crowds is None else crowds.crowds.get(pool, CrowdCounts(0, ())),
            () if crowds is None else crowds.largest.get(pool, ()),
            Counter(one.state for one in toxic.following.listed.of(pool)),
            self_check.last,
            ended if ended is not None and ended.state is JobState.FAILED else None,
            await jobs.under_way(pool.scope),
            oldest[0].at_ms if oldest else None,
        )
