"""Notices JSON objects that name a key twice: what they mean differs between parsers, so they are refused."""

import json
from collections.abc import Callable, Collection
from typing import Any, Final, cast

import msgspec

_ANYTHING: Final = msgspec.json.Decoder(Any)
_ENCODER: Final = msgspec.json.Encoder()

Pairs = list[tuple[str, Any]]
"""The members of an object in the order in which they stand, repeated ones too."""


def has_repeated_keys(body: bytes) -> bool:
    """Whether any object of a valid JSON body has the same key twice, at any depth, however it is escaped.

    Raises:
        RecursionError: the body is nested deeper than the interpreter can follow.
    """
    try:
        if surely_once(body, _ANYTHING.decode(body)):
            return False
    except msgspec.DecodeError:
        pass  # A number that only the other parser takes.
    found = False

    def look(pairs: Pairs) -> None:
        nonlocal found
        found = found or _repeats([key for key, _ in pairs])

    _parse(body, look)
    return found


def surely_once(body: bytes, document: object) -> bool:
    """Whether a JSON body surely repeats no key. `document` is what it was decoded to.

    Without escapes in the body, encoding what was decoded gives every string as it stood there, with each colon in
    it. The other colons are one for each member. So if no colon is lost, no member was.

    Raises:
        RecursionError: the body is nested deeper than the interpreter can follow.
    """
    if b"\\" in body:
        return False
    try:
        return _ENCODER.encode(document).count(b":") == body.count(b":")
    except (msgspec.MsgspecError, OverflowError):
        return False  # A number that can be decoded only.


def names_twice(body: bytes, members: Collection[str], inner: str) -> bool:
    """Whether a valid JSON body names one of its members twice, or the object `inner` any key of its own.

    What the other members hold is of no consequence.

    Raises:
        RecursionError: the body is nested deeper than the interpreter can follow.
    """
    top = cast("Pairs", _parse(body, list))
    if _repeats([key for key, _ in top if key in members]):
        return True
    return _repeats([key for key, _ in cast("Pairs", dict(top)[inner])])


def _repeats(keys: list[str]) -> bool:
    return len(set(keys)) < len(keys)


def _parse(body: bytes, made_of: Callable[[Pairs], object]) -> object:
    # Numbers stay text: Python refuses to read an integer of more than 4,300 digits.
    return json.loads(body, object_pairs_hook=made_of, parse_int=str, parse_float=str)
