"""Who is meant: the strategies, the calls, and the settings that vary them (idsync §3, §7, §8)."""

import pytest

from knownas.core.identity.decision import (
    Created,
    DecidedBy,
    NotFound,
    Outcome,
    Refusal,
    Refused,
    Returned,
    Skip,
)
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import (
    BestMatchLoginLogout,
    EmptyRecord,
    LoginRequiresLoginId,
    LogoutLoginIds,
    SearchImmutablePolicy,
    Strategy,
)
from tests.core.pool import Pool, rules

CONVERTING = [Strategy.DEFAULT, Strategy.PROFILE_CONVERSION]
SEPARATING = [Strategy.PROFILE_LINK, Strategy.PROFILE_ISOLATION]
LOGGING_OUT_ANEW = [Strategy.DEFAULT, Strategy.PROFILE_CONVERSION, Strategy.PROFILE_LINK]


def refusal(outcome: Outcome) -> Refusal:
    """Return why a request was refused."""
    assert isinstance(outcome, Refused)
    assert outcome.message
    return outcome.reason


def is_the(outcome: Outcome, expected: Outcome) -> bool:
    """Whether two outcomes are the same kind and the same."""
    return type(outcome) is type(expected) and outcome == expected


@pytest.mark.parametrize("strategy", Strategy)
def test_an_anonymous_visitor_comes_back_to_the_same_profile(strategy: Strategy) -> None:
    """A device makes a profile once and is recognised from then on, without any further write."""
    pool = Pool(rules(strategy))
    assert is_the(pool.identify(ios_idfv="d"), Created(1, known=False))
    assert is_the(pool.identify(ios_idfv="d"), Returned(1, known=False))
    assert pool.decision.writes == ()


@pytest.mark.parametrize("strategy", CONVERTING)
@pytest.mark.parametrize("endpoint", [Endpoint.LOGIN, Endpoint.IDENTIFY])
def test_a_first_login_makes_the_visitor_known_in_place(strategy: Strategy, endpoint: Endpoint) -> None:
    """Default and conversion keep the profile, identify and login alike (idsync §3.2 step 6)."""
    pool = Pool(rules(strategy))
    pool.identify(ios_idfv="d")
    assert is_the(pool.ask(endpoint, {"customerid": "c", "ios_idfv": "d"}), Returned(1, known=True, became_known=True))
    assert pool.held(1) == {"customerid": ["c"], "ios_idfv": ["d"]}


@pytest.mark.parametrize("strategy", SEPARATING)
def test_a_first_login_gets_a_profile_of_its_own(strategy: Strategy) -> None:
    """Link and isolation make a new known profile; link remembers the anonymous one, which keeps its device."""
    pool = Pool(rules(strategy))
    pool.identify(ios_idfv="d")
    source = 1 if strategy is Strategy.PROFILE_LINK else None
    assert is_the(pool.login(customerid="c", ios_idfv="d"), Created(2, known=True, source_mpid=source))
    assert pool.decision.receipt.decided_by is DecidedBy.NEW_KNOWN_USER
    assert pool.holders("ios_idfv", "d") == (1, 2)
    record = pool.records.record(2)
    assert record is not None
    assert record.source_mpid == source


@pytest.mark.parametrize("strategy", [*CONVERTING, *SEPARATING])
def test_a_device_alone_never_opens_a_known_profile(strategy: Strategy) -> None:
    """A device of a known user makes a new anonymous profile, and the device is on both (idsync §2.2)."""
    pool = Pool(rules(strategy))
    pool.login(customerid="c", ios_idfv="d")
    assert is_the(pool.identify(ios_idfv="d"), Created(2, known=False))
    assert pool.holders("ios_idfv", "d") == (1, 2)


@pytest.mark.parametrize("strategy", [*CONVERTING, *SEPARATING])
def test_a_known_user_is_found_on_any_device(strategy: Strategy) -> None:
    """A login ID leads to its profile on a new device, which that profile learns; also beside a stranger's."""
    pool = Pool(rules(strategy))
    pool.login(customerid="c", ios_idfv="phone")
    pool.identify(ios_idfv="tablet")
    assert is_the(pool.login(customerid="c", ios_idfv="tablet"), Returned(1, known=True))
    assert pool.held(1) == {"customerid": ["c"], "ios_idfv": ["phone", "tablet"]}
    assert pool.held(2) == {"ios_idfv": ["tablet"]}


def test_best_match_accumulates_everything_on_the_top_match() -> None:
    """Best match has no known users: the top match wins and takes what it lacks (idsync §3.5)."""
    pool = Pool(rules(Strategy.BEST_MATCH))
    pool.identify(ios_idfv="d", email="a")
    assert is_the(pool.login(ios_idfv="d", customerid="c", email="b"), Returned(1, known=False))
    assert pool.held(1) == {"customerid": ["c"], "email": ["a", "b"], "ios_idfv": ["d"]}


