"""What would have been answered, had one identity been absent or another: one promise each.

Random requests are tried in `tests/properties/test_counterfactuals.py`.
"""

import pytest

from knownas.core.history import counterfactual
from knownas.core.history.counterfactual import CASES_MAX, Case, HadBeen, counterfactuals, same_answer
from knownas.core.history.recollection import Recollection, Untold
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import (
    Created,
    Modified,
    NotFound,
    Outcome,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
    SeedRequest,
)
from knownas.core.identity.phrases import NOT_MADE
from knownas.core.identity.policy import Strategy
from knownas.core.identity.records import Records
from tests.core.pool import Pool, rules

T = IdentityType
PLACE = (5, Environment.PRODUCTION, "test")
LOGIN, IDENTIFY, SEARCH = Endpoint.LOGIN, Endpoint.IDENTIFY, Endpoint.SEARCH
ABSENT, DIFFERENT = HadBeen.ABSENT, HadBeen.DIFFERENT


def request(endpoint: Endpoint = IDENTIFY, previous: int | None = None, **named: str) -> IdentityRequest:
    """Return a request, identities by their IDSync names."""
    given = identities({IdentityType(name): value for name, value in named.items()})
    return IdentityRequest(endpoint, *PLACE, given, previous)


def cases(
    pool: Pool, observation: Observation, records: Records | None = None, *, may_create: bool = True
) -> list[Case]:
    """Decide an observation over a pool, and return its cases."""
    over = pool.records if records is None else records
    outcome = decide(observation, pool.policy, over, NOT_MADE, may_create=may_create).outcome
    return list(counterfactuals(observation, outcome, pool.policy, over, may_create=may_create))


def told(pool: Pool, observation: Observation, **named: bool) -> dict[tuple[str, HadBeen], tuple[Outcome, bool | None]]:
    """Return the one answer of each case and whether it is another one, by type and supposition."""
    found: dict[tuple[str, HadBeen], tuple[Outcome, bool | None]] = {}
    for case in cases(pool, observation, **named):
        (outcome,) = case.answers
        kind = case.supposed.identity.type.value if case.supposed.identity else "previous"
        found[kind, case.supposed.had_been] = outcome, case.changes_answer
    return found


def test_each_identity_is_left_out_and_replaced() -> None:
    """Without the login ID the visitor answers; with another one, somebody new is made of the visitor's device."""
    pool = Pool(rules(Strategy.PROFILE_LINK, login="customerid", unique="customerid"))
    pool.seed(("customerid", "ann"))
    pool.seed(("ios_idfv", "tablet"))

    found = told(pool, request(LOGIN, customerid="ann", ios_idfv="tablet"))

    assert found == {
        ("customerid", ABSENT): (Returned(2, known=False), True),
        ("customerid", DIFFERENT): (Created(NOT_MADE, known=True, source_mpid=2), True),
        ("ios_idfv", ABSENT): (Returned(1, known=True), False),
        ("ios_idfv", DIFFERENT): (Returned(1, known=True), False),
    }


def test_the_guards_count() -> None:
    """A known user's device without the login ID leads to nobody, as a device alone never opens a known profile."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"), ("ios_idfv", "tablet"))

    found = told(pool, request(LOGIN, customerid="ann", ios_idfv="tablet"))

    assert found["customerid", ABSENT] == (Created(NOT_MADE, known=False), True)


def test_the_previous_mpid_is_left_out_too() -> None:
    """A tie that the previous MPID has broken goes to another profile without it."""
    pool = Pool(rules())
    pool.crowd(2, ("ios_idfv", "tablet"))

    found = told(pool, request(previous=1, ios_idfv="tablet"))

    assert found["previous", ABSENT] == (Returned(2, known=False), True)
    assert ("previous", DIFFERENT) not in found


def test_a_request_that_may_make_nobody_makes_nobody() -> None:
    """What would have made a profile finds nobody where the request may make none."""
    pool = Pool(rules())
    pool.seed(("email", "e"))

    assert told(pool, request(email="e"), may_create=False) == {
        ("email", ABSENT): (Refused(Refusal.NO_IDENTITIES, "knownIdentities is empty."), True),
        ("email", DIFFERENT): (NotFound(), True),
    }


def test_a_modify_is_asked_again_without_each_change() -> None:
    """The one change for which a modify is refused is found."""
    pool = Pool(rules(immutable="customerid"))
    pool.seed(("customerid", "ann"))
    changes = (IdentityChange(T.EMAIL, None, "e"), IdentityChange(T.CUSTOMER_ID, "ann", None))

    found = told(pool, ModifyRequest(*PLACE, 1, changes))

    assert {key: changes for key, (_, changes) in found.items()} == {
        ("email", ABSENT): False,
        ("email", DIFFERENT): False,
        ("customerid", ABSENT): True,
        ("customerid", DIFFERENT): True,
    }


def test_a_seeding_is_asked_again_without_each_identity() -> None:
    """The one identity for which a profile can't come over is found, and the number of cases has a limit."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"))
    emails = [Identity(T.EMAIL, f"e{number}") for number in range(CASES_MAX)]

    found = cases(pool, SeedRequest(*PLACE, None, (Identity(T.CUSTOMER_ID, "ann"), *emails)))

    assert len(found) == CASES_MAX
    assert [case.changes_answer for case in found] == [True, True, *[False] * (CASES_MAX - 2)]


