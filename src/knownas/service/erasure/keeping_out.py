"""Follows who was erased and is to stay out, among all processes over a store, and tells how many were turned away (platform §5.5)."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import token_bytes
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.core.privacy.evidence import Happening, Step
from knownas.core.privacy.suppression import KEY_BYTES, Suppressed, digest_of
from knownas.service.erasure.keep_out import KeepOut
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.ledger_form import key_digest
from knownas.service.limits import KEEPING_OUT_LOOK_SECONDS, KEEPING_OUT_TELL_SECONDS, SUPPRESSIONS_A_READ
from knownas.service.repeating import happens_within
from knownas.service.security.sealing import SecretKeys, Unopenable, is_sealed
from knownas.store.errors import StoreError
from knownas.store.port import Pool, Store
from knownas.store.privacy import PrivacyCommit, PrivacyStore, Suppression

log: Final = logging.getLogger(__name__)

KEPT_AS: Final = "suppression"
"""The name under which the store keeps the key."""

_CHANGED: Final = "suppression/changed"
"""The name of a document that is another one whenever somebody has been added or lifted."""


class KeepingOut:
    """Follows who is to stay out, over one store. One event loop, one of these.

    Other processes' changes are followed within `KEEPING_OUT_LOOK_SECONDS`.
    """

    def __init__(self, store: Store, keep_outs: Mapping[str, KeepOut], key: bytes, clock: Callable[[], int]) -> None:
        """`keep_outs` are those of each scope, by its name."""
        self._store: Final = store
        self._keep_outs: Final = keep_outs
        self._key: Final = key
        self.key_digest: Final = key_digest(key)
        """By which the key is known again where its digests are kept elsewhere."""
        self._clock: Final = clock
        self._evidence: Final = Evidence(store.privacy)
        self._followed: bytes | None = None
        self._is_following = False
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def take_up(self) -> None:
        """Follow who is to stay out, if that has changed.

        Raises:
            StoreError: the store does not answer.
        """
        changed = await self._store.kept(_CHANGED)
        if self._is_following and changed == self._followed:
            return
        suppressed = Suppressed(self._key, [one.digest for one in await self._all()])
        for keep_out in self._keep_outs.values():
            keep_out.take_up(suppressed)
        self._followed, self._is_following = changed, True

    async def _all(self) -> Sequence[Suppression]:
        found: list[Suppression] = []
        after = b""
        while page := await self._store.privacy.suppressions_after(after, SUPPRESSIONS_A_READ):
            found += page
            after = page[-1].digest
        return found

    def suppressions(
        self, pool: Pool, identities: Iterable[Identity], request_id: str, at_ms: int
    ) -> list[Suppression]:
        """Return what has to be kept so that these identities stay out; `changed` must be called when it is."""
        return [Suppression(digest, request_id, at_ms) for digest in self.digests(pool, identities)]

    def digests(self, pool: Pool, identities: Iterable[Identity]) -> Sequence[bytes]:
        """Return the keyed digests of some identities, in order."""
        return sorted({digest_of(self._key, pool.scope, pool.environment, one) for one in identities})

    async def changed(self) -> None:
        """Let all processes know that somebody has been added or lifted, and follow it here.

        Raises:
            StoreError: the store does not answer; others follow later, with the next change.
        """
        mark = token_bytes(KEY_BYTES)
        if not await self._store.keep(_CHANGED, mark):
            before = await self._store.kept(_CHANGED)
            # Whoever was faster has changed it as well.
            if before is not None:
                await self._store.replace_kept(_CHANGED, before, mark)
        self._is_following = False
        await self.take_up()

    async def lift(self, pool: Pool, identities: Iterable[Identity]) -> None:
        """Let somebody in again, who has come back by their own wish.

        Raises:
            StoreError: the store could not keep it.
        """
        digests = [digest_of(self._key, pool.scope, pool.environment, one) for one in identities]
        await self._store.privacy.commit(PrivacyCommit(lifted=digests))
        await self.changed()

    async def tell(self) -> None:
        """Tell the evidence how many were turned away since the last time.

        Raises:
            StoreError: the store could not keep it; it is told the next time.
        """
        told = {scope: one.untold for scope, one in self._keep_outs.items() if one.untold}
        if not told:
            return
        now_ms = self._clock()
        await self._evidence.write(
            [
                Happening(now_ms, "", Step.RESURRECTION_REFUSED, {"scope": scope, "requests": count})
                for scope, count in told.items()
            ]
        )
        for scope, count in told.items():
            self._keep_outs[scope].untold -= count

    def start(self) -> None:
        """Follow and tell from now on, until this is closed."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._repeat())

    async def close(self) -> None:
        """Tell what is not told yet, and stop."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await task
            try:
                await self.tell()
            except StoreError as error:
                log.warning("who was turned away last could not be told: %s", error)

    async def _repeat(self) -> None:
        told_ms = self._clock()
        while not await happens_within(self._stopping, KEEPING_OUT_LOOK_SECONDS):
            try:
                await self.take_up()
                if self._clock() - told_ms >= KEEPING_OUT_TELL_SECONDS * 1000:
                    await self.tell()
                    told_ms = self._clock()
            except StoreError as error:
                log.warning("who is to stay out could not be followed: %s", error)
            except Exception:
                # A fault of ours must not end this in silence.
                log.exception("keeping out")


async def suppression_of(store: PrivacyStore, digest: bytes) -> Suppression | None:
    """Return what keeps a digest out; None if nothing does.

    Raises:
        StoreError: the store does not answer.
    """
    number = int.from_bytes(digest)
    before = (number - 1).to_bytes(len(digest)) if number else b""
    found = await store.suppressions_after(before, 1)
    return next((one for one in found if one.digest == digest), None)


async def suppression_key(store: Store, keys: SecretKeys, *, publish: bool = True) -> bytes:
    """Return the key of the digests, made when there is none; `publish` False keeps no new one.

    One that lies plain goes on counting where there are secret `keys` later: with another one nobody would be recognised any
    more. `knownas keys reseal` seals it.

    Raises:
        StoreError: the store does not answer.
        Unopenable: it was sealed with a secret key that is not among `keys`.
    """
    kept = await store.kept(KEPT_AS)
    if kept is None:
        made = token_bytes(KEY_BYTES).hex()
        kept = (keys.seal(KEPT_AS, made.encode()) if keys else made).encode()
        if publish and not await store.keep(KEPT_AS, kept):
            # Another process was faster: its key counts.
            kept = await store.kept(KEPT_AS) or kept
    text = kept.decode()
    return bytes.fromhex(keys.open(KEPT_AS, text).decode() if is_sealed(text) else text)


async def open_keeping_out(
    store: Store,
    keep_outs: Mapping[str, KeepOut],
    clock: Callable[[], int],
    keys: SecretKeys | None,
    *,
    publish: bool = True,
) -> KeepingOut | None:
    """Return what follows who is to stay out of some scopes, and follow it once; None for those who can't recognise anybody.

    That are verbs of the command line which answer no requests, and are given no secret keys where the key is sealed.

    Raises:
        StoreError: the store does not answer.
        Unopenable: the key was sealed with a secret key that is not among `keys`.
    """
    try:
        key = await suppression_key(store, keys or SecretKeys(), publish=publish)
    except Unopenable:
        if keys is None:
            return None
        raise
    following = KeepingOut(store, keep_outs, key, clock)
    await following.take_up()
    return following
