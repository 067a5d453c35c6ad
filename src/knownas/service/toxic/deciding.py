"""Says which values are toxic, by hand or because the watch has found them, and corrects the history accordingly.

Whatever changes is first put on the list, which every process takes up within a second or so. Then, when all set the value
aside (or no longer do), the history is corrected in one commit: the lines before it count without the value, or with it again;
those after it say themselves what was set aside. A process that dies in between leaves a value that is `pending`, and whoever has
the turn of the watch goes on with it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment, Judged
from knownas.core.identity.toxic_limits import Met, ToxicMode, ToxicReason
from knownas.service.history.correcting import Amendment, Correcting, HistoryCorrected, NotCorrected
from knownas.service.identity.question import Rules
from knownas.service.toxic.following import Following
from knownas.service.toxic.list import Past, ToxicList, ToxicState, ToxicValue, toxic
from knownas.store.port import Pool, Store

log: Final = logging.getLogger(__name__)

TAKEN_UP_AFTER_MS: Final = 2_000
"""How long after a change of the list every process knows of it: two looks."""

SHOWN_JOINED_MAX: Final = 20
"""Profiles that are named of those that a toxic value holds together."""

HOLDERS_COUNTED_MAX: Final = 10_000
"""Profiles that are counted of them."""

_PAST: Final[Mapping[NotCorrected, Past]] = {
    NotCorrected.COUNTS_ALREADY: Past.UNTOUCHED,
    NotCorrected.TOO_LARGE: Past.TOO_LARGE,
    NotCorrected.UNEXPLAINED: Past.UNEXPLAINED,
    NotCorrected.ERASED: Past.ERASED,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a release or a block: how the value stands, and the profiles that changed, or would."""

    value: ToxicValue
    changed: Sequence[int]


