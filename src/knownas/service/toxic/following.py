"""Follows the list of toxic values: sets aside what is quarantined on it, and puts there what was set aside by its looks."""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.service.identity.screening import Screen
from knownas.service.toxic.list import NOTHING_LISTED, ToxicList, ToxicState, ToxicValue, append, read_list, toxic
from knownas.store.port import Pool, Store

log: Final = logging.getLogger(__name__)


class Following:
    """The list as one process knows it, and the screens of the scopes that it serves."""

    def __init__(self, store: Store, screens: Sequence[Screen], clock: Callable[[], int]) -> None:
        self._store = store
        self._screens = screens
        self._clock = clock
        self.listed: ToxicList = NOTHING_LISTED

    async def take_up(self) -> None:
        """Follow the list, and set aside what is quarantined on it.

        Raises:
            StoreError: the store does not answer.
        """
        if self._screens:
            self._use(await read_list(self._store, self.listed))

    async def tell(self, changes: Sequence[ToxicValue]) -> None:
        """Change the list.

        Raises:
            StoreError: the store could not keep it.
        """
        if changes:
            self._use(await append(self._store, self.listed, changes))
            if any(self.listed.find(one.pool, one.identity) is None for one in changes):
                log.warning("the list of toxic values is full: not all are listed")

    async def tell_noted(self) -> None:
        """List the values that were set aside by their looks since the last time.

        Raises:
            StoreError: the store could not keep it; they are told the next time.
        """
        noted = [(screen, key) for screen in self._screens for key in screen.noted]
        changes: list[ToxicValue] = []
        for _, (pool, one) in noted:
            before = self.listed.find(pool, one)
            if before is None or before.state is ToxicState.WATCHED:
                changes.append(toxic(pool, one, ToxicState.QUARANTINED, ToxicReason.PATTERN, self._clock()))
        await self.tell(changes)
        for screen, key in noted:
            screen.noted.pop(key, None)

    def forget(self, pool: Pool, identities: Collection[Identity]) -> None:
        """Know of some values of a pool no longer."""
        listed = self.listed.without(pool, identities)
        if len(listed.values) < len(self.listed.values):
            self._use(listed)
        for screen in self._screens:
            for one in identities:
                screen.noted.pop((pool, one), None)

    def _use(self, listed: ToxicList) -> None:
        if listed is not self.listed:
            self.listed = listed
            quarantined, released = listed.quarantined(), listed.released()
            for screen in self._screens:
                screen.take_up(quarantined, released)
