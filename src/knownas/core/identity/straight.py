"""Decides the straight cases by a short cut: nobody is met, or the first who is met stands alone and may answer.

In a history, that is nearly every observation. Where nobody holds any of the identities, a profile is made; where the
highest-ranked identity that anybody holds is held by one profile, which may be returned, the lookup ends there. Whatever is
more than that (several holders, a guard, a login ID that meets somebody anonymous, an endpoint other than identify) is
left to `resolve`, whose decision this one always is; a property test holds the two against each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

from knownas.core.identity.decision import (
    NOT_CROWDED,
    Created,
    DecidedBy,
    Decision,
    LookupEffect,
    LookupStep,
    Receipt,
    Returned,
)
from knownas.core.identity.guards import guard_against
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.learning import learn_in_order, learning_order, new_record
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.core.identity.policy import EmptyRecord, Policy
from knownas.core.identity.record import Record, is_known
from knownas.core.identity.records import Records


class _Plan(NamedTuple):
    """How a request with certain types is looked up and learnt from: the places of its identities, in either order."""

    lookup: tuple[int, ...]
    learning: tuple[int, ...]
    names_login_id: bool


class StraightCases:
    """The short cut under one policy. What follows from the types of a request is found once."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._plans: dict[tuple[IdentityType, ...], _Plan] = {}
        self._refuses_empty = policy.settings.empty_record is EmptyRecord.REFUSE

    def decide(
        self, request: IdentityRequest, records: Records, fresh_mpid: int, *, may_create: bool
    ) -> Decision | None:
        """Decide a request as `resolve` does; None if the case is not straight.

        `records` must be whole: everybody there is.
        """
        identities = request.identities
        if request.endpoint is not Endpoint.IDENTIFY or not identities:
            return None
        kinds = tuple([one[0] for one in identities])
        plan = self._plans.get(kinds) or self._plan(kinds)
        policy = self._policy
        steps: list[LookupStep] = []
        for place in plan.lookup:
            one = identities[place]
            mpid = records.holding.get(one)
            if mpid is None:
                steps.append(LookupStep(one, (), (), NOT_CROWDED, LookupEffect.NONE, ()))
                continue
            if not isinstance(mpid, int):
                return None
            met = (mpid,)
            steps.append(LookupStep(one, met, (), NOT_CROWDED, LookupEffect.FIRST, met))
            record = records.record(mpid)
            if record is None or not self._may_answer(record, request, names_login_id=plan.names_login_id):
                return None
            receipt = Receipt(policy.version, tuple(steps), DecidedBy.LAST_CANDIDATE, one[0])
            return self._returned(record, request, plan, receipt, records)
        if not may_create or self._refuses_empty:
            return None
        receipt = Receipt(policy.version, tuple(steps), DecidedBy.NO_CANDIDATE)
        empty = new_record(fresh_mpid, request.at_ms)
        wanted = [identities[place] for place in plan.learning]
        learnt = learn_in_order(empty, wanted, policy, records, request.at_ms, is_new=True)
        outcome = Created(fresh_mpid, learnt.record.known)
        return Decision(outcome, receipt, learnt.record, learnt.changes, learnt.skipped, learnt.writes)

    def _plan(self, kinds: Sequence[IdentityType]) -> _Plan:
        policy, places = self._policy, {kind: place for place, kind in enumerate(kinds)}
        ordered = learning_order(kinds, policy)
        lookup = tuple(places[kind] for kind in ordered if kind in policy.ranked)
        plan = _Plan(lookup, tuple(places[kind] for kind in ordered), not policy.login_types.isdisjoint(kinds))
        self._plans[tuple(kinds)] = plan
        return plan

    def _may_answer(self, record: Record, request: IdentityRequest, *, names_login_id: bool) -> bool:
        policy = self._policy
        if names_login_id and not is_known(record.identities, policy):
            # Somebody known may come first, or a new user gets a profile.
            return False
        return (
            policy.guarded.isdisjoint(record.identities)
            or guard_against(record, dict(request.identities), policy, searching=False) is None
        )

    def _returned(
        self, record: Record, request: IdentityRequest, plan: _Plan, receipt: Receipt, records: Records
    ) -> Decision:
        policy, identities = self._policy, request.identities
        wanted = [identities[place] for place in plan.learning]
        learnt = learn_in_order(record, wanted, policy, records, request.at_ms, is_new=False)
        known = is_known(learnt.record.identities, policy)
        became_known = known and bool(learnt.writes) and not is_known(record.identities, policy)
        outcome = Returned(record.mpid, known, became_known)
        return Decision(outcome, receipt, learnt.record, learnt.changes, learnt.skipped, learnt.writes)
