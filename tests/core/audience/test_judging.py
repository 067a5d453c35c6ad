"""A definition is judged as its words say, and no user has to be judged again before the moment that was told."""

from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from knownas.core.audience import judging
from knownas.core.audience.dates import NEVER
from knownas.core.audience.expression import Definition
from knownas.core.audience.judging import Held, Judge
from tests.core.audience.definitions import defined
from tests.core.audience.drawn import HOUR_MS, NOW_MS, Json, definitions, users
from tests.core.audience.naive import belongs
from tests.core.audience.subjects import subject_of

PEOPLE = st.lists(users(), min_size=5, max_size=5)
MOMENTS = st.one_of(st.integers(0, 3 * HOUR_MS), st.integers(0, 400).map(lambda hours: hours * HOUR_MS))


def judged(definition: Definition, user: Json, now_ms: int = NOW_MS) -> Held:
    """Judge a user."""
    return Judge(subject_of(user), now_ms).judge(definition)


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


def is_caught(promise: Callable[..., None]) -> bool:
    """Whether a promise is found to be broken, without looking for the smallest case."""
    try:
        settings(max_examples=500, phases=[Phase.generate], derandomize=True)(
            given(definitions(), PEOPLE, MOMENTS)(promise)
        )()
    except AssertionError:
        return True
    return False


def test_a_judge_that_forgets_the_last_event_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one that is wrong now and then does not pass for right."""
    items_of = judging.items_of
    monkeypatch.setattr(judging, "items_of", lambda *told: items_of(*told)[:-1])
    assert is_caught(agree)


def test_a_judge_that_turns_a_day_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a moment that comes too late is not taken for the right one."""
    reaches_at = judging.reaches_at
    monkeypatch.setattr(judging, "reaches_at", lambda *told: reaches_at(*told) + 24 * HOUR_MS)
    assert is_caught(stays)
