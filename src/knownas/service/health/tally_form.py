"""Writes the tally of an hour or a day as the small document that is kept of it, and reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from knownas.core.health.tally import Came, Decided, Happened, RefusedFor, Source, Tally, decisions_of, refusals_of
from knownas.core.identity.decision import DecidedBy
from knownas.core.identity.kinds import IdentityType
from knownas.store.errors import StoreDamaged


@dataclass(frozen=True, slots=True)
class KeptTally:
    """The tally of an interval, and of each server that added to it, by its id, the number of the last addition that is in it."""

    interval: int
    added: Mapping[str, int]
    tally: Tally


class _OfSource(msgspec.Struct, array_like=True, frozen=True):
    scope: str
    environment: str
    input: str
    decided: list[tuple[Came, DecidedBy, IdentityType | None, int]]
    refused: list[tuple[str, str, int]]


class _Document(msgspec.Struct, array_like=True, frozen=True):
    interval: int
    added: list[tuple[str, int]]
    sources: list[_OfSource]


_DECODER: Final = msgspec.json.Decoder(_Document)
_ENCODER: Final = msgspec.json.Encoder()


def written(kept: KeptTally) -> bytes:
    """Write a tally. The servers that added stand in the order in which they are given."""
    sources: dict[Source, _OfSource] = {}
    for source, (came, rule, kind), count in decisions_of(kept.tally):
        sources.setdefault(source, _OfSource(*source, [], [])).decided.append((came, rule, kind, count))
    for source, (surface, reason), count in refusals_of(kept.tally):
        sources.setdefault(source, _OfSource(*source, [], [])).refused.append((surface, reason, count))
    return _ENCODER.encode(_Document(kept.interval, list(kept.added.items()), list(sources.values())))


def read(document: bytes) -> KeptTally:
    """Read a tally.

    Raises:
        StoreDamaged: it is none.
    """
    try:
        found = _DECODER.decode(document)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"not a tally of what came: {error}") from error
    tally: dict[tuple[Source, Happened], int] = {}
    for one in found.sources:
        source = Source(one.scope, one.environment, one.input)
        tally.update({(source, Decided(came, rule, kind)): count for came, rule, kind, count in one.decided})
        tally.update({(source, RefusedFor(surface, reason)): count for surface, reason, count in one.refused})
    return KeptTally(found.interval, dict(found.added), tally)
