"""What a workspace knows of a user after batches have arrived."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.observation import Environment
from knownas.core.limits import (
    ATTRIBUTE_NAME_CHARACTERS_MAX,
    ATTRIBUTES_MAX,
    ATTRIBUTIONS_MAX,
    CONSENT_PURPOSES_MAX,
    INPUTS_SHOWN_MAX,
)
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Channel, Event, EventBatch
from knownas.core.profile.section import Section, attribute_change, fold

SERVERS = [channel for channel in Channel if not channel.is_client]


def batch(
    at_ms: int, *events: Event, channel: Channel = Channel.SERVER, source: str = "app", **members: Any
) -> EventBatch:
    return EventBatch(Environment.PRODUCTION, at_ms, source, channel, events=events, **members)


def folded(*batches: EventBatch) -> Section:
    section = None
    for one in batches:
        section = fold(section, one).section
    assert section is not None
    return section


def change(at_ms: int, name: Any, new: Any = None, **data: Any) -> Event:
    return Event("user_attribute_change", at_ms, None, {"user_attribute_name": name, "new": new, **data})


def opt_out(at_ms: int, value: Any) -> Event:
    return Event("opt_out", at_ms, None, {"is_opted_out": value})


def install(at_ms: int, publisher: str) -> Event:
    said = {"publisher": publisher, "campaign": "c"}
    data = {"event_name": "attribution", "custom_event_type": "attribution", "custom_attributes": said}
    return Event("custom_event", at_ms, None, data)


@pytest.mark.parametrize("channel", SERVERS)
def test_a_server_sets_and_deletes_attributes(channel: Channel) -> None:
    """What a server or feed says of attributes counts from when it arrived; a deleted name is remembered as such."""
    section = folded(
        batch(1, channel=channel, attributes={"a": 1, "b": "x"}), batch(2, channel=channel, attributes={"a": None})
    )
    assert section.attributes == {"a": Attribute(None, 2), "b": Attribute("x", 1)}


def test_an_sdk_changes_attributes_by_events_only() -> None:
    """The attributes beside an SDK's events are context; an event that says so sets one or deletes it."""
    client = Channel.JAVASCRIPT
    section = folded(
        batch(1, attributes={"a": "server", "b": "server"}),
        batch(9, change(5, "b", "sdk"), change(6, "c", ["x", 1]), channel=client, attributes={"a": "context", "d": 1}),
        batch(9, change(7, "c", deleted=True), channel=client, attributes={"b": None}),
    )
    assert section.attributes == {
        "a": Attribute("server", 1),
        "b": Attribute("sdk", 5),
        "c": Attribute(None, 7),
    }


@given(order=st.permutations([1, 2, 3, 4]), is_deleted=st.booleans())
def test_the_newest_wins_whatever_the_order_of_arrival(order: list[int], *, is_deleted: bool) -> None:
    """Attributes, consent, the opt-out, and when the user was seen are the same however the batches arrive.

    How consent changed is told as it came.
    """
    purpose = Purpose(Regulation.GDPR, "p")

    def sent(at_ms: int) -> EventBatch:
        events = (change(at_ms, "b", at_ms, deleted=is_deleted and at_ms == 4), opt_out(at_ms, at_ms % 2 == 0))
        said = ((purpose, Consent(at_ms == 4, at_ms)),)
        device = Device("s", None, {}, {}, at_ms, at_ms)
        return batch(at_ms, *events, attributes={"a": at_ms}, consents=said, device=device)

    came, in_order = folded(*map(sent, order)), folded(*map(sent, (1, 2, 3, 4)))
    assert came._replace(consent_changes=()) == in_order._replace(consent_changes=())


