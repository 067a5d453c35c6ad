"""Promises about webhooks: each request is as the how-to describes it, is signed, and tells nothing else."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from knownas.core.delivery.message import ErasureMessage, MembershipMessage, Message, Subscription, SubscriptionMessage
from knownas.core.delivery.outcome import NotNow, Taken
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.outputs.webhook import DESTINATION, webhook_body
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
    surroundings,
)
from tests.outputs.receiving import Answering, Behaviour, Received, answering, receiving
from tests.outputs.refusals import REFUSALS, assert_means, each_refusal, short_of_time  # noqa: F401 - a fixture
from tests.outputs.test_signing import OTHER, SECRET

TAKEN = answering(204)
HEADERS = {
    "host",
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "idempotency-key",
    "user-agent",
}
SIGNATURE = {"webhook-id", "webhook-timestamp", "webhook-signature"}
IDENTITIES = [
    {"type": "email", "encoding": "raw", "value": "ada@example.com"},
    {"type": "customerid", "encoding": "raw", "value": "customer-42"},
]
ORIGIN = {"timestamp_ms": NOW_MS - 1_000, "workspace_id": 100, "environment": "production"}
SHOPPERS = {"id": 7, "name": "Eager shoppers"}


async def _sent(
    *messages: Message, script: tuple[Behaviour, ...] = (), **settings: str
) -> tuple[object, list[Received]]:
    async with receiving(*script, otherwise=TAKEN) as server:
        sender = DESTINATION.open({"url": f"{server.url}/in", **settings}, surroundings())
        outcome = await sender.send(messages)
        await sender.close()
    return outcome, server.requests


BODIES: list[tuple[Message, Mapping[str, Any]]] = [
    (
        membership(EMAIL, CUSTOMER),
        {
            "type": "audience_membership",
            "version": 1,
            "id": "m-1",
            **ORIGIN,
            "mpid": str(MPID_OF_ADA),
            "action": "add",
            "is_member": True,
            "audience": SHOPPERS,
            "identities": IDENTITIES,
        },
    ),
    (
        membership(outgoing(MPID, "42"), outgoing(IdentityType.EMAIL, "a@b.example", Encoding.SHA256),
                   action=Action.REMOVE, is_member=True),
        {
            "type": "audience_membership",
            "version": 1,
            "id": "m-1",
            **ORIGIN,
            "mpid": str(MPID_OF_ADA),
            "action": "remove",
            "is_member": True,
            "audience": SHOPPERS,
            "identities": [
                {"type": "mpid", "encoding": "raw", "value": "42"},
                {
                    "type": "email",
                    "encoding": "sha256",
                    "value": "ebb18a030bf15174f5714e24d63af1a81355c951ea7389bd2a9bd18e3d0c2477",
                },
            ],
        },
    ),
    (
        subscription(Subscription.REMOVE),
        {"type": "audience_subscription", "version": 1, "id": "s-1", **ORIGIN, "action": "remove", "audience": SHOPPERS},
    ),
    (
        erasure(EMAIL, CUSTOMER),
        {
            "type": "erasure",
            "version": 1,
            "id": "d-1",
            **ORIGIN,
            "mpid": str(MPID_OF_ADA),
            "request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
            "regulation": "gdpr",
            "submitted_ms": NOW_MS - 60_500,
            "identities": IDENTITIES,
        },
    ),
    (events(), purchase()),
]  # fmt: skip


@pytest.mark.parametrize(("message", "body"), BODIES, ids=["add", "remove", "subscription", "erasure", "events"])
async def test_message_is_sent_as_documented(message: Message, body: Mapping[str, Any]) -> None:
    """Each kind of message has the members that the how-to names, and no others."""
    outcome, [request] = await _sent(message, authorization="Bearer t0psecret")
    assert outcome == Taken()
    assert (request.method, request.target, request.json) == ("POST", "/in", body)
    assert request.headers.keys() == HEADERS | {"authorization"}
    assert request.headers["authorization"] == "Bearer t0psecret"
    assert request.headers["idempotency-key"] == message.id


async def test_request_is_signed_with_both_secrets() -> None:
    """While a secret is replaced, a receiver with the new or with the old one finds the signature right."""
    outcome, [request] = await _sent(membership(), signing_secret=SECRET, previous_signing_secret=OTHER)
    assert outcome == Taken()
    assert request.headers.keys() == HEADERS | SIGNATURE
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "m-1"
    assert request.headers["webhook-timestamp"] == str(NOW_MS // 1000)
    at = datetime.fromtimestamp(NOW_MS // 1000, UTC)
    expected = [Webhook(secret).sign("m-1", at, request.body.decode()) for secret in (SECRET, OTHER)]
    assert request.headers["webhook-signature"] == " ".join(expected)


async def test_secret_alone_signs_once() -> None:
    """Without a previous secret there is one signature."""
    _, [request] = await _sent(membership(), signing_secret=SECRET)
    assert len(request.headers["webhook-signature"].split()) == 1


async def test_another_try_is_the_same_message() -> None:
    """A message that is sent again has the same id and the same body, so that who has it can tell."""
    message = membership()
    outcome, _ = await _sent(message, script=(answering(500),))
    assert isinstance(outcome, NotNow)
    _, [first] = await _sent(message)
    _, [second] = await _sent(message)
    assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])


async def test_answer_of_success_may_hold_anything() -> None:
    """Whatever stands in an answer of 2xx, the message was taken."""
    outcome, _ = await _sent(membership(), script=(Answering(202, b"\xff<html>"),))
    assert outcome == Taken()


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_refusal_has_its_outcome(how: str) -> None:
    """A receiver that hangs, breaks off or refuses has the outcome that the how-to names."""
    async with receiving(REFUSALS[how]) as server:
        sender = DESTINATION.open({"url": server.url}, surroundings())
        assert_means(await sender.send([membership()]), how)
        await sender.close()


async def test_check_tells_of_nobody() -> None:
    """The check is signed like a message, and holds nothing of any user."""
    async with receiving(TAKEN, answering(401)) as server:
        sender = DESTINATION.open({"url": server.url, "signing_secret": SECRET}, surroundings())
        assert await sender.check() == Taken()
        assert_means(await sender.check(), "401")
        await sender.close()
    first = server.requests[0]
    check_id = "00000000-0000-4000-8000-000000000001"
    assert first.json == {"type": "check", "version": 1, "id": check_id, "timestamp_ms": NOW_MS}
    assert first.headers.keys() == HEADERS | SIGNATURE


MEMBERS = {
    MembershipMessage: {"mpid", "action", "is_member", "audience", "identities"},
    SubscriptionMessage: {"action", "audience"},
    ErasureMessage: {"mpid", "request_id", "regulation", "submitted_ms", "identities"},
}
HEAD = {"type", "version", "id", "timestamp_ms", "workspace_id", "environment"}


@given(some_memberships())
def test_each_identity_is_told_once_and_nothing_else(messages: tuple[MembershipMessage, ...]) -> None:
    """The identities of a message are in its body, each exactly once, in their order; and no value beside them."""
    for message in messages:
        body = json.loads(webhook_body(message))
        assert body.keys() == HEAD | MEMBERS[MembershipMessage]
        told = [(one["type"], one["encoding"], one["value"]) for one in body["identities"]]
        assert told == [(one.target.value, one.encoding.value, one.value) for one in message.identities]
        assert all(one.keys() == {"type", "encoding", "value"} for one in body["identities"])
        assert body["mpid"] == str(message.mpid)


@hypothesis_settings(max_examples=20)
@given(some_memberships(), st.integers(0, 3))
async def test_every_message_is_one_request(messages: tuple[MembershipMessage, ...], failing: int) -> None:
    """Each message comes in a request of its own; what a failing receiver did not take is sent again."""
    script = (*([TAKEN] * failing), answering(500)) if failing < len(messages) else ()
    outcome, requests = await _sent(*messages, script=script)
    ids = [request.headers["idempotency-key"] for request in requests]
    assert len(set(ids)) == len(ids)
    if not script:
        assert outcome == Taken()
        assert sorted(ids) == sorted(message.id for message in messages)
    else:
        assert isinstance(outcome, NotNow | Taken)
        again = {message.id for message in messages} if isinstance(outcome, NotNow) else set(outcome.again)
        assert again
        assert again | set(ids) == {message.id for message in messages}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"url": "https://a.example/in"}, []),
        ({"url": "http://a.example/in"}, ["url"]),
        ({"url": "http://a.example/in", "plain_http": True}, []),
        ({}, ["url"]),
        ({"url": "https://a.example", "authorization": "a\nb"}, ["authorization"]),
        ({"url": "https://a.example", "signing_secret": "secret"}, ["signing_secret"]),
        ({"url": "https://a.example", "signing_secret": SECRET, "previous_signing_secret": OTHER}, []),
        (
            {"url": "https://a.example", "signing_secret": SECRET, "previous_signing_secret": "x"},
            ["previous_signing_secret"],
        ),
        ({"url": "https://a.example", "previous_signing_secret": OTHER}, ["previous_signing_secret"]),
    ],
    ids=str,
)
def test_settings_are_checked(settings: dict[str, str | bool], names: list[str]) -> None:
    """What is wrong with settings is said of each by its name."""
    assert [name for name, _ in DESTINATION.faults(settings)] == names


def test_secrets_are_confidential() -> None:
    """Whatever lets somebody in, or vouches for us, is sealed and never shown."""
    hidden = {setting.name for setting in DESTINATION.settings if setting.confidential}
    assert hidden == {"authorization", "signing_secret", "previous_signing_secret"}
