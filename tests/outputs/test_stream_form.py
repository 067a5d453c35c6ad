"""Promises about records of a stream: the form of an audience's stream, every identity once."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from knownas.core.delivery.message import MembershipMessage, Message
from knownas.core.identity.kinds import IdentityType, Surface, name_on
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.outputs.stream_form import records
from tests.outputs.messages import (
    CUSTOMER,
    EMAIL,
    MPID_OF_ADA,
    NOW_MS,
    erasure,
    events,
    membership,
    outgoing,
    purchase,
    some_memberships,
    subscription,
)

ABOUT = {"workspace-id": "100", "environment": "production"}
MEMBERS = {"MembershipChangedTimestamp", "AudienceId", "AudienceName", "IsMember", "UserIdentities"}


def _values(message: Message) -> list[Any]:
    return [json.loads(record.value) for record in records(message)]


def test_change_has_the_form_of_an_audiences_stream() -> None:
    """A change of a membership has the members and the names of identities of the form, and its profile as the key."""
    [record] = records(membership(EMAIL, CUSTOMER))
    assert json.loads(record.value) == {
        "MembershipChangedTimestamp": str((NOW_MS - 1_000) // 1000),
        "AudienceId": 7,
        "AudienceName": "Eager shoppers",
        "IsMember": True,
        "UserIdentities": {"Email": "ada@example.com", "CustomerId": "customer-42"},
    }
    assert record.key == str(MPID_OF_ADA)
    assert record.headers == {"message-id": "m-1", **ABOUT}


def test_identity_that_a_member_gave_up_is_no_members() -> None:
    """What is taken out is told as no member's, though the user still is one under other identities."""
    [value] = _values(membership(EMAIL, action=Action.REMOVE, is_member=True))
    assert value["IsMember"] is False


def test_second_value_of_a_type_has_a_record_of_its_own() -> None:
    """Of a user with two addresses both are told."""
    other = outgoing(IdentityType.EMAIL, "ada@old.example")
    told = [value["UserIdentities"] for value in _values(membership(EMAIL, other, CUSTOMER))]
    assert told == [{"Email": "ada@example.com", "CustomerId": "customer-42"}, {"Email": "ada@old.example"}]


def test_event_is_a_raw_output_batch() -> None:
    """What a user did is written as it is handed out elsewhere."""
    [record] = records(events())
    assert (json.loads(record.value), record.key) == (purchase(), str(MPID_OF_ADA))


def test_erasure_has_a_key_with_and_without_a_profile() -> None:
    """An erasure comes after what was told of its profile; where there is none it is its own."""
    [record] = records(erasure())
    assert record.key == str(MPID_OF_ADA)
    assert json.loads(record.value)["type"] == "erasure"
    [nobodys] = records(erasure(mpid=None))
    assert nobodys.key == "a7551968-d5d6-44b2-9831-815ac9017798"


@pytest.mark.parametrize("message", [subscription(), membership(outgoing(MPID, "1"))], ids=["subscription", "mpid"])
def test_what_has_no_form_there_has_no_record(message: Message) -> None:
    """Connections, and identities without a name in the form, are not sent."""
    assert _values(message) == []


@given(some_memberships())
def test_each_named_identity_is_told_once(messages: tuple[MembershipMessage, ...]) -> None:
    """Each identity that has a name there is in exactly one record, and no value beside them in any."""
    for message in messages:
        told: list[tuple[str, str]] = []
        for value in _values(message):
            assert value.keys() == MEMBERS
            identities: Mapping[str, str] = value["UserIdentities"]
            assert identities
            told.extend(identities.items())
        expected = [
            (name, one.value)
            for one in message.identities
            if isinstance(one.target, IdentityType) and (name := name_on(Surface.STREAM, one.target)) is not None
        ]
        assert sorted(told) == sorted(expected)
