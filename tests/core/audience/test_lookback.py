"""Events from before a definition's lookback can be left out: nobody is judged otherwise for it, now or later, or told another reason."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import Phase, given, settings

from knownas.core.audience import lookback as looking_back
from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Every, Expression
from knownas.core.audience.judging import Criteria
from knownas.core.audience.lookback import EVER, lookback
from tests.core.audience.definitions import NOW, PURCHASE, both, count, days_ago, defined, definition, frequent, since
from tests.core.audience.drawn import NOW_MS, Json, definitions
from tests.core.audience.subjects import subject_of
from tests.core.audience.test_weakening import PEOPLE

MOMENTS_MAX = 10
"""Moments at which it is looked how a user stands by then."""

DAY_MS = 86_400_000


def nothing_is_missed(given: Json, people: Sequence[Json]) -> None:
    """Judge some users by all of their events and by those since the lookback, at one moment after another."""
    criteria = Criteria(defined(given))
    since_ms = looking_back.lookback(criteria.definition.criteria, NOW_MS)
    for person in people:
        whole = subject_of(person)
        late = whole._replace(events=tuple(one for one in whole.events if one.event.at_ms >= since_ms))
        at_ms = NOW_MS
        for _ in range(MOMENTS_MAX):
            held = criteria.judge(late, at_ms)
            assert criteria.judge(whole, at_ms).holds is held.holds
            assert criteria.reasons(whole, at_ms) == criteria.reasons(late, at_ms)
            if held.until_ms == NEVER:
                break
            assert criteria.judge(whole, held.until_ms - 1).holds is held.holds
            at_ms = held.until_ms


@settings(max_examples=1_000)
@given(definitions(), PEOPLE)
def test_events_from_before_it_change_nothing(given: Json, people: list[Json]) -> None:
    """Not the answer, nor how long it holds, nor why: 5,000 pairs."""
    nothing_is_missed(given, people)


def ever(given: Json) -> int:
    """Return how far back a definition looks."""
    return lookback(defined(definition(given)).criteria, NOW_MS)


def at_least(left: Json, right: Json) -> Json:
    """Ask for so much of something, or for so late a time."""
    return {"operator": "greater_than_equal", "left": left, "right": right}


TIME = {"model": "events", "path": "timestamp"}
PLAN = {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"}


def test_it_is_as_far_back_as_the_condition_that_looks_furthest() -> None:
    """Of conditions on one event, the narrowest counts; between definitions of several, the widest."""
    assert lookback(defined(frequent(2, 30)).criteria, NOW_MS) == NOW_MS - 30 * DAY_MS
    narrow = at_least(count(both(PURCHASE, since(30), since(7))), 1)
    assert ever(narrow) == NOW_MS - 7 * DAY_MS
    wide = at_least(count(both(PURCHASE, since(60))), 1)
    for operator in ("and", "or"):
        assert ever({"operator": operator, "expressions": [narrow, wide, PLAN]}) == NOW_MS - 60 * DAY_MS
    either = {"operator": "or", "expressions": [since(30), since(7)]}
    assert ever(at_least(count(either), 1)) == NOW_MS - 30 * DAY_MS
    assert ever({"operator": "not", "expression": narrow}) == NOW_MS - 7 * DAY_MS
    mirrored = {"operator": "less_than_equal", "left": days_ago(5), "right": TIME}
    assert ever(at_least(count(mirrored), 1)) == NOW_MS - 5 * DAY_MS


@pytest.mark.parametrize(
    "asked",
    [
        at_least(count(PURCHASE), 1),
        at_least(count({"operator": "less_than", "left": TIME, "right": days_ago(30)}), 1),
        at_least(count({"operator": "not", "expression": since(30)}), 1),
        at_least(count({"operator": "or", "expressions": [since(30), PURCHASE]}), 1),
        at_least(TIME, days_ago(30)),
        {"operator": "exists", "operand": {"model": "events"}},
        both(frequent(1, 30)["audience"], PURCHASE),
    ],
)
def test_who_asks_for_events_of_any_age_looks_back_for_ever(asked: Json) -> None:
    """As soon as one condition does."""
    assert ever(asked) == EVER


def test_who_asks_for_no_event_needs_none() -> None:
    """Whatever else is asked, and whenever that was."""
    assert ever(PLAN) == ever(at_least({"model": "user", "path": "last_seen"}, NOW)) == NEVER


def test_a_lookback_by_one_condition_of_several_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: what counts purchases of a week and of a year looks back a year."""
    careful: Callable[[Expression, int], int] = lookback

    def hasty(expression: Expression, now_ms: int) -> int:
        if isinstance(expression, Every) and expression.expressions:
            return max(careful(one, now_ms) for one in expression.expressions)
        return careful(expression, now_ms)

    monkeypatch.setattr(looking_back, "lookback", hasty)
    with pytest.raises(AssertionError):
        settings(max_examples=1_000, phases=[Phase.generate], derandomize=True)(
            given(definitions(), PEOPLE)(nothing_is_missed)
        )()
