"""Counts what comes of the requests of this server, and adds it to what all servers over the database have counted.

Noting costs a request one entry of a dictionary. Every few seconds what was noted is added to two small documents, that of the hour
and that of the day; of each span there are as many documents as intervals are remembered, and the newest takes the place of the
oldest. An addition has a number, and the document remembers the last one of each server: so one of which nobody could say
whether it was kept is tried again, and never counted twice.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import msgspec

from knownas.core.health.intervals import HOUR_MS, Span
from knownas.core.health.tally import (
    BEYOND,
    Came,
    Decided,
    Happened,
    RefusedFor,
    Source,
    Tally,
    bounded,
    came_of,
    merged,
)
from knownas.core.identity.decision import DecidedBy, Decision
from knownas.core.identity.kinds import IdentityType
from knownas.service.health.limits import (
    NOTED_THINGS_MAX,
    TALLY_THINGS_MAX,
    TALLY_WRITE_SECONDS,
    UNWRITTEN_INTERVALS_MAX,
    WRITERS_REMEMBERED_MAX,
)
from knownas.service.health.tally_form import KeptTally, read, written
from knownas.service.kept_document import rewrite
from knownas.service.repeating import Repeating
from knownas.store.errors import StoreDamaged, StoreError
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

_KEPT_AS: Final = "health/"
_SINCE: Final = "health/since"

_Place = tuple[Span, int]
"""An hour or a day."""

_NotedDecision = tuple[int, str, str, str, Came, DecidedBy, IdentityType | None]
"""An hour, a source, and how a decision ended: a plain tuple, which is what a request can afford."""

_NotedRefusal = tuple[int, Source, RefusedFor]
"""An hour, a source, and why a request was refused."""


@dataclass(slots=True)
class _Unwritten:
    """What of an interval is not written down: what was tried, under which number, and what has come since."""

    number: int = 0
    tried: Tally = field(default_factory=dict[tuple[Source, Happened], int])
    since: Tally = field(default_factory=dict[tuple[Source, Happened], int])


class Tallying:
    """What came of requests, in all servers over a database. One event loop, one of these."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        """`clock` gives Unix milliseconds."""
        self._store = store
        self._clock = clock
        self._writer = uuid4().hex
        self._decisions: dict[_NotedDecision, int] = {}
        self._refusals: dict[_NotedRefusal, int] = {}
        self._unwritten: dict[_Place, _Unwritten] = {}
        self._number = 0
        self._is_since_kept = False
        self._placing = asyncio.Lock()
        self._writing = Repeating(self.write, TALLY_WRITE_SECONDS, log, "what came of requests", "it is added later")

    def decided(self, scope: str, environment: str, input_key: str, decision: Decision, at_ms: int) -> Came:
        """Note a decision of a request that came at a time through the input with this lasting key; returns what it came to."""
        came, receipt = came_of(decision), decision.receipt
        noted = self._decisions
        thing = (at_ms // HOUR_MS, scope, environment, input_key, came, receipt.decided_by, receipt.decided_at)
        if thing in noted:
            noted[thing] += 1
        elif self._has_room:
            noted[thing] = 1
        else:
            self._note_beyond(thing[0])
        return came

    def refused(self, source: Source, surface: str, reason: str) -> None:
        """Note that a request was refused now."""
        noted, thing = self._refusals, (self._clock() // HOUR_MS, source, RefusedFor(surface, reason))
        if thing in noted:
            noted[thing] += 1
        elif self._has_room:
            noted[thing] = 1
        else:
            self._note_beyond(thing[0])

    @property
    def _has_room(self) -> bool:
        return len(self._decisions) + len(self._refusals) < NOTED_THINGS_MAX

    def _note_beyond(self, hour: int) -> None:
        """Note one more thing of those for which there is no place: that needs a place for each hour alone."""
        thing = (hour, *BEYOND)
        self._refusals[thing] = self._refusals.get(thing, 0) + 1

    async def last(self, span: Span, intervals: int) -> Sequence[Tally | None]:
        """Return what came in the last so many hours or days, the oldest first; see `Span.last`.

        None stands for an interval before anything was counted over this database.

        Raises:
            StoreError: the store does not answer, or what it keeps is not this (StoreDamaged).
        """
        now_ms = self._clock()
        async with self._placing:
            self._gather()
            since_ms = await self._since_ms()
            places = [(span, interval) for interval in span.last(intervals, now_ms)]
            return [
                await self._of(place) if since_ms is not None and span.begin_ms(place[1] + 1) > since_ms else None
                for place in places
            ]

    async def write(self) -> None:
        """Add what was noted to what is kept.

        Raises:
            StoreError: the store could not keep it all; the rest is added the next time.
        """
        async with self._placing:
            self._gather()
            await self._keep_since()
            for place in list(self._unwritten):
                # What was tried before comes first, and by itself; then what has come since.
                while place in self._unwritten:
                    await self._add(place)

    def start(self) -> None:
        """Write now and then from now on, until it is closed."""
        self._writing.start()

    async def close(self) -> None:
        """Write once more, and then no more."""
        await self._writing.close()
        with suppress(StoreError):
            await self.write()

    def _gather(self) -> None:
        """Take over what was noted, by hour and by day."""
        decisions, self._decisions = self._decisions, {}
        refusals, self._refusals = self._refusals, {}
        by_place: dict[_Place, list[Tally]] = {}
        found: list[tuple[int, tuple[Source, Happened], int]] = [
            (hour, (Source(scope, environment, key), Decided(came, rule, kind)), count)
            for (hour, scope, environment, key, came, rule, kind), count in decisions.items()
        ]
        found += [(hour, (source, why), count) for (hour, source, why), count in refusals.items()]
        for hour, thing, count in found:
            for place in ((Span.HOUR, hour), (Span.DAY, Span.DAY.at(Span.HOUR.begin_ms(hour)))):
                by_place.setdefault(place, []).append({thing: count})
        for place, tallies in by_place.items():
            unwritten = self._unwritten.setdefault(place, _Unwritten())
            unwritten.since = bounded(merged([unwritten.since, *tallies]), TALLY_THINGS_MAX)
        while len(self._unwritten) > UNWRITTEN_INTERVALS_MAX:
            oldest = min(self._unwritten, key=lambda place: place[0].begin_ms(place[1]))
            log.warning("what came of requests in %s %d could not be written down, and is forgotten", *oldest)
            del self._unwritten[oldest]

    async def _add(self, place: _Place) -> None:
        """Add to the tally of an interval what of it is not written, under a number of its own."""
        unwritten = self._unwritten[place]
        if not unwritten.tried:
            self._number += 1
            unwritten.number, unwritten.tried, unwritten.since = self._number, unwritten.since, {}

        def with_it(document: bytes | None) -> bytes | None:
            kept = _kept(document, place[1])
            if kept is None or kept.added.get(self._writer, 0) >= unwritten.number:
                # The addition is there already, or the place is taken by a later interval.
                return None
            return written(self._with(kept, unwritten))

        await rewrite(self._store, _name(place), with_it)
        unwritten.tried = {}
        if not unwritten.since:
            del self._unwritten[place]

    def _with(self, kept: KeptTally, unwritten: _Unwritten) -> KeptTally:
        others = [one for one in kept.added.items() if one[0] != self._writer][1 - WRITERS_REMEMBERED_MAX :]
        tally = bounded(merged([kept.tally, unwritten.tried]), TALLY_THINGS_MAX)
        return KeptTally(kept.interval, {**dict(others), self._writer: unwritten.number}, tally)

    async def _of(self, place: _Place) -> Tally:
        """Return the tally of an interval, with what of this server is not written yet."""
        kept = _kept(await self._store.kept(_name(place)), place[1])
        unwritten = self._unwritten.get(place)
        if kept is None or unwritten is None:
            return {} if kept is None else kept.tally
        is_there = kept.added.get(self._writer, 0) >= unwritten.number
        return merged([kept.tally, {} if is_there else unwritten.tried, unwritten.since])

    async def _keep_since(self) -> None:
        """Remember, once in the life of a database, since when anything is counted."""
        if not self._is_since_kept and self._unwritten:
            begin_ms = min(span.begin_ms(interval) for span, interval in self._unwritten if span is Span.HOUR)
            await self._store.keep(_SINCE, msgspec.json.encode(begin_ms))
            self._is_since_kept = True

    async def _since_ms(self) -> int | None:
        kept = await self._store.kept(_SINCE)
        if kept is not None:
            try:
                return _SINCE_FORM.decode(kept)
            except msgspec.MsgspecError as error:
                raise StoreDamaged(f"not since when it is counted: {error}") from error
        return min((span.begin_ms(interval) for span, interval in self._unwritten if span is Span.HOUR), default=None)


_SINCE_FORM: Final = msgspec.json.Decoder(int)


def _name(place: _Place) -> str:
    """Return under which name the tally of an interval is kept, and that of the one which comes in its place."""
    span, interval = place
    return f"{_KEPT_AS}{span}/{interval % span.kept:03}"


def _kept(document: bytes | None, interval: int) -> KeptTally | None:
    """Read the tally of an interval: an empty one if there is none yet, None if a later one stands in its place."""
    kept = None if document is None else read(document)
    if kept is None or kept.interval < interval:
        return KeptTally(interval, {}, {})
    return kept if kept.interval == interval else None
