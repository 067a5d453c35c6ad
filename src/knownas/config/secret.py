"""Holds a secret so that it never shows."""

import hashlib
import hmac
from typing import NoReturn, final


@final
class Secret:
    """A string that shows nowhere but in `reveal`: not printed, formatted, pickled or unpacked by `asdict`.

    Raises:
        ValueError: the string is empty, which would match a request that sends none, or is not Unicode text.
    """

    __slots__ = ("__digest", "__text")
    __digest: bytes
    __text: str

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("a secret can't be empty")
        object.__setattr__(self, "_Secret__text", text)
        object.__setattr__(self, "_Secret__digest", _digest(_utf8(text)))

    def reveal(self) -> str:
        """Return the string, for the one place that needs it: to verify a signature, to write it once."""
        return self.__text

    def matches(self, candidate: str | bytes) -> bool:
        """Whether the candidate is the secret; takes the same time wherever the two differ.

        Digests are compared, not the texts, so that the time doesn't tell the length either.
        """
        given = candidate if isinstance(candidate, bytes) else candidate.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.__digest, _digest(given))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret can't be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret can't be changed")

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self.__digest, other.__digest) if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.__digest)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be pickled")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The codec's own error carries the text.
        raise ValueError("a secret must be Unicode text") from None


def _digest(given: bytes) -> bytes:
    return hashlib.sha256(given).digest()
