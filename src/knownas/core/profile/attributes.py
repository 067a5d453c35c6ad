"""Decides what a user's attributes are: the newest value of each name, or nothing since it was deleted (platform §2.6).

Values keep the type in which they were sent; surfaces that know only text write them as text (`as_text`).
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from knownas.core.limits import (
    ATTRIBUTE_NAME_CHARACTERS_MAX,
    ATTRIBUTE_VALUE_CHARACTERS_MAX,
    ATTRIBUTES_MAX,
    LIST_ENTRIES_MAX,
    LIST_ENTRY_CHARACTERS_MAX,
)

Scalar = str | int | float | bool
SCALARS: Final = (str, int, float)
"""The types of a scalar, a bool being an int, for whoever asks often: a tuple is looked through faster than a union is made."""
AttributeValue = Scalar | tuple[Scalar, ...]


class Attribute(NamedTuple):
    """What was last said of one attribute, and when (Unix milliseconds). `value` None: it was deleted then."""

    value: AttributeValue | None
    at_ms: int


Attributes = Mapping[str, Attribute]


def fault_of(name: str, value: AttributeValue) -> str | None:
    """Say why an attribute can't be kept; None if it can. The limits are those of platform §14."""
    fault = name_fault(name)
    if fault is not None:
        return fault
    if isinstance(value, tuple):
        if len(value) > LIST_ENTRIES_MAX:
            return f"the list has {len(value)} entries, at most {LIST_ENTRIES_MAX} are allowed"
        if any(len(as_text(one)) > LIST_ENTRY_CHARACTERS_MAX for one in value):
            return f"an entry of the list has more than {LIST_ENTRY_CHARACTERS_MAX} characters"
    elif len(as_text(value)) > ATTRIBUTE_VALUE_CHARACTERS_MAX:
        return f"the value has more than {ATTRIBUTE_VALUE_CHARACTERS_MAX} characters"
    return None


def name_fault(name: str) -> str | None:
    """Say why nothing can have this name; None if it can."""
    if not name:
        return "the name is empty"
    if len(name) > ATTRIBUTE_NAME_CHARACTERS_MAX:
        return f"the name has {len(name)} characters, at most {ATTRIBUTE_NAME_CHARACTERS_MAX} are allowed"
    return None


Said = tuple[str, AttributeValue | None, int]
"""An attribute's name, the value that it was set to (None: it was deleted), and when (Unix milliseconds)."""


def with_attribute(attributes: Attributes, name: str, value: AttributeValue | None, at_ms: int) -> Attributes:
    """Return the attributes after one was set or deleted; see `with_attributes`."""
    return with_attributes(attributes, ((name, value, at_ms),))[0]


def with_attributes(attributes: Attributes, said: Iterable[Said]) -> tuple[Attributes, tuple[str, ...]]:
    """Return the attributes after some were set or deleted, and the new names that there was no room for.

    What was said later stays. Of two things said at the same time, the one that arrived later counts. A deleted name
    is remembered, so that an older value that arrives late does not bring it back.
    """
    after: dict[str, Attribute] | None = None
    held = attributes
    left_out: list[str] = []
    for name, value, at_ms in said:
        before = held.get(name)
        if before is None:
            if len(held) >= ATTRIBUTES_MAX:
                if value is not None:
                    left_out.append(name)
                continue
        elif before.at_ms > at_ms:
            continue
        if after is None:
            held = after = dict(attributes)
        after[name] = Attribute(value, at_ms)
    return held, tuple(dict.fromkeys(left_out))


def as_text(value: Scalar) -> str:
    """Write a scalar the way the vendor's surfaces show it: numbers and booleans as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def shown(attributes: Attributes) -> Mapping[str, str | list[str]]:
    """Return the attributes as text and lists of text, deleted ones left out, by name."""
    texts: dict[str, str | list[str]] = {}
    for name in sorted(attributes):
        value = attributes[name].value
        if isinstance(value, tuple):
            texts[name] = [as_text(one) for one in value]
        elif value is not None:
            texts[name] = as_text(value)
    return texts
