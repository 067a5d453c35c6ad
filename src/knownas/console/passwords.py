"""Makes and compares hashes of passwords: Argon2id, as RFC 9106 recommends it where memory is not plenty."""

import asyncio
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from knownas.console.limits import HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX, PASSWORD_CHARACTERS_MAX
from knownas.console.refusal import overloaded

_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the hash of a password, as the configuration takes it: each time another one."""
    return _HASHER.hash(password)


def is_password(hashed: str, password: str) -> bool:
    """Whether this is the password."""
    try:
        return _HASHER.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """Return a hash that is compared with where there is no such user, so that the answer takes as long."""
    return hash_password("nobody has this password")


class Passwords:
    """Compares passwords beside the event loop, a few at once: each takes memory and time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE_MAX)
        self._waiting = 0

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Whether this is the password of a hash; without a hash it is not, and that takes as long.

        Raises:
            Refusal: too many wait.
        """
        if len(password) > PASSWORD_CHARACTERS_MAX:
            return False
        if self._waiting >= HASHES_WAITING_MAX:
            raise overloaded()
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(_compared, hashed, password)
        finally:
            self._waiting -= 1


def _compared(hashed: str | None, password: str) -> bool:
    is_it = is_password(hashed or _nobodys(), password)
    return is_it and hashed is not None
