"""Says what else than its profiles a line of the log is about, so that all that could matter to a profile is found.

Whoever takes a line back must find every line that it could have influenced (`core.history.world`). Most are found from
profile to value to profile: a line changed some, which hold its identities. Four kinds of lines would be missed, and are
kept under further numbers: one that changed nothing, under the profile that it was answered with; one that names a value
which that profile does not hold afterwards, under the value; one that takes a value from a profile, under the value; and one
that erases a profile, under all values by which this was found, and which the line does not name. When these values are
replaced in the log, so are the numbers.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from knownas.core.identity.decision import ChangeKind, Decision
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.store.port import Pool

_LOSES: Final = frozenset({ChangeKind.REMOVED, ChangeKind.DROPPED, ChangeKind.CARRIED, ChangeKind.MOVED})
"""Changes after which a value no longer leads to a profile that it was said of."""


def subjects_of(pool: Pool, observation: Observation, decision: Decision) -> tuple[int, ...]:
    """Return the numbers under which a line is kept beside the profiles that it changed."""
    found: dict[int, None] = {}
    if not decision.writes:
        for mpid in (decision.answered, profile_named_in(observation)):
            if mpid is not None:
                found[mpid] = None
    record = decision.record
    for one in named_in(observation):
        if record is None or not record.holds(one):
            found[subject_of(pool, one)] = None
    if isinstance(observation, Erasure):
        held = (one for write in decision.writes if write.before is not None for one in write.before.lookups())
        found.update(dict.fromkeys(subject_of(pool, one) for one in held))
    # A correction too: lines that were answered by whoever loses a value belong to those who still have it.
    for change in decision.changes:
        if change.kind in _LOSES:
            found[subject_of(pool, change.identity)] = None
    return tuple(found)


def subject_of(pool: Pool, identity: Identity) -> int:
    """Return the number that stands for a value in a pool: 64 bits, which a profile's MPID has by a rare chance only."""
    text = f"{pool.scope}\0{pool.environment}\0{identity.type.value}\0{identity.value}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)


def profile_named_in(observation: Observation) -> int | None:
    """Return the profile whose existence alone makes a difference to an observation: the one that it would change."""
    return observation.mpid if isinstance(observation, ModifyRequest | SeedRequest | Erasure) else None


def named_in(observation: Observation) -> Iterator[Identity]:
    """Yield every identity that an observation names, also those that were set aside when it came."""
    match observation:
        case IdentityRequest() | SeedRequest():
            yield from observation.identities
            yield from observation.set_aside
        case ModifyRequest():
            for change in (*observation.changes, *observation.set_aside):
                for value in (change.old_value, change.new_value):
                    if value is not None:
                        yield Identity(change.type, value)
        case Correction():
            yield from (one.identity for one in observation.quarantine)
        case Erasure():
            return


def set_aside_in(observation: Observation) -> Iterator[Identity]:
    """Yield the identities that were quarantined when an observation came which named them."""
    match observation:
        case IdentityRequest() | SeedRequest():
            yield from observation.set_aside
        case ModifyRequest():
            for one in observation.set_aside:
                if one.new_value is not None:
                    yield Identity(one.type, one.new_value)
        case Correction() | Erasure():
            return
