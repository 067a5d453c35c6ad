"""Which profile the identities of a request lead to: priority, ties, and values that sit on too many profiles."""

import pytest

from knownas.core.identity.decision import (
    Created,
    DecidedBy,
    Guard,
    LookupEffect,
    NotFound,
    Rejection,
    Returned,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Strategy, TieBreak
from tests.core.pool import Pool, rules

T = IdentityType
CROWD = 10_000


def answer(pool: Pool) -> tuple[int | None, DecidedBy, IdentityType | None]:
    """Return the MPID of the last answer, and what decided it."""
    outcome, receipt = pool.decision.outcome, pool.decision.receipt
    mpid = None if isinstance(outcome, NotFound) else getattr(outcome, "mpid", None)
    return mpid, receipt.decided_by, receipt.decided_at


@pytest.fixture
def shared() -> Pool:
    """Three anonymous profiles that share an e-mail; 1 and 2 share a device, 3 has its own."""
    pool = Pool(rules(priority="email ios_idfv android_aaid", login="", unique=""))
    pool.seed(("email", "e"), ("ios_idfv", "d"), ("android_aaid", "1"))
    pool.seed(("email", "e"), ("ios_idfv", "d"), ("android_aaid", "2"))
    pool.seed(("email", "e"), ("ios_idfv", "own"))
    return pool


def test_the_next_type_breaks_a_tie(shared: Pool) -> None:
    """Several hits are narrowed by the next type that the request has (idsync §2.1)."""
    shared.identify(email="e", ios_idfv="own")
    assert answer(shared) == (3, DecidedBy.LAST_CANDIDATE, T.IOS_IDFV)
    assert [step.effect for step in shared.decision.receipt.steps] == [LookupEffect.FIRST, LookupEffect.NARROWED]


def test_absent_types_are_skipped(shared: Pool) -> None:
    """A type that the request lacks breaks no tie; the one after it does (idsync §2.1)."""
    shared.identify(email="e", android_aaid="2")
    assert answer(shared) == (2, DecidedBy.LAST_CANDIDATE, T.ANDROID_AAID)


def test_a_tiebreaker_that_matches_only_others_is_ignored(shared: Pool) -> None:
    """Narrowing never leaves the candidates (idsync §7-11)."""
    shared.seed(("ios_idfv", "elsewhere"))
    shared.identify(email="e", ios_idfv="elsewhere", android_aaid="1")
    assert answer(shared) == (1, DecidedBy.LAST_CANDIDATE, T.ANDROID_AAID)
    assert shared.decision.receipt.steps[1].effect is LookupEffect.KEPT
    assert shared.decision.receipt.steps[1].left == (1, 2, 3)


def test_the_lookup_stops_at_one_profile(shared: Pool) -> None:
    """Once one profile is left, later types are not looked up (idsync §3.2 step 4)."""
    shared.identify(email="e", ios_idfv="own", android_aaid="1")
    assert [step.identity.type for step in shared.decision.receipt.steps] == [T.EMAIL, T.IOS_IDFV]


def test_the_previous_mpid_breaks_the_last_tie(shared: Pool) -> None:
    """What is still several is settled by the previous MPID if it is among them (idsync §7-9)."""
    shared.identify(previous=2, email="e", ios_idfv="d")
    assert answer(shared) == (2, DecidedBy.PREVIOUS_MPID, T.IOS_IDFV)


def test_the_previous_mpid_is_no_authority(shared: Pool) -> None:
    """A previous MPID that nothing of the request leads to changes nothing (idsync §7-35)."""
    shared.identify(previous=3, email="e", ios_idfv="d")
    assert answer(shared) == (2, DecidedBy.MOST_RECENT, T.IOS_IDFV)


def test_the_most_recently_active_breaks_a_tie(shared: Pool) -> None:
    """Without a previous MPID the most recently active profile answers, a visit without a change included."""
    shared.identify(android_aaid="1")
    assert shared.decision.writes == ()
    shared.identify(email="e", ios_idfv="d")
    assert answer(shared) == (1, DecidedBy.MOST_RECENT, T.IOS_IDFV)


def test_the_smallest_mpid_breaks_what_is_left(shared: Pool) -> None:
    """Of equally recent profiles the one with the smallest MPID answers."""
    for mpid in (1, 2, 3):
        shared.records.saw(mpid, shared.now_ms + 100)
    shared.identify(email="e")
    assert answer(shared) == (1, DecidedBy.SMALLEST_MPID, T.EMAIL)


@pytest.mark.parametrize(
    ("order", "mpid"),
    [
        ((TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID), 2),
        ((TieBreak.MOST_RECENT, TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID), 3),
        ((TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID), 3),
        ((TieBreak.PREVIOUS_MPID, TieBreak.SMALLEST_MPID), 2),
        ((TieBreak.SMALLEST_MPID,), 1),
    ],
)
def test_the_order_of_the_tie_break_is_a_setting(order: tuple[TieBreak, ...], mpid: int) -> None:
    """The rules of the tie-break are tried in the configured order (idsync §8)."""
    pool = Pool(rules(priority="email", login="", unique="", tie_break=order))
    pool.crowd(3, ("email", "e"))
    pool.identify(previous=2, email="e")
    assert answer(pool)[0] == mpid


def test_known_beats_anonymous() -> None:
    """A known profile that the request may open wins over an anonymous one found first (idsync §3.2 step 5)."""
    pool = Pool(rules(priority="ios_idfv email customerid", login="email customerid", unique="customerid"))
    pool.seed(("ios_idfv", "d"))
    pool.seed(("email", "e"))
    pool.seed(("customerid", "c"))
    pool.identify(ios_idfv="d", customerid="c")
    assert answer(pool) == (3, DecidedBy.KNOWN_BEATS_ANONYMOUS, T.CUSTOMER_ID)
    pool.seed(("ios_idfv", "d2"))
    pool.identify(ios_idfv="d2", customerid="c", email="e")
    assert answer(pool) == (2, DecidedBy.KNOWN_BEATS_ANONYMOUS, T.EMAIL)


def test_the_receipt_names_who_was_rejected_and_why() -> None:
    """Each step names the holders that a guard held back, and which guard (design §3)."""
    pool = Pool(rules())
    pool.seed(("customerid", "c"), ("ios_idfv", "d"))
    pool.identify(ios_idfv="d")
    (step,) = pool.decision.receipt.steps
    assert step.rejected == (Rejection(1, Guard.LOGIN),)
    assert (step.returnable, step.left, step.effect, step.more) == ((), (), LookupEffect.NONE, False)
    assert answer(pool) == (2, DecidedBy.NO_CANDIDATE, None)


def test_types_outside_the_priority_are_never_looked_up() -> None:
    """An identity outside the priority leads nowhere and stands in no step (idsync §2.1)."""
    pool = Pool(rules(priority="email"))
    first, second = pool.identify(other="o"), pool.identify(other="o")
    assert isinstance(first, Created)
    assert isinstance(second, Created)
    assert pool.decision.receipt.steps == ()
    assert (pool.held(1), pool.carried(1)) == ({}, {"other": ["o"]})


def test_without_the_implicit_stamp_the_device_leads_nowhere() -> None:
    """`implicit_das` false makes the device application stamp a type like any other outside the priority."""
    with_stamp = Pool(rules(priority="email"))
    without = Pool(rules(priority="email", implicit_das=False))
    for pool in (with_stamp, without):
        pool.identify(device_application_stamp="d")
        pool.identify(device_application_stamp="d")
    assert answer(with_stamp) == (1, DecidedBy.LAST_CANDIDATE, T.DEVICE_APPLICATION_STAMP)
    assert answer(without) == (2, DecidedBy.NO_CANDIDATE, None)


# --- crowded values: a device on more profiles than a lookup considers -----------------------------------------


@pytest.fixture(scope="module")
def crowded() -> Pool:
    """Ten thousand anonymous profiles of one device, as many logouts leave them."""
    pool = Pool(rules(Strategy.PROFILE_ISOLATION, priority="customerid email device_application_stamp"))
    pool.crowd(CROWD, ("device_application_stamp", "d"))
    return pool


def test_of_ten_thousand_anonymous_profiles_the_most_recent_answers(crowded: Pool) -> None:
    """The most recently active of a crowd answers, whether a change or a mere visit made it so."""
    crowded.logout(device_application_stamp="d")
    assert answer(crowded) == (CROWD, DecidedBy.MOST_RECENT, T.DEVICE_APPLICATION_STAMP)
    crowded.records.saw(17, crowded.now_ms + 10)
    crowded.logout(device_application_stamp="d")
    assert answer(crowded)[0] == 17
    assert crowded.decision.receipt.steps[0].more


def test_the_previous_mpid_answers_however_old_it_is(crowded: Pool) -> None:
    """A previous MPID beyond the sixteen considered wins the tie all the same."""
    crowded.identify(previous=4, device_application_stamp="d")
    assert answer(crowded) == (4, DecidedBy.PREVIOUS_MPID, T.DEVICE_APPLICATION_STAMP)
    crowded.identify(previous=CROWD * 2, device_application_stamp="d")
    assert answer(crowded)[1] is DecidedBy.MOST_RECENT


def test_a_crowded_value_still_narrows_other_candidates() -> None:
    """Whoever was found by another identity and holds the crowded value stays, however old."""
    pool = Pool(rules(priority="email ios_idfv", login="", unique=""))
    pool.seed(("email", "e"), ("ios_idfv", "d"))
    pool.seed(("email", "e"))
    pool.crowd(100, ("ios_idfv", "d"))
    pool.identify(email="e", ios_idfv="d")
    assert answer(pool) == (1, DecidedBy.LAST_CANDIDATE, T.IOS_IDFV)


def test_a_crowded_value_is_narrowed_by_another() -> None:
    """A crowd that is found first is narrowed by a later identity to a profile however old."""
    pool = Pool(rules(priority="ios_idfv email", login="", unique=""))
    pool.seed(("email", "e"), ("ios_idfv", "d"))
    pool.crowd(100, ("ios_idfv", "d"))
    pool.identify(email="e", ios_idfv="d")
    assert answer(pool) == (1, DecidedBy.LAST_CANDIDATE, T.EMAIL)


def test_known_profiles_of_a_crowd_stay_closed_and_open_by_their_login_id() -> None:
    """A device on many known profiles opens none of them; a login ID opens its own."""
    pool = Pool(rules(priority="customerid device_application_stamp"))
    for number in range(40):
        pool.seed(("customerid", str(number)), ("device_application_stamp", "d"))
    pool.identify(device_application_stamp="d")
    assert answer(pool) == (41, DecidedBy.NO_CANDIDATE, None)
    assert pool.decision.receipt.steps[0].more
    pool.login(customerid="39", device_application_stamp="d")
    assert answer(pool) == (40, DecidedBy.LAST_CANDIDATE, T.CUSTOMER_ID)


def test_the_smallest_mpid_of_a_crowd_answers_where_that_is_the_rule() -> None:
    """Where a value is crowded, that is the smallest MPID of the 16 most recently active ones that are considered."""
    pool = Pool(rules(priority="ios_idfv", login="", unique="", tie_break=(TieBreak.SMALLEST_MPID,)))
    pool.crowd(17, ("ios_idfv", "d"))
    pool.identify(ios_idfv="d")
    assert answer(pool) == (2, DecidedBy.SMALLEST_MPID, T.IOS_IDFV)


def test_the_most_recent_of_many_known_profiles_with_one_login_id_answers() -> None:
    """A login ID that is not unique can be crowded; of the 4 known ones then considered, the latest active answers."""
    pool = Pool(rules(priority="email", login="email", unique=""))
    pool.crowd(17, ("email", "family@example.com"))
    pool.identify(email="family@example.com")
    assert answer(pool) == (4, DecidedBy.MOST_RECENT, T.EMAIL)


def test_a_profile_that_may_answer_is_found_among_many_that_may_not() -> None:
    """Of 16 known profiles with one e-mail, the only one without an immutable ID answers to it."""
    flags = "customerid email"
    pool = Pool(rules(priority="customerid email", login=flags, unique="customerid", immutable="customerid"))
    for number in range(15):
        pool.seed(("customerid", str(number)), ("email", "office@example.com"))
    pool.seed(("email", "office@example.com"))
    outcome = pool.identify(email="office@example.com")
    assert outcome == Returned(16, known=True)
    assert answer(pool) == (16, DecidedBy.LAST_CANDIDATE, T.EMAIL)
