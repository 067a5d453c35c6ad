"""Goes over everybody whom a workspace knows because some of its audiences are new, and writes down how they stand.

Users are looked at in stretches by whoever `looks`, in other processes as a rule, and written here in groups while the next ones are looked at. What
is written goes by what was known when they were looked at. Whoever became known of since is marked, and no mark is judged before all is
written that was looked at.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

from knownas.core.audience.mentions import mentions
from knownas.service.audience.catalogue import Catalogue, WorkspaceAudiences
from knownas.service.audience.judging import Asked
from knownas.service.audience.limits import (
    JUDGED_TOGETHER,
    STANDINGS_TOGETHER,
    STANDINGS_WAITING_MAX,
    STRETCH_SECTIONS,
    SWEEP_SECONDS,
)
from knownas.service.audience.looking import Looked, Looks, LookWork, Stands
from knownas.service.audience.sweeps import Sweep
from knownas.store.audiences import AudienceCommit, AudienceStore, MembershipChange, StandingWrite, Stretch, Turn
from knownas.store.user_data import SectionKey

JudgesAll = Callable[[Mapping[SectionKey, Asked]], Awaitable[None]]
"""Judges some users by all that is known of them, and writes down what comes of it."""

MovesOn = Callable[[Stretch | None], Awaitable[None]]
"""Keeps that everybody is done up to the end of a stretch; None for everybody."""

_Writes = Callable[[Sequence[tuple[int, Stands]]], Coroutine[None, None, Sequence[Sequence[SectionKey]]]]
"""Writes how users stand; returns the groups that somebody else was faster with."""


@dataclass(slots=True)
class Swept:
    """How many were looked at, and how many memberships changed without a closer look."""

    seen: int = 0
    changes: int = 0


class _Writing:
    """Writes how users stand while others are looked at: what is handed over is written by the time that more is, or that it settles.

    What somebody else was faster with is judged then, and how far that is is kept.
    """

    def __init__(
        self, write: _Writes, judges_closely: Callable[[Sequence[SectionKey]], Awaitable[None]], moves_on: MovesOn
    ) -> None:
        self._write = write
        self._judges_closely = judges_closely
        self._moves_on = moves_on
        self._under_way: tuple[Stretch, asyncio.Task[Sequence[Sequence[SectionKey]]]] | None = None

    async def hand_over(self, standings: Sequence[tuple[int, Stands]], reached: Stretch) -> None:
        """Begin to write the standings of everybody up to the end of a stretch, when what was handed over before is written."""
        await self.settle()
        self._under_way = reached, asyncio.create_task(self._write(standings))

    async def settle(self) -> None:
        """Wait until all is written that was handed over."""
        if self._under_way is None:
            return
        reached, task = self._under_way
        failed = await task
        self._under_way = None
        for keys in failed:
            await self._judges_closely(keys)
        await self._moves_on(reached)

    async def end(self) -> None:
        """Wait for what is being written, whatever becomes of it."""
        if self._under_way is not None:
            await asyncio.gather(self._under_way[1], return_exceptions=True)


class Sweeping:
    """Sweeps over one store. `clock` gives Unix milliseconds."""

    def __init__(self, store: AudienceStore, looks: Looks, clock: Callable[[], int]) -> None:
        self._store = store
        self._looks = looks
        self._clock = clock

    async def close(self) -> None:
        """Let nobody look any more."""
        await self._looks.close()

    async def go_on(
        self,
        catalogue: Catalogue,
        sweep: Sweep,
        judges_all: JudgesAll,
        moves_on: MovesOn,
        is_closing: Callable[[], bool],
        turn: Turn | None = None,
    ) -> Swept:
        """Go on with a sweep and those beside it: to the end, or until somebody is marked, or until others get their turn.

        When this returns, all is written of everybody who was looked at, if the `turn` is still the one in which they were.

        Raises:
            StoreError: the store does not do it; what was not written is looked at again.
        """
        asked = Asked(frozenset(str(one.what.id) for one in (sweep, *sweep.beside)))
        until, is_marked = monotonic() + SWEEP_SECONDS, False
        swept, waiting, reached = Swept(), list[tuple[int, Stands]](), None
        workspace = sweep.what.workspace

        async def judges_closely(keys: Sequence[SectionKey]) -> None:
            for start in range(0, len(keys), JUDGED_TOGETHER):
                await judges_all(dict.fromkeys(keys[start : start + JUDGED_TOGETHER], asked))

        writing = _Writing(lambda given: self._written(catalogue, workspace, given, turn), judges_closely, moves_on)
        stretches = self._looked(catalogue, sweep, lambda: is_marked or is_closing() or monotonic() > until)
        async with aclosing(stretches):
            try:
                async for stretch, at_ms, looked in stretches:
                    await judges_closely(
                        [SectionKey(workspace, environment, mpid) for mpid, environment in looked.closer]
                    )
                    waiting += [(at_ms, one) for one in looked.stands]
                    swept.seen += looked.seen
                    swept.changes += sum(len(one.changes) for one in looked.stands)
                    reached = stretch
                    if len(waiting) >= STANDINGS_WAITING_MAX:
                        await writing.hand_over(waiting, reached)
                        waiting = []
                    is_marked = bool(await self._store.marks(0, 1))
                if reached is None:
                    await moves_on(None)
                else:
                    await writing.hand_over(waiting, reached)
                    await writing.settle()
            finally:
                await writing.end()
        return swept

    async def _looked(
        self, catalogue: Catalogue, sweep: Sweep, stops: Callable[[], bool]
    ) -> AsyncGenerator[tuple[Stretch, int, Looked]]:
        """Yield what came of one stretch after the other, with the time of the look; at least of one, if there is any."""
        workspace, after = sweep.what.workspace, sweep.progress.place
        audiences = [one.what.id for one in (sweep, *sweep.beside)]
        definitions = {one: bytes(catalogue.audiences[one].document.definition) for one in audiences}
        own = catalogue.of(workspace)
        apart = _apart(own, audiences)
        under_way: deque[tuple[Stretch, int, asyncio.Task[Looked]]] = deque()
        goes_on = True
        try:
            while True:
                # One more than can be looked at is kept ready.
                while goes_on and len(under_way) <= self._looks.width:
                    stretch = await self._store.stretch(workspace, after, STRETCH_SECTIONS)
                    if stretch is None:
                        goes_on = False
                        break
                    now_ms = self._clock()
                    work = LookWork(workspace, after, stretch.until, now_ms, definitions, apart, own.derived)
                    under_way.append((stretch, now_ms, asyncio.create_task(self._looks.look(work))))
                    after = stretch.until
                    goes_on = not stops()
                if not under_way:
                    return
                stretch, now_ms, task = under_way.popleft()
                yield stretch, now_ms, await task
                goes_on = goes_on and not stops()
        finally:
            for _, _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, _, task in under_way), return_exceptions=True)

    async def _written(
        self, catalogue: Catalogue, workspace: int, waiting: Sequence[tuple[int, Stands]], turn: Turn | None
    ) -> Sequence[Sequence[SectionKey]]:
        """Write how users stand, those next to each other together; return the groups that somebody else was faster with."""
        watches = {workspace: catalogue.watches.get(workspace, 0)}
        in_order = sorted(waiting, key=lambda one: (one[1].mpid, one[1].environment))
        failed: list[Sequence[SectionKey]] = []
        for start in range(0, len(in_order), STANDINGS_TOGETHER):
            group = [
                (SectionKey(workspace, one.environment, one.mpid), at_ms, one)
                for at_ms, one in in_order[start : start + STANDINGS_TOGETHER]
            ]
            commit = AudienceCommit(
                standings=[StandingWrite(key, one.version, one.document, one.due_ms) for key, _, one in group],
                changes=[
                    MembershipChange(key, change.audience, change.is_member, at_ms, change.reasons)
                    for key, at_ms, one in group
                    for change in one.changes
                ],
                rests_on={key: one.section for key, _, one in group},
                watches=watches,
                turn=turn,
            )
            if not await self._store.commit(commit):
                failed.append([key for key, _, _ in group])
        return failed


def _apart(own: WorkspaceAudiences, audiences: Sequence[int]) -> frozenset[int]:
    """Return the audiences that others hear of who joins: outputs, and audiences that ask for them."""
    asked_for = {name for one in own.known.values() for name in mentions(one.definition).audiences}
    return frozenset(one for one in audiences if own.connections.get(one) or str(one) in asked_for)
