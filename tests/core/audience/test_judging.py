"""A definition is judged as its words say, and no user has to be judged again before the moment that was told."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from knownas.core.audience import compiling
from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Criteria, Held
from tests.core.audience.definitions import count, days_ago, defined, definition, frequent
from tests.core.audience.drawn import HOUR_MS, NOW_MS, ORDERS, Json, definitions, users
from tests.core.audience.naive import belongs
from tests.core.audience.subjects import subject_of
from tests.core.audience.test_reasons import user as bought

PEOPLE = st.lists(users(), min_size=5, max_size=5)
MOMENTS = st.one_of(st.integers(0, 3 * HOUR_MS), st.integers(0, 400).map(lambda hours: hours * HOUR_MS))


def judged(definition: Definition, user: Json, now_ms: int = NOW_MS) -> Held:
    """Judge a user."""
    return Criteria(definition).judge(subject_of(user), now_ms)


def agree(definition: Json, people: list[Json], later_ms: int) -> None:
    """Judge some users in both ways, now and later."""
    read = defined(definition)
    for user in people:
        for now_ms in (NOW_MS, NOW_MS + later_ms):
            assert judged(read, user, now_ms).holds is belongs(definition, user, now_ms)


def stays(definition: Json, people: list[Json], later_ms: int) -> None:
    """Judge some users now, later, and a millisecond before the moment that is told."""
    read = defined(definition)
    for user in people:
        held = judged(read, user)
        assert held.until_ms > NOW_MS
        for at_ms in (NOW_MS + later_ms, held.until_ms - 1):
            if at_ms < min(held.until_ms, NEVER - 1):
                assert judged(read, user, at_ms).holds is held.holds, f"at {at_ms}, told {held}"


@settings(max_examples=500)
@given(definitions(), PEOPLE, MOMENTS)
def test_who_belongs_is_as_the_plainest_reading_says(definition: Json, people: list[Json], later_ms: int) -> None:
    """For any definition and any users, now and later: 5,000 pairs."""
    agree(definition, people, later_ms)


@settings(max_examples=500)
@given(definitions(), PEOPLE, MOMENTS)
def test_nothing_changes_by_time_alone_before_the_moment_told(
    definition: Json, people: list[Json], later_ms: int
) -> None:
    """From now until the moment, and up to its last millisecond, the answer stays the same."""
    stays(definition, people, later_ms)


@pytest.mark.soak
@settings(max_examples=20_000)
@given(definitions(), PEOPLE, MOMENTS)
def test_who_belongs_is_as_the_plainest_reading_says_of_many(
    definition: Json, people: list[Json], later_ms: int
) -> None:
    """The same of 200,000 pairs."""
    agree(definition, people, later_ms)


def is_caught(promise: Callable[..., None], asked: st.SearchStrategy[Json] | None = None) -> bool:
    """Whether a promise is found to be broken, without looking for the smallest case."""
    try:
        settings(max_examples=500, phases=[Phase.generate], derandomize=True)(
            given(definitions() if asked is None else asked, PEOPLE, MOMENTS)(promise)
        )()
    except AssertionError:
        return True
    return False


def test_a_judge_that_forgets_the_last_event_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that is wrong now and then does not pass for right."""
    items_of = compiling.items_of
    monkeypatch.setattr(compiling, "items_of", lambda *told: items_of(*told)[:-1])
    assert is_caught(agree)


def test_a_judge_that_turns_a_day_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a moment that comes too late is not taken for the right one."""
    reaching = compiling.reaching

    def late(*date: Any) -> Callable[[int, int], int]:
        reaches = reaching(*date)
        return lambda wanted_ms, now_ms: reaches(wanted_ms, now_ms) + 24 * HOUR_MS

    monkeypatch.setattr(compiling, "reaching", late)
    assert is_caught(stays)


@st.composite
def counts(draw: st.DrawFn) -> Json:
    """Draw whether so many events lie before or after a date that goes on with now, of which some may come and some go."""
    dated = {
        "operator": draw(st.sampled_from(ORDERS)),
        "left": {"model": "events", "path": "timestamp"},
        "right": days_ago(draw(st.integers(-3, 20))),
    }
    return definition(
        {"operator": draw(st.sampled_from(ORDERS)), "left": count(dated), "right": draw(st.integers(0, 5))}
    )


@settings(max_examples=500)
@given(counts(), PEOPLE, MOMENTS)
def test_enough_are_enough_until_one_goes(asked: Json, people: list[Json], later_ms: int) -> None:
    """And too few are too few until another one comes."""
    stays(asked, people, later_ms)


def test_a_judge_that_waits_for_the_wrong_items_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where there are enough, to look again only when another one comes is too late."""
    chosen = compiling.Chosen
    monkeypatch.setattr(
        compiling, "Chosen", lambda items, goes_ms=NEVER, comes_ms=NEVER: chosen(items, comes_ms, goes_ms)
    )
    assert is_caught(stays, counts())


def test_who_has_too_few_is_looked_at_when_another_one_may_come() -> None:
    """One purchase of two that are wanted, and a moment at which it grows old: that can't make more of them."""
    buyer = bought(("purchase", 6), ("visit", 1))
    few, many = (judged(defined(frequent(wanted, 7)), buyer) for wanted in (2, 1))
    assert (few.holds, few.until_ms) == (False, NEVER)
    assert (many.holds, many.until_ms) == (True, NOW_MS + 24 * HOUR_MS + 1)
