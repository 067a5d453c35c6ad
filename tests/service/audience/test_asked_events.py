"""Events are read by their names, in whatever spelling, and none of them is missed."""

from collections.abc import Sequence

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from knownas.core.audience.lookback import EVER
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.service.audience import asked_events
from knownas.service.audience.asked_events import AskedEvents
from knownas.service.profile.kept_batches import batch_document
from knownas.store.user_data import StoredEvents

AT_MS = 1_700_000_000_000
NAMES = st.text(st.sampled_from('aAkKsS\u017f\u212a\u00df\u0130/ "\\\n\x00\u2028\U0001f600'), max_size=3)
"""With letters of which some are others in lower case, and what has to be escaped."""

Batches = Sequence[Sequence[str]]


def kept(batches: Batches) -> Sequence[StoredEvents]:
    """Return batches of events with these names as a store keeps them."""
    return [
        StoredEvents(
            seq,
            AT_MS,
            0,
            0,
            batch_document(
                EventBatch(
                    Environment.PRODUCTION,
                    AT_MS,
                    "web",
                    Channel.SERVER,
                    attributes={"said": "A k s"},
                    events=tuple(Event("custom_event", AT_MS, None, {"event_name": one}) for one in several),
                )
            ),
        )
        for seq, several in enumerate(batches, start=1)
    ]


def finds_all(asked: Sequence[str], batches: Batches) -> None:
    """Compare what is read with looking at every event."""
    names = frozenset(one.casefold() for one in asked)
    wanted = [
        f"{seq}.{place}"
        for seq, several in enumerate(batches, start=1)
        for place, one in enumerate(several)
        if one.casefold() in names
    ]
    found = AskedEvents((), [names], EVER).read(kept(batches))
    assert found is not None
    assert [one.id for one in found] == wanted


anything = given(st.lists(NAMES, max_size=3), st.lists(st.lists(NAMES, max_size=3), max_size=3))


@settings(max_examples=1_000)
@example(["\u212a"], [["k"], ["K"], ["\u212a"]])
@example(["ss"], [["\u00df"], ["S\u017f"]])
@anything
def test_no_event_of_a_name_is_missed(asked: Sequence[str], batches: Batches) -> None:
    """In any spelling, escaped or not; and none of another name comes with them."""
    finds_all(asked, batches)


def test_whoever_may_have_too_many_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where none of the events has the name that is asked for."""
    monkeypatch.setattr(asked_events, "JUDGED_EVENTS_MAX", 2)
    look = AskedEvents((), [frozenset({"a"})], EVER)
    assert look.read(kept([["b"], ["b"]])) == []
    assert look.read(kept([["b"], ["b"], ["b"]])) is None


def test_one_who_takes_a_spelling_for_another_name_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: what reads too little does not pass for right."""

    class Careless(asked_events._Counts):
        def __missing__(self, name: str) -> bool:
            return name.lower() in self._names

    monkeypatch.setattr(asked_events, "_Counts", Careless)
    try:
        settings(max_examples=1_000, phases=[Phase.generate], derandomize=True)(anything(finds_all))()
    except AssertionError:
        return
    pytest.fail("nobody noticed")
