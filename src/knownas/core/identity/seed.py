"""Decides whether a profile of another system can come over with its MPID and identities (design §7)."""

from knownas.core.identity.decision import (
    Change,
    ChangeKind,
    DecidedBy,
    Decision,
    Receipt,
    RecordWrite,
    Refusal,
    Refused,
    Seeded,
)
from knownas.core.identity.learning import NEW
from knownas.core.identity.observation import SeedRequest
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, is_known, values_of
from knownas.core.identity.records import Records
from knownas.core.limits import RECORD_IDENTITIES_MAX


def taken(mpid: int, policy: Policy) -> Decision:
    """Refuse a profile whose MPID has been given out."""
    refused = Refused(Refusal.MPID_TAKEN, f"There is a profile {mpid} already.")
    return Decision(refused, Receipt(policy.version, (), DecidedBy.NAMED))


def seed(request: SeedRequest, policy: Policy, records: Records, fresh_mpid: int) -> Decision:
    """Bring one profile over, whole or not at all.

    `records` must know all considered holders of its unique values, and the named profile if there is one.
    A value that another profile may not lose, a taken MPID or too many values refuse it.
    """
    receipt = Receipt(policy.version, (), DecidedBy.NAMED)
    mpid = fresh_mpid if request.mpid is None else request.mpid
    if records.record(mpid) is not None:
        return taken(mpid, policy)
    identities = values_of(one for one in request.identities if one.type in policy.ranked)
    carried = values_of(one for one in request.identities if one.type not in policy.ranked)
    for kind, values in identities.items():
        if kind in policy.immutable_ids and len(values) > 1:
            message = f"{kind.value} is immutable: a profile has one value of it."
            return Decision(Refused(Refusal.IMMUTABLE_CHANGE, message), receipt)
    for one in request.identities:
        if one.type in policy.unique_ids and one.type in policy.ranked:
            holders = records.holders(one).mpids
            if holders:
                message = f"{one.type.value} is unique and this value belongs to profile {holders[0]}."
                return Decision(Refused(Refusal.UNIQUE_TAKEN, message), receipt)
    known = is_known(identities, policy)
    record = Record(mpid, identities, carried, known, request.at_ms, request.at_ms, version=NEW)
    if record.size > RECORD_IDENTITIES_MAX:
        message = f"{record.size} values, a profile can hold {RECORD_IDENTITIES_MAX}."
        return Decision(Refused(Refusal.RECORD_FULL, message), receipt)
    changes = tuple(
        Change(ChangeKind.ADDED if one.type in policy.ranked else ChangeKind.CARRIED, one, mpid)
        for one in dict.fromkeys(request.identities)
    )
    return Decision(Seeded(mpid, known), receipt, record, changes, writes=(RecordWrite(None, record),))