def test_events_of_one_batch_count_by_their_times() -> None:
    """Events are folded in the order in which they happened, not in which they stand."""
    section = folded(batch(9, change(3, "a", 3), change(2, "a", 2), opt_out(5, value=True), opt_out(4, value=False)))
    assert (section.attributes["a"].value, section.opted_out) == (3, True)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"user_attribute_name": 7, "new": "x"},
        {"user_attribute_name": "", "new": "x"},
        {"user_attribute_name": "a"},
        {"user_attribute_name": "a", "new": {"b": 1}},
        {"user_attribute_name": "a", "new": "x" * 5_000},
        {"user_attribute_name": "x" * (ATTRIBUTE_NAME_CHARACTERS_MAX + 1), "deleted": True},
        {"user_attribute_name": "", "deleted": True},
    ],
)
def test_a_change_that_says_nothing_sound_changes_nothing(data: dict[str, Any]) -> None:
    """An event that can't be carried out leaves the attributes as they are, and why can be told."""
    assert isinstance(attribute_change(data), str)
    assert folded(batch(1, Event("user_attribute_change", 1, None, data))).attributes == {}


@pytest.mark.parametrize("value", [None, 1, "true", []])
def test_only_a_truth_value_opts_out(value: Any) -> None:
    """An opt-out that is neither true nor false says nothing."""
    assert folded(batch(1, opt_out(1, value))).opted_out is None


def test_the_same_attribution_is_told_once() -> None:
    """Senders repeat who brought the user in every batch: it is kept as it was told first, others beside it."""
    told = [Attribution("p", "c", at_ms) for at_ms in range(1, 50)]
    section = folded(*(batch(one.at_ms, attribution=one) for one in told), batch(60, install(60, "another")))
    assert section.attributions == (told[0], Attribution("another", "c", 60))


def test_attributions_and_inputs_have_limits() -> None:
    """The latest attributions stay, and the first inputs."""
    count = max(ATTRIBUTIONS_MAX, INPUTS_SHOWN_MAX) + 5
    section = folded(*(batch(n, install(n, f"p{n}"), source=f"i{n}") for n in range(1, count + 1)))
    assert [one.publisher for one in section.attributions] == [f"p{n}" for n in range(count - 19, count + 1)]
    assert len(section.inputs) == INPUTS_SHOWN_MAX


def test_history_shows_when_the_user_was_first_seen() -> None:
    """A batch from long ago moves the first sighting back and never the last one forward."""
    event = Event("custom_event", 100, None, {})
    section = folded(batch(1_000), batch(5_000, event, is_historical=True))
    assert (section.first_seen_ms, section.last_seen_ms) == (100, 1_000)


def test_history_computes_nothing() -> None:
    """Calculated attributes count live events, in time order, and no history."""

    class Counting:
        def count_in(self, states: Any, events: Any) -> Any:
            return {**states, "seen": {"at": [*states.get("seen", {"at": []})["at"], *(one.at_ms for one in events)]}}

    live = batch(9, Event("x", 3, None, {}), Event("x", 2, None, {}))
    section = fold(None, live, Counting()).section
    section = fold(section, batch(9, Event("x", 1, None, {}), is_historical=True), Counting()).section
    assert section.calculated == {"seen": {"at": [2, 3]}}


def test_what_there_is_no_room_for_is_told() -> None:
    """New attributes, set by the batch or by an event, and new purposes beyond the limits are named."""
    full = folded(
        batch(
            1,
            attributes={str(number): 1 for number in range(ATTRIBUTES_MAX)},
            consents=tuple(
                (Purpose(Regulation.GDPR, str(number)), Consent(consented=True, at_ms=1))
                for number in range(CONSENT_PURPOSES_MAX)
            ),
        )
    )
    marketing = Purpose(Regulation.GDPR, "marketing")
    after = fold(
        full,
        batch(
            2,
            change(2, "tier", "gold"),
            attributes={"city": "Ulm"},
            consents=((marketing, Consent(consented=True, at_ms=2)),),
        ),
    )
    assert after.attributes_left_out == ("city", "tier")
    assert after.consents_left_out == (marketing,)
    assert after.section.attributes == full.attributes
    assert fold(full, batch(3, attributes={"0": 2}))[1:] == ((), ())
