"""Decides who is meant: identify, login, logout and search over identity records, under a policy (idsync §3).

Theory of operation
===================

An observation arrives: an endpoint and some identities, at most one value a type. The records of the pool say
which profile can be looked up by which identity. The policy says in which order to look, which types are login
IDs, unique, immutable, and which of five strategies to follow. From these alone, and from the MPID that a new
profile would get, the decision follows. Nothing else may take part: no clock, no randomness, no I/O.

**Who may answer.** Two guards stand before every record (`guards`). A record with login IDs answers only a
request that names one of them; a record with immutable IDs only one that names one of those. So a device alone
never opens a known profile, and a different customer ID is never the same person.

**Who does answer.** The lookup (`lookup`) walks the types in priority order until one profile is left. Then the
situation meets the strategy:

====================================== ==================== =============== =============== ============
situation                              default, conversion  link            isolation       best match
====================================== ==================== =============== =============== ============
nobody may answer                      new profile          new profile     new profile     new profile
a known profile answers                return it            return it       return it       n/a
an anonymous one, no login ID named    return it            return it       return it       return it
an anonymous one, a login ID named     return it: it        new, linked     new, nothing    n/a
                                       becomes known        to that source  carried over
====================================== ==================== =============== =============== ============

**Login** is identify, but for a login without a login ID, which isolation refuses. **Logout** names the user to
switch *to*: under default, conversion and link that is always a new anonymous profile, without any lookup; under
isolation it is the device's anonymous profile; best match treats it as identify. Login IDs of a logout are
ignored. **Search** answers what identify would answer with an existing profile, and creates and adds nothing.

**What is learnt.** The answering profile gets every identity of the request that it lacks (`learning`): values
are added, never replaced, and never taken from somebody else. Replacing and taking is modify's job (`modify`).

Every function here returns values; a decision that changes nothing has no writes, and costs no durable write.
"""

from typing import NamedTuple

from knownas.core.identity.decision import (
    Created,
    DecidedBy,
    Decision,
    NotFound,
    Receipt,
    Refusal,
    Refused,
    Returned,
    Skip,
    SkippedIdentity,
)
from knownas.core.identity.guards import Wanted
from knownas.core.identity.kinds import Identity
from knownas.core.identity.learning import learn, new_record
from knownas.core.identity.lookup import Found, look_up
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.core.identity.policy import (
    BestMatchLoginLogout,
    EmptyRecord,
    LoginRequiresLoginId,
    LogoutLoginIds,
    Policy,
    Strategy,
)
from knownas.core.identity.record import Record, is_known
from knownas.core.identity.records import Records


class _Question(NamedTuple):
    """One request with everything that may take part in its answer."""

    request: IdentityRequest
    wanted: Wanted
    policy: Policy
    records: Records
    fresh_mpid: int
    may_create: bool


def resolve(
    request: IdentityRequest, policy: Policy, records: Records, fresh_mpid: int, *, may_create: bool = True
) -> Decision:
    """Decide one identify, login, logout or search; see the module's theory.

    `records` must know all considered holders of the request's ranked identities and the previous MPID's
    record. `fresh_mpid` is what a new profile would be called. `may_create` False answers `NotFound` where a
    profile would have to be made: a read-only request, or an input that only updates.
    """
    question = _Question(request, dict(request.identities), policy, records, fresh_mpid, may_create)
    refused = refusal(request, question.wanted, policy)
    if refused is not None:
        return Decision(refused, Receipt(policy.version, (), DecidedBy.REFUSED))
    match request.endpoint:
        case Endpoint.SEARCH:
            return _search(question)
        case Endpoint.LOGOUT if _logs_out(question.wanted, policy):
            return _logout(question)
        case _:
            return _identify(question)


def refusal(request: IdentityRequest, wanted: Wanted, policy: Policy) -> Refused | None:
    """Refuse what no lookup can answer: steps 1 and 2."""
    endpoint = request.endpoint
    if not wanted:
        return Refused(Refusal.NO_IDENTITIES, "knownIdentities is empty.")
    if endpoint is Endpoint.LOGIN:
        setting = policy.settings.login_requires_login_id
        required = setting is LoginRequiresLoginId.ALWAYS or (
            setting is LoginRequiresLoginId.ISOLATION_ONLY and policy.strategy is Strategy.PROFILE_ISOLATION
        )
        if required and not _names_login_id(wanted, policy):
            names = ", ".join(sorted(policy.login_ids)) or "none is configured"
            return Refused(
                Refusal.LOGIN_WITHOUT_LOGIN_ID, f"A login needs at least one login ID of the scope ({names})."
            )
    if (
        endpoint in (Endpoint.LOGIN, Endpoint.LOGOUT)
        and policy.strategy is Strategy.BEST_MATCH
        and policy.settings.best_match_login_logout is BestMatchLoginLogout.REJECT
    ):
        return Refused(Refusal.NO_LOGIN_IN_BEST_MATCH, "The best match strategy has no login and no logout.")
    return None


