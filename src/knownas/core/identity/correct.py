"""Carries out a correction: profiles become what they would be had something never been said.

What they become was worked out when the correction was made (`core.history.world`), from all lines of the log that could
matter, and stands in the correction itself. So a fold goes on over it like over any other line.
"""

from collections.abc import Iterable, Iterator

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    Corrected,
    DecidedBy,
    Decision,
    Receipt,
    RecordWrite,
)
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Correction
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, Values, lasts_as
from knownas.core.identity.records import Records


def correct(correction: Correction, policy: Policy, records: Records) -> Decision:
    """Turn the profiles that `records` know into those that the correction names; new ones are made."""
    writes = tuple(RecordWrite(records.record(after.mpid), after) for after in correction.records)
    # A profile that only was last active at another time, nobody would call corrected.
    mpids = tuple(after.mpid for before, after in writes if not lasts_as(before, after))
    receipt = Receipt(policy.version, (), DecidedBy.CORRECTED)
    return Decision(Corrected(mpids), receipt, changes=tuple(_changes(writes)), writes=writes)


def _changes(writes: Iterable[RecordWrite]) -> Iterator[Change]:
    """Yield what the profiles lose and get. A value that one loses and another gets has moved."""
    lost: dict[Identity, list[int]] = {}
    gained: list[tuple[Identity, int]] = []
    for before, after in writes:
        held, holds = _held(before), _held(after)
        for one in held - holds:
            lost.setdefault(one, []).append(after.mpid)
        gained += [(one, after.mpid) for one in holds - held]
    for one, mpid in sorted(gained):
        losers = lost.get(one)
        if losers:
            yield Change(ChangeKind.MOVED, one, mpid, losers.pop(0))
        else:
            yield Change(ChangeKind.ADDED, one, mpid)
    for one, losers in sorted(lost.items()):
        for mpid in losers:
            yield Change(ChangeKind.REMOVED, one, mpid)


def _held(record: Record | None) -> set[Identity]:
    return set() if record is None else {*_all(record.identities), *_all(record.carried)}


def _all(values: Values) -> Iterator[Identity]:
    for kind, held in values.items():
        for value in held:
            yield Identity(kind, value)
