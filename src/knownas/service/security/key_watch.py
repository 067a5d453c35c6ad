"""Takes changes of keys up while the server runs: looks at the store now and then, and opens the doors anew.

Between two looks a request costs one dictionary lookup and nothing more, so a pair ends at the first look after its
time, and a new one opens at the first look after it was made: within `TAKEN_UP_WITHIN_SECONDS`.
"""

import logging
from collections.abc import Callable
from typing import Final

from knownas.config.values import Configuration, Secret
from knownas.service.repeating import Repeating
from knownas.service.security.directory import Directory, Pairs
from knownas.service.security.keys import POLL_SECONDS, Holder, KeyChain, Rotation, fresh_pair, read_changes, rotate
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.store.errors import StoreError
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)


class KeyWatch:
    """Keeps a directory's doors in step with the changes of keys that its store keeps.

    `chain` are the changes that the directory was opened with.
    """

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        directory: Directory,
        keys: SecretKeys,
        chain: KeyChain,
        clock: Callable[[], int],
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._directory = directory
        self._keys = keys
        self._clock = clock
        self._chain = chain
        self._looked_ms = 0  # The directory was built a moment ago; what ended in between must not be missed.
        self._told = ""
        # Whatever it was, the next look may do better, and without one no pair would ever end.
        self._looking = Repeating(self.look, POLL_SECONDS, log, "changes of keys", "again soon")

    def start(self) -> None:
        """Look now and then from now on, until `close`."""
        self._looking.start()

    async def close(self) -> None:
        """Look no more. May be called twice, or without a start."""
        await self._looking.close()

    async def rotate(self, holder: Holder, valid_for_ms: int) -> tuple[Rotation, Secret]:
        """Give a holder a fresh pair, and take it up here at once. Its secret is returned, and told nowhere else.

        Raises:
            KeyChangeRefused: an older pair is still valid.
            Unopenable: there is no secret key under which the fresh secret could be sealed.
            StoreError: the store could not keep it.
        """
        fresh = fresh_pair()
        done = await rotate(self._store, self._keys, holder, fresh, self._clock(), valid_for_ms)
        await self.look()
        return done, fresh[1]

    @property
    def chain(self) -> KeyChain:
        """The changes of keys that are taken up."""
        return self._chain

    async def look(self) -> None:
        """Look once: read what is new, and open the doors anew if that or the time changes them.

        A store that does not answer changes nothing but is no reason to let an ended pair in.
        """
        chain = self._chain
        try:
            chain = await read_changes(self._store, chain)
        except StoreError as error:
            self._tell(f"changes of keys can't be read: {error}")
        now_ms = self._clock()
        if chain is not self._chain or chain.ends(self._looked_ms, now_ms):
            pairs = Pairs(chain, self._keys, now_ms, self._pass_over)
            rules = self._directory.scopes
            self._directory.replace_doors(
                pairs.doors(self._configuration, rules), pairs.workspaces(self._configuration, rules)
            )
        self._chain, self._looked_ms = chain, now_ms

    def _pass_over(self, unopenable: Unopenable) -> None:
        self._tell(f"a pair of keys is not taken up: {unopenable}")

    def _tell(self, what: str) -> None:
        if what != self._told:
            self._told = what
            log.error("%s", what)
