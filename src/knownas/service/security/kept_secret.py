"""Keeps a secret that a server makes for itself at its first start: every process over the same store has the same one."""

from collections.abc import Callable

from knownas.service.security.sealing import SecretKeys
from knownas.store.port import Store


def sealed_name(name: str) -> str:
    """Return the name under which a secret is kept sealed: one that lay plain before there were keys counts no more."""
    return f"{name}/sealed"


async def kept_secret(
    store: Store, name: str, make: Callable[[], bytes], *, keys: SecretKeys | None = None, publish: bool = True
) -> bytes:
    """Return a secret that the store keeps, made when there is none; sealed if there are secret `keys`.

    `publish` False keeps no new one: for those who only want to look.

    Raises:
        StoreError: the store does not answer.
        Unopenable: it was sealed with a secret key that is not among `keys`.
    """
    kept_as = sealed_name(name) if keys else name
    kept = await store.kept(kept_as)
    if kept is None:
        made = make()
        kept = keys.seal(kept_as, made).encode() if keys else made
        if publish and not await store.keep(kept_as, kept):
            # Another process was faster: its secret counts.
            kept = await store.kept(kept_as) or kept
    return keys.open(kept_as, kept.decode("latin-1")) if keys else kept
