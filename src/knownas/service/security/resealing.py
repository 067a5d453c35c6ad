"""Seals what lies in a store under the newest secret key: what an older key sealed, and what still lies plain."""

from dataclasses import dataclass
from typing import Final

from knownas.config.values import PrivacySettings
from knownas.service.erasure.keeping_out import KEPT_AS as SUPPRESSION_KEY
from knownas.service.privacy.processor import KEPT_AS as PROCESSOR
from knownas.service.security.kept_secret import sealed_name
from knownas.service.security.keys import reseal_changes
from knownas.service.security.sealing import SecretKeys, is_sealed
from knownas.service.security.sessions import SEALED_KEY_NAME as SESSION_KEY
from knownas.service.security.tokens import SEALED_KEY_NAME
from knownas.store.port import Store

FIRST_CONFIGURATION: Final = "first_configuration"
"""The name under which a server that was given no file keeps the configuration it made."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many secrets were sealed anew, and whether the configuration that a server made for itself lay plain."""

    pairs: int
    signing_key: bool
    configuration: bool
    was_plain: bool
    suppression_key: bool = False
    processor_key: bool = False
    session_key: bool = False


async def reseal(store: Store, keys: SecretKeys, domain: str = PrivacySettings().domain) -> Resealed:
    """Seal everything under the first key, what is not yet. It can be stopped and done again.

    `domain` is that of the processor for which the server has made the key that signs for data subjects.

    A running server needs none of it before its next start, and then the first key.

    Raises:
        Unopenable: there is no key, or something can't be opened with those at hand; what was done stays done.
        StoreError: the store does not answer.
    """
    keys.seal(FIRST_CONFIGURATION, b"")  # Whether there is a key at all.
    kept = await store.kept(FIRST_CONFIGURATION)
    was_plain = kept is not None and not is_sealed(kept.decode())
    return Resealed(
        await reseal_changes(store, keys),
        await _reseal_document(store, keys, SEALED_KEY_NAME),
        await _reseal_document(store, keys, FIRST_CONFIGURATION),
        was_plain,
        await _reseal_document(store, keys, SUPPRESSION_KEY),
        await _reseal_document(store, keys, sealed_name(f"{PROCESSOR}/{domain}")),
        await _reseal_document(store, keys, SESSION_KEY),
    )


async def seal_first_configuration(store: Store, keys: SecretKeys, kept: str) -> None:
    """Seal a first configuration that an older version has kept plain.

    Raises:
        Unopenable: there is no key.
        StoreError: the store does not answer.
    """
    sealed = keys.seal(FIRST_CONFIGURATION, kept.encode())
    await store.replace_kept(FIRST_CONFIGURATION, kept.encode(), sealed.encode())


async def _reseal_document(store: Store, keys: SecretKeys, name: str) -> bool:
    kept = await store.kept(name)
    if kept is None:
        return False
    text = kept.decode()
    if keys.is_newest(text):
        return False
    plain = keys.open(name, text) if is_sealed(text) else kept
    return await store.replace_kept(name, kept, keys.seal(name, plain).encode())
