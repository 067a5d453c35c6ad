"""How an event about a changed identity goes out."""

from typing import Any

import pytest
from hypothesis import given

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.event import Event
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.identity_change import change_written
from knownas.core.translation.outcome import Translated
from knownas.core.translation.rule import Rule, wanting
from knownas.core.translation.target import MPID
from knownas.core.translation.translate import translate
from knownas.core.translation.view import ProfileView
from tests.core.translation.profiles import hashed, idfa, rules, user, views

T = IdentityType
HASHED = wanting(T.EMAIL, encoding=Encoding.SHA256)


def change(kind: str, old: str | None, new: str | None, **members: Any) -> Event:
    sides = {"old": old, "new": new}
    data = {name: {"identity_type": kind, "identity": value, **members} for name, value in sides.items()}
    return Event("user_identity_change", 1, None, data)


def sent(event: Event, view: ProfileView, rule: Rule, *withheld: IdentityType) -> Event | None:
    translated = translate(view, rule, frozenset(withheld))
    if not isinstance(translated, Translated):
        return None
    return change_written(event, translated, rule, frozenset(withheld))


def test_values_are_written_as_the_destination_gets_them() -> None:
    """Where e-mail addresses go out hashed, an event about one has the digests of both, and everything else it had."""
    event = change("email", "Old@example.com", "new@example.com", timestamp_unixtime_ms=5)
    told = sent(event, user(email="new@example.com"), HASHED)
    assert told is not None
    assert told.data["old"]["identity"] == hashed("old@example.com")
    assert told.data["new"] == {
        "identity_type": "email",
        "identity": hashed("new@example.com"),
        "timestamp_unixtime_ms": 5,
    }


def test_an_added_or_removed_identity_has_one_value() -> None:
    """An event tells that an identity came or went as well."""
    view = user(email="new@example.com")
    came, went = change("email", None, "new@example.com"), change("email", "old@example.com", None)
    assert sent(came, view, wanting(T.EMAIL)) == came
    assert sent(went, view, wanting(T.EMAIL)) == went


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (change("other", "a", "b"), HASHED),
        (change("email", "no address", "new@example.com"), HASHED),
        (change("email", None, "elses@example.com"), HASHED),
        (change("colour", "a", "b"), HASHED),
        (Event("user_identity_change", 1, None, {}), HASHED),
        (Event("user_identity_change", 1, None, {"new": "new@example.com"}), HASHED),
        (Event("user_identity_change", 1, None, {"new": {"identity_type": "email", "identity": 5}}), HASHED),
        (change("customer_id", None, "c"), Rule(wanting(T.EMAIL, T.CUSTOMER_ID).slots, frozenset({T.CUSTOMER_ID}))),
        (change("ios_idfa", idfa(1), None), wanting(T.EMAIL, T.IOS_IDFA)),
    ],
)
def test_what_the_destination_would_not_get_is_not_told(event: Event, rule: Rule) -> None:
    """Types that are not wanted, values that can't be sent or are not the user's now, ids for advertising, and nonsense stay here."""
    assert sent(event, user(email="new@example.com", customerid="c"), rule) is None


def test_what_is_held_back_is_not_told() -> None:
    """An identity type that the data filter holds back is not told by an event either."""
    rule = wanting(T.EMAIL, T.OTHER)
    assert sent(change("email", "a@example.com", None), user(other="o"), rule, T.EMAIL) is None


def test_other_events_stay_as_they_are() -> None:
    """An event about anything else goes out as it came."""
    event = Event("custom_event", 1, None, {"event_name": "Play"})
    assert sent(event, user(), wanting(MPID)) is event


@given(views(), rules())
def test_an_event_tells_no_new_value_that_does_not_go_out(view: ProfileView, rule: Rule) -> None:
    """Whatever the rule, the new value in an event about an identity is one that the destination gets by itself."""
    translated = translate(view, rule)
    if not isinstance(translated, Translated):
        return
    for kind, values in view.identities.items():
        for value in values:
            told = change_written(change(kind.value, None, value), translated, rule, frozenset())
            if told is not None:
                assert (kind, told.data["new"]["identity"]) in {
                    (one.target, one.value) for one in translated.identities
                }
