"""Notices JSON objects that name a key twice: what they mean differs between parsers, so they are refused.

Nearly every body is cleared by a look at its bytes. A key that stands twice makes its quoted bytes stand twice,
unless one of them is written with an escape; so a body without a backslash, in which no key of ours stands
twice, repeats none of them. Only a suspicious body is parsed a second time.
"""

import json
from collections.abc import Iterable


def names_a_key_twice(body: bytes, keys: Iterable[bytes]) -> bool:
    """Whether an object of a valid JSON body has the same key twice.

    `keys` are those that mean something to us, in quotes; a repetition of others is of no consequence.
    """
    if b"\\" not in body:
        for key in keys:
            if body.count(key) > 1:
                return has_repeated_keys(body)
        return False
    return has_repeated_keys(body)


def has_repeated_keys(body: bytes) -> bool:
    """Whether any object of a valid JSON body has the same key twice, whatever the key."""
    found = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(body, object_pairs_hook=look)
    return found
