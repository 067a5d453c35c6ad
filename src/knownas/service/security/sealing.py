"""Seals what must not stand plain in a database, and opens it again: AES-256-GCM under keys that can be changed.

The keys never enter the database. The first of them seals, all of them open; each sealed text names the key that
opens it, so that a new key can be put in front of an old one.
"""

import base64
import binascii
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VARIABLE: Final = "KNOWNAS_SECRET_KEY"
"""The environment variable that holds secret keys."""

KEY_BYTES: Final = 32
"""Bytes of a secret key, as AES-256 takes them."""

SECRET_KEYS_MAX: Final = 16
"""Secret keys that a server may be given at once."""

KEY_TEXT_MAX: Final = 4_096
"""Characters of the variable, or bytes of the file, that holds secret keys."""

_NONCE_BYTES: Final = 12
_KEY_ID_DIGITS: Final = 12
_SEPARATORS: Final = re.compile(r"[,\s]+")
_MARK: Final = "sealed1"
_SEALED: Final = re.compile(rf"{_MARK}\.([0-9a-f]{{{_KEY_ID_DIGITS}}})\.([A-Za-z0-9_-]+=*)", re.ASCII)
_MAKE_ONE: Final = "`openssl rand -base64 32` makes one"


class InvalidSecretKey(ValueError):
    """What was given as secret keys is none; the message says what is expected, and never shows what was given."""


class Unopenable(Exception):
    """A sealed text can't be opened with the keys at hand; the message says what would help."""


@final
class SecretKeys:
    """The keys under which secrets lie at rest; possibly none, with which nothing can be sealed or opened.

    `random(nbytes)` returns that many random bytes, each call new ones.

    Raises:
        InvalidSecretKey: a key has not 32 bytes, or there are more than 16.
    """

    __slots__ = ("__keys", "_first", "_random")

    def __init__(self, keys: Iterable[bytes] = (), random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        listed = list(dict.fromkeys(keys))
        if len(listed) > SECRET_KEYS_MAX or any(len(key) != KEY_BYTES for key in listed):
            raise InvalidSecretKey(f"a secret key has {KEY_BYTES} bytes, and there are at most {SECRET_KEYS_MAX}")
        self.__keys = {_key_id(key): AESGCM(key) for key in listed}
        self._first = next(iter(self.__keys), None)
        self._random = random

    def __bool__(self) -> bool:
        return self._first is not None

    def __repr__(self) -> str:
        return f"SecretKeys({', '.join(self.__keys)})"

    def seal(self, name: str, plain: bytes) -> str:
        """Return the text sealed under the first key. It opens under this name only.

        Raises:
            Unopenable: there is no key.
        """
        if self._first is None:
            raise Unopenable(f"there is no secret key: set {VARIABLE}, or secrets.key_file; {_MAKE_ONE}")
        nonce = self._random(_NONCE_BYTES)
        sealed = nonce + self.__keys[self._first].encrypt(nonce, plain, name.encode())
        return f"{_MARK}.{self._first}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, name: str, sealed: str) -> bytes:
        """Return what was sealed under this name.

        Raises:
            Unopenable: the key is not at hand, or the text is damaged or was sealed under another name.
        """
        found = _SEALED.fullmatch(sealed)
        if found is None:
            raise Unopenable(f"{name} is damaged: restore the database from a backup")
        key_id, encoded = found.groups()
        key = self.__keys.get(key_id)
        if key is None:
            raise Unopenable(f"{name} was sealed with the secret key {key_id}, {self._at_hand()}")
        try:
            raw = base64.urlsafe_b64decode(encoded)
            return key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError, binascii.Error):
            # The cipher's own error says nothing more.
            raise Unopenable(f"{name} is damaged: restore the database from a backup") from None

    def is_newest(self, sealed: str) -> bool:
        """Whether a sealed text is sealed under the first key."""
        found = _SEALED.fullmatch(sealed)
        return found is not None and found[1] == self._first

    def _at_hand(self) -> str:
        if not self.__keys:
            return f"and there is none: set {VARIABLE}, or secrets.key_file"
        known = ", ".join(self.__keys)
        return f"which is not among those given ({known}): add it after them in {VARIABLE} or the key file"


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"knownas secret key\0" + key).hexdigest()[:_KEY_ID_DIGITS]


def is_sealed(text: str) -> bool:
    """Whether a text is a sealed one; a plain one never looks like it."""
    return text.startswith(f"{_MARK}.")


def parse_secret_keys(text: str, source: str) -> list[bytes]:
    """Return the keys of a text: base64 of 32 bytes each, separated by commas or line breaks.

    Raises:
        InvalidSecretKey: one of them is something else; `source` says to the reader where.
    """
    parts = [part for part in _SEPARATORS.split(text[: KEY_TEXT_MAX + 1]) if part]
    if len(text) > KEY_TEXT_MAX or len(parts) > SECRET_KEYS_MAX:
        raise InvalidSecretKey(f"{source} holds too much: at most {SECRET_KEYS_MAX} secret keys")
    if not parts:
        raise InvalidSecretKey(f"{source} holds no secret key; {_MAKE_ONE}")
    return [_secret_key(part, source, place) for place, part in enumerate(parts, 1)]


def _secret_key(text: str, source: str, place: int) -> bytes:
    padded = text.rstrip("=").translate(str.maketrans("+/", "-_"))
    with suppress(ValueError, binascii.Error):
        key = base64.b64decode(padded + "=" * (-len(padded) % 4), altchars=b"-_", validate=True)
        if len(key) == KEY_BYTES:
            return key
    raise InvalidSecretKey(f"{source}: secret key {place} is not base64 of {KEY_BYTES} bytes; {_MAKE_ONE}")


def read_secret_keys(variable: str | None, *files: Path | None) -> SecretKeys:
    """Return the keys of the environment variable, then those of the files; any may be absent.

    Raises:
        InvalidSecretKey: one of them holds something else, or a file can't be read.
    """
    keys = parse_secret_keys(variable, VARIABLE) if variable else []
    for file in files:
        if file is not None:
            keys += _keys_in(file)
    return SecretKeys(keys)


def _keys_in(file: Path) -> list[bytes]:
    try:
        with file.open("rb") as opened:
            text = opened.read(KEY_TEXT_MAX + 1).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSecretKey(f"the key file {file} can't be read: {error}; {_MAKE_ONE}") from error
    return parse_secret_keys(text, f"the key file {file}")


def make_key_file(file: Path, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
    """Make a file with a fresh key that only its owner may read; one that is there stays as it is.

    The key is durable when this returns: what it seals must not outlive it.

    Raises:
        OSError: it can't be written.
    """
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # with mode 0600
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(base64.b64encode(random(KEY_BYTES)) + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            # Unlike a rename, a link never replaces what another server made meanwhile.
            os.link(temporary, file)
    finally:
        Path(temporary).unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
