"""What decided is told in a few plain sentences, whatever the cases came to."""

import pytest

from knownas.core.history.counterfactual import Case, Counterfactual, HadBeen, Over, Supposition, counterfactuals
from knownas.core.history.counterfactual_story import (
    COUNTERFACTUALS_TOLD_MAX,
    case_sentence,
    counterfactual_story,
)
from knownas.core.history.recollection import Untold
from knownas.core.identity.decide import decide
from knownas.core.identity.decision import Created, Modified, NotFound, Outcome, Refusal, Refused, Returned, Seeded
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.phrases import NOT_MADE
from tests.core.pool import Pool, rules

T = IdentityType
ANN, TABLET = Identity(T.CUSTOMER_ID, "ann"), Identity(T.IOS_IDFV, "tablet")
ABSENT, DIFFERENT = HadBeen.ABSENT, HadBeen.DIFFERENT
ONE, TWO = Returned(1, known=False), Returned(2, known=True)
NEW = Created(NOT_MADE, known=True, source_mpid=1)


def case(one: Identity | None, had_been: HadBeen, *answers: Outcome, changes: bool | None = True) -> Case:
    """Return a case; of the previous MPID 42 if no identity is given."""
    supposed = Supposition(had_been, one, 42 if one is None else None)
    return Case(supposed, answers, changes, None if answers else Untold.CROWDED)


def told(*cases: Case, over: Over = Over.DECISION) -> tuple[str, ...]:
    """Tell cases under a policy that ranks customer IDs before devices."""
    return counterfactual_story(Counterfactual(over, cases), rules())


def test_what_decided_is_told_with_what_would_have_come_of_it() -> None:
    """An identity that decided is named, with the answer without it and the answer with another in its place."""
    assert told(case(ANN, ABSENT, ONE), case(ANN, DIFFERENT, NEW)) == (
        (
            "Without customerid ann, profile 1 (anonymous) would have answered; with another in its place, a new known "
            "profile would have been made, linked from profile 1."
        ),
    )


def test_the_same_answer_is_told_once() -> None:
    """Where leaving it out and replacing it come to the same, one clause says so."""
    assert told(case(ANN, ABSENT, ONE), case(ANN, DIFFERENT, ONE)) == (
        "Without customerid ann, or with another in its place, profile 1 (anonymous) would have answered.",
    )


def test_only_what_changes_the_answer_is_told() -> None:
    """Cases that come to the same answer are left out of the story."""
    same = case(TABLET, ABSENT, TWO, changes=False), case(TABLET, DIFFERENT, TWO, changes=False)
    half = case(ANN, ABSENT, TWO, changes=False), case(ANN, DIFFERENT, ONE)

    assert told(*half, *same) == ("With another customerid than ann, profile 1 (anonymous) would have answered.",)


def test_it_is_said_that_nothing_single_decided() -> None:
    """Where any one identity could have been missing, the story says that."""
    cases = [case(one, how, TWO, changes=False) for one in (ANN, TABLET) for how in HadBeen]

    assert told(*cases) == (
        (
            "No single identity decided: without any one of what the request named, or with another in its place, the "
            "answer would have been the same."
        ),
    )


def test_the_only_identity_is_not_left_out() -> None:
    """That a request without any identity is refused is no news: told is what another one would have come to."""
    refused = case(TABLET, ABSENT, Refused(Refusal.NO_IDENTITIES, "x"))

    assert told(refused, case(TABLET, DIFFERENT, ONE)) == (
        "With another ios_idfv than tablet, profile 1 (anonymous) would have answered.",
    )
    assert told(refused, case(TABLET, DIFFERENT, TWO, changes=False)) == (
        "With another ios_idfv than tablet, the answer would have been the same.",
    )
    same = case(None, ABSENT, TWO, changes=False), case(TABLET, DIFFERENT, TWO, changes=False)
    assert told(refused, *same) == (
        "With another ios_idfv than tablet or without the previous MPID 42, the answer would have been the same.",
    )


