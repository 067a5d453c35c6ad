"""Holds the JSON Schema of a policy against the reader of policies."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from knownas.config.faults import InvalidConfiguration
from knownas.config.json_form import schema_of
from knownas.config.policies import policy_schema, read_policy_document
from knownas.config.shapes import FilePath
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.policy import Policy, Strategy, policy
from knownas.service.identity.policies import policy_document

TYPES = {"enum": [one.value for one in IdentityType]}
FITS = Draft202012Validator(policy_schema(TYPES))
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "implicit_das": st.sampled_from((True, False, None, "true", 1, "maybe")),
        "max_age_seconds": st.sampled_from((0, 86_400, -1, None, "5", 10**30, True, 2.5)),
        "capture": st.sampled_from(("all", "changes", None, "", "none", 1)),
        "tie_break": st.sampled_from(([], ["most_recent"], ["most"], "most_recent", None, [None])),
        "max_values": st.sampled_from(({}, {"email": 3}, {"email": "3"}, {"email": "unlimited"}, {"e": 1}, None, [])),
        "toxic": st.sampled_from(
            (
                None,
                {"mode": "off"},
                {"limits": {"email": {"known_users": 5}}},
                {"limits": {"email": {"known_users": "5"}}},
                {"limits": {"email": None}},
                {"allowed": [{"type": "email", "value": "a"}]},
                {"allowed": [{"type": "email"}]},
                {"allowed": [{"type": "email", "value": 5}]},
            )
        ),
        "strange": st.just(1),
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "strategy": st.sampled_from(("default", "profile_link", "best", None, 1, [])),
        "priority": st.sampled_from((["email"], ["e-mail"], None, "email", [1])),
        "settings": st.one_of(st.none(), st.just([]), SETTINGS),
        "strange": st.just(1),
    },
)


@pytest.mark.parametrize("strategy", Strategy)
def test_rules_that_are_in_force_fit_the_schema(strategy: Strategy) -> None:
    """What the server shows of a policy can be sent back to it."""
    shown = msgspec.json.decode(msgspec.json.encode(policy_document(policy(strategy))))
    FITS.validate(shown)
    assert isinstance(read_policy_document(shown), Policy)


@given(DOCUMENTS)
def test_the_reader_takes_what_fits_the_schema(document: dict[str, Any]) -> None:
    """Neither takes what the other does not: in JSON a number is no text."""
    assert isinstance(read_policy_document(document), Policy) == FITS.is_valid(document)


def test_a_value_of_another_type_is_told_with_its_place() -> None:
    """A fault names the member, in lists and by types as well."""
    toxic = {"limits": {"email": {"known_users": "5"}}, "allowed": [{"type": "email", "value": 5}]}
    read = read_policy_document({"settings": {"max_age_seconds": "5", "implicit_das": "true", "toxic": toxic}})
    assert isinstance(read, InvalidConfiguration)
    assert {one.path for one in read.faults} == {
        "settings.max_age_seconds",
        "settings.implicit_das",
        "settings.toxic.limits.email.known_users",
        "settings.toxic.allowed[0].value",
    }


def test_a_shape_of_which_nobody_has_said_what_it_is_in_json_is_a_mistake() -> None:
    """The schema of a section leaves nothing open in silence."""
    with pytest.raises(TypeError, match="FilePath"):
        schema_of(FilePath(), TYPES)
