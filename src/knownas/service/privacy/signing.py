"""Opens the processor of personal data that a server is, a while after its start or when it is needed first, and keeps it open.

What makes a server's own authority takes a second of a processor, several of a busy one, and is made in a thread.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from knownas.config.values import PrivacySettings
from knownas.service.privacy.processor import KEPT_AS, InvalidProcessor, Processor, make_authority, open_processor
from knownas.service.security.kept_secret import sealed_name
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.store.errors import StoreDamaged, StoreError
from knownas.store.port import Store

log: Final = logging.getLogger(__name__)

SIGNING_AFTER_SECONDS: Final = 5.0
"""How long after the start a server makes the authority that signs for it, if nobody has needed it before."""


def configured_processor(settings: PrivacySettings) -> Processor | None:
    """Return the processor whose certificate and key are configured; None if the server makes its own.

    Raises:
        InvalidProcessor: a file can't be read, or the two don't fit each other or the domain.
    """
    if settings.certificate is None or settings.key is None:
        return None
    try:
        key, certificates = settings.key.read_bytes(), settings.certificate.read_bytes()
    except OSError as error:
        raise InvalidProcessor(f"{error.filename} can't be read: {error.strerror}") from error
    return Processor(settings.domain, key, certificates)


class Signing:
    """Who signs for a server. One event loop, one of these."""

    def __init__(
        self,
        store: Store,
        settings: PrivacySettings,
        clock: Callable[[], int],
        *,
        keys: SecretKeys | None = None,
        publish: bool = True,
    ) -> None:
        """Sign as the settings say. `publish` False keeps no authority that had to be made.

        Raises:
            InvalidProcessor: the certificate and the key that are configured can't be used.
        """
        self.domain: Final = settings.domain
        self._store = store
        self._clock = clock
        self._keys = keys
        self._publish = publish
        self._opening: asyncio.Task[Processor] | None = None
        self._early: asyncio.Task[None] | None = None
        self._processor = configured_processor(settings)

    def start(self) -> None:
        """Make what has to be made a while after the start, so that it is there when the first controller asks."""
        if self._processor is None and self._early is None:
            self._early = asyncio.get_running_loop().create_task(self._open_early())

    async def close(self) -> None:
        """Wait for nobody any more; what is being made is not kept."""
        for task in (self._early, self._opening):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait((task,))

    async def _open_early(self) -> None:
        await asyncio.sleep(SIGNING_AFTER_SECONDS)
        try:
            await self.processor()
        except StoreError as error:
            log.warning("the key that signs for %s is not there yet: %s", self.domain, error)

    async def processor(self) -> Processor:
        """Return the processor, made and kept when there is none.

        Raises:
            StoreError: the store does not answer, or what it keeps is no key that could be opened (StoreDamaged).
        """
        if self._processor is None:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.get_running_loop().create_task(self._opened())
            # Whoever asked may go away, or run out of time: it is made all the same, for whoever asks next.
            self._processor = await asyncio.shield(self._opening)
        return self._processor

    async def _opened(self) -> Processor:
        now_ms, name = self._clock(), f"{KEPT_AS}/{self.domain}"
        is_there = await self._store.kept(sealed_name(name) if self._keys else name) is not None
        prepared = None if is_there else await asyncio.to_thread(make_authority, self.domain, now_ms)
        try:
            return await open_processor(
                self._store, self.domain, now_ms, keys=self._keys, publish=self._publish, prepared=prepared
            )
        except Unopenable as error:
            raise StoreDamaged(f"the key of {self.domain} can't be opened: {error}") from error
