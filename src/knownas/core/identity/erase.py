"""Decides an erasure: the profile becomes empty, so that nothing leads to it any more.

The decision is kept in the log, so it names no value: what the profile held is what its lines say. Its record stays, with
nothing on it, since an MPID once given out is never somebody else's (design §8).
"""

from knownas.core.identity.decision import DecidedBy, Decision, Erased, Receipt, RecordWrite, Refusal, Refused
from knownas.core.identity.observation import Erasure
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import emptied
from knownas.core.identity.records import Records


def erase(erasure: Erasure, policy: Policy, records: Records) -> Decision:
    """Empty the named profile, if there is one; one that is empty already is written again, so that the log says it."""
    record = records.record(erasure.mpid)
    writes = () if record is None else (RecordWrite(record, emptied(record)),)
    return Decision(Erased(erasure.mpid), Receipt(policy.version, (), DecidedBy.NAMED), writes=writes)


def refused_as_erased(mpid: int, policy: Policy) -> Decision:
    """Refuse a request that names a profile which was erased: nobody may be it, or become it."""
    refused = Refused(Refusal.ERASED, f"Profile {mpid} was erased.")
    return Decision(refused, Receipt(policy.version, (), DecidedBy.NAMED))
