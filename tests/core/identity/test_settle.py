"""The short cut for a user who comes back decides what the whole rule decides (`core.identity.settle`).

That it never decides otherwise is held against random programs in `tests/properties`.
"""

import pytest

from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Decision
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Strategy
from knownas.core.identity.settle import glance, settle
from tests.core.pool import Pool, rules

T = IdentityType


def request(endpoint: Endpoint, **named: str) -> IdentityRequest:
    """Return a request."""
    given = identities({T(name): value for name, value in named.items()})
    return IdentityRequest(endpoint, 0, Environment.PRODUCTION, "test", given)


def settled(pool: Pool, asked: IdentityRequest) -> Decision | None:
    """Take the short cut where there is one."""
    glanced = glance(asked, pool.policy)
    assert glanced is not None
    record = pool.records.record(1)
    assert record is not None
    assert pool.records.holders(glanced).mpids == (1,)
    return settle(asked, pool.policy, glanced, record)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_user_who_comes_back_is_settled_as_decided(strategy: Strategy) -> None:
    """With nothing new, the short cut gives the same decision as the whole rule."""
    pool = Pool(rules(strategy))
    pool.login(customerid="c", ios_idfv="d", twitter="t")
    asked = request(Endpoint.IDENTIFY, customerid="c", ios_idfv="d", twitter="t")
    decision = decide(asked, pool.policy, pool.records, 99)
    assert settled(pool, asked) == decision
    assert decision.writes == ()


def test_the_highest_ranked_identity_is_glanced_at() -> None:
    """The glance falls on the first type of the priority that the request has; logout, search and others have none."""
    policy = rules()
    assert glance(request(Endpoint.LOGIN, ios_idfv="d", email="e"), policy) == Identity(T.EMAIL, "e")
    assert glance(request(Endpoint.IDENTIFY, twitter="outside"), policy) is None
    assert glance(request(Endpoint.LOGOUT, email="e"), policy) is None
    assert glance(request(Endpoint.SEARCH, email="e"), policy) is None


@pytest.mark.parametrize(
    "named",
    [
        {"customerid": "c", "ios_idfv": "new"},
        {"customerid": "c", "twitter": "new"},
    ],
)
def test_something_new_is_not_settled(named: dict[str, str]) -> None:
    """What the profile would have to learn needs the whole rule."""
    pool = Pool(rules())
    pool.login(customerid="c", ios_idfv="d")
    assert settled(pool, request(Endpoint.IDENTIFY, **named)) is None


def test_a_profile_that_a_guard_closes_is_not_settled() -> None:
    """A device alone never opens a known profile, by no short cut either."""
    pool = Pool(rules())
    pool.login(customerid="c", ios_idfv="d")
    assert settled(pool, request(Endpoint.IDENTIFY, ios_idfv="d")) is None


def test_a_login_without_a_login_id_is_not_settled() -> None:
    """What is refused as a whole is refused, though the profile has everything."""
    pool = Pool(rules(Strategy.PROFILE_ISOLATION))
    pool.identify(ios_idfv="d")
    assert settled(pool, request(Endpoint.LOGIN, ios_idfv="d")) is None
    assert settled(pool, request(Endpoint.IDENTIFY, ios_idfv="d")) is not None


def test_what_is_only_carried_does_not_settle_a_request_that_ranks_it() -> None:
    """A login ID that the profile merely knows, from before its type joined the priority, needs the whole rule."""
    pool = Pool(rules(Strategy.PROFILE_LINK, priority="ios_idfv", login="email", unique="email"))
    pool.identify(ios_idfv="d", email="e")
    pool.policy = rules(Strategy.PROFILE_LINK, priority="ios_idfv email", login="email", unique="email", version=2)
    asked = request(Endpoint.IDENTIFY, ios_idfv="d", email="e")
    assert settled(pool, asked) in (None, decide(asked, pool.policy, pool.records, 99))