# --- logout ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", LOGGING_OUT_ANEW)
def test_each_logout_starts_a_new_anonymous_profile(strategy: Strategy) -> None:
    """Default, conversion and link look nothing up: two logouts of one device make two profiles (idsync §3.4)."""
    pool = Pool(rules(strategy))
    pool.login(customerid="c", ios_idfv="d")
    assert is_the(pool.logout(ios_idfv="d"), Created(2, known=False))
    assert is_the(pool.logout(ios_idfv="d"), Created(3, known=False))
    assert pool.decision.receipt.steps == ()
    assert pool.decision.receipt.decided_by is DecidedBy.LOGOUT
    assert pool.held(1) == {"customerid": ["c"], "ios_idfv": ["d"]}


def test_isolation_logs_out_to_the_anonymous_profile_of_the_device() -> None:
    """Isolation goes back to the device's anonymous profile, makes one if there is none, and teaches it nothing."""
    pool = Pool(rules(Strategy.PROFILE_ISOLATION))
    pool.login(customerid="c", ios_idfv="d")
    assert is_the(pool.logout(ios_idfv="d"), Created(2, known=False))
    assert is_the(pool.logout(ios_idfv="d", email="e"), Returned(2, known=False))
    assert pool.decision.writes == ()


@pytest.mark.parametrize("strategy", [*LOGGING_OUT_ANEW, Strategy.PROFILE_ISOLATION])
def test_login_ids_of_a_logout_are_ignored(strategy: Strategy) -> None:
    """Login IDs sent with a logout are neither matched nor stored, and the decision says so (idsync §7-14)."""
    pool = Pool(rules(strategy))
    pool.login(customerid="c")
    assert is_the(pool.logout(customerid="c", ios_idfv="d"), Created(2, known=False))
    assert pool.held(2) == {"ios_idfv": ["d"]}
    assert [(skipped.identity.value, skipped.why) for skipped in pool.decision.skipped] == [("c", Skip.LOGOUT_LOGIN_ID)]


def test_other_user_identities_of_a_logout_are_kept() -> None:
    """A logout stores the user identities that are no login IDs (idsync §7-15)."""
    pool = Pool(rules())
    pool.logout(email="e", ios_idfv="d")
    assert pool.held(1) == {"email": ["e"], "ios_idfv": ["d"]}


def test_a_logout_can_name_the_user_to_switch_to() -> None:
    """`logout_login_ids: resolve` answers a logout with a login ID as identify would, and no other logout."""
    pool = Pool(rules(logout_login_ids=LogoutLoginIds.RESOLVE))
    pool.login(customerid="c")
    assert is_the(pool.logout(customerid="c", ios_idfv="d"), Returned(1, known=True))
    assert is_the(pool.logout(ios_idfv="d"), Created(2, known=False))


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("endpoint", [Endpoint.IDENTIFY, Endpoint.LOGIN, Endpoint.LOGOUT, Endpoint.SEARCH])
def test_a_request_without_identities_is_refused(strategy: Strategy, endpoint: Endpoint) -> None:
    """Nothing can be looked up by nothing (idsync §3.2 step 1)."""
    pool = Pool(rules(strategy))
    assert refusal(pool.ask(endpoint, {})) is Refusal.NO_IDENTITIES
    assert pool.decision.receipt.decided_by is DecidedBy.REFUSED
    assert len(pool.records) == 0


@pytest.mark.parametrize(
    ("strategy", "setting", "refused"),
    [
        (Strategy.PROFILE_ISOLATION, LoginRequiresLoginId.ISOLATION_ONLY, True),
        (Strategy.PROFILE_LINK, LoginRequiresLoginId.ISOLATION_ONLY, False),
        (Strategy.PROFILE_LINK, LoginRequiresLoginId.ALWAYS, True),
        (Strategy.BEST_MATCH, LoginRequiresLoginId.ALWAYS, True),
        (Strategy.PROFILE_ISOLATION, LoginRequiresLoginId.NEVER, False),
    ],
)
def test_a_login_may_need_a_login_id(strategy: Strategy, setting: LoginRequiresLoginId, *, refused: bool) -> None:
    """`login_requires_login_id` says where a login without a login ID is refused; identify never is (§7-12)."""
    pool = Pool(rules(strategy, login_requires_login_id=setting))
    outcome = pool.login(ios_idfv="d")
    assert isinstance(outcome, Refused if refused else Created)
    assert not refused or refusal(outcome) is Refusal.LOGIN_WITHOUT_LOGIN_ID
    assert not isinstance(pool.identify(ios_idfv="d"), Refused)
    if strategy is not Strategy.BEST_MATCH:
        assert not isinstance(pool.login(customerid="c"), Refused)


