"""The JSON document of an input's connection with an output, over which events are forwarded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.consent import CCPA_PURPOSE, Purpose, Regulation
from knownas.core.translation.data_filter import DataFilter
from knownas.core.translation.forwarding import Connection
from knownas.core.translation.forwarding_rules import (
    AttributeRule,
    AttributionRule,
    ConsentRule,
    Effect,
    KnownUsersOnly,
    Sampling,
    Where,
)
from knownas.core.translation.limits import FORWARDING_RULES_MAX
from knownas.core.translation.place import Wish
from knownas.core.translation.rule import wanting
from knownas.service.delivery.forwarding_form import InputConnection, input_connection_document, read_input_connection
from tests.core.translation.profiles import MARKETING
from tests.service.wishes import environments, names, settings, wishes

Json = Any
T = IdentityType
BARE = {"input": "web", "output": "hook"}


def faults(**members: Json) -> list[str]:
    """Return the places of what is wrong."""
    read = read_input_connection({**BARE, **members})
    assert not isinstance(read, InputConnection)
    assert all(fault.sentence for fault in read)
    return [fault.place for fault in read]


def test_a_connection_says_as_little_as_it_wants() -> None:
    """Of an input and an output alone all events go out, new ones as well."""
    read = read_input_connection(BARE)
    assert read == InputConnection("web", "hook")
    assert read.forwarding(wanting(T.EMAIL)) == Connection(wanting(T.EMAIL))


def test_a_connection_can_say_everything() -> None:
    """Identities, filter, rules and sample are read into what they mean; identity types are points by whichever name."""
    read = read_input_connection(
        {
            **BARE,
            "identities": ["email"],
            "data_filter": {
                "off": [["custom_event", "navigation", "Play"], ["user_identity", "customer_id"]],
                "on": [["user_attribute", "plan"]],
                "send_new": False,
            },
            "rules": [
                {"kind": "attribute", "of": "event", "name": "plan", "value": "gold", "effect": "only_forward"},
                {"kind": "attribution", "publisher": "Ads", "effect": "do_not_forward"},
                {
                    "kind": "consent",
                    "regulation": "ccpa",
                    "purpose": CCPA_PURPOSE,
                    "consented": True,
                    "effect": "do_not_forward",
                },
                {"kind": "known_users_only"},
            ],
            "sampling": {"percent": 12.5, "key": "a"},
            "eventless": False,
        }
    )
    rules = (
        AttributeRule(Where.EVENT, "plan", "gold", Effect.ONLY_FORWARD),
        AttributionRule("Ads", Effect.DO_NOT_FORWARD),
        ConsentRule(Purpose(Regulation.CCPA, CCPA_PURPOSE), consented=True, effect=Effect.DO_NOT_FORWARD),
        KnownUsersOnly(),
    )
    off = frozenset({("custom_event", "navigation", "Play"), ("user_identity", "customerid")})
    data_filter = DataFilter(off, frozenset({("user_attribute", "plan")}), send_new=False)
    sampling = Sampling(12.5, "a")
    assert read == InputConnection("web", "hook", Wish((T.EMAIL,)), data_filter, rules, sampling, eventless=False)
    rule = wanting(T.EMAIL)
    assert read.forwarding(rule) == Connection(rule, data_filter, (*rules, sampling), eventless=False)


first = st.sampled_from(["custom_event", "screen_view", "user_attribute", "session_start", "profile"])
points = st.tuples(first, names) | st.tuples(first) | st.just(("user_identity", "email"))
effects = st.sampled_from(Effect)
rules = (
    st.builds(AttributeRule, st.sampled_from(Where), names, names, effects)
    | st.builds(AttributionRule, names, effects)
    | st.builds(ConsentRule, st.just(MARKETING), st.booleans(), effects)
    | st.just(KnownUsersOnly())
)


@st.composite
def filters(draw: st.DrawFn) -> DataFilter:
    """Draw what is switched off and on."""
    off, on = draw(st.frozensets(points, max_size=3)), draw(st.frozensets(points, max_size=3))
    return DataFilter(off, on - off, draw(st.booleans()))


@given(
    st.builds(
        InputConnection,
        names,
        names,
        wishes(st.none()),
        filters(),
        st.lists(rules, max_size=3).map(tuple),
        st.none() | st.builds(Sampling, st.floats(0, 100) | st.integers(0, 100), names),
        st.booleans(),
        environments,
        settings,
    )
)
def test_a_connection_is_read_as_it_was_written(connection: InputConnection) -> None:
    """What is shown can be sent back, and means the same."""
    document = json.loads(json.dumps(input_connection_document(connection)))
    assert read_input_connection(document) == connection


@pytest.mark.parametrize(
    ("members", "places"),
    [
        ({"data_filter": []}, ["/data_filter"]),
        ({"data_filter": {"of": []}}, ["/data_filter/of"]),
        ({"data_filter": {"off": "custom_event"}}, ["/data_filter/off"]),
        ({"data_filter": {"off": [[]], "on": [["x"]]}}, ["/data_filter/off/0", "/data_filter/on/0/0"]),
        ({"data_filter": {"off": [["user_identity", "mpid"]]}}, ["/data_filter/off/0"]),
        ({"data_filter": {"off": [["user_identity", "mail"]]}}, ["/data_filter/off/0/1"]),
        ({"data_filter": {"off": [["user_identity", "email", "x"]]}}, ["/data_filter/off/0"]),
        ({"data_filter": {"off": [["profile"]], "on": [["profile"]]}}, ["/data_filter"]),
        ({"data_filter": {"send_new": 1}}, ["/data_filter/send_new"]),
        ({"rules": {}}, ["/rules"]),
        ({"rules": [7, {}]}, ["/rules/0", "/rules/1/kind"]),
        ({"rules": [{"kind": "attribute", "of": "user"}]}, ["/rules/0"] * 3),
        ({"rules": [{"kind": "known_users_only", "effect": "only_forward"}]}, ["/rules/0/effect"]),
        (
            {"rules": [{"kind": "attribution", "publisher": "", "effect": "stop"}]},
            ["/rules/0/effect", "/rules/0/publisher"],
        ),
        ({"sampling": 5}, ["/sampling"]),
        ({"sampling": {"percent": True}}, ["/sampling/percent"]),
        ({"sampling": {"percent": 101}}, ["/sampling"]),
        ({"sampling": {"percent": 1, "key": 1}}, ["/sampling/key"]),
        ({"sampling": {"percent": 1, "key": "k" * 65}}, ["/sampling"]),
        ({"eventless": None}, ["/eventless"]),
        ({"on_identity_change": "add_only"}, ["/on_identity_change"]),
        ({"input": "", "eventless": 1, "hash": "x"}, ["/input", "/hash", "/eventless"]),
    ],
    ids=str,
)
def test_each_fault_has_its_place(members: dict[str, Json], places: list[str]) -> None:
    """Whatever can't be read, or is no member, is named by a JSON pointer with a sentence, all at once."""
    assert faults(**members) == places


