"""Tests the form in which what outputs are told is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.delivery.message import MembershipMessage, Message, SubscriptionMessage
from knownas.service.delivery.form import message_document, message_from
from knownas.store.errors import StoreDamaged
from tests.core.delivery.messages import SETTINGS, joined, messages, subscribed

KEPT = (
    b'["m1","3b6c",[100,"production"],-5,1700000000000,[7,"Buyers"],"add",'
    b'[["email","email","raw","ann@example.com",null,null]],true]'
)
"""A message as it lies in databases by now: nothing may make it unreadable."""


@given(st.data())
def test_a_message_is_read_as_it_was_written(data: st.DataObject) -> None:
    """Whatever is told is read back the same, device and platform of an identity and all, with the settings that are given."""
    settings = data.draw(SETTINGS)
    message = data.draw(messages(settings))
    read = message_from(message_document(message), settings)
    assert repr(read) == repr(message), "an identity's device and platform are not compared"
    assert read == message


def test_what_is_kept_stays_readable() -> None:
    """The bytes of the first version are read for ever, and are what is written."""
    message = joined("3b6c", -5, 1_700_000_000_000)
    assert message_document(message) == KEPT
    assert message_from(KEPT, {}) == message


@pytest.mark.parametrize(
    "message", [joined("a", settings={"key": "s3cret"}), subscribed("b", settings={"key": "s3cret"})]
)
def test_settings_are_those_of_now(message: SubscriptionMessage | MembershipMessage) -> None:
    """What is set for a connection, such as a credential, is in no document; a message has what is set when it is read."""
    document = message_document(message)
    assert b"s3cret" not in document
    read: Message = message_from(document, {"key": "another"})
    assert isinstance(read, SubscriptionMessage | MembershipMessage)
    assert read.settings == {"key": "another"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b'["m2","3b6c"]',
        KEPT.replace(b'"email","raw"', b'"e-mail","raw"'),
        KEPT.replace(b'"add"', b'"toggle"'),
        json.dumps(json.loads(KEPT)[:4]).encode(),
    ],
)
def test_what_is_no_message_is_damage(document: bytes) -> None:
    """What was not written here, or by a newer knownas, is never read as something else."""
    with pytest.raises(StoreDamaged):
        message_from(document, {})
