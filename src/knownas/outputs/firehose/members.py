"""Reads members of a batch, of whose types nobody can be sure, and writes them as the partner protocol has them: what has another type is left out."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

Members = dict[str, Any]


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object; what is none is empty."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list."""
    items = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [cast("Mapping[str, Any]", one) for one in items if isinstance(one, Mapping)]


def text(value: object) -> str | None:
    """Write a scalar as text, as the protocol has attributes: numbers as they are in JSON, `true` and `false`."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else None


def integer(value: object) -> int | None:
    """Return a whole number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def number(value: object) -> int | float | None:
    """Return a number."""
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def boolean(value: object) -> bool | None:
    """Return a truth value."""
    return value if isinstance(value, bool) else None


def texts(value: object) -> dict[str, str]:
    """Return the scalars of an object as text."""
    found = ((name, text(one)) for name, one in mapping(value).items())
    return {name: one for name, one in found if one is not None}


def present(members: Iterable[tuple[str, object]]) -> Members:
    """Return the members that have a value."""
    return {name: value for name, value in members if value is not None and value not in ({}, [])}
