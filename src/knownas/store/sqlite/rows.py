"""Turns rows of the database into records and log entries, and records into rows."""

from typing import Final

import msgspec

from knownas.core.identity.kinds import KIND_OF, IdentityType
from knownas.core.identity.record import Record, Values
from knownas.store.port import LogEntry, Pool
from knownas.store.sqlite.connection import Row

_VALUES: Final = msgspec.json.Decoder(dict[IdentityType, tuple[str, ...]])
_MPIDS: Final = msgspec.json.Decoder(tuple[int, ...])
_ENCODER: Final = msgspec.json.Encoder()
_NO_VALUES: Final[Values] = {}


def code_of(kind: IdentityType) -> int:
    """Return the number under which the database keeps a type."""
    return KIND_OF[kind].code


def encode_values(values: Values) -> str:
    """Write the values of a record as the JSON that its row holds."""
    return _ENCODER.encode(values).decode()


def encode_mpids(mpids: tuple[int, ...]) -> str:
    """Write a list of MPIDs as JSON."""
    return _ENCODER.encode(mpids).decode()


def record_from(row: Row) -> Record:
    """Read (mpid, known, created_ms, active_ms, source_mpid, version, identities, carried)."""
    mpid, known, created_ms, active_ms, source_mpid, version, identities, carried = row
    return Record(
        mpid,
        _VALUES.decode(identities),
        _NO_VALUES if carried == "{}" else _VALUES.decode(carried),
        known == 1,
        created_ms,
        active_ms,
        source_mpid,
        version,
    )


def entry_from(row: Row) -> LogEntry:
    """Read a row of the log as the queries select it."""
    seq, decision_id, scope, environment, at_ms, policy_version, created_mpid, touched, observation, decision = row
    return LogEntry(
        decision_id=decision_id.hex(),
        pool=Pool(scope, environment),
        at_ms=at_ms,
        policy_version=policy_version,
        created_mpid=created_mpid,
        touched=_MPIDS.decode(touched),
        observation=observation,
        decision=decision,
        seq=seq,
    )