def test_the_highest_types_come_first() -> None:
    """The order is that of the priority, the previous MPID last."""
    sentences = told(case(None, ABSENT, ONE), case(TABLET, ABSENT, ONE), case(ANN, ABSENT, ONE))

    assert [sentence.split(",")[0] for sentence in sentences] == [
        "Without customerid ann",
        "Without ios_idfv tablet",
        "Without the previous MPID 42",
    ]


def test_a_story_names_only_a_few() -> None:
    """Beyond a few identities, it says how many more there are."""
    many = [case(Identity(kind, "v"), ABSENT, ONE) for kind in list(T)[: COUNTERFACTUALS_TOLD_MAX + 3]]

    sentences = told(*many)

    assert len(sentences) == COUNTERFACTUALS_TOLD_MAX + 1
    assert sentences[-1] == "3 more of what the request named could have changed the answer too."


def test_what_is_over_other_records_is_told_so() -> None:
    """Cases decided over the profiles of now say that they are."""
    assert told(case(ANN, ABSENT, ONE), over=Over.NOW)[-1] == "This is over the profiles as they are now."


def test_a_request_that_named_nothing_has_no_counterfactual() -> None:
    """There is nothing to tell of a request without identities."""
    assert told() == ()


def test_several_possible_answers_are_told_as_such() -> None:
    """Where it is not known which, all profiles are named, with what would have decided among them."""
    assert case_sentence(case(ANN, ABSENT, ONE, TWO)) == (
        "Without customerid ann, one of the profiles 1 and 2 would have answered, whichever was active last."
    )
    assert case_sentence(case(ANN, ABSENT, ONE, NEW)) == (
        "Without customerid ann, profile 1 would have answered or a new known profile would have been made, linked "
        "from profile 1, whichever was active last."
    )


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (TWO, "profile 2 (known) would have answered"),
        (Returned(2, known=True, became_known=True), "profile 2 would have answered, and become known"),
        (Created(NOT_MADE, known=False), "a new anonymous profile would have been made"),
        (NotFound(), "nobody would have been found"),
        (Refused(Refusal.NO_IDENTITIES, "x"), "the request would have been refused: it names no identity"),
        (Modified(7, known=True, results=()), "profile 7 would have been changed"),
        (Seeded(NOT_MADE, known=True), "the profile would have come over"),
    ],
)
def test_every_answer_can_be_told(outcome: Outcome, words: str) -> None:
    """Each kind of answer has its words."""
    assert case_sentence(case(ANN, ABSENT, outcome)) == f"Without customerid ann, {words}."


@pytest.mark.parametrize("untold", Untold)
def test_every_reason_not_to_tell_can_be_told(untold: Untold) -> None:
    """What can't be told says why, as a whole and for a single identity."""
    (whole,) = counterfactual_story(Counterfactual(None, untold=untold))
    open_case = Case(Supposition(ABSENT, ANN), (), None, untold)
    other = Case(Supposition(ABSENT, ANN), (), changes_answer=True, untold=untold)

    assert whole.startswith("What another request would have been answered is not told: ")
    assert case_sentence(open_case).startswith("Without customerid ann, what would have been answered is not told: ")
    assert case_sentence(other).startswith("Without customerid ann, the answer would have been another one; which")


def test_a_shared_tablet_is_told() -> None:
    """The story of a login on somebody else's tablet: the device decided, since nobody knew the customer ID."""
    pool = Pool(rules())
    pool.seed(("customerid", "ann"), ("ios_idfv", "tablet"))
    pool.seed(("ios_idfv", "tablet"))
    given = identities({T.CUSTOMER_ID: "bob", T.IOS_IDFV: "tablet"})
    request = IdentityRequest(Endpoint.LOGIN, 5, Environment.PRODUCTION, "web", given)
    outcome = decide(request, pool.policy, pool.records, NOT_MADE).outcome

    cases = counterfactuals(request, outcome, pool.policy, pool.records, may_create=True)

    assert counterfactual_story(Counterfactual(Over.DECISION, cases), pool.policy) == (
        "Without ios_idfv tablet, or with another in its place, a new known profile would have been made.",
    )