def test_there_is_room_for_the_sample_beside_the_rules() -> None:
    """The sample is one of the rules that a connection may have."""
    rules = [{"kind": "known_users_only"}] * FORWARDING_RULES_MAX
    read = read_input_connection({**BARE, "rules": rules[1:], "sampling": {"percent": 1}})
    assert isinstance(read, InputConnection)
    assert len(read.forwarding(wanting(T.EMAIL)).rules) == FORWARDING_RULES_MAX
    assert faults(rules=rules) == ["/rules"]


def test_nothing_is_a_name_and_a_value_too() -> None:
    """An event without a kind is a data point, and an attribute can be empty."""
    read = read_input_connection(
        {
            **BARE,
            "data_filter": {"off": [["custom_event", "", "Play"]]},
            "rules": [{"kind": "attribute", "of": "user", "name": "plan", "value": "", "effect": "only_forward"}],
        }
    )
    assert isinstance(read, InputConnection)
    assert read.data_filter.off == {("custom_event", "", "Play")}
    assert read.rules == (AttributeRule(Where.USER, "plan", "", Effect.ONLY_FORWARD),)


def test_nothing_but_an_object_is_a_connection() -> None:
    """A list is told as a whole."""
    read = read_input_connection([])
    assert not isinstance(read, InputConnection)
    assert [fault.place for fault in read] == [""]
