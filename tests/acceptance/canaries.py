"""People whose identities stand nowhere else, in every form in which they could be left behind, and a scan that finds any of them.

Each value holds a *token* that is nobody else's, so it is found however a value is written: quoted, escaped, cut, in small letters, as
base64 or in two bytes a character. Its digests are looked for as bytes, hexadecimal digits and base64, and so is the number by
which lines of the log are found under it.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX
from knownas.service.history.subjects import subject_of
from knownas.store.port import Pool

POOL = Pool("shop", "production")
PERSONS = 5
IDENTITIES = 200
FURTHER = (IdentityType.EMAIL, IdentityType.EMAIL, IdentityType.MOBILE_NUMBER, *[IdentityType.OTHER] * 4)
"""Types of which a person has further values, beside one of each type that there is."""

DIGESTS = ("sha1", "sha256", "md5")
FORMS = (
    "canary-{token}",
    "CANARY-{token}@EXAMPLE.COM",
    "cänäry-{token}@exämple.de",
    "🐤{token}🐤",
    "can ary  {token} two",
    """it's "{token}" \\ %41 {{}}""",
    "<{token}>&amp;;--",
    "{token}",
)
_HASH_BITS = 24
_MULTIPLIER = 2654435761


def token() -> str:
    """Return text that stands nowhere else."""
    return uuid4().hex[:24]


def value_of(number: int, made: str) -> str:
    """Return a value that holds a token, in one of the forms: with letters, blanks and signs of every kind, or as long as may be."""
    if number % 9 == 8:
        return made.ljust(IDENTITY_VALUE_CHARACTERS_MAX, "é")
    return FORMS[number % 9].format(token=made.upper() if number % 9 == 1 else made)


@dataclass
class Person:
    """Somebody, by all the values of each type, and what else was said of them that nobody else has."""

    values: Mapping[IdentityType, list[str]]
    said: dict[str, str] = field(default_factory=dict[str, str])
    mpid: str = ""

    def of(self, kind: IdentityType) -> str:
        """Return the first value of a type."""
        return self.values[kind][0]

    def first(self, *, device: bool) -> dict[IdentityType, str]:
        """Return the first value of each type of user, or of device."""
        return {kind: given[0] for kind, given in self.values.items() if (kind in DEVICE_TYPES) is device}

    def say(self, what: str) -> str:
        """Return a text with a token of its own, which is to be left somewhere."""
        made = token()
        self.said[made] = what
        return f"{what}-{made}"

    @property
    def identities(self) -> list[Identity]:
        """All values with their types."""
        return [Identity(kind, value) for kind, values in self.values.items() for value in values]


def persons() -> list[Person]:
    """Return people with `IDENTITIES` identities between them."""
    made: list[Person] = []
    number = 0
    for _ in range(PERSONS):
        values: dict[IdentityType, list[str]] = {}
        for kind in (*IdentityType, *FURTHER):
            values.setdefault(kind, []).append(value_of(number, token()))
            number += 1
        made.append(Person(values))
    assert number == IDENTITIES
    return made


def _digests(value: str) -> Iterator[bytes]:
    for name in DIGESTS:
        yield hashlib.new(name, value.encode(), usedforsecurity=False).digest()


def _token_in(value: str) -> str:
    found = [value[at : at + 24] for at in range(len(value) - 23)]
    return next(one for one in found if all(letter in "0123456789abcdefABCDEF" for letter in one)).lower()


class Needles:
    """What is looked for: bytes as they are, and bytes in whatever case, each with a word for what it is."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.exact: dict[bytes, str] = {}
        self.folded: dict[bytes, str] = {}
        for person in people:
            for one in person.identities:
                self._identity(one)
            for said, what in person.said.items():
                self._text(said, what)

    def _identity(self, one: Identity) -> None:
        self._text(_token_in(one.value), one.type.value)
        for digest in _digests(one.value):
            self.exact[digest] = f"a digest of {one.type.value}"
            self.exact[base64.b64encode(digest).rstrip(b"=")] = f"a digest of {one.type.value} as base64"
            self.folded[digest.hex().encode()] = f"a digest of {one.type.value} in digits"
        subject = subject_of(POOL, one)
        for order in ("big", "little"):
            self.exact[subject.to_bytes(8, order, signed=True)] = f"the number of {one.type.value}"
        self.folded[str(subject).encode()] = f"the number of {one.type.value} in digits"

    def _text(self, made: str, what: str) -> None:
        self.folded[made.encode()] = what
        self.folded[made.encode("utf-16-le")] = f"{what} in two bytes a character"
        for letters in (made, made.upper()):
            for before in range(3):
                encoded = base64.b64encode(b"\0" * before + letters.encode())
                # The first and last characters depend on what stands beside it.
                self.exact[encoded[4 if before else 0 : 28]] = f"{what} as base64"

    def in_bytes(self, content: bytes) -> set[str]:
        """Return what of it stands somewhere in some bytes."""
        return _found(content, self.exact) | _found(content.lower(), self.folded)

    def in_files(self, *places: Path) -> list[str]:
        """Return what of it stands in which files of some folders."""
        found: list[str] = []
        for place in places:
            for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
                if file.is_file():
                    kinds = self.in_bytes(file.read_bytes())
                    found += [f"{file.name}: {kind}" for kind in sorted(kinds)]
        return found


def _found(content: bytes, needles: Mapping[bytes, str]) -> set[str]:
    """Look for many needles at once: only where four bytes are the first of one of them is more looked at."""
    starting: dict[bytes, list[bytes]] = {}
    for needle in needles:
        starting.setdefault(needle[:4], []).append(needle)
    table = np.zeros(1 << _HASH_BITS, dtype=bool)
    table[_hashed(np.frombuffer(b"".join(starting), dtype="<u4"))] = True
    found: set[str] = set()
    for offset in range(4):
        words = (len(content) - offset) // 4
        if words <= 0:
            break
        some = np.frombuffer(content, dtype="<u4", count=words, offset=offset)
        for place in np.flatnonzero(table[_hashed(some)]):
            at = offset + 4 * int(place)
            for needle in starting.get(content[at : at + 4], ()):
                if content.startswith(needle, at):
                    found.add(needles[needle])
    return found


def _hashed(words: "np.ndarray[tuple[int], np.dtype[np.uint32]]") -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return (words * np.uint32(_MULTIPLIER)) >> np.uint32(32 - _HASH_BITS)
