"""Decides who is asking: Basic, HMAC or key only (idsync §4.1).

The HMAC covers METHOD, LF, the literal text of the `Date` header, LF, path, body, with nothing between path and
body. SDKs sign the default path even where a custom domain puts a prefix before it, and some sign the query
while others do not, so each of these spellings is accepted.
"""

import base64
import binascii
import hmac
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from knownas.api.exchange import Header, Scope
from knownas.config.values import Secret
from knownas.service.security.directory import Directory, Door

PREFIX: Final = b"/identity"
_SIGNATURE_DIGITS: Final = 64
_BLANKS: Final = b" \t"
"""Blanks around a header's value are none of it; the parser leaves those at its end."""

_HEADERS: Final = frozenset({b"x-mp-key", b"x-mp-signature", b"date", b"authorization"})
_AUTHORIZATION: Final = frozenset({b"authorization"})


class Denied(StrEnum):
    """Why a request is answered 401. The value is the stable reason code."""

    NO_CREDENTIALS = "no_credentials"
    UNKNOWN_KEY = "unknown_key"
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a reason, not a secret
    WRONG_SIGNATURE = "wrong_signature"
    NO_DATE = "signature_without_date"
    KEY_ONLY_NOT_ALLOWED = "key_only_not_allowed"
    MALFORMED = "malformed_credentials"


NOBODY: Final = Secret("compared with when the key is unknown, so that the answer takes as long")


def authenticate(scope: Scope, body: bytes, given: Mapping[bytes, bytes], directory: Directory) -> Door | Denied:
    """Return the input that a request comes from, or why it can't be told. `given` are its headers by their names."""
    if _repeats(scope["headers"], given, _HEADERS):
        return Denied.MALFORMED
    return _authenticate(scope, body, given, directory)


def repeats_authorization(headers: Sequence[Header], given: Mapping[bytes, bytes]) -> bool:
    """Whether `Authorization` stands twice in a request: whatever is in between may have looked at the other one.

    `given` are the headers by their names.
    """
    return _repeats(headers, given, _AUTHORIZATION)


def _repeats(headers: Sequence[Header], given: Mapping[bytes, bytes], wanted: Collection[bytes]) -> bool:
    if len(given) == len(headers):
        return False
    names = [name for name, _ in headers if name in wanted]
    return len(set(names)) < len(names)


def _authenticate(scope: Scope, body: bytes, given: Mapping[bytes, bytes], directory: Directory) -> Door | Denied:
    if b"authorization" in given:
        return _basic(given[b"authorization"], directory)
    if b"x-mp-key" not in given:
        return Denied.NO_CREDENTIALS
    door = directory.door(given[b"x-mp-key"].strip(_BLANKS).decode("latin-1"))
    if b"x-mp-signature" in given:
        if b"date" not in given:
            return Denied.NO_DATE
        return _signed(scope, body, given[b"date"].strip(_BLANKS), given[b"x-mp-signature"], door)
    if door is None:
        return Denied.UNKNOWN_KEY
    return door if door.input.allow_key_only else Denied.KEY_ONLY_NOT_ALLOWED


def basic_pair(header: bytes) -> tuple[str, str] | None:
    """Return the key and the secret of an `Authorization: Basic`; None for any other header."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        key, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (key, secret) if colon else None


def _basic(header: bytes, directory: Directory) -> Door | Denied:
    pair = basic_pair(header)
    if pair is None:
        return Denied.MALFORMED
    key, secret = pair
    door = directory.door(key)
    matches = (NOBODY if door is None else door.input.secret).matches(secret)
    if door is None:
        return Denied.UNKNOWN_KEY
    return door if matches else Denied.WRONG_SECRET


def _signed(scope: Scope, body: bytes, date: bytes, signature: bytes, door: Door | None) -> Door | Denied:
    secret = (NOBODY if door is None else door.input.secret).reveal().encode()
    given = signature.strip().lower()
    head = b"%b\n%b\n" % (scope["method"].encode(), date)
    matches = False
    if len(given) == _SIGNATURE_DIGITS:
        for path in _signed_paths(scope):
            expected = hmac.digest(secret, b"%b%b%b" % (head, path, body), "sha256").hex().encode()
            matches = matches or hmac.compare_digest(given, expected)
            if matches:
                break
    if door is None:
        return Denied.UNKNOWN_KEY
    return door if matches else Denied.WRONG_SIGNATURE


def _signed_paths(scope: Scope) -> Iterator[bytes]:
    """Yield the spellings of the path that a client may have signed, the likeliest first."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    paths = [path]
    if path.startswith(PREFIX + b"/"):
        paths.insert(0, path.removeprefix(PREFIX))
    for one in paths:
        if query:
            yield b"%b?%b" % (one, query)
        yield one
