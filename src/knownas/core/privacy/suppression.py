"""Keeps erased people out: recognises an identity that was erased, without knowing which one it was.

Of each identity a digest is kept that can only be made with a key. Whoever sends the identity again is recognised by it;
whoever has the digests alone can't try out addresses until one fits. The digests of two scopes, environments or
types have nothing in common, so that nobody learns who is in several.

What is remembered of a digest are its first 64 bits, in order: eight bytes for each of a million people. Somebody else would be
taken for one of a million with a chance of one in 18 million million.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)

DIGEST_BYTES: Final = 16
"""The bytes of a digest as it is kept."""

KEY_BYTES: Final = 32
"""The bytes of the key."""

_REMEMBERED_BYTES: Final = 8


def digest_of(key: bytes, scope: str, environment: str, one: Identity) -> bytes:
    """Return what is kept of an identity that is to stay out: BLAKE2b under a key, 16 bytes."""
    text = f"{scope}\0{environment}\0{one.type.value}\0{one.value}"
    return blake2b(text.encode(), digest_size=DIGEST_BYTES, key=key, person=b"knownas suppress").digest()


class Suppressed:
    """The digests of everybody who is to stay out, for one key. A value: it never changes."""

    __slots__ = ("_key", "_places")

    def __init__(self, key: bytes, digests: Iterable[bytes]) -> None:
        self._key: Final = key
        self._places: Final = array("Q", sorted({int.from_bytes(one[:_REMEMBERED_BYTES]) for one in digests}))

    def __len__(self) -> int:
        return len(self._places)

    def has(self, scope: str, environment: str, one: Identity) -> bool:
        """Whether an identity is to stay out."""
        place = int.from_bytes(digest_of(self._key, scope, environment, one)[:_REMEMBERED_BYTES])
        found = bisect_left(self._places, place)
        return found < len(self._places) and self._places[found] == place


def brought_by(observation: Observation) -> Iterator[Identity]:
    """Yield the identities that an observation would bring: not those that it only takes away."""
    match observation:
        case IdentityRequest() | SeedRequest():
            yield from observation.identities
            yield from observation.set_aside
        case ModifyRequest():
            for change in (*observation.changes, *observation.set_aside):
                if change.new_value is not None:
                    yield Identity(change.type, change.new_value)
        case Correction() | Erasure():
            return
