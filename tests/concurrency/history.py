"""Holds what a concurrent history is: who asked what, from when to when, and what was answered.

A history is kept as JSON Lines, compressed: a first line about the whole, with the rules of each scope, then one line an
operation. So it can be checked again anywhere, without the server that it was recorded from.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Strategy, TieBreak
from tests.properties.reference import Rules

FORMAT = 1


class Call(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One request. `kind` is the endpoint, or `profile` for a look at one by its MPID.

    `pool` names the scope and the environment. `changes` are a modify's: type, old value, new value.
    """

    kind: str
    pool: str
    identities: tuple[tuple[IdentityType, str], ...] = ()
    previous: int | None = None
    mpid: int | None = None
    changes: tuple[tuple[IdentityType, str | None, str | None], ...] = ()


Values = tuple[tuple[IdentityType, tuple[str, ...]], ...]
"""A record's values by type, the types in alphabetical order."""


class Named(msgspec.Struct, frozen=True, tag="named"):
    """A profile: whether it is known, and which identities of the request are shown to be on it."""

    mpid: int
    known: bool
    matched: tuple[tuple[IdentityType, str], ...]


class Modified(msgspec.Struct, frozen=True, tag="modified"):
    """A modify was made: which types of which profiles it changed."""

    mpid: int
    known: bool
    results: frozenset[tuple[IdentityType, int]]


class Shown(msgspec.Struct, frozen=True, tag="shown"):
    """A profile as it was shown."""

    mpid: int
    known: bool
    source: int | None
    created_ms: int
    active_ms: int
    held: Values
    carried: Values


class Told(msgspec.Struct, frozen=True, tag="told"):
    """No profile: it was not found, or the rules refused the request; the stable reason."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The server said that it did nothing (503)."""

    reason: str


class Census(msgspec.Struct, frozen=True, tag="census"):
    """All records there are in the end, by ascending MPID."""

    profiles: tuple[Shown, ...]


Answer = Named | Modified | Shown | Told | Failed | Census


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One call of a client, and what came of it.

    `server` is the process that was asked. Nanoseconds are those of one monotonic clock, milliseconds those of the
    servers' own clock. An operation whose answer never came has `ended_ns` None: it may have had its effect at any
    time after it began, or never. `seq` is the number of its line in the servers' log, if it has one: the judge tries
    that order first, and takes nothing else from it.
    """

    number: int
    client: int
    server: int
    call: Call
    started_ns: int
    started_ms: int
    ended_ns: int | None = None
    ended_ms: int | None = None
    answer: Answer | None = None
    decision_id: str = ""
    seq: int | None = None


class ScopeRules(msgspec.Struct, frozen=True):
    """The rules of a scope, as far as the histories' policies differ."""

    strategy: Strategy
    priority: tuple[IdentityType, ...]
    login: frozenset[IdentityType] = frozenset()
    unique: frozenset[IdentityType] = frozenset()
    immutable: frozenset[IdentityType] = frozenset()
    max_values: dict[IdentityType, int] = {}
    tie_break: tuple[TieBreak, ...] = (TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID)

    def of_model(self) -> Rules:
        """Return the rules as the reference model takes them."""
        return Rules(
            self.strategy,
            list(self.priority),
            set(self.login),
            set(self.unique),
            set(self.immutable),
            max_values=dict(self.max_values),
            tie_break=self.tie_break,
        )


class About(msgspec.Struct, frozen=True):
    """The first line of a history."""

    format: int
    made_from: str
    seed: int
    clients: int
    servers: int
    rules: dict[str, ScopeRules]


class History(NamedTuple):
    """A recorded history: its operations in the order in which they began, and the records in the end if they were read."""

    about: About
    operations: Sequence[Operation]

    @property
    def rules(self) -> Mapping[str, ScopeRules]:
        """The rules of each scope."""
        return self.about.rules


_ENCODER = msgspec.json.Encoder()
_ABOUT = msgspec.json.Decoder(About)
_OPERATION = msgspec.json.Decoder(Operation)


def write_history(file: Path, history: History) -> None:
    """Keep a history. The same history gives the same bytes."""
    lines = [_ENCODER.encode(history.about), *map(_ENCODER.encode, history.operations)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(b"\n".join(lines) + b"\n", mtime=0))


def read_history(file: Path) -> History:
    """Read a history that was kept.

    Raises:
        ValueError: it has another format.
    """
    first, *rest = gzip.decompress(file.read_bytes()).splitlines()
    about = _ABOUT.decode(first)
    if about.format != FORMAT:
        raise ValueError(f"{file} has the format {about.format}, this reads {FORMAT}")
    return History(about, [_OPERATION.decode(line) for line in rest])


def values_of(given: Mapping[IdentityType, Iterable[str]]) -> Values:
    """Write a record's values in their order."""
    return tuple(sorted((kind, tuple(values)) for kind, values in given.items() if values))
