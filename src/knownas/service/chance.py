"""Gives out what must be unguessable: MPIDs, and the ids of decisions."""

import os
from collections.abc import Iterator
from typing import Final, Protocol

MPID_BITS: Final = 63
_BLOCK: Final = 512


class Chance(Protocol):
    """A source of fresh ids. Tests pass one that repeats itself."""

    def fresh_mpid(self) -> int:
        """Return a positive 63-bit MPID that nobody can guess."""
        ...

    def decision_id(self, at_ms: int) -> str:
        """Return 32 hex digits: the time, so that ids sort by it, then 80 random bits."""
        ...


class SystemChance:
    """Ids from the operating system's generator, drawn in blocks because each draw is a system call."""

    def __init__(self) -> None:
        self._mpids = self._draw_mpids()
        self._tails = self._draw_tails()

    def fresh_mpid(self) -> int:
        """Return a positive 63-bit MPID that nobody can guess."""
        return next(self._mpids)

    def decision_id(self, at_ms: int) -> str:
        """Return 32 hex digits: the time, then 80 random bits."""
        return f"{at_ms:012x}{next(self._tails)}"

    @staticmethod
    def _draw_mpids() -> Iterator[int]:
        while True:
            block = os.urandom(8 * _BLOCK)
            for start in range(0, len(block), 8):
                mpid = int.from_bytes(block[start : start + 8]) >> (64 - MPID_BITS)
                if mpid:
                    yield mpid

    @staticmethod
    def _draw_tails() -> Iterator[str]:
        while True:
            block = os.urandom(10 * _BLOCK).hex()
            for start in range(0, len(block), 20):
                yield block[start : start + 20]