def test_best_match_can_refuse_login_and_logout() -> None:
    """`best_match_login_logout: reject` refuses the two calls that best match does not know, and only there."""
    pool = Pool(rules(Strategy.BEST_MATCH, best_match_login_logout=BestMatchLoginLogout.REJECT))
    assert refusal(pool.login(email="e")) is Refusal.NO_LOGIN_IN_BEST_MATCH
    assert refusal(pool.logout(email="e")) is Refusal.NO_LOGIN_IN_BEST_MATCH
    assert isinstance(pool.identify(email="e"), Created)
    assert isinstance(pool.search(email="e"), Returned)
    lenient = Pool(rules(Strategy.BEST_MATCH))
    lenient.identify(email="e")
    assert is_the(lenient.logout(email="e", ios_idfv="d"), Returned(1, known=False))
    assert lenient.held(1) == {"email": ["e"], "ios_idfv": ["d"]}
    other = Pool(rules(best_match_login_logout=BestMatchLoginLogout.REJECT))
    assert isinstance(other.login(email="e"), Created)


def test_a_profile_to_which_nothing_would_lead_is_made_or_refused() -> None:
    """`empty_record` decides what happens where a guard and uniqueness leave nothing for a new profile (§7-40)."""
    flags = {"priority": "customerid email", "login": "customerid", "unique": "customerid email"}
    making, refusing = Pool(rules(**flags)), Pool(rules(**flags, empty_record=EmptyRecord.REFUSE))
    for pool in (making, refusing):
        pool.login(customerid="c", email="e")
    assert is_the(making.identify(email="e"), Created(2, known=False))
    assert making.held(2) == {}
    assert refusal(refusing.identify(email="e")) is Refusal.EMPTY_RECORD
    assert [skipped.why for skipped in refusing.decision.skipped] == [Skip.UNIQUE_HELD]
    assert refusing.decision.writes == ()
    assert refusal(refusing.identify(twitter="outside the priority")) is Refusal.EMPTY_RECORD
    assert isinstance(refusing.identify(email="other"), Created)


# --- search, and calls that may not create ---------------------------------------------------------------------


def test_search_changes_nothing() -> None:
    """Search answers with what there is and adds nothing to it (idsync §3.3)."""
    pool = Pool(rules())
    pool.identify(email="e")
    before = list(pool.records)
    assert is_the(pool.search(email="e", ios_idfv="d"), Returned(1, known=False))
    assert is_the(pool.search(email="unknown"), NotFound())
    assert list(pool.records) == before
    assert pool.decision.writes == ()


def test_search_by_an_immutable_id_only_unless_configured_otherwise() -> None:
    """With immutable types search asks for a matching one; `guards_only` lets the plain guards decide (§7-6)."""
    flags = {"login": "customerid", "unique": "customerid", "immutable": "customerid"}
    strict = Pool(rules(**flags))
    content = Pool(rules(**flags, search_immutable_policy=SearchImmutablePolicy.GUARDS_ONLY))
    for pool in (strict, content):
        pool.identify(email="anonymous@example.com")
        pool.login(customerid="c", email="known@example.com")
        assert is_the(pool.search(customerid="c"), Returned(2, known=True))
        assert is_the(pool.search(email="known@example.com"), NotFound())
    assert is_the(strict.search(email="anonymous@example.com"), NotFound())
    assert is_the(content.search(email="anonymous@example.com"), Returned(1, known=False))


@pytest.mark.parametrize("strategy", SEPARATING)
def test_search_finds_no_profile_where_identify_would_make_one(strategy: Strategy) -> None:
    """Under link and isolation a first-seen login ID is nobody yet, whatever its device leads to."""
    pool = Pool(rules(strategy))
    pool.identify(ios_idfv="d")
    assert is_the(pool.search(customerid="new", ios_idfv="d"), NotFound())
    assert pool.decision.receipt.decided_by is DecidedBy.NEW_KNOWN_USER


def test_a_call_that_may_not_create_answers_not_found() -> None:
    """Without the right to create, an unknown user is not found, and a known one answers and learns."""
    pool = Pool(rules())
    assert is_the(pool.identify(may_create=False, email="e"), NotFound())
    assert len(pool.records) == 0
    pool.identify(email="e")
    assert is_the(pool.identify(may_create=False, email="e", ios_idfv="d"), Returned(1, known=False))
    assert pool.held(1) == {"email": ["e"], "ios_idfv": ["d"]}


def test_a_different_immutable_id_is_never_the_same_person() -> None:
    """A request with another customer ID makes a new profile, though a device and an e-mail match (idsync §2.4)."""
    pool = Pool(rules(Strategy.DEFAULT, login="customerid email"))
    pool.login(customerid="c", email="e", ios_idfv="d")
    assert is_the(pool.login(customerid="another", email="e", ios_idfv="d"), Created(2, known=True))
    assert pool.held(2) == {"customerid": ["another"], "email": ["e"], "ios_idfv": ["d"]}
    assert pool.held(1) == {"customerid": ["c"], "email": ["e"], "ios_idfv": ["d"]}


def test_the_receipt_names_the_version_of_the_policy() -> None:
    """Whatever is answered names the rules that it was answered by (design §5)."""
    pool = Pool(rules(version=7))
    for call in (pool.identify, pool.login, pool.logout, pool.search):
        call(email="e")
        assert pool.decision.receipt.policy_version == 7
