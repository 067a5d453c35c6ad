"""Rebuilds one profile's record from what its history tells: the changes of each decision that wrote it.

A fold decides every line again, and needs all records that a decision looked at. Here nothing is decided: the changes
of a logged decision say completely what it did to each profile, so one profile's lines are enough for its record.
"""

from collections.abc import Iterable
from typing import NamedTuple, assert_never

from knownas.core.identity.decision import Change, ChangeKind, Created, Decision, Erased, Seeded
from knownas.core.identity.learning import new_record
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, Values, emptied, is_known, with_value, without_value


class PastDecision(NamedTuple):
    """One line of a profile's history: when it was observed, under which policy, and the decision as logged.

    `became` are the profiles that a correction says whole, as they were after it.
    """

    at_ms: int
    policy: Policy
    decision: Decision
    became: tuple[Record, ...] = ()


def rebuilt(mpid: int, history: Iterable[PastDecision]) -> Record | None:
    """Return the record of a profile after the given part of its history, None if it had not been made by then.

    `history` are the decisions that wrote the record, from the first, in the log's order. Visits that changed nothing
    are not among them, so the record was last active at its `active_ms` or later. Its version is no store's.
    """
    record: Record | None = None
    for line in history:
        if line.became:
            record = next((one for one in line.became if one.mpid == mpid), record)
            continue
        outcome = line.decision.outcome
        mine = line.decision.answered == mpid
        if record is None:
            if not (mine and isinstance(outcome, Created | Seeded)):
                return None
            record = new_record(mpid, line.at_ms, outcome.source_mpid if isinstance(outcome, Created) else None)
        if outcome == Erased(mpid) and isinstance(outcome, Erased):
            # What went is not told, since it was everything.
            record = emptied(record)
            continue
        for change in line.decision.changes:
            record = _after(record, change)
        known = is_known(record.identities, line.policy)
        # Losing a value is nothing that its profile did.
        active_ms = max(record.active_ms, line.at_ms) if mine else record.active_ms
        record = record._replace(known=known, active_ms=active_ms)
    return record


def _after(record: Record, change: Change) -> Record:
    """Return a record after one change, which may be another profile's."""
    one, mine, lost = change.identity, change.mpid == record.mpid, change.from_mpid == record.mpid
    identities: Values = record.identities
    carried: Values = record.carried
    match change.kind:
        case ChangeKind.ADDED | ChangeKind.MOVED:
            if mine and not record.holds(one):
                identities = with_value(identities, one)
            elif lost:
                identities = without_value(identities, one)
        case ChangeKind.REMOVED if mine:
            identities = without_value(identities, one)
        case ChangeKind.CARRIED if mine:
            carried = with_value(carried, one)
        case ChangeKind.DROPPED if mine:
            carried = without_value(carried, one)
        case ChangeKind.REMOVED | ChangeKind.CARRIED | ChangeKind.DROPPED:
            return record
        case _:
            assert_never(change.kind)
    return record._replace(identities=identities, carried=carried)
