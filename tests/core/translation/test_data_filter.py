"""Which data points go out over a connection."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.event import Event
from knownas.core.translation.data_filter import EVERYTHING, DataFilter, InvalidFilter, Point, point_of
from knownas.core.translation.limits import FILTERED_POINTS_MAX

NAVIGATION = ("custom_event", "navigation")
PLAY = (*NAVIGATION, "Play")


def event(kind: str = "custom_event", **data: Any) -> Event:
    return Event(kind, 1, None, data)


def play(**attributes: Any) -> Event:
    return event(event_name="Play", custom_event_type="navigation", custom_attributes=attributes)


def off(*points: Point, send_new: bool = True) -> DataFilter:
    return DataFilter(frozenset(points), frozenset(), send_new)


@pytest.mark.parametrize(
    ("given_event", "point"),
    [
        (play(), PLAY),
        (event(event_name="Play"), ("custom_event", "", "Play")),
        (event("screen_view", screen_name="Home"), ("screen_view", "Home")),
        (event("commerce_event", product_action={"action": "purchase"}), ("commerce_event", "purchase")),
        (event("commerce_event", promotion_action={"action": "view"}), ("commerce_event", "promotion_view")),
        (event("commerce_event", product_impressions=[{"products": []}]), ("commerce_event", "impression")),
        (event("commerce_event", product_action={}), ("commerce_event", "")),
        (event("commerce_event"), ("commerce_event", "")),
        (event("session_start"), ("session_start",)),
    ],
)
def test_an_event_is_a_data_point(given_event: Event, point: Point) -> None:
    """Each event has a path: its type, of custom and commerce events the kind, and its name."""
    assert point_of(given_event) == point


def test_without_a_filter_everything_goes_out() -> None:
    """A filter that switches nothing changes nothing."""
    events = [play(song="x"), event("session_start")]
    assert list(EVERYTHING.events(events)) == events
    assert EVERYTHING.withheld() == frozenset()
    assert EVERYTHING.attributes({"a": 1}) == {"a": 1}


@pytest.mark.parametrize("switched", [PLAY, NAVIGATION, ("custom_event",)])
def test_a_child_follows_its_parent(switched: Point) -> None:
    """An event does not go out if it, its kind or its type is switched off; others do."""
    other = event("session_start")
    assert list(off(switched).events([play(), other])) == [other]


def test_an_attribute_can_be_taken_out_of_an_event() -> None:
    """An event goes out without the attributes that are switched off; the event itself is not changed."""
    whole = play(song="x", mood="y")
    (sent,) = off((*PLAY, "song")).events([whole])
    assert sent.data["custom_attributes"] == {"mood": "y"}
    assert whole.data["custom_attributes"] == {"song": "x", "mood": "y"}


def test_user_attributes_go_out_as_they_are_switched() -> None:
    """A user attribute that is switched off goes out neither by itself, nor in an event that tells how it changed."""
    change = event("user_attribute_change", user_attribute_name="age", new=40)
    quiet = off(("user_attribute", "age"))
    assert quiet.attributes({"age": 40, "city": "Rome"}) == {"city": "Rome"}
    assert list(quiet.events([change])) == []
    assert off(("user_attribute",)).attributes({"age": 40}) == {}
    assert list(EVERYTHING.events([change])) == [change]


def test_identities_that_are_switched_off_are_withheld() -> None:
    """An identity type that is switched off is named to translation; all are if all are off."""
    assert off(("user_identity", "email")).withheld() == {IdentityType.EMAIL}
    assert off(("user_identity",)).withheld() == frozenset(IdentityType)


def test_what_is_new_goes_out_as_the_filter_says() -> None:
    """Names that nobody has switched don't go out of a filter that sends nothing new; our own words are never new."""
    closed = DataFilter(on=frozenset({PLAY, (*PLAY, "song"), ("user_attribute", "city")}), send_new=False)
    stranger = event(event_name="Stop", custom_event_type="navigation")
    (sent, session) = closed.events([play(song="x", mood="y"), stranger, event("session_start")])
    assert sent.data["custom_attributes"] == {"song": "x"}
    assert session.type == "session_start"
    assert closed.attributes({"age": 40, "city": "Rome"}) == {"city": "Rome"}
    assert closed.withheld() == frozenset()


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ({"off": frozenset({PLAY}), "on": frozenset({PLAY})}, "switched off and on: custom_event / navigation / Play"),
        ({"off": frozenset({()})}, "at least one step"),
        ({"off": frozenset(("x", str(one)) for one in range(FILTERED_POINTS_MAX + 1))}, "there may be"),
    ],
    ids=["both ways", "no path", "too many"],
)
def test_a_filter_that_makes_no_sense_is_refused(points: dict[str, frozenset[Point]], why: str) -> None:
    """A data point is switched one way, has a path, and there are not too many."""
    with pytest.raises(InvalidFilter, match=why):
        DataFilter(**points)


steps = st.sampled_from(["a", "b"])
points = st.lists(steps, min_size=1, max_size=3).map(tuple)


@given(st.frozensets(points), st.frozensets(points), st.booleans(), points, steps)
def test_no_child_goes_out_without_its_parent(
    switched_off: frozenset[Point],
    switched_on: frozenset[Point],
    send_new: bool,  # noqa: FBT001 - drawn
    point: Point,
    child: str,
) -> None:
    """Whatever is switched, a data point goes out only if what it is part of does, and never if it is off."""
    drawn = DataFilter(switched_off, switched_on - switched_off, send_new)
    if drawn.lets((*point, child)):
        assert drawn.lets(point)
    if point in switched_off:
        assert not drawn.lets(point)
