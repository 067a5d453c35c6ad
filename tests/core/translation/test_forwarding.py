"""What of a batch goes out over a connection."""

from typing import Any

import pytest

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.translation.data_filter import DataFilter
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.forwarding import (
    Connection,
    Forwarded,
    HeldBack,
    InvalidConnection,
    NothingLeft,
    forward,
)
from knownas.core.translation.forwarding_rules import (
    AttributeRule,
    Effect,
    ForwardedUser,
    HeldBackBy,
    KnownUsersOnly,
    Where,
)
from knownas.core.translation.limits import FORWARDING_RULES_MAX
from knownas.core.translation.outcome import Skipped
from knownas.core.translation.reason import Reason
from knownas.core.translation.rule import wanting
from tests.core.translation.profiles import hashed, user

EMAIL = wanting(IdentityType.EMAIL, encoding=Encoding.SHA256)
ANN = ForwardedUser(user(email="ann@example.com"), {"plan": Attribute("gold", 1), "old": Attribute(None, 1)})


def event(name: str, **attributes: Any) -> Event:
    return Event("custom_event", 1, None, {"event_name": name, "custom_attributes": attributes})


def batch(*events: Event) -> EventBatch:
    return EventBatch(Environment.PRODUCTION, 1, "app", Channel.SERVER, events=events)


def test_events_go_out_with_the_identities_of_the_profile() -> None:
    """A batch goes out with what the profile has: identities in their form, and attributes but for deleted ones."""
    sent = forward(batch(event("Play"), event("Stop")), ANN, Connection(EMAIL))
    assert isinstance(sent, Forwarded)
    assert [one.value for one in sent.translated.identities] == [hashed("ann@example.com")]
    assert [one.name for one in sent.events] == ["Play", "Stop"]
    assert sent.attributes == {"plan": "gold"}


def test_filter_and_rules_take_events_out_and_count_them() -> None:
    """What the filter takes out and what rules hold back is counted apart, and the rest goes out."""
    connection = Connection(
        EMAIL,
        DataFilter(frozenset({("custom_event", "", "Stop"), ("user_attribute", "plan")})),
        (AttributeRule(Where.EVENT, "test", "true", Effect.DO_NOT_FORWARD),),
    )
    sent = forward(batch(event("Play"), event("Stop"), event("Play", test=True)), ANN, connection)
    assert isinstance(sent, Forwarded)
    assert [one.name for one in sent.events] == ["Play"]
    assert (sent.filtered, sent.held_back, sent.attributes) == (1, 1, {})
    assert forward(batch(event("Stop"), event("Play", test=True)), ANN, connection) == NothingLeft(1, 1)


def test_a_user_can_be_held_back_or_skipped() -> None:
    """A rule about the user holds everything back; a user without the identity is skipped with the reason."""
    nobody = ForwardedUser(user(known=False))
    assert forward(batch(event("Play")), nobody, Connection(EMAIL, rules=(KnownUsersOnly(),))) == HeldBack(
        HeldBackBy.KNOWN_USERS
    )
    assert forward(batch(event("Play")), nobody, Connection(EMAIL)) == Skipped(1, Reason.NO_IDENTITY, "email")


def test_an_identity_type_that_is_filtered_out_does_not_go_out() -> None:
    """The data filter of the connection is asked about identities as well."""
    quiet = DataFilter(frozenset({("user_identity", "email")}))
    assert forward(batch(event("Play")), ANN, Connection(EMAIL, quiet)) == Skipped(1, Reason.WITHHELD, "email")


def test_batches_without_events_go_where_they_are_wanted() -> None:
    """An eventless batch updates profiles at destinations that take it, and goes nowhere else."""
    sent = forward(batch(), ANN, Connection(EMAIL))
    assert isinstance(sent, Forwarded)
    assert sent.attributes == {"plan": "gold"}
    assert forward(batch(), ANN, Connection(EMAIL, eventless=False)) == NothingLeft(0, 0)


def test_an_identity_change_goes_out_hashed() -> None:
    """An event that tells an address does not tell it in plain text over a connection that hashes."""
    side = {"identity_type": "email", "identity": "ann@example.com"}
    told = Event("user_identity_change", 1, None, {"old": {**side, "identity": None}, "new": side})
    sent = forward(batch(told), ANN, Connection(EMAIL))
    assert isinstance(sent, Forwarded)
    assert "ann@example.com" not in str(sent)


def test_a_connection_has_not_too_many_rules() -> None:
    """Each event is held against all rules, so there is a limit."""
    with pytest.raises(InvalidConnection):
        Connection(EMAIL, rules=(KnownUsersOnly(),) * (FORWARDING_RULES_MAX + 1))