def _names_login_id(wanted: Wanted, policy: Policy) -> bool:
    return any(kind in wanted for kind in policy.login_ids)


def _logs_out(wanted: Wanted, policy: Policy) -> bool:
    """Whether a logout is more than an identify; idsync §3.4."""
    if policy.strategy is Strategy.BEST_MATCH:
        return False
    resolves = policy.settings.logout_login_ids is LogoutLoginIds.RESOLVE
    return not (resolves and _names_login_id(wanted, policy))


def _receipt(policy: Policy, found: Found) -> Receipt:
    return Receipt(policy.version, found.steps, found.decided_by, found.decided_at)


def _search(question: _Question) -> Decision:
    policy = question.policy
    found = look_up(question.wanted, policy, question.records, question.request.previous_mpid, searching=True)
    if found.record is not None and _is_new_user(found.record, question.wanted, policy):
        # Identify would create a profile here, so there is none to be found.
        found = found._replace(record=None, decided_by=DecidedBy.NEW_KNOWN_USER)
    if found.record is None:
        return Decision(NotFound(), _receipt(policy, found))
    return _return_unchanged(found, policy)


def _return_unchanged(found: Found, policy: Policy, skipped: tuple[SkippedIdentity, ...] = ()) -> Decision:
    record = found.record
    if record is None:
        raise AssertionError("there is a profile to return")
    outcome = Returned(record.mpid, is_known(record.identities, policy))
    return Decision(outcome, _receipt(policy, found), record, skipped=skipped, recency=found.recency)


def _is_new_user(record: Record, wanted: Wanted, policy: Policy) -> bool:
    """Whether a login ID meets an anonymous profile under a strategy that keeps the two apart: step 6."""
    return (
        policy.new_user_gets_a_profile
        and any(kind in wanted for kind in policy.login_ranking)
        and not is_known(record.identities, policy)
    )


def _logout(question: _Question) -> Decision:
    wanted, policy = question.wanted, question.policy
    kept = {kind: value for kind, value in wanted.items() if kind not in policy.login_ids}
    ignored = tuple(
        SkippedIdentity(Identity(kind, wanted[kind]), Skip.LOGOUT_LOGIN_ID) for kind in wanted if kind not in kept
    )
    if policy.logout_makes_a_profile:
        found = Found((), None, DecidedBy.LOGOUT)
    else:
        found = look_up(kept, policy, question.records, question.request.previous_mpid)
        if found.record is not None:
            return _return_unchanged(found, policy, ignored)
    return _create(question._replace(wanted=kept), found, ignored=ignored)


def _identify(question: _Question) -> Decision:
    wanted, policy = question.wanted, question.policy
    found = look_up(wanted, policy, question.records, question.request.previous_mpid)
    record = found.record
    if record is None:
        return _create(question, found)
    if _is_new_user(record, wanted, policy):
        source = record.mpid if policy.strategy is Strategy.PROFILE_LINK else None
        return _create(question, found._replace(record=None, decided_by=DecidedBy.NEW_KNOWN_USER), source)
    learnt = learn(record, wanted, policy, question.records, question.request.at_ms)
    known = is_known(learnt.record.identities, policy)
    became_known = known and bool(learnt.writes) and not is_known(record.identities, policy)
    return Decision(
        Returned(record.mpid, known, became_known),
        _receipt(policy, found),
        learnt.record,
        learnt.changes,
        learnt.skipped,
        learnt.writes,
        found.recency,
    )


def _create(
    question: _Question, found: Found, source_mpid: int | None = None, ignored: tuple[SkippedIdentity, ...] = ()
) -> Decision:
    """Make a profile of everything that may be on it: step 8."""
    policy, at_ms = question.policy, question.request.at_ms
    receipt = _receipt(policy, found)
    if not question.may_create:
        return Decision(NotFound(), receipt, recency=found.recency)
    empty = new_record(question.fresh_mpid, at_ms, source_mpid)
    learnt = learn(empty, question.wanted, policy, question.records, at_ms, is_new=True)
    if policy.settings.empty_record is EmptyRecord.REFUSE and learnt.record.orphan:
        message = "No identity of the request can be on a new profile; see the receipt for why each was left out."
        return Decision(Refused(Refusal.EMPTY_RECORD, message), receipt, skipped=learnt.skipped)
    known = is_known(learnt.record.identities, policy)
    return Decision(
        Created(question.fresh_mpid, known, source_mpid),
        receipt,
        learnt.record,
        learnt.changes,
        (*ignored, *learnt.skipped),
        learnt.writes,
        found.recency,
    )
