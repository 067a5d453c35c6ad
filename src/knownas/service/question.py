"""Holds what the resolver is asked and what it answers."""

from typing import Final, NamedTuple

from knownas.core.identity.decision import Decision
from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import Identity
from knownas.core.identity.learning import has_all
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.policy import EnvironmentPools, Policy
from knownas.core.identity.records import Records
from knownas.store.port import Pool, Wanted


class Rules(NamedTuple):
    """An identity scope at work: its name and the policy version in force."""

    scope: str
    policy: Policy

    def pool(self, environment: Environment) -> Pool:
        """Return the pool of an environment; all share one where the policy says so."""
        shared = self.policy.settings.environment_pools is EnvironmentPools.SHARED
        return Pool(self.scope, "" if shared else environment)

    def ask(self, observation: Observation, *, may_create: bool = True, writes: bool = True) -> "Question":
        """Return the question whether and how an observation is answered under these rules."""
        return Question(self, observation, self.pool(observation.environment), may_create, writes)


class Question(NamedTuple):
    """An observation on its way to a decision in a pool.

    `may_create` False answers "not found" where a profile would have to be made. `writes` False decides the same
    and keeps nothing.
    """

    rules: Rules
    observation: Observation
    pool: Pool
    may_create: bool = True
    writes: bool = True

    def wanted(self) -> Wanted:
        """Say what the decision needs to see, all that could matter."""
        policy = self.rules.policy
        observation = self.observation
        match observation:
            case IdentityRequest():
                types = policy.ranked
                if observation.endpoint is Endpoint.LOGOUT and policy.logout_makes_a_profile:
                    # No lookup will be made, unless login IDs lead to one; only unique values need a look.
                    types = policy.unique_ids | policy.login_ids
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


def glance(question: Question) -> Identity | None:
    """Return the identity that may settle a question by itself: the highest-ranked one of an identify or login.

    None where a lone identity never does.
    """
    observation = question.observation
    if isinstance(observation, IdentityRequest) and observation.endpoint in _RETURNING:
        wanted = dict(observation.identities)
        for kind in question.rules.policy.ranking:
            if kind in wanted:
                return Identity(kind, wanted[kind])
    return None


def settled(question: Question, glanced: Identity, records: Records) -> bool:
    """Whether the holders of the glanced identity settle the question: a user who comes back with nothing new.

    One profile holds it, may be returned, and has every identity of the request. Then the lookup ends there,
    nothing is learnt, and who else holds the other identities makes no difference.
    """
    observation, policy = question.observation, question.rules.policy
    holders = records.holders(glanced)
    if len(holders.mpids) != 1 or holders.more or not isinstance(observation, IdentityRequest):
        return False
    record = records.record(holders.mpids[0])
    if record is None:
        return False
    wanted = dict(observation.identities)
    return has_all(record, wanted) and guard_against(record, wanted, policy, searching=False) is None


_RETURNING: Final = frozenset({Endpoint.IDENTIFY, Endpoint.LOGIN})


class Answer(NamedTuple):
    """A decision with the name it can be looked up by."""

    decision_id: str
    question: Question
    decision: Decision

    @property
    def changed(self) -> bool:
        """Whether something was written because of it."""
        return self.question.writes and bool(self.decision.writes)
