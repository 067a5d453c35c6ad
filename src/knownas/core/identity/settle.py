"""Decides the common case by a short cut: a user comes back with nothing new.

If the highest-ranked identity of an identify or login sits on one profile alone, that profile may be returned, and
it has every identity of the request, then the lookup ends at its first step, nothing is learnt, and who else holds
the other identities makes no difference. So the one profile is all that has to be loaded, and the decision is the
one that `resolve` would make; a property test holds the two against each other.
"""

from knownas.core.identity.decision import NOT_CROWDED, DecidedBy, Decision, LookupEffect, LookupStep, Receipt, Returned
from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import Identity
from knownas.core.identity.learning import has_all
from knownas.core.identity.observation import Endpoint, IdentityRequest, Observation
from knownas.core.identity.policy import Policy
from knownas.core.identity.record import Record, is_known
from knownas.core.identity.resolve import refusal


def glance(observation: Observation, policy: Policy) -> Identity | None:
    """Return the identity whose sole holder may settle an observation; None where a lone identity never does."""
    if not isinstance(observation, IdentityRequest):
        return None
    endpoint = observation.endpoint
    if endpoint is not Endpoint.IDENTIFY and endpoint is not Endpoint.LOGIN:
        return None
    places, found = policy.places, None
    best = len(places)
    for one in observation.identities:
        place = places.get(one.type, best)
        if place < best:
            best, found = place, one
    return found


def settle(request: IdentityRequest, policy: Policy, glanced: Identity, sole: Record) -> Decision | None:
    """Decide a request by the sole holder of the identity glanced at; None if that does not settle it."""
    wanted = dict(request.identities)
    if (
        not has_all(sole, wanted, policy)
        or guard_against(sole, wanted, policy, searching=False) is not None
        or refusal(request, wanted, policy) is not None
    ):
        return None
    mpids = (sole.mpid,)
    step = LookupStep(glanced, mpids, (), NOT_CROWDED, LookupEffect.FIRST, mpids)
    receipt = Receipt(policy.version, (step,), DecidedBy.LAST_CANDIDATE, glanced.type)
    return Decision(Returned(sole.mpid, is_known(sole.identities, policy)), receipt, sole)
