"""Tallies are put together in any order, nothing is lost where there is no place, and every decision has a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.health.tally import BEYOND, Came, Tally, bounded, came_of, decisions_of, merged, refusals_of
from knownas.core.identity.decision import (
    Corrected,
    Created,
    DecidedBy,
    Decision,
    Erased,
    Modified,
    NotFound,
    Outcome,
    Receipt,
    Refusal,
    Refused,
    Returned,
    Seeded,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.record import Record
from tests.core.health.examples import BAD_KEY, MADE, RETURNED, WEB, tallies

EMPTY = Record(1, {}, {}, known=False, created_ms=0, active_ms=0)
SOMEBODY = EMPTY._replace(identities={IdentityType.EMAIL: ("e",)})


@given(tallies, tallies)
def test_either_may_come_first(one: Tally, other: Tally) -> None:
    """Putting together is commutative."""
    assert merged([one, other]) == merged([other, one])


@given(tallies, tallies, tallies)
def test_any_two_may_be_put_together_before(one: Tally, other: Tally, third: Tally) -> None:
    """Putting together is associative, and all at once is the same too."""
    assert merged([merged([one, other]), third]) == merged([one, merged([other, third])]) == merged([one, other, third])


@given(tallies)
def test_nothing_adds_nothing(one: Tally) -> None:
    """The empty tally is neutral; nothing that is put together is changed by it."""
    before = dict(one)
    assert merged([one, {}]) == merged([{}, one]) == merged([one]) == one == before


@given(tallies, st.integers(1, 15))
def test_where_there_is_no_place_the_sum_stays(one: Tally, most: int) -> None:
    """At most so many things are left, and what is left out is counted as one; those that happened most often stay."""
    left = bounded(one, most)
    assert len(left) <= most
    assert sum(left.values()) == sum(one.values())
    kept = {thing: count for thing, count in left.items() if thing != BEYOND}
    assert kept.items() <= one.items()
    gone = [count for thing, count in one.items() if thing not in left]
    assert not gone or not kept or max(gone) <= min(kept.values())
    assert bounded(left, most) == left


def test_decisions_and_refusals_are_told_apart() -> None:
    """Each thing is one or the other."""
    tally = {(WEB, RETURNED): 3, (WEB, BAD_KEY): 2, (WEB, MADE): 1}
    assert list(decisions_of(tally)) == [(WEB, RETURNED, 3), (WEB, MADE, 1)]
    assert list(refusals_of(tally)) == [(WEB, BAD_KEY, 2)]


@pytest.mark.parametrize(
    ("outcome", "record", "came"),
    [
        (Returned(1, known=True), SOMEBODY, Came.KNOWN),
        (Returned(1, known=True, became_known=True), SOMEBODY, Came.BECAME_KNOWN),
        (Returned(1, known=False), SOMEBODY, Came.ANONYMOUS),
        (Created(1, known=True), SOMEBODY, Came.CREATED_KNOWN),
        (Created(1, known=False), SOMEBODY, Came.CREATED),
        (Created(1, known=False), EMPTY, Came.CREATED_WITHOUT_IDENTITIES),
        (Modified(1, known=True, results=()), SOMEBODY, Came.MODIFIED),
        (NotFound(), None, Came.NOT_FOUND),
        (Refused(Refusal.NO_IDENTITIES, "why"), None, Came.REFUSED),
    ],
)
def test_every_decision_that_is_asked_for_has_a_name(outcome: Outcome, record: Record | None, came: Came) -> None:
    """What a decision came to is one of a closed set."""
    assert came_of(Decision(outcome, Receipt(1, (), DecidedBy.NAMED), record)) is came


@pytest.mark.parametrize("outcome", [Seeded(1, known=True), Corrected((1,)), Erased(1)])
def test_what_no_request_asks_for_is_not_counted(outcome: Outcome) -> None:
    """Seeding, correcting and erasing are no traffic."""
    with pytest.raises(ValueError, match="no request"):
        came_of(Decision(outcome, Receipt(1, (), DecidedBy.NAMED)))
