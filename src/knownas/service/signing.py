"""Opens the processor of personal data that a server is, when it is needed first, and keeps it open.

What makes a server's own authority takes a second of a processor. Servers that are never asked for anything by OpenDSR
don't spend it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from knownas.config.values import PrivacySettings
from knownas.service.kept_secret import sealed_name
from knownas.service.processor import KEPT_AS, InvalidProcessor, Processor, make_authority, open_processor
from knownas.service.sealing import SecretKeys, Unopenable
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store


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
        self._opening = asyncio.Lock()
        self._processor = configured_processor(settings)

    async def processor(self) -> Processor:
        """Return the processor, made and kept when there is none.

        Raises:
            StoreError: the store does not answer, or what it keeps is no key that could be opened (StoreDamaged).
        """
        if self._processor is None:
            async with self._opening:
                if self._processor is None:
                    self._processor = await self._opened()
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
