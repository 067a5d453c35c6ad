"""Lets somebody in again who was erased and had to stay out, and has come back by their own wish (platform §5.5)."""

from knownas.core.identity.kinds import Identity
from knownas.core.privacy.evidence import Happening, Step
from knownas.service.erasure.keeping_out import KeepingOut, suppression_of
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.ledger import Ledger
from knownas.store.port import Pool
from knownas.store.privacy import PrivacyCommit, PrivacyStore


class LettingIn:
    """Lets people in over one store. `ledger` is told as well, so that it is not forgotten where a backup is restored."""

    def __init__(self, store: PrivacyStore, keeping_out: KeepingOut, ledger: Ledger | None) -> None:
        self._store = store
        self._evidence = Evidence(store)
        self._keeping_out = keeping_out
        self._ledger = ledger

    async def let_in(self, pool: Pool, one: Identity, now_ms: int) -> bool:
        """Let whoever has an identity in again; it is durable, and told in the evidence without the identity. False: nobody stayed out.

        Raises:
            StoreError: the store, or the ledger, could not keep it; asked again, it is.
        """
        (digest,) = self._keeping_out.digests(pool, [one])
        is_out = await suppression_of(self._store, digest) is not None
        if is_out:
            told = Happening(now_ms, "", Step.LET_IN, {"scope": pool.scope, "identities": 1})
            await self._evidence.write([told], PrivacyCommit(lifted=[digest]))
            await self._keeping_out.changed()
        # Also where it had been lifted before: then this may not have been written.
        if self._ledger is not None:
            await self._ledger.let_in([digest], now_ms)
        return is_out
