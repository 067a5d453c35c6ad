"""Keeps memberships up to date: judges who is marked, who is due, and everybody where an audience or a connection is new, or gone.

One process does it at a time of those that share a database. All that it has to know is in the store: marks, standings with their time, and for
each document how far everybody has been looked at because of it. So whichever process is there next goes on where another was killed.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final

import msgspec

from knownas.service.audience.catalogue import Catalogue, Catalogues, KnownGroup
from knownas.service.audience.documents import GroupDocument, group_from
from knownas.service.audience.following import Following, group_of
from knownas.service.audience.judging import Asked, Judging, Look, Outcome
from knownas.service.audience.limits import (
    CATALOGUE_SECONDS,
    GATHERED_SECONDS,
    JUDGED_TOGETHER,
    LOOK_SECONDS,
    MARKS_A_ROUND,
    MARKS_OF_BATCHES_A_ROUND,
    TURN_MS,
)
from knownas.service.audience.looking import Looks, LooksHere
from knownas.service.audience.mark_form import told_from
from knownas.service.audience.sweeping import Sweeping
from knownas.service.audience.sweeps import Phase, Sweep, Sweeps
from knownas.service.audience.writing import Writing
from knownas.service.turns import Turns
from knownas.store.audiences import (
    EVERYBODY,
    EVERYWHERE,
    AudienceStore,
    DocumentKind,
    StoredDocument,
    StoredMark,
    Stretch,
    Turn,
)
from knownas.store.deliveries import NewDelivery
from knownas.store.errors import StoreError
from knownas.store.port import Store
from knownas.store.user_data import SectionKey

log: Final = logging.getLogger(__name__)

TURN: Final = "audiences"
_DUE: Final = Asked()
_Group = Mapping[SectionKey, Asked]


class JudgingWork:
    """The job that judges. One event loop, one of these; `told` hears which outputs have something to be told."""

    def __init__(
        self,
        store: Store,
        catalogues: Catalogues,
        judging: Judging,
        clock: Callable[[], int],
        turns: Turns | None = None,
        told: Callable[[int], None] = lambda _: None,
        looks: Looks | None = None,
    ) -> None:
        """`looks` is who looks at everybody where an audience is new, and is closed with this; without, this process does."""
        self._store: AudienceStore = store.audiences
        self._whole = store
        self._catalogues = catalogues
        self._judging = judging
        self._sweeps = Sweeps(store)
        self._sweeping = Sweeping(store.audiences, looks or LooksHere(store.audiences), clock)
        self._following = Following(store.groups)
        self._writing = Writing(store.audiences, catalogues)
        self._clock = clock
        self._turns = turns
        self._turn: Turn | None = None
        self._told = told
        self._wake = asyncio.Event()
        self._closing = False
        self._is_failing = False
        self._tasks: list[asyncio.Task[None]] = []
        self.counted: Counter[str] = Counter()
        """How many profiles were judged, how many memberships changed, how many marks are done."""

    def start(self) -> None:
        """Begin, on the running event loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._follow())]

    def wake(self) -> None:
        """Look at once: somebody may have to be judged."""
        self._wake.set()

    async def close(self) -> None:
        """Finish the group under way, and stop."""
        self._closing = True
        self._wake.set()
        if self._tasks:
            self._tasks[1].cancel()
            await asyncio.wait(self._tasks)
        await self._sweeping.close()
        if self._turns is not None:
            with suppress(StoreError):
                await self._turns.give_back(TURN)

    async def work_off(self) -> int:
        """Judge who is marked and who is due, and sweep a page of what has to be. Returns how much was done: 0 when nothing is left.

        Raises:
            StoreError: the store does not work now; what is left is done later.
        """
        catalogue = await self._catalogues.refresh()
        if EVERYWHERE not in catalogue.watches:
            return 0
        done = await self._judge_marked(catalogue)
        done += await self._judge_due(catalogue)
        return done + await self._sweep(catalogue)

    async def _judge_marked(self, catalogue: Catalogue) -> int:
        """Judge who is marked, each once for all of the marks that were read."""
        marks = await self._store.marks(0, MARKS_OF_BATCHES_A_ROUND if catalogue.forwarding else MARKS_A_ROUND)
        if not marks:
            return 0
        follow = await self._following.members(catalogue, marks)
        # Groups that are too many for this time keep their marks.
        marks = [one for one in marks if one.seq not in follow.waiting]
        for one in marks:
            if one.mpid == EVERYBODY and group_of(one) is None:
                await self._sweeps.begin_again(catalogue, one)
        marked = await self._asked_by([one for one in marks if one.mpid != EVERYBODY])
        asked = dict(marked)
        for key, wish in follow.asked.items():
            asked[key] = asked[key] | wish if key in asked else wish
        # A mark is done with the last of the profiles that it is about.
        keys = list(asked)
        starts = range(0, len(keys), JUDGED_TOGETHER) or (0,)
        groups = [{key: asked[key] for key in keys[start : start + JUDGED_TOGETHER]} for start in starts]
        left = list(follow.left)
        async with aclosing(self._looks_at(catalogue, groups)) as looks:
            async for group, looked in looks:
                if group is groups[-1]:
                    await self._judge(catalogue, group, marks, left=left, looked=looked)
                    break
                failed = await self._judge(catalogue, group, looked=looked)
                # What can't be judged now keeps its marks, or gets one, if the mark was its group's.
                left += _again(key for key in group if key.mpid in failed and key not in marked)
                marks = [one for one in marks if one.mpid not in failed]
        self.counted["marks"] += len(marks)
        return len(marks)

    async def _looks_at(
        self, catalogue: Catalogue, groups: Sequence[_Group]
    ) -> AsyncGenerator[tuple[_Group, Awaitable[Look]]]:
        """Yield groups of profiles, each with a look at it that goes on while the group before it is written down.

        Nobody is in two of them, so what is written of one changes nothing that is seen of another, but by marks that are left for later.
        """
        ahead: asyncio.Task[Look] | None = None
        try:
            for place, group in enumerate(groups, start=1):
                looked = ahead or asyncio.create_task(self._judging.look(catalogue, group))
                ahead = None
                if place < len(groups):
                    ahead = asyncio.create_task(self._judging.look(catalogue, groups[place]))
                yield group, looked
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.wait((ahead,))
                if not ahead.cancelled():
                    # Whatever it met is met again by the next look.
                    ahead.exception()

    async def _asked_by(self, marks: Sequence[StoredMark]) -> Mapping[SectionKey, Asked]:
        """Return what marks ask of which profiles; one of a profile everywhere asks it of each of its sections that anybody watches."""
        asked: dict[SectionKey, Asked] = {}
        wide: dict[int, Asked] = {}
        for one in marks:
            told = told_from(one.document)
            audiences = None if told.audiences is None else frozenset(map(str, told.audiences))
            batches = () if told.batch is None else (told.batch,)
            wish = Asked(audiences, translated=told.translated, batches=batches)
            if one.workspace == EVERYWHERE:
                wide[one.mpid] = wide[one.mpid] | wish if one.mpid in wide else wish
            else:
                key = SectionKey(one.workspace, one.environment, one.mpid)
                asked[key] = asked[key] | wish if key in asked else wish
        watches = self._catalogues.now.watches
        for mpid, wish in wide.items():
            for key in await self._whole.user_data.sections_of(mpid):
                if key.workspace in watches:
                    asked[key] = asked[key] | wish if key in asked else wish
        return asked

    async def _judge_due(self, catalogue: Catalogue) -> int:
        keys = await self._store.due(self._clock(), JUDGED_TOGETHER)
        if keys:
            await self._judge(catalogue, dict.fromkeys(keys, _DUE))
        return len(keys)

    async def _sweep(self, catalogue: Catalogue) -> int:
        """Go on with the first sweep that is not over, by a page."""
        sweep = await self._sweeps.next(catalogue)
        if sweep is None:
            return 0
        if sweep.progress.phase is Phase.EVERYBODY:
            return await self._sweep_everybody(catalogue, sweep)
        keys = await self._sweeps.page(sweep)
        announced = self._sweeps.announcement(sweep, catalogue, keys, self._clock())
        first: Sequence[NewDelivery] = () if sweep.is_gone else announced
        failed = await self._judge(catalogue, dict.fromkeys(keys, sweep.wish), before=first)
        if failed:
            await self._judging.judge(
                catalogue, {}, marks=_again(key for key in keys if key.mpid in failed), turn=self._turn
            )
        if sweep.is_gone and announced:
            await self._judge(catalogue, {}, before=announced)
        if isinstance(sweep.what, KnownGroup) and self._sweeps.has_placed_everybody(sweep, keys):
            await self._show(sweep.what)
        await self._sweeps.move(sweep, keys)
        return max(len(keys), 1)

    async def _sweep_everybody(self, catalogue: Catalogue, sweep: Sweep) -> int:
        async def judge_all(asked: Mapping[SectionKey, Asked]) -> None:
            failed = await self._judge(catalogue, asked)
            if failed:
                await self._judging.judge(
                    catalogue, {}, marks=_again(key for key in asked if key.mpid in failed), turn=self._turn
                )

        async def move_on(reached: Stretch | None) -> None:
            nonlocal sweep
            sweep = await self._sweeps.move_on(sweep, reached)

        swept = await self._sweeping.go_on(catalogue, sweep, judge_all, move_on, lambda: self._closing, self._turn)
        self.counted["judged"] += swept.seen
        self.counted["changes"] += swept.changes
        return max(swept.seen, 1)

    async def _show(self, group: KnownGroup) -> None:
        """Let the members of groups get what is aggregated: everybody has their place in one of this kind."""

        def make(_: Catalogue, stored: StoredDocument) -> GroupDocument:
            document = group_from(stored.document)
            if document.generation != group.document.generation:
                # Somebody has defined it anew: not everybody has a place for that yet.
                return document
            return msgspec.structs.replace(document, shown=tuple(one.name for one in document.attributes))

        await self._writing.change(DocumentKind.GROUP, group.id, make)

    async def _judge(
        self,
        catalogue: Catalogue,
        asked: Mapping[SectionKey, Asked],
        done: Sequence[StoredMark] = (),
        before: Sequence[NewDelivery] = (),
        left: Sequence[StoredMark] = (),
        looked: Awaitable[Look] | None = None,
    ) -> frozenset[int]:
        """Judge profiles; returns those that can't be."""
        failed: frozenset[int] = frozenset()
        try:
            outcome = await self._judging.judge(
                catalogue, asked, [one.seq for one in done], before, left, looked, self._turn
            )
        except StoreError:
            raise
        except Exception:
            # One of them breaks a rule of ours: the others must not wait for it.
            log.exception("%d profiles are judged one by one", len(asked))
            outcome, failed = await self._judge_apart(catalogue, asked, done, before, left)
        self.counted["judged"] += len(asked)
        self.counted["changes"] += outcome.changes
        for output in outcome.outputs:
            self._told(output)
        return failed

    async def _judge_apart(
        self,
        catalogue: Catalogue,
        asked: Mapping[SectionKey, Asked],
        done: Sequence[StoredMark],
        before: Sequence[NewDelivery],
        left: Sequence[StoredMark],
    ) -> tuple[Outcome, frozenset[int]]:
        """Judge profiles one by one. Those that can't be keep their marks, and are looked at again after a pause."""
        failed: set[int] = set()
        changes, outputs = 0, frozenset[int]()
        for key, wish in asked.items():
            try:
                outcome = await self._judging.judge(catalogue, {key: wish}, turn=self._turn)
            except StoreError:
                raise
            except Exception:
                log.exception("a profile can't be judged")
                self.counted["failed"] += 1
                failed.add(key.mpid)
            else:
                changes, outputs = changes + outcome.changes, outputs | outcome.outputs
        self._is_failing = self._is_failing or bool(failed)
        seqs = [one.seq for one in done if one.mpid not in failed]
        if done:
            marked = {one.mpid for one in done}
            left = [*left, *_again(key for key in asked if key.mpid in failed and key.mpid not in marked)]
        last = await self._judging.judge(catalogue, {}, seqs, before, left, turn=self._turn)
        return Outcome(changes, outputs | last.outputs), frozenset(failed)

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            self._is_failing = False
            try:
                done = await self._work_in_turn()
            except StoreError as error:
                log.warning("audiences are looked at again later: %s", error)
                done = 0
            except Exception:
                log.exception("audiences are looked at again later")
                done = 0
            if 0 < done < JUDGED_TOGETHER and not self._is_failing:
                await asyncio.sleep(GATHERED_SECONDS)
            elif not done or self._is_failing:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()

    async def _work_in_turn(self) -> int:
        """Work off what there is, unless another process is at it."""
        if self._turns is None:
            return await self.work_off()
        if not await self._has_work():
            return 0
        self._turn = await self._turns.take(TURN, TURN_MS)
        return 0 if self._turn is None else await self.work_off()

    async def _has_work(self) -> bool:
        """Whether anybody is marked or due, or anything has to be swept: the turn is not taken, which is a write, for nothing."""
        catalogue = await self._catalogues.refresh()
        if EVERYWHERE not in catalogue.watches:
            return False
        if await self._store.marks(0, 1) or await self._store.due(self._clock(), 1):
            return True
        return await self._sweeps.next(catalogue) is not None

    async def _follow(self) -> None:
        """Keep the catalogue fresh, for those who keep batches."""
        while not self._closing:
            with suppress(StoreError):
                await self._catalogues.refresh()
            await asyncio.sleep(CATALOGUE_SECONDS)


def _again(keys: Iterable[SectionKey]) -> Sequence[StoredMark]:
    """Return the marks of who has to be looked at again, whatever was asked."""
    return [StoredMark(0, *key, b"") for key in keys]
