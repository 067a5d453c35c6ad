"""Writes values and what is allowed the way a configuration file and its reference show them."""

import json
import re
from collections.abc import Mapping
from typing import Final, cast

from knownas.config.identity_types import TypeName
from knownas.config.listing import Listing, Naming
from knownas.config.sections import Member
from knownas.config.shapes import FilePath, SecretText, Shape, Text

_PLAIN: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*")
_NULLS: Final = frozenset({"null", "Null", "NULL"})


def written(value: object) -> str:
    """Return a value as YAML on one line; None is "", a member without a value.

    Raises:
        TypeError: no file could give such a value, or it is a secret.
    """
    if isinstance(value, tuple):
        return f"[{', '.join(written(item) for item in cast('tuple[object, ...]', value))}]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return f"{{{', '.join(f'{written(name)}: {written(item)}' for name, item in pairs)}}}"
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:.15g}"
        case str():
            return _text(value)
        case _:
            raise TypeError(f"a file can't give a {type(value).__name__}")


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text not in _NULLS:
        return text
    # What JSON quotes, YAML reads; only a variable would be filled in.
    return json.dumps(text, ensure_ascii=False).replace("${", "$${")


def takes_identity_types(shape: Shape[object]) -> bool:
    """Whether it takes identity types, which are too many to be listed at each place that does."""
    return isinstance(_item(shape), TypeName)


def _item(shape: Shape[object]) -> Shape[object]:
    return cast("Listing[object]", shape).item if isinstance(shape, Listing) else shape


def is_free_text(shape: Shape[object]) -> bool:
    """Whether it takes any text but too long a text, so that a line about what is allowed would say nothing."""
    match shape:
        case Text() | SecretText():
            return not shape.form
        case Naming():
            return is_free_text(shape.shape)
        case _:
            return isinstance(shape, FilePath)


def type_and_allowed(member: Member[object]) -> str:
    """Return what a member takes in a phrase: its type, and what of it is allowed."""
    shape = member.shape
    if takes_identity_types(shape) or not shape.allowed:
        return shape.label
    return f"{shape.label}: {shape.allowed}"
