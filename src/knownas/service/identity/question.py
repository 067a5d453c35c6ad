"""Holds what the resolver is asked and what it answers."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from knownas.core.identity.decision import DecidedBy, Decision, Receipt, Refusal, Refused
from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import (
    Correction,
    Endpoint,
    Environment,
    Erasure,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import EnvironmentPools, LogoutLoginIds, Policy
from knownas.core.identity.toxic_limits import ToxicMode
from knownas.service.erasure.keep_out import KeepOut, nameless
from knownas.service.identity.screening import Screen
from knownas.store.port import Pool, Wanted


class Rules:
    """An identity scope at work: its name and the policy version in force.

    Another version may be put in force at any time (`publishing`): whoever does more than one thing by it reads `policy` once. A question keeps the one
    that it was asked under. What decides which pools there are, and what is quarantined, is as it was when the server started.

    `screen` sets aside what is quarantined; without it nothing is, as for whoever looks at the past. `keep_out` turns away
    whoever was erased and is to stay out.
    """

    __slots__ = ("_pools", "keep_out", "policy", "scope", "screen")

    def __init__(self, scope: str, policy: Policy, screen: Screen | None = None) -> None:
        self.scope: Final = scope
        self.policy = policy
        self.screen: Final = screen
        self.keep_out: Final = KeepOut()
        shared = policy.settings.environment_pools is EnvironmentPools.SHARED
        self._pools: Final = {one: Pool(scope, "" if shared else one) for one in Environment}

    def pool(self, environment: Environment) -> Pool:
        """Return the pool of an environment; all share one where the policy says so."""
        return self._pools[environment]

    @property
    def pools(self) -> Sequence[Pool]:
        """All pools of the scope."""
        return list(dict.fromkeys(self._pools.values()))

    def ask(self, observation: Observation, *, may_create: bool = True, writes: bool = True) -> "Question":
        """Return the question whether and how an observation is answered under these rules."""
        pool = self._pools[observation.environment]
        if self.keep_out.is_busy and self.keep_out.turns_away(observation, pool, counts=writes):
            unnamed = nameless(observation)
            return Question(self, self.policy, unnamed, pool, may_create=False, writes=False, is_turned_away=True)
        if self.screen is not None:
            observation = self.screen.screened(observation, pool, counts=writes)
        return Question(self, self.policy, observation, pool, may_create, writes)


def screened_rules(scope: str, policy: Policy) -> Rules:
    """Return a scope at work that sets aside what is quarantined, if its policy lets anything be."""
    toxic = policy.settings.toxic
    return Rules(scope, policy, None if toxic.mode is ToxicMode.OFF else Screen(toxic))


class Question(NamedTuple):
    """An observation on its way to a decision in a pool.

    `may_create` False answers "not found" where a profile would have to be made. `writes` False decides the same
    and keeps nothing. One that `is_turned_away` named somebody who is to stay out, and names nobody any more.
    """

    rules: Rules
    policy: Policy
    observation: Observation
    pool: Pool
    may_create: bool = True
    writes: bool = True
    is_turned_away: bool = False

    def turned_away(self) -> Decision:
        """Return the decision about a question that is turned away."""
        return Decision(_TURNED_AWAY, Receipt(self.policy.version, (), DecidedBy.REFUSED))

    def wanted(self) -> Wanted:
        """Say what the decision needs to see, all that could matter."""
        policy = self.policy
        observation = self.observation
        match observation:
            case IdentityRequest():
                types = policy.ranked
                if (
                    observation.endpoint is Endpoint.LOGOUT
                    and policy.logout_makes_a_profile
                    and policy.settings.logout_login_ids is LogoutLoginIds.IGNORE
                ):
                    # No lookup will be made; only unique values need a look.
                    types = policy.unique_ids
                identities = [one for one in observation.identities if one.type in types]
                previous = observation.previous_mpid
                return Wanted(self.pool, identities, () if previous is None else (previous,))
            case ModifyRequest():
                new = [
                    Identity(change.type, change.new_value)
                    for change in observation.changes
                    if change.new_value is not None and change.type in policy.ranked
                ]
                return Wanted(self.pool, new, (observation.mpid,))
            case SeedRequest():
                identities = [one for one in observation.identities if one.type in policy.unique_ids]
                mpid = observation.mpid
                return Wanted(self.pool, identities, () if mpid is None else (mpid,))
            case Correction():
                held = {one: None for record in observation.records for one in record.lookups()}
                return Wanted(self.pool, list(held), [record.mpid for record in observation.records])
            case Erasure():
                return Wanted(self.pool, (), (observation.mpid,))


class Answer(NamedTuple):
    """A decision with the name it can be looked up by."""

    decision_id: str
    question: Question
    decision: Decision

    @property
    def changed(self) -> bool:
        """Whether something was written because of it."""
        return self.question.writes and bool(self.decision.writes)


TURNED_AWAY: Final = "It names somebody who was erased and is to stay out; an administrator can let them in again."
_TURNED_AWAY: Final = Refused(Refusal.SUPPRESSED, TURNED_AWAY)
