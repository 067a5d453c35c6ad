"""A calculated attribute of the last days counts what lies in them when it is read."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.core.profile.conditions import InvalidDefinition
from knownas.core.profile.definition import DataPoint, Definition
from knownas.core.profile.event import Event
from knownas.core.profile.section import CalculatedStates
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import SPANS_A_WINDOW, WINDOW_DAYS_MAX, Window, WindowUnit

C = CalculationType
DAY_MS = 86_400_000
START_MS = 1_790_000_000_000
WEEK = Window(1, WindowUnit.WEEKS)


def calculations(kind: CalculationType = C.COUNT, window: Window = WEEK) -> WorkspaceCalculations:
    """The attribute `x`, over the attribute `v` of the event `e`."""
    return WorkspaceCalculations([Definition("x", kind, DataPoint("custom_event", "e", None, "v"), window=window)])


def event(at_ms: int, value: Any = 1) -> Event:
    return Event("custom_event", at_ms, None, {"event_name": "e", "custom_attributes": {"v": value}})


def held(of: WorkspaceCalculations, *batches: Sequence[Event]) -> CalculatedStates:
    """Count batches in one after the other, as they are stored in between."""
    states: CalculatedStates = {}
    for batch in batches:
        states = json.loads(json.dumps(of.count_in(states, batch)))
    return states


def test_what_falls_behind_goes_out() -> None:
    """Events count for the window's length, and for a tenth of it more at most."""
    of = calculations()
    states = held(of, [event(START_MS)], [event(START_MS + 3 * DAY_MS), event(START_MS + 4 * DAY_MS)])
    values = {day: of.shown(states, START_MS + day * DAY_MS)["x"] for day in (4, 7, 8, 10, 12)}
    assert values == {4: "3", 7: "3", 8: "2", 10: "2", 12: "0"}


@pytest.mark.parametrize(
    ("kind", "now", "later"),
    [
        (C.COUNT, "2", "0"),
        (C.SUM, "7", "0"),
        (C.UNIQUE_VALUES_COUNT, "2", "0"),
        (C.AVERAGE, "3.5", None),
        (C.MIN, "3", None),
        (C.MAX, "4", None),
        (C.FIRST_OCCURRENCE, "3", None),
        (C.LAST_OCCURRENCE, "4", None),
        (C.FIRST_OCCURRENCE_TIMESTAMP, str(START_MS), None),
        (C.LAST_OCCURRENCE_TIMESTAMP, str(START_MS + DAY_MS), None),
        (C.UNIQUE_LIST, ["3", "4"], None),
        (C.MOST_FREQUENT, "3", None),
    ],
)
def test_every_calculation_can_slide(kind: CalculationType, now: Any, later: Any) -> None:
    """Of a user who has gone quiet, what counts and adds up is 0, and everything else has no value."""
    of = calculations(kind)
    states = held(of, [event(START_MS, 3)], [event(START_MS + DAY_MS, 4)])
    assert of.shown(states, START_MS + DAY_MS).get("x") == now
    assert of.shown(states, START_MS + 30 * DAY_MS).get("x") == later


@given(st.integers(0, 20 * DAY_MS), st.integers(1, 10 * DAY_MS), st.integers(1, 9))
def test_a_value_changes_with_the_tick_alone(at_ms: int, later_ms: int, days: int) -> None:
    """As long as the tick is the same, time changes nothing of what is shown; without a window it never changes."""
    of = calculations(window=Window(days, WindowUnit.DAYS))
    states = held(of, [event(START_MS + at_ms)])
    now_ms = START_MS + at_ms + later_ms
    last_ms = (of.tick(now_ms) + 1) * (DAY_MS // 10) - 1
    assert of.tick(last_ms) == of.tick(now_ms) == of.tick(last_ms + 1) - 1
    assert of.shown(states, now_ms) == of.shown(states, last_ms)
    assert WorkspaceCalculations([Definition("x", C.COUNT, DataPoint("custom_event"))]).tick(now_ms) == 0


def test_who_has_never_done_it_has_no_value() -> None:
    """An attribute of which nothing was ever counted is not shown."""
    assert calculations().shown({}, START_MS) == {}


@given(
    st.lists(st.integers(0, 40 * DAY_MS), min_size=1, max_size=60),
    st.integers(0, 10 * DAY_MS),
    st.integers(1, 20),
)
def test_it_is_right_up_to_a_tenth(times: list[int], later_ms: int, days: int) -> None:
    """However events arrive, all of the window count, none that is older by more than a tenth, and little is kept."""
    window = Window(days, WindowUnit.DAYS)
    of = calculations(window=window)
    states = held(of, *([event(START_MS + one)] for one in times))
    now_ms = START_MS + max(times) + later_ms
    ages = [now_ms - START_MS - one for one in times]
    least = sum(age < window.length_ms for age in ages)
    most = sum(age < window.length_ms + window.span_ms for age in ages)
    assert least <= int(of.shown(states, now_ms)["x"]) <= most
    assert len(states["x"]["spans"]) <= SPANS_A_WINDOW + 1


def test_another_length_is_another_attribute() -> None:
    """A state of one window says nothing about another; the same length in other words is the same."""
    states = held(calculations(), [event(START_MS)])
    assert calculations(window=Window(8, WindowUnit.DAYS)).shown(states, START_MS) == {}
    assert calculations(window=Window(7, WindowUnit.DAYS)).shown(states, START_MS) == {"x": "1"}


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"window": Window(WINDOW_DAYS_MAX + 1, WindowUnit.DAYS)}, "time_period"),
        ({"window": Window(0, WindowUnit.WEEKS)}, "time_period"),
        ({"window": WEEK, "since_ms": 1}, "time_period"),
        ({"window": WEEK, "cutoff_ms": 1}, "seeding"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(members: dict[str, Any], named: str) -> None:
    """It has a length within the limit, begins on no day, and no seed stands for what was before."""
    with pytest.raises(InvalidDefinition) as refused:
        Definition("x", C.COUNT, DataPoint("custom_event"), **members)
    assert refused.value.member == named
