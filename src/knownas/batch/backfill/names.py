"""Gives profiles and decisions their names, by a secret and the row that made them: again the same if a step is repeated.

An MPID must be unguessable, and there must not be two alike, however long the history. So the rows' numbers are
permuted: a Feistel network of four rounds over 62 bits, whose round function is AES under a key of its own
(Luby and Rackoff, "How to construct pseudorandom permutations", 1988). The tail of a decision's id is AES of the row's
number, which needs no permutation, since the time stands before it and nothing depends on luck alone.
"""

import hashlib
from array import array
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

SECRET_BYTES: Final = 32
"""Bytes of a secret, drawn anew for each backfill."""

_HALF_BITS: Final = 31
_HALF: Final = (1 << _HALF_BITS) - 1
_ROUNDS: Final = 4
_BLOCK_BYTES: Final = 16
_TAIL_BYTES: Final = 10
_TIME_BYTES: Final = 6


class Names:
    """The names that rows give."""

    def __init__(self, secret: bytes) -> None:
        """Take the secret, which has 32 bytes."""
        self._rounds = [_cipher(secret, f"mpid {number}") for number in range(_ROUNDS)]
        self._tails = _cipher(secret, "decision")

    def mpids(self, numbers: Sequence[int]) -> list[int]:
        """Return for each row, numbered from 1, the positive MPID of the profile that it makes if it makes one."""
        found = self._permuted(numbers)
        while 0 in found:
            # No row has the number 0, so nobody else comes to where it leads.
            found = [self._permuted([0])[0] if one == 0 else one for one in found]
        return found

    def decision_ids(self, numbers: Sequence[int], at_ms: Sequence[int]) -> list[bytes]:
        """Return the ids of the rows' decisions: the time, so that they sort by it, then 80 bits."""
        tails = _encrypted(self._tails, numbers)
        return [
            one.to_bytes(_TIME_BYTES) + tails[start : start + _TAIL_BYTES]
            for one, start in zip(at_ms, range(0, len(tails), _BLOCK_BYTES), strict=True)
        ]

    def _permuted(self, numbers: Sequence[int]) -> list[int]:
        left = [number >> _HALF_BITS for number in numbers]
        right = [number & _HALF for number in numbers]
        for cipher in self._rounds:
            mixed = array("Q", _encrypted(cipher, right))[::2]
            left, right = right, [one ^ (other & _HALF) for one, other in zip(left, mixed, strict=True)]
        return [(one << _HALF_BITS) | other for one, other in zip(left, right, strict=True)]


def _cipher(secret: bytes, purpose: str) -> "Cipher[ECB]":
    key = hashlib.blake2b(purpose.encode(), key=secret, digest_size=SECRET_BYTES).digest()
    # Each block is a number of its own and never comes twice, which is all that this mode asks for.
    return Cipher(AES(key), ECB())  # noqa: S305 - it encrypts no messages


def _encrypted(cipher: "Cipher[ECB]", numbers: Sequence[int]) -> bytes:
    blocks = array("Q", bytes(_BLOCK_BYTES * len(numbers)))
    blocks[::2] = array("Q", numbers)
    encryptor = cipher.encryptor()
    return encryptor.update(blocks.tobytes()) + encryptor.finalize()
