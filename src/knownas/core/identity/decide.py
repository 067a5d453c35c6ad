"""Decides any observation: hands it to the rule that answers its endpoint."""

from typing import assert_never

from knownas.core.identity.correct import correct
from knownas.core.identity.decision import Decision
from knownas.core.identity.erase import erase
from knownas.core.identity.modify import modify
from knownas.core.identity.observation import (
    Correction,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import Policy
from knownas.core.identity.records import Records
from knownas.core.identity.resolve import resolve
from knownas.core.identity.seed import seed


def decide(
    observation: Observation, policy: Policy, records: Records, fresh_mpid: int, *, may_create: bool = True
) -> Decision:
    """Decide one observation over what the records say. Same input, same decision and receipt, byte for byte.

    Changes nothing: whoever wants the decision to hold applies its writes.
    """
    match observation:
        case IdentityRequest():
            return resolve(observation, policy, records, fresh_mpid, may_create=may_create)
        case ModifyRequest():
            return modify(observation, policy, records)
        case SeedRequest():
            return seed(observation, policy, records, fresh_mpid)
        case Correction():
            return correct(observation, policy, records)
        case Erasure():
            return erase(observation, policy, records)
        case _:
            assert_never(observation)
