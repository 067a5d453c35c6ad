"""Decides how a value that is in its normal form is written for a destination: as it is, or as a digest (platform §7.6)."""

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never


class Encoding(StrEnum):
    """How a value is written. Digests are lower-case hexadecimal, of the value in UTF-8, as destinations ask for them."""

    RAW = "raw"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


DIGEST_CHARACTERS: Final[Mapping[Encoding, int]] = MappingProxyType(
    {Encoding.MD5: 32, Encoding.SHA1: 40, Encoding.SHA256: 64}
)
"""The characters of each digest."""

_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]+")


def encoded(text: str, encoding: Encoding) -> str:
    """Write a value for a destination."""
    data = text.encode()
    match encoding:
        case Encoding.RAW:
            return text
        case Encoding.MD5:
            return hashlib.md5(data, usedforsecurity=False).hexdigest()
        case Encoding.SHA1:
            return hashlib.sha1(data, usedforsecurity=False).hexdigest()
        case Encoding.SHA256:
            return hashlib.sha256(data).hexdigest()
        case _:
            assert_never(encoding)


def digest_in(text: str) -> Encoding | None:
    """Return which digest a text looks like by its length and characters; None if it looks like none."""
    if _HEXADECIMAL.fullmatch(text) is None:
        return None
    return next((kind for kind, length in DIGEST_CHARACTERS.items() if length == len(text)), None)
