"""Membership that is kept as things become known is what judging everybody in everything would give, at every moment."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownas.core.audience import membership
from knownas.core.audience.dates import NEVER
from knownas.core.audience.lookback import lookback
from knownas.core.audience.membership import EVERYTHING, Audiences, Change, Nesting, Standing, Standings, nesting_fault
from knownas.core.audience.mentions import Mentions, mentions
from knownas.core.profile.moments import DAY_MS
from tests.core.audience.definitions import PURCHASE, both, criteria, definition, frequent, since
from tests.core.audience.drawn import HOUR_MS, NOW_MS, Json, expressions, user_of
from tests.core.audience.naive import belongs
from tests.core.audience.subjects import subject_of
from tests.core.audience.test_mentions import PLAN, changed
from tests.core.audience.test_reasons import user

NOTHING: frozenset[str] = frozenset()
IN_FIRST = {"operator": "in", "left": {"model": "user"}, "right": {"audience": "1"}}
STEPS = 6


def leaf(expression: Json) -> bool:
    """Whether an expression asks for no other audience."""
    return "'audience'" not in str(expression)


def test_a_member_leaves_when_the_moment_comes_and_not_before() -> None:
    """Two purchases in seven days, of which one grows old: nothing is told in between."""
    audiences = Audiences({"1": criteria(frequent(2, 7))})
    buyer = subject_of(user(("purchase", 6), ("purchase", 1)))
    joined = audiences.judge(buyer, {}, NOW_MS, EVERYTHING)
    assert joined.changes == (Change("1", is_member=True, at_ms=NOW_MS),)
    assert joined.due_ms == NOW_MS + DAY_MS + 1
    still = audiences.judge(buyer, joined.standings, joined.due_ms - 1, NOTHING)
    assert (still.changes, still.standings) == ((), joined.standings)
    left = audiences.judge(buyer, joined.standings, joined.due_ms, NOTHING)
    assert left.changes == (Change("1", is_member=False, at_ms=joined.due_ms),)
    assert dict(left.standings) == {}, "nothing that is there can bring the buyer back"


def test_who_joins_one_may_join_another_by_it() -> None:
    """In the same moment; who leaves it leaves both."""
    audiences = Audiences({"0": criteria(definition(IN_FIRST)), "1": criteria(definition(PURCHASE))})
    joined = audiences.judge(subject_of(user(("purchase", 1))), {}, NOW_MS, EVERYTHING)
    assert [(one.audience, one.is_member) for one in joined.changes] == [("1", True), ("0", True)]
    learnt = Mentions(events=frozenset({"purchase"}))
    left = audiences.judge(subject_of(user()), joined.standings, NOW_MS + 5, audiences.concerned_by(learnt))
    assert [(one.audience, one.is_member) for one in left.changes] == [("1", False), ("0", False)]


def test_an_audience_that_is_gone_is_left() -> None:
    """Once."""
    there = Audiences({"1": criteria(definition(PURCHASE))})
    joined = there.judge(subject_of(user(("purchase", 1))), {}, NOW_MS, EVERYTHING)
    left = Audiences({}).judge(subject_of(user()), joined.standings, NOW_MS + 1, NOTHING)
    assert left.changes == (Change("1", is_member=False, at_ms=NOW_MS + 1),)
    assert (dict(left.standings), left.due_ms) == ({}, NEVER)


def test_audiences_nest_one_level_deep() -> None:
    """Each way of asking for more is told."""

    def asks(*names: str) -> Mentions:
        return Mentions(audiences=frozenset(names))

    assert nesting_fault("a", {"a": asks("b"), "b": asks()}) is None
    assert nesting_fault("a", {"a": asks("a")}) is Nesting.ITSELF
    assert nesting_fault("a", {"a": asks("b")}) is Nesting.UNKNOWN
    assert nesting_fault("a", {"a": asks("b"), "b": asks("c"), "c": asks()}) is Nesting.TOO_DEEP
    assert nesting_fault("b", {"a": asks("b"), "b": asks("c"), "c": asks()}) is Nesting.TOO_DEEP
    assert nesting_fault("c", {"a": asks("b"), "b": asks("c"), "c": asks()}) is None
    with pytest.raises(ValueError, match="one level only"):
        Audiences(
            {
                name: criteria(definition({**IN_FIRST, "right": {"audience": other}}))
                for name, other in (("1", "2"), ("2", "1"))
            }
        )


def truth(given: dict[str, Json], drawn: Json, now_ms: int) -> set[str]:
    """Judge a user in everything, in the plainest way."""
    first = {one for one in given if leaf(given[one]["audience"]) and belongs(given[one], drawn, now_ms)}
    asking = {**drawn, "audiences": frozenset(first)}
    return first | {one for one in given if not leaf(given[one]["audience"]) and belongs(given[one], asking, now_ms)}


@st.composite
def catalogues(draw: st.DrawFn) -> dict[str, Json]:
    """Draw a few audiences: some that others may ask for, and one that asks."""
    plain = [draw(expressions().filter(leaf)) for _ in range(2)]
    asking = draw(st.one_of(expressions(), st.just(IN_FIRST)))
    joined = {"operator": "and", "expressions": [asking, draw(expressions().filter(leaf))]}
    return {name: definition(one) for name, one in zip("123", (*plain, joined), strict=True)}


def keeps_up(given: dict[str, Json], number: int) -> None:
    """Let things become known of a user, and time pass, and compare at every step. No events are shown from before the lookback."""
    chance = Random(number)
    audiences = Audiences({name: criteria(one) for name, one in given.items()})
    drawn, now_ms, due_ms = {**user_of(chance), "audiences": frozenset()}, NOW_MS, NOW_MS
    standings: Standings = {}
    concerned: frozenset[str] | None = EVERYTHING
    members: set[str] = set()
    for _ in range(STEPS):
        whole, since_ms = subject_of(drawn), audiences.lookback(concerned, standings, now_ms)
        seen = tuple(one for one in whole.events if one.event.at_ms >= since_ms)
        judged = audiences.judge(whole._replace(events=seen), standings, now_ms, concerned)
        told = {one.audience: one.is_member for one in judged.changes}
        assert len(told) == len(judged.changes)
        assert all((name in members) is not is_member for name, is_member in told.items()), "told what was so"
        members = {one for one, standing in judged.standings.items() if standing.is_member}
        assert members == truth(given, drawn, now_ms)
        standings, due_ms, concerned = judged.standings, judged.due_ms, NOTHING
        # Nothing turns before it is due.
        assert truth(given, drawn, min(due_ms - 1, now_ms + chance.randint(0, 90) * DAY_MS)) == members
        if due_ms < NEVER and chance.random() < 0.5:
            now_ms = due_ms
        else:
            now_ms = min(now_ms + chance.randint(1, 5 * HOUR_MS), due_ms)
            drawn, learnt = changed(drawn, user_of(chance), chance, chance.choice((0, 1, 2, 3, 4, 6, 7)))
            concerned = audiences.concerned_by(learnt)
            drawn["events"] = [{**one, "event_id": f"e{place}"} for place, one in enumerate(drawn["events"])]


@settings(max_examples=150)
@given(catalogues(), st.integers(0, 2**40))
def test_kept_membership_is_what_judging_everything_gives(given: dict[str, Json], number: int) -> None:
    """After anything that becomes known, and at each moment that is due; each change is told once."""
    keeps_up(given, number)


@pytest.mark.soak
@settings(max_examples=10_000)
@given(catalogues(), st.integers(0, 2**40))
def test_kept_membership_of_many_is_what_judging_everything_gives(given: dict[str, Json], number: int) -> None:
    """The same of ten thousand histories."""
    keeps_up(given, number)


@pytest.mark.parametrize(
    ("fault", "expression"),
    [
        ("events", PURCHASE),
        ("attributes", PLAN),
        ("until", both(PURCHASE, since(2))),
        ("lookback", frequent(1, 60)["audience"]),
    ],
)
def test_membership_that_misses_something_is_caught(
    fault: str, expression: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: who does not hear of events or of attributes, never looks again, or not as far back, has other members."""
    if fault == "until":
        monkeypatch.setattr(membership, "Standing", lambda *told: Standing(*told[:2]))
    elif fault == "lookback":
        monkeypatch.setattr(membership, "lookback", lambda asked, now_ms: lookback(asked, now_ms) + 2 * DAY_MS)
    else:
        missing = {fault: frozenset[str]()}
        monkeypatch.setattr(membership, "mentions", lambda one: replace(mentions(one), **missing))
    assert any(falls_behind({"1": definition(expression)}, number) for number in range(200))


def falls_behind(given: dict[str, Json], number: int) -> bool:
    """Whether membership is found to be another one than it should be."""
    try:
        keeps_up(given, number)
    except AssertionError:
        return True
    return False
