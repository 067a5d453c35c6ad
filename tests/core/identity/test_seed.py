"""Bringing a profile of another system over, whole or not at all (design §7)."""

from knownas.core.identity.decision import Modified, Outcome, Refusal, Refused, Returned, Seeded
from knownas.core.identity.policy import Strategy
from knownas.core.limits import RECORD_IDENTITIES_MAX
from tests.core.pool import Pool, rules


def refusal(outcome: Outcome) -> Refusal:
    """Return why a profile could not come over."""
    assert isinstance(outcome, Refused)
    return outcome.reason


def test_a_profile_comes_over_with_its_mpid_and_all_its_values() -> None:
    """Several values of a type come over in their order, repeats once; the MPID is kept."""
    pool = Pool(rules())
    pairs = [("email", "b"), ("email", "a"), ("customerid", "c"), ("email", "b"), ("twitter", "t")]
    outcome = pool.seed(*pairs, mpid=-6504934091054997508)
    assert isinstance(outcome, Seeded)
    assert outcome == Seeded(-6504934091054997508, known=True)
    record = pool.records.record(outcome.mpid)
    assert record is not None
    assert {kind.value: values for kind, values in record.identities.items()} == {
        "email": ("b", "a"),
        "customerid": ("c",),
    }
    assert pool.carried(outcome.mpid) == {"twitter": ["t"]}
    assert len(pool.decision.changes) == 4
    assert pool.search(customerid="c") == Returned(outcome.mpid, known=True)


def test_without_an_mpid_it_gets_a_new_one() -> None:
    """A profile that brings no MPID gets a fresh one, and is anonymous without a login ID."""
    pool = Pool(rules())
    outcome = pool.seed(("email", "e"))
    assert isinstance(outcome, Seeded)
    assert outcome == Seeded(1, known=False)


def test_a_taken_mpid_is_refused() -> None:
    """No profile is overwritten."""
    pool = Pool(rules())
    pool.seed(("email", "e"), mpid=7)
    assert refusal(pool.seed(("email", "f"), mpid=7)) is Refusal.MPID_TAKEN
    assert pool.held(7) == {"email": ["e"]}


def test_a_unique_value_that_is_taken_is_refused() -> None:
    """No profile loses a unique value to one that comes over; shared values are fine."""
    pool = Pool(rules())
    pool.seed(("customerid", "c"), ("email", "e"))
    assert refusal(pool.seed(("email", "e"), ("customerid", "c"))) is Refusal.UNIQUE_TAKEN
    assert len(pool.records) == 1
    assert isinstance(pool.seed(("email", "e"), ("customerid", "another")), Seeded)


def test_two_values_of_an_immutable_type_are_refused() -> None:
    """A profile has one value of an immutable type from the beginning."""
    pool = Pool(rules(Strategy.DEFAULT))
    assert refusal(pool.seed(("customerid", "a"), ("customerid", "b"))) is Refusal.IMMUTABLE_CHANGE
    assert isinstance(pool.seed(("customerid", "a"), ("customerid", "a")), Seeded)


def test_more_values_than_a_profile_can_hold_are_refused() -> None:
    """A thousand values come over, one more does not."""
    pool = Pool(rules())
    values = [("email", str(number)) for number in range(RECORD_IDENTITIES_MAX)]
    assert refusal(pool.seed(*values, ("ios_idfv", "d"))) is Refusal.RECORD_FULL
    assert isinstance(pool.seed(*values), Seeded)


def test_a_profile_without_lookups_comes_over_as_an_orphan() -> None:
    """An MPID of another system stays known here, also if nothing leads to it yet."""
    pool = Pool(rules())
    assert isinstance(pool.seed(mpid=5), Seeded)
    assert pool.held(5) == {}
    assert isinstance(pool.modify(5, ("email", None, "e")), Modified)