class ToxicIdentities:
    """The toxic values of one store. One event loop, one of these.

    `taken_up_after_ms` is how long other processes may take to follow the list; 0 where there are none.
    """

    def __init__(
        self,
        store: Store,
        scopes: Mapping[str, Rules],
        correcting: Correcting,
        clock: Callable[[], int],
        taken_up_after_ms: int = 0,
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._correcting = correcting
        self._clock = clock
        self._delay_ms = taken_up_after_ms
        self._settling = asyncio.Lock()
        screens = [rules.screen for rules in scopes.values() if rules.screen is not None]
        self.following: Final = Following(store, screens, clock)

    @property
    def listed(self) -> ToxicList:
        """The list, as far as it is followed."""
        return self.following.listed

    @property
    def scopes(self) -> Mapping[str, Rules]:
        """The rules of every scope."""
        return self._scopes

    async def apart(self, pool: Pool) -> Mapping[Identity, int]:
        """Return the values that no line of a pool counts as having named, each with the correction's seq that said so.

        Raises:
            StoreError: the store does not answer.
        """
        await self.following.take_up()
        return self.listed.apart(pool)

    async def settle_pending(self) -> int:
        """Correct the history for the values whose change all processes know of by now. Returns how many were settled.

        Raises:
            StoreError: the store could not do it; the rest is settled later.
        """
        now_ms = self._clock()
        due_ms = now_ms - self._delay_ms
        waiting = [
            one
            for one in self.listed.values.values()
            # Of a change that comes from a clock which is ahead, nobody knows how old it is.
            if one.past is Past.PENDING and not due_ms < one.since_ms <= now_ms
        ]
        for one in waiting:
            if one.scope in self._scopes:
                await self._settle(one)
        return len(waiting)

    async def release(self, pool: Pool, identity: Identity, *, preview: bool = False) -> Judgement:
        """Let a value count again, from the first line on, and never be toxic any more.

        Raises:
            Overloaded: too many wait to correct the history.
            StoreError: the store could not do it. What was put on the list is carried out later.
        """
        return await self._judge(pool, identity, ToxicState.RELEASED, preview=preview)

    async def block(self, pool: Pool, identity: Identity, *, preview: bool = False) -> Judgement:
        """Quarantine a value by hand: it counts nowhere, from the first line on.

        Raises:
            Overloaded: too many wait to correct the history.
            StoreError: the store could not do it. What was put on the list is carried out later.
        """
        return await self._judge(pool, identity, ToxicState.QUARANTINED, preview=preview)

    async def _judge(self, pool: Pool, identity: Identity, state: ToxicState, *, preview: bool) -> Judgement:
        await self.following.take_up()
        before = self.listed.find(pool, identity)
        reason = before.reason if before is not None and state is ToxicState.RELEASED else ToxicReason.BY_HAND
        wanted = toxic(pool, identity, state, reason, self._clock(), Met() if before is None else before.met)
        if preview:
            settled, done = await self._corrected(wanted, preview=True)
            # What can't be done is known before it is tried; what could be is not done yet.
            return Judgement(wanted, done.changed) if isinstance(done, HistoryCorrected) else Judgement(settled, ())
        if before is not None and before.state is state and before.past is not Past.PENDING:
            return Judgement(before, ())
        await self.following.tell([await self.with_joined(wanted)])
        await asyncio.sleep(self._delay_ms / 1000)
        changed = await self._settle(wanted)
        now = self.listed.find(pool, identity) or wanted
        if not changed and now.decision_id is not None:
            # The watch was faster, here or in another process.
            entry = await self._store.decision(now.decision_id)
            changed = () if entry is None else entry.touched
        return Judgement(now, changed)

    async def with_joined(self, value: ToxicValue) -> ToxicValue:
        """Return a value with the profiles that hold it now.

        Raises:
            StoreError: the store does not answer.
        """
        mpids = await self._store.holders(value.pool, value.identity, HOLDERS_COUNTED_MAX)
        return replace(value, would_join=tuple(sorted(mpids)[:SHOWN_JOINED_MAX]), joined=len(mpids))

    async def _settle(self, wanted: ToxicValue) -> Sequence[int]:
        """Correct the history for a value that is pending, unless somebody has meanwhile. Returns what changed."""
        async with self._settling:
            await self.following.take_up()
            now = self.listed.find(wanted.pool, wanted.identity)
            if now is None or now.state is not wanted.state or now.past is not Past.PENDING:
                return ()
            settled, done = await self._corrected(now, preview=False)
            await self.following.tell([settled])
            return done.changed if isinstance(done, HistoryCorrected) else ()

    async def _corrected(
        self, value: ToxicValue, *, preview: bool
    ) -> tuple[ToxicValue, HistoryCorrected | NotCorrected]:
        pool, identity = value.pool, value.identity
        counts = value.state is not ToxicState.QUARANTINED
        # The names of profiles that come anew follow from this, so that a preview tells them.
        about = f"{identity.type.value} {identity.value} {counts}"
        environment = Environment(pool.environment or Environment.PRODUCTION)
        judged = (Judged(identity, counts),)
        amendment = Amendment(pool, environment, about, (), (identity,), quarantine=judged)
        apart = {one: seq for one, seq in self.listed.apart(pool).items() if one != identity}
        done = await self._correcting.correct(amendment, apart, preview=preview)
        if isinstance(done, NotCorrected):
            if done is not NotCorrected.COUNTS_ALREADY:
                # What the value is stands on the list; a log outlives whoever is erased.
                what = identity.type.value
                log.warning("a value of %s is %s from now on; its past is not corrected: %s", what, value.state, done)
            return replace(value, past=_PAST[done]), done
        entry = None if done.decision_id is None else await self._store.decision(done.decision_id)
        seq = 0 if entry is None else entry.seq
        return replace(value, past=Past.CORRECTED, decision_id=done.decision_id, seq=seq), done


def is_watched(rules: Rules) -> bool:
    """Whether anything is done about a scope's toxic values."""
    return rules.policy.settings.toxic.mode is not ToxicMode.OFF
