"""Turns rows of the database into records and log entries, and records into what rows hold."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from knownas.core.identity.kinds import KIND_OF, IdentityType
from knownas.core.identity.record import Record, Values
from knownas.store.port import LogEntry, Pool

Row = Sequence[Any]
"""A row as the driver gives it: a sequence of values."""

_VALUES: Final = msgspec.json.Decoder(dict[IdentityType, tuple[str, ...]])
_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])
_ENCODER: Final = msgspec.json.Encoder()
_NO_VALUES: Final[Values] = {}
_NOTHING: Final = b"{}"

_CODES: Final = {kind: one.code for kind, one in KIND_OF.items()}


def code_of(kind: IdentityType) -> int:
    """Return the number under which the database keeps a type."""
    return _CODES[kind]


def encode_values(values: Values) -> bytes:
    """Write the values of a record as the JSON that its row holds."""
    return _ENCODER.encode(values) if values else _NOTHING


def encode_mpids(mpids: tuple[int, ...]) -> bytes:
    """Write a list of MPIDs as JSON."""
    return _ENCODER.encode(mpids)


def record_of(
    mpid: int,
    identities: bytes,
    carried: bytes,
    known: bool,  # noqa: FBT001 - a column among columns
    created_ms: int,
    active_ms: int,
    source_mpid: int | None,
    version: int,
) -> Record:
    """Read a row of the profile table, in the order of a record's members."""
    return Record(
        mpid,
        _VALUES.decode(identities),
        _NO_VALUES if carried == _NOTHING else _VALUES.decode(carried),
        known,
        created_ms,
        active_ms,
        source_mpid,
        version,
    )


def entry_of(row: Row, pool: Pool) -> LogEntry:
    """Read a row of the log as the queries select it; its pool's number stands for `pool`."""
    seq, decision_id, _, at_ms, policy_version, created_mpid, touched, observation, decision = row
    return LogEntry(
        decision_id=decision_id.hex(),
        pool=pool,
        at_ms=at_ms,
        policy_version=policy_version,
        created_mpid=created_mpid,
        touched=_MPIDS.decode(touched),
        observation=observation,
        decision=decision,
        seq=seq,
    )
