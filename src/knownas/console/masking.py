"""Decides what somebody sees of an identity who may not see it: that there is one, its type, and how it begins."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType

HIDDEN: Final = "•••"
_EMAIL: Final = re.compile(r"[^\s@<>()\[\],;:\"']+@[^\s@<>()\[\],;:\"']*[^\s@<>()\[\],;:\"'.!?]")
_NAMED_MEMBERS: Final = ("identities", "known_identities", "set_aside", "identity", "old_value", "new_value")
_TYPE_NAMES: Final = frozenset(kind.value for kind in IdentityType)


@dataclass(frozen=True, slots=True)
class ShownIdentity:
    """An identity for a page: its type, and the value as the visitor may see it."""

    type: str
    text: str
    is_masked: bool


def shown_identity(kind: str, value: str, *, masks: bool) -> ShownIdentity:
    """Return an identity for a page."""
    return ShownIdentity(kind, masked(value) if masks else value, masks)


def masked(value: str) -> str:
    """Return a value masked: `a•••@e•••.com`, `c•••`. Neither its length nor anything but its first letters is told."""
    name, at, domain = value.rpartition("@")
    if not at or not name:
        return f"{value[:1]}{HIDDEN}"
    host, dot, ending = domain.rpartition(".")
    shown = f"{host[:1]}{HIDDEN}{dot}{ending}" if host else f"{domain[:1]}{HIDDEN}"
    return f"{name[:1]}{HIDDEN}@{shown}"


def masked_text(text: str, values: Sequence[str] = ()) -> str:
    """Return a text with these values masked in it, where they stand as words, and whatever looks like an e-mail address."""
    for value in sorted(set(values), key=len, reverse=True):
        if value and value in text:
            found = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")
            text = masked(value) if text == value else found.sub(lambda _, value=value: masked(value), text)
    return _EMAIL.sub(lambda found: found[0] if HIDDEN in found[0] else masked(found[0]), text)


def masked_document(document: Document) -> Document:
    """Return a document of the service with every identity in it masked, wherever one can stand.

    Identities stand in them as members of `identities`, by type, and as objects with a `type` and a `value`. Sentences
    that name one have it masked too.
    """
    values = tuple(_values(document))
    return cast("Document", _masked(document, values))


def _values(found: Any) -> Sequence[str]:
    """Return the identity values that stand in a document."""
    values: list[str] = []
    waiting: list[Any] = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            members = cast("Mapping[str, Any]", one)
            value = members.get("value")
            if isinstance(value, str) and "type" in members:
                values.append(value)
            for name in _NAMED_MEMBERS:
                # Where an identity is a pair, its type stands before its value.
                values += (one for one in _texts(members.get(name)) if one not in _TYPE_NAMES)
            waiting += members.values()
        elif isinstance(one, list | tuple):
            waiting += cast("Sequence[Any]", one)
    return values


def _texts(found: Any) -> list[str]:
    """Return every text below a member that holds identities by their types."""
    match found:
        case str():
            return [found]
        case Mapping():
            members = cast("Mapping[str, Any]", found)
            return [text for value in members.values() for text in _texts(value)]
        case list() | tuple():
            return [text for value in cast("Sequence[Any]", found) for text in _texts(value)]
        case _:
            return []


def _masked(found: Any, values: Sequence[str]) -> Any:
    if isinstance(found, str):
        return masked_text(found, values)
    if isinstance(found, Mapping):
        members = cast("Mapping[str, Any]", found)
        return {name: _masked(value, values) for name, value in members.items()}
    if isinstance(found, list | tuple):
        return [_masked(value, values) for value in cast("Sequence[Any]", found)]
    return found
