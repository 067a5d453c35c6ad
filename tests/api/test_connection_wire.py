"""Holds what the API says of the documents of connections against their readers."""

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from knownas.api.connection_wire import ConnectionBody, ErasuresBody, InputConnectionBody, SentBody
from knownas.api.schemas import component_schemas
from knownas.core.translation.data_filter import USER_IDENTITY
from knownas.service.delivery.connection_form import AudienceConnection, connection_document, read_connection
from knownas.service.delivery.forwarding_form import (
    InputConnection,
    input_connection_document,
    read_input_connection,
)
from knownas.service.delivery.wish_form import COMMON_MEMBERS

SCHEMAS = {"components": {"schemas": component_schemas()}}
CHANGE = "on_identity_change"
FULL: dict[str, Any] = {
    "identities": ["email", "mpid"],
    "hash": True,
    "places": {"user_id": ["customerid"]},
    "values": "newest",
    "devices": "all",
    "excluded": ["other"],
    "users": "known",
    "send_anonymous_users": False,
    "send_limited_ad_tracking": True,
    "send_opted_out_users": True,
    "send_unlike_a_person": True,
    "consents": [
        {"regulation": "gdpr", "purpose": "mail"},
        {"regulation": "ccpa", "purpose": "data_sale_opt_out"},
    ],
    "default_calling_code": "49",
    "plus_left_out": False,
    "environments": ["development"],
    "settings": {"a": "", "b": 1, "c": True},
}
FORWARDED: dict[str, Any] = {
    "data_filter": {
        "off": [["custom_event", "navigation", "Play", "song"], [USER_IDENTITY]],
        "on": [[USER_IDENTITY, "email"]],
    },
    "rules": [
        {"kind": "attribute", "of": "user", "name": "plan", "value": "", "effect": "only_forward"},
        {"kind": "attribution", "publisher": "a", "effect": "do_not_forward"},
        {"kind": "consent", "regulation": "gdpr", "purpose": "mail", "consented": True, "effect": "only_forward"},
        {"kind": "known_users_only"},
    ],
    "sampling": {"percent": 12.5, "key": "k"},
    "eventless": False,
}
SPOILT: dict[str, Any] = {
    "identities": ["e-mail"],
    "hash": "raw",
    "places": {"user_id": "customerid"},
    "values": None,
    "consents": [{"regulation": "gdpr"}],
    "environments": [],
    "settings": {"a": 2.5},
    "strange": 1,
}
SPOILT_FORWARDED: dict[str, Any] = {
    "data_filter": {"off": [["strange"]]},
    "rules": [{"kind": "attribute"}],
    "sampling": {"percent": 101},
    "eventless": 1,
}


def fits(name: str, document: object) -> bool:
    """Whether a document is what the API says that it has to be."""
    return Draft202012Validator({**SCHEMAS, "$ref": f"#/components/schemas/{name}"}).is_valid(document)


def names_of(body: type[msgspec.Struct]) -> set[str]:
    """Return the members of a body."""
    return {one.encode_name for one in msgspec.structs.fields(body)}


def test_the_members_are_those_that_are_read() -> None:
    """A member that a reader learns is described, or this tells."""
    assert names_of(SentBody) == set(COMMON_MEMBERS)
    assert names_of(ErasuresBody) == {*COMMON_MEMBERS, CHANGE}
    assert names_of(ConnectionBody) == {*COMMON_MEMBERS, CHANGE, "output"}
    assert names_of(InputConnectionBody) == {*COMMON_MEMBERS, "input", "output", *FORWARDED}


def test_what_is_read_and_shown_fits() -> None:
    """A connection that has everything fits its schema, as it is sent and as it is shown."""
    sent = {"output": "hook", **FULL}
    audience = read_connection({**sent, CHANGE: "add_only"})
    forwarded = read_input_connection({**sent, "input": "web", **FORWARDED})
    assert isinstance(audience, AudienceConnection)
    assert isinstance(forwarded, InputConnection)
    assert fits("ConnectionBody", {**sent, CHANGE: "add_only", "output": 7})
    assert fits("InputConnectionBody", {**sent, "input": "web", **FORWARDED})
    assert fits("ConnectionBody", connection_document(audience))
    assert fits("InputConnectionBody", input_connection_document(forwarded))


@pytest.mark.parametrize("member", [*SPOILT, "output"])
def test_what_is_refused_does_not_fit(member: str) -> None:
    """A member that the reader refuses is none for the schema either."""
    spoilt = {"output": "hook", member: SPOILT.get(member, "")}
    assert isinstance(read_connection(spoilt), tuple)
    assert not fits("ConnectionBody", spoilt)


@pytest.mark.parametrize("member", SPOILT_FORWARDED)
def test_what_is_refused_of_what_is_forwarded_does_not_fit(member: str) -> None:
    """Likewise of the connection of an input."""
    spoilt = {"output": "hook", "input": "web", member: SPOILT_FORWARDED[member]}
    assert isinstance(read_input_connection(spoilt), tuple)
    assert not fits("InputConnectionBody", spoilt)