def test_deciding_it_changes_nothing() -> None:
    """The records are as they were, whatever was supposed."""
    pool = Pool(rules())
    pool.seed(("email", "e"))
    before = list(pool.records)

    cases(pool, request(LOGIN, customerid="ann", email="e"))

    assert list(pool.records) == before


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Returned(1, known=False), Returned(1, known=True, became_known=True), True),
        (Returned(1, known=True), Returned(2, known=True), False),
        (Created(5, known=True), Created(NOT_MADE, known=True), True),
        (Created(5, known=True), Created(5, known=False), False),
        (Created(5, known=True), Created(5, known=True, source_mpid=4), False),
        (Returned(5, known=True), Created(5, known=True), False),
        (NotFound(), NotFound(), True),
        (Refused(Refusal.NO_IDENTITIES, "a"), Refused(Refusal.NO_IDENTITIES, "b"), True),
        (Refused(Refusal.NO_IDENTITIES, "a"), Refused(Refusal.EMPTY_RECORD, "a"), False),
        (Modified(1, known=True, results=((T.EMAIL, 1),)), Modified(1, known=False, results=()), True),
        (Seeded(5, known=True), Seeded(NOT_MADE, known=True), True),
        (Modified(1, known=True, results=()), NotFound(), False),
    ],
)
def test_an_answer_is_who_answers(one: Outcome, other: Outcome, same: bool) -> None:  # noqa: FBT001
    """Another profile, or another kind of new one, or another reason, is another answer; what is learnt is not."""
    assert same_answer(one, other) is same


def test_a_tie_of_which_too_little_is_known_has_several_answers() -> None:
    """Where a visit that is not logged could have broken a tie, all that could have answered are named."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"))
    pool.crowd(3, ("ios_idfv", "tablet"))
    records = Recollection(pool.records, ())

    found = cases(pool, request(LOGIN, customerid="ann", ios_idfv="tablet"), records)

    without = found[0]
    assert {one.mpid for one in without.answers if isinstance(one, Returned)} == {2, 3, 4}
    assert without.changes_answer is True


def test_a_tie_that_the_log_knows_has_one_answer() -> None:
    """Where the log tells when each was active, the tie goes to the most recent."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"))
    pool.crowd(3, ("ios_idfv", "tablet"))
    records = Recollection(pool.records, ((2, 10**13), (3, 10**14), (4, 10**12)))

    found = cases(pool, request(LOGIN, customerid="ann", ios_idfv="tablet"), records)

    assert found[0].answers == (Returned(3, known=False),)


def test_a_tie_among_owners_is_tried_for_each_winner_of_the_first() -> None:
    """Who wins the first tie can decide whether there is a second one, and both are tried out."""
    pool = Pool(rules(priority="ios_idfv email customerid", login="customerid", unique=""))
    pool.crowd(2, ("ios_idfv", "tablet"))
    pool.crowd(2, ("customerid", "ann"))
    records = Recollection(pool.records, ())

    observation = request(LOGIN, customerid="ann", email="e", ios_idfv="tablet")
    found = counterfactuals(observation, NotFound(), pool.policy, records, may_create=True)

    (without_email,) = [case for case in found if case.supposed[:2] == (ABSENT, Identity(T.EMAIL, "e"))]
    assert {one.mpid for one in without_email.answers if isinstance(one, Returned)} == {3, 4}


def test_what_asks_for_unknown_holders_is_not_told() -> None:
    """A case that needs holders nobody knows says why it is open; one that does not is certain."""
    pool = Pool(rules(login="email customerid"))
    pool.seed(("email", "e"), ("ios_idfv", "tablet"))
    tablet = Identity(T.IOS_IDFV, "tablet")
    records = Recollection(pool.records, (), untold={tablet: Untold.CROWDED})

    without_email, _, without_tablet, _ = cases(pool, request(email="e", ios_idfv="tablet"), records)

    assert (without_tablet.answers, without_tablet.changes_answer) == ((Returned(1, known=True),), False)
    assert (without_email.answers, without_email.untold) == ((), Untold.CROWDED)


def test_what_a_guard_rules_out_is_another_answer_whoever_gives_it() -> None:
    """If the profile that answered could not have, the answer would have been another, even if it is not told which."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"), ("email", "e"))
    pool.seed(("email", "f"))
    email = Identity(T.EMAIL, "f")
    records = Recollection(pool.records, (), untold={email: Untold.CROWDED})

    without_customer, *_ = cases(pool, request(customerid="ann", email="f"), records)

    assert (without_customer.answers, without_customer.changes_answer) == ((), True)


def test_an_open_answer_of_an_anonymous_profile_stays_open() -> None:
    """No guard keeps an anonymous profile from answering, so whether the answer changes is not told."""
    pool = Pool(rules())
    pool.seed(("email", "e"))
    device = Identity(T.IOS_IDFV, "d")
    records = Recollection(pool.records, (), untold={device: Untold.TOO_MUCH_SINCE})

    without_email, *_ = cases(pool, request(email="e", ios_idfv="d"), records)

    assert (without_email.answers, without_email.changes_answer) == ((), None)
    assert without_email.untold is Untold.TOO_MUCH_SINCE


def test_too_large_a_tie_is_not_tried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """If more profiles are left than are tried one by one, it is not told which would have answered."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"))
    pool.crowd(4, ("ios_idfv", "d"))
    records = Recollection(pool.records, ())
    monkeypatch.setattr(counterfactual, "TIED_MAX", 3)

    without_customer, *_ = cases(pool, request(LOGIN, customerid="ann", ios_idfv="d"), records)

    assert (without_customer.answers, without_customer.untold) == ((), Untold.TOO_MANY_TIES)
