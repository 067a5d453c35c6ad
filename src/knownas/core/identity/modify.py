"""Decides what a modify does: changes the identities of one profile, named by its MPID (idsync §3.6).

Modify is the only request that replaces a value and the only one that takes a unique value from another
profile. It never creates a profile and never answers with another MPID. All changes of a request are made, or
none. Clients work from local state that is often stale, so an `old_value` that the profile does not hold is
ignored; and so a type that may hold a limited number of values gives up its oldest for the new one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    DecidedBy,
    Decision,
    Modified,
    Receipt,
    RecordWrite,
    Refusal,
    Refused,
)
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import IdentityChange, ModifyRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, is_known, with_value, without_value
from knownas.core.identity.records import Records
from knownas.core.limits import HOLDERS_CONSIDERED_MAX, RECORD_IDENTITIES_MAX


@dataclass(slots=True)
class _Draft:
    """The profiles as the changes so far have left them. Thrown away if a later change is refused."""

    policy: Policy
    records: Records
    now: dict[int, Record] = field(default_factory=dict[int, Record])
    changes: list[Change] = field(default_factory=list[Change])

    def record(self, mpid: int) -> Record | None:
        return self.now.get(mpid) or self.records.record(mpid)

    def others_holding(self, one: Identity, mpid: int) -> list[Record]:
        """Return the other profiles that hold an identity, drafted changes included."""
        mpids = {*self.records.holders(one).mpids, *self.now} - {mpid}
        found = (self.record(other) for other in sorted(mpids))
        return [record for record in found if record is not None and record.holds(one)]

    def add(self, record: Record, one: Identity) -> Record:
        if one.type in self.policy.ranked:
            return self._put(record._replace(identities=with_value(record.identities, one)))
        return self._put(record._replace(carried=with_value(record.carried, one)))

    def remove(self, record: Record, one: Identity) -> Record:
        if one.type in self.policy.ranked:
            return self._put(record._replace(identities=without_value(record.identities, one)))
        return self._put(record._replace(carried=without_value(record.carried, one)))

    def give_up(self, record: Record, one: Identity) -> Record:
        """Take a value from the modified profile, wherever it stands, and note the change.

        A policy may have put its type into the priority, or out of it, since the profile got it.
        """
        if record.holds(one):
            record = self._put(record._replace(identities=without_value(record.identities, one)))
            self.changes.append(Change(ChangeKind.REMOVED, one, record.mpid))
        if one.value in record.carried.get(one.type, ()):
            record = self._put(record._replace(carried=without_value(record.carried, one)))
            self.changes.append(Change(ChangeKind.DROPPED, one, record.mpid))
        return record

    def _put(self, record: Record) -> Record:
        self.now[record.mpid] = record
        return record


def modify(request: ModifyRequest, policy: Policy, records: Records) -> Decision:
    """Decide one modify; see the module's theory.

    `records` must know the named profile and all considered holders of every new value of a unique type.
    """
    receipt = Receipt(policy.version, (), DecidedBy.NAMED)
    before = records.record(request.mpid)
    if before is None:
        message = f"There is no profile {request.mpid} in this scope and environment; modify never creates one."
        return Decision(Refused(Refusal.UNKNOWN_MPID, message), receipt)
    draft = _Draft(policy, records)
    for change in request.changes:
        refused = _apply(change, request, draft)
        if refused is not None:
            return Decision(refused, receipt)
    writes = tuple(_writes(draft, records, request))
    after = next((write.after for write in writes if write.after.mpid == request.mpid), before)
    results = tuple(dict.fromkeys(_results(draft.changes)))
    outcome = Modified(request.mpid, is_known(after.identities, policy), results)
    return Decision(outcome, receipt, after, tuple(draft.changes), writes=writes)


def _results(changes: Iterable[Change]) -> Iterable[tuple[IdentityType, int]]:
    for change in changes:
        yield change.identity.type, change.mpid
        if change.from_mpid is not None:
            yield change.identity.type, change.from_mpid


def _writes(draft: _Draft, records: Records, request: ModifyRequest) -> Iterable[RecordWrite]:
    for mpid, after in draft.now.items():
        before = records.record(mpid)
        if before is not None and (before.identities, before.carried) != (after.identities, after.carried):
            # Losing a value is nothing that its profile did: only the modified one was active.
            active_ms = max(request.at_ms, before.active_ms) if mpid == request.mpid else before.active_ms
            known = is_known(after.identities, draft.policy)
            yield RecordWrite(before, after._replace(known=known, active_ms=active_ms))


def _apply(change: IdentityChange, request: ModifyRequest, draft: _Draft) -> Refused | None:
    """Make one change on the draft, or say why the whole request is refused."""
    record = draft.record(request.mpid)
    if record is None:
        raise AssertionError("the caller has checked that the profile exists")
    ranked = change.type in draft.policy.ranked
    held = (record.identities if ranked else record.carried).get(change.type, ())
    refused = _immutable_breach(change, held, draft, request.mpid)
    if refused is not None:
        return refused
    if change.old_value is not None and change.old_value != change.new_value:
        record = draft.give_up(record, Identity(change.type, change.old_value))
    if change.new_value is None or change.new_value in held:
        return None
    return _set(Identity(change.type, change.new_value), record, request, draft)


def _set(one: Identity, record: Record, request: ModifyRequest, draft: _Draft) -> Refused | None:
    """Give the record a value that it lacks, taking it from others where the type is unique."""
    policy = draft.policy
    ranked = one.type in policy.ranked
    takes = ranked and one.type in policy.unique_ids
    if takes and draft.records.holders(one).more:
        # Shared by a crowd before its type became unique: a move that leaves some of them with it is no move.
        message = (
            f"{one.type.value}: the value is on more than {HOLDERS_CONSIDERED_MAX} profiles, too many to take it from."
        )
        return Refused(Refusal.UNIQUE_CROWDED, message)
    donors = draft.others_holding(one, record.mpid) if takes else []
    if donors and not request.may_move_unique:
        message = f"{one.type.value} belongs to another profile, and this input may not move unique values."
        return Refused(Refusal.UNIQUE_MOVE_NOT_ALLOWED, message)
    most = policy.settings.max_values.get(one.type)
    held = (record.identities if ranked else record.carried).get(one.type, ())
    if most is not None and len(held) >= most:
        for oldest in held[: len(held) - most + 1]:
            given_up = Identity(one.type, oldest)
            record = draft.remove(record, given_up)
            kind = ChangeKind.REMOVED if ranked else ChangeKind.DROPPED
            draft.changes.append(Change(kind, given_up, record.mpid))
    if record.size >= RECORD_IDENTITIES_MAX:
        return Refused(Refusal.RECORD_FULL, f"The profile holds {RECORD_IDENTITIES_MAX} values, the most there can be.")
    draft.add(record, one)
    if not donors:
        draft.changes.append(Change(ChangeKind.ADDED if ranked else ChangeKind.CARRIED, one, record.mpid))
    for donor in donors:
        draft.remove(donor, one)
        draft.changes.append(Change(ChangeKind.MOVED, one, record.mpid, donor.mpid))
    return None


def _immutable_breach(change: IdentityChange, held: tuple[str, ...], draft: _Draft, mpid: int) -> Refused | None:
    """Refuse what would change a set immutable ID, this profile's or another's; idsync §2.4, §3.6 step 2."""
    if change.type not in draft.policy.immutable_ids or change.type not in draft.policy.ranked:
        return None
    name, new_value = change.type.value, change.new_value
    if new_value is None:
        if change.old_value is not None and change.old_value in held:
            return Refused(Refusal.IMMUTABLE_REMOVAL, f"{name} is immutable and set: it can't be removed.")
        return None
    if held and new_value not in held:
        return Refused(Refusal.IMMUTABLE_CHANGE, f"{name} is immutable and set: it can't be changed.")
    if not held and draft.others_holding(Identity(change.type, new_value), mpid):
        return Refused(Refusal.IMMUTABLE_TAKEN, f"{name} is immutable and belongs to another profile.")
    return None
