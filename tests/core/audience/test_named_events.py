"""A user's events are found by their names, and all of them where any name fits."""

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.audience.named_events import NamedEvents
from knownas.core.audience.subject import PastEvent
from knownas.core.profile.event import Event

NAMES = st.sampled_from(("purchase", "Purchase", "visit", "Stra\u00dfe", "", None))
ASKED = st.none() | st.frozensets(st.sampled_from(("purchase", "visit", "strasse", "", "else")))


@given(st.lists(NAMES), ASKED)
def test_names_find_their_events(names: list[str | None], asked: frozenset[str] | None) -> None:
    """Without regard to case, in the order in which they happened."""
    data = [{} if name is None else {"event_name": name} for name in names]
    events = [PastEvent(str(place), Event("custom_event", 0, None, one)) for place, one in enumerate(data)]
    wanted = [
        place for place, name in enumerate(names) if asked is None or (name is not None and name.casefold() in asked)
    ]
    assert list(NamedEvents(events).places(asked)) == wanted


@given(st.lists(NAMES), st.frozensets(st.sampled_from(("purchase", "visit", "strasse"))), ASKED)
def test_names_find_their_events_among_those_that_were_left(
    names: list[str | None], among: frozenset[str], asked: frozenset[str] | None
) -> None:
    """Where events of other names were left out before, the same ones are found."""
    data = [{"event_name": name} for name in names if name is not None and name.casefold() in among]
    events = [PastEvent(str(place), Event("custom_event", 0, None, one)) for place, one in enumerate(data)]
    assert list(NamedEvents(events, among).places(asked)) == list(NamedEvents(events).places(asked))
