"""A reason says which conditions hold, in words, what was found, and in which events."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from knownas.core.audience import expression, field
from knownas.core.audience.phrases import PHRASE_CHARACTERS_MAX, phrase
from knownas.core.audience.reasons import REASON_EVENTS_MAX, REASON_VALUES_MAX
from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.moments import DAY_MS
from tests.core.audience.definitions import (
    PURCHASE,
    both,
    count,
    criteria,
    days_ago,
    defined,
    definition,
    frequent,
    since,
)
from tests.core.audience.drawn import NOW_MS, definitions, user_of, users
from tests.core.audience.subjects import subject_of

Json = Any


def user(*events: Json, **known: Any) -> Json:
    """Return a user with some events: pairs of a name and how many days ago."""
    told = [
        {"event_id": f"e{number}", "type": "custom_event", "name": name, "timestamp": NOW_MS - days * DAY_MS,
         "message_id": None, "data": {"event_name": name}}
        for number, (name, days) in enumerate(events)
    ]  # fmt: skip
    return {**user_of(Random(1)), "attributes": {}, **known, "events": told}


def test_counted_events_are_named() -> None:
    """Those that counted, and no others."""
    bought = user(("purchase", 9), ("purchase", 3), ("visit", 2), ("purchase", 1))
    (reason,) = criteria(frequent(2, 7)).reasons(subject_of(bought), NOW_MS)
    assert reason.holds
    assert reason.place == "/audience"
    assert reason.found == ("2",)
    assert reason.events == ("e1", "e3")
    assert reason.sentence == (
        "the number of events where name is 'purchase' and timestamp is not before 7 days ago is at least 2"
    )


def test_each_condition_has_its_own() -> None:
    """What does not hold is told beside what does."""
    left_out = {
        "operator": "not",
        "expression": {"operator": "not_equals", "left": {"model": "user", "path": "plan"}, "right": "gold"},
    }
    told = criteria(definition(both(PURCHASE, left_out))).reasons(
        subject_of(user(("visit", 1), attributes={"plan": ["gold", "x"]})),
        NOW_MS,
    )
    assert [(one.place, one.holds, one.found) for one in told] == [
        ("/audience/expressions/0", False, ("visit",)),
        ("/audience/expressions/1/expression", False, ("gold", "x")),
    ]


def test_what_is_in_the_way_is_named() -> None:
    """Where no event may be a purchase, the purchases are."""
    none = {**PURCHASE, "operator": "not_equals"}
    (reason,) = criteria(definition(none)).reasons(subject_of(user(("visit", 2), ("purchase", 1))), NOW_MS)
    assert (reason.holds, reason.events) == (False, ("e1",))


def test_the_events_of_a_sequence_are_named() -> None:
    """One for each step."""
    steps = [
        {"alias": name, "operand": {"model": "events"}, "condition": {**PURCHASE, "right": name}}
        for name in ("visit", "purchase")
    ]
    sequence = criteria(definition({"operator": "then", "sequence": steps}))
    told = user(("purchase", 9), ("visit", 5), ("visit", 4), ("purchase", 2))
    (reason,) = sequence.reasons(subject_of(told), NOW_MS)
    assert (reason.holds, reason.events) == (True, ("e1", "e3"))
    assert reason.sentence == (
        "there was an event 'visit' where name is 'visit', and after it an event 'purchase' where name is 'purchase'"
    )
    assert sequence.reasons(subject_of(user(("visit", 1))), NOW_MS)[0].events == ()


def test_not_more_is_told_than_the_limits_say() -> None:
    """The newest events, and the first values."""
    many = subject_of(user(*[("purchase", 90 - number) for number in range(REASON_EVENTS_MAX + 5)]))
    (reason,) = criteria(definition(PURCHASE)).reasons(many, NOW_MS)
    assert reason.events[-1] == f"e{REASON_EVENTS_MAX + 4}"
    assert (len(reason.events), len(reason.found)) == (REASON_EVENTS_MAX, REASON_VALUES_MAX)


A, AN = "a", "an"
ARTICLES = {
    **dict.fromkeys(("customerid", "facebook", "facebookcustomaudienceid", "fire_aid", "google", "microsoft"), A),
    **dict.fromkeys(
        ("microsoft_aid", "microsoft_publisher_id", "mobile_number", "phone_number_2", "phone_number_3"), A
    ),
    **dict.fromkeys(("push_token", "device_application_stamp", "roku_aid", "roku_publisher_id", "twitter", "yahoo"), A),
    **dict.fromkeys(("email", "other", *(f"other{number}" for number in range(2, 11))), AN),
    **dict.fromkeys(("ios_idfa", "ios_idfv", "android_aaid", "android_uuid", "amp_id"), AN),
}
"""The article of each identity type, by its sound."""


def there_is(model: str, path: str = "", operator: str = "exists") -> str:
    """Say that something is there."""
    operand = {"model": model} | ({"path": path} if path else {})
    (reason,) = criteria(definition({"operator": operator, "operand": operand})).reasons(subject_of(user()), NOW_MS)
    return reason.sentence


def test_each_identity_type_has_its_article() -> None:
    """None is left out."""
    assert ARTICLES.keys() == {one.value for one in IdentityType}
    fields = [field.IdentityField(kind, field.Model.USER_IDENTITIES) for kind in IdentityType]
    told = {one.type.value: phrase(expression.Tested("", expression.Test.EXISTS, one)) for one in fields}
    assert told == {kind: f"there is {article} {kind}" for kind, article in ARTICLES.items()}


@pytest.mark.parametrize(
    ("name", "article"),
    [("age", AN), ("plan", A), ("hour", AN), ("user_level", A), ("unit", A), ("$Address", AN), ("one_time", A), ("uplift", AN),
     ("utm_source", A), ("$Mobile", A), ("SMS consent", AN), ("8_ball", AN), ("2nd", A), ("Übung", A)],
)  # fmt: skip
def test_attributes_have_the_article_of_their_sound(name: str, article: str) -> None:
    """As far as a few rules tell it."""
    assert there_is("user_attributes", name) == f"there is {article} {name}"
    assert there_is("user_attributes", name, "not_exists") == f"there is no {name}"


def test_nothing_has_two_articles() -> None:
    """A field of an event brings its own."""
    assert there_is("events", "attributes.price") == "there is an event's price"
    assert there_is("events", "attributes.price", "not_exists") == "there is no event's price"
    assert there_is("events") == "there is an event"
    assert there_is("user_attributes") == "there is a user attribute"


@settings(max_examples=300)
@given(definitions(), users())
def test_any_answer_has_reasons(given: Json, drawn: Json) -> None:
    """Their places are in the definition, and no condition is told as another one than it was judged as."""
    subject = subject_of(drawn)
    told = criteria(given).reasons(subject, NOW_MS)
    assert told
    for reason in told:
        stands: Any = given
        for name in reason.place.removeprefix("/").split("/"):
            stands = stands[int(name)] if isinstance(stands, list) else stands[name]
        assert criteria(definition(stands)).judge(subject, NOW_MS).holds is reason.holds
        assert 0 < len(reason.sentence) <= PHRASE_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (since(1), "an event's timestamp is not before 1 day ago"),
        ({"operator": "not_exists", "operand": {"model": "user_identities", "path": "email"}}, "there is no email"),
        ({"operator": "exists", "operand": {"model": "devices"}}, "there is a device"),
        ({"operator": "not_in", "left": {"model": "user"}, "right": {"audience": "7"}}, "the user is not in audience 7"),
        ({"operator": "equals", "left": {"model": "consent", "path": "gdpr.mail"}, "right": True}, "consent gdpr.mail is true"),
        ({"operator": "equals", "left": {"model": "user", "path": "since"}, "right": {"date": {"absolute": "2026-05-12"}}},
         "since is on 2026-05-12"),
        ({"operator": "less_than", "left": days_ago(30), "right": {"model": "user", "path": "last_seen"}},
         "last_seen is after 30 days ago"),
        ({"operator": "in", "left": {"model": "user", "path": "plan"}, "right": list("abcdefg")},
         "plan is one of 'a' or 'b' or 'c' or 'd' or 'e' or 2 others"),
        ({"operator": "greater_than", "left": {"operator": "sum", "operand": {"model": "events", "path": "attributes.price"}}, "right": 10},
         "the sum of price of events is more than 10"),
        ({"operator": "not", "expression": both(PURCHASE, since(2))},
         "it is not so that (an event's name is 'purchase' and an event's timestamp is not before 2 days ago)"),
        ({"operator": "equals", "left": count(PURCHASE), "right": 0}, "the number of events where name is 'purchase' is 0"),
        ({"operator": "greater_than", "left": {"model": "user", "path": "since"},
          "right": {"date": {"relative": {"offset": 0, "unit": "month", "boundary": "start"}}}}, "since is after the start of the month of now"),
    ],
)  # fmt: skip
def test_conditions_are_said_in_words(expression: Json, wanted: str) -> None:
    """As somebody would check them."""
    assert phrase(defined(definition(expression)).criteria) == wanted
