"""Promises about what partners are sent: every request is one of the protocol, and tells what the partner permits and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.delivery.message import MembershipMessage, Message, Subscription
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType, Surface, name_on, push_token_on_firehose
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.rule import Requirement
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.outputs.firehose.destination import DESTINATION, refusing
from knownas.outputs.firehose.identities import NOBODY
from knownas.service.delivery.destination import AskedPlaces
from tests.outputs.firehose.protocol import (
    EVERY_EVENT,
    EVERYTHING,
    assert_is_request,
    permission,
    registration,
    response,
)
from tests.outputs.messages import (
    CUSTOMER,
    EMAIL,
    IDFA,
    MPID_OF_ADA,
    NOW_MS,
    erasure,
    membership,
    outgoing,
    some_identities,
    some_memberships,
    subscription,
    surroundings,
)
from tests.outputs.receiving import Answering, Behaviour, answering, receiving
from tests.outputs.refusals import REFUSALS, assert_means, each_refusal, short_of_time  # noqa: F401 - a fixture

ADA = outgoing(MPID, str(MPID_OF_ADA))
ACCOUNT = {"account_id": 7, "account_settings": {"apiKey": "k3y", "debug": "true"}}
CHANGED = response("audience_membership_change", suspend_subscription=False)
HEAD = {"timestamp_ms": NOW_MS, "firehose_version": "3.2.0"}
EMAIL_THERE = {"type": "email", "encoding": "raw", "value": "ada@example.com"}
CUSTOMER_THERE = {"type": "customer", "encoding": "raw", "value": "customer-42"}
IDFA_THERE = {"type": "ios_advertising_id", "encoding": "raw", "value": IDFA.value}


async def told(
    *messages: Message, answers: Sequence[Behaviour], says: Answering | None = None
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Send messages to a partner that registers as it `says`. Returns what came of it, and its requests after the registration."""
    async with receiving(says or registration(), *answers) as server:
        settings = {
            "url": server.url,
            "token": "t0ken",
            "account_id": 7,
            "account_settings": '{"apiKey": "k3y", "debug": true}',
        }
        sender = DESTINATION.open(settings, surroundings())
        outcome = await sender.send(messages)
        await sender.close()
    first, *rest = [assert_is_request(one) for one in server.requests]
    request_id = "00000000-0000-4000-8000-000000000001"
    assert first == {"type": "module_registration_request", "id": request_id, **HEAD}
    return outcome, rest


async def test_members_are_told_in_one_request() -> None:
    """Several members go out in one request, each with its identities in the right lists, and what becomes of the membership."""
    second = membership(
        CUSTOMER, IDFA, id="m-2", mpid=5, action=Action.REMOVE, settings={"subscription_settings": '{"a": 1}'}
    )
    outcome, [request] = await told(membership(EMAIL, ADA), second, answers=[CHANGED])
    assert outcome == Taken()
    audience = {"audience_id": 7, "audience_name": "Eager shoppers"}
    assert request["account"] == ACCOUNT
    assert request["user_profiles"] == [
        {
            "mpid": str(MPID_OF_ADA),
            "user_identities": [EMAIL_THERE],
            "device_identities": [],
            "partner_identities": [],
            "audiences": [{**audience, "audience_subscription_settings": {}, "action": "add"}],
        },
        {
            "user_identities": [CUSTOMER_THERE],
            "device_identities": [IDFA_THERE],
            "partner_identities": [],
            "audiences": [{**audience, "audience_subscription_settings": {"a": "1"}, "action": "delete"}],
        },
    ]


async def test_another_try_has_the_same_id() -> None:
    """The id of a request follows from its messages, so that a partner can tell that it has it."""
    message = membership(id="0199f0c3-6f1e-7c55-9a0e-0f6a2f7c1f10")
    _, [one] = await told(message, answers=[CHANGED])
    assert one["id"] == message.id
    both = (message, membership(id="m-2", mpid=2))
    _, [first] = await told(*both, answers=[CHANGED])
    _, [second] = await told(*both, answers=[CHANGED])
    assert first["id"] == second["id"] != one["id"]


async def test_what_is_not_permitted_is_not_sent() -> None:
    """Identities that the partner has no permission for, or in another encoding, stay here; a member without any is refused."""
    hashed = outgoing(IdentityType.EMAIL, "ada@example.com", Encoding.SHA256)
    says = registration({"user_identities": [permission("email", "sha256")]})
    messages = (membership(hashed, CUSTOMER, ADA), membership(EMAIL, IDFA, id="m-2", mpid=2))
    outcome, [request] = await told(*messages, answers=[CHANGED], says=says)
    assert outcome == Taken(refused={"m-2": NOBODY})
    [profile] = request["user_profiles"]
    assert profile["user_identities"] == [{"type": "email", "encoding": "sha256", "value": hashed.value}]
    assert "mpid" not in profile


async def test_user_without_a_required_identity_is_not_sent() -> None:
    """Of what is required one will do; a user with none of it is refused, and nothing is asked for nobody."""
    says = registration(
        {
            "user_identities": [
                permission("email", required=True),
                permission("customer", required=True),
                permission("other"),
            ],
            "device_identities": [permission("ios_advertising_id")],
        }
    )
    outcome, [request] = await told(membership(CUSTOMER), answers=[CHANGED], says=says)
    assert outcome == Taken()
    assert len(request["user_profiles"]) == 1
    outcome, requests = await told(membership(IDFA), answers=[], says=says)
    assert (outcome, requests) == (Taken(refused={"m-1": NOBODY}), [])


async def test_connection_is_told_and_its_settings_kept() -> None:
    """A partner hears of each connection, and what it wants kept comes back with every member."""
    answer = response(
        "audience_subscription", audience_subscription_settings={"list_id": "77", "live": True, "odd": [1]}
    )
    message = subscription(settings={"subscription_settings": '{"kind": "suppression"}'})
    outcome, [request] = await told(message, answers=[answer])
    kept = {"partner:list_id": "77", "partner:live": "true"}
    assert outcome == Taken(kept=kept)
    assert request.pop("id")
    assert request == {
        "type": "audience_subscription_request",
        **HEAD,
        "account": ACCOUNT,
        "audience_id": 7,
        "audience_name": "Eager shoppers",
        "audience_subscription_settings": {"kind": "suppression"},
        "action": "add",
    }
    later = membership(settings={**message.settings, **kept})
    _, [change] = await told(later, answers=[CHANGED])
    there = change["user_profiles"][0]["audiences"][0]["audience_subscription_settings"]
    assert there == {"kind": "suppression", "list_id": "77", "live": "true"}


@pytest.mark.parametrize("what", Subscription)
async def test_each_change_of_a_connection_has_its_action(what: Subscription) -> None:
    """Connecting, changing and disconnecting are told as such."""
    outcome, [request] = await told(subscription(what), answers=[response("audience_subscription")])
    assert (outcome, request["action"]) == (Taken(), what.value)


async def test_connection_with_unreadable_settings_is_refused() -> None:
    """Settings of a connection that are no JSON are not left out in silence: the connection is refused with the reason."""
    outcome, requests = await told(subscription(settings={"subscription_settings": "kind=x"}), answers=[])
    assert (outcome, requests) == (Taken(refused={"s-1": "subscription_settings is no JSON object of texts"}), [])


async def test_suspended_subscription_stops() -> None:
    """A partner that suspends is sent nothing until somebody resumes the output."""
    outcome, _ = await told(membership(), answers=[response("audience_membership_change", suspend_subscription=True)])
    assert outcome == NotAtAll("the partner has suspended the subscription")


async def test_erasure_is_told_by_the_names_of_privacy_requests() -> None:
    """An erasure names identities as privacy requests do; of several values of a type each goes out, in a request of its own."""
    second = outgoing(IdentityType.EMAIL, "ada@old.example", Encoding.SHA1)
    message = erasure(EMAIL, CUSTOMER, second, outgoing(IdentityType.OTHER3, "x"), ADA)
    done = response("dsr_processing")
    outcome, [first, other] = await told(message, answers=[done, done])
    assert outcome == Taken()
    for request, identities in (
        (first, {"email": EMAIL, "controller_customer_id": CUSTOMER}),
        (other, {"email": second}),
    ):
        assert request.pop("id")
        assert request == {
            "type": "dsr_processing_request",
            **HEAD,
            "account": ACCOUNT,
            "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
            "subject_request_type": "erasure",
            "submitted_time": (NOW_MS - 60_500) / 1000,
            "subject_identities": {
                name: {"encoding": one.encoding.value, "value": one.value} for name, one in identities.items()
            },
            "api_version": "3.0",
            "regulation": "gdpr",
        }


async def test_erasure_of_nobody_that_can_be_named_is_refused() -> None:
    """An erasure whose identities the protocol has no names for is refused with the reason."""
    outcome, requests = await told(erasure(outgoing(IdentityType.OTHER3, "x")), answers=[])
    assert isinstance(outcome, Taken)
    assert outcome.refused.keys() == {"d-1"}
    assert requests == []


async def test_partner_is_told_only_what_it_processes() -> None:
    """A partner that has not registered for something is not asked to process it."""
    says = registration(events=None, audience_processing_registration=None, dsr_processing_registration=None)
    for message in (membership(), subscription(), erasure()):
        outcome, requests = await told(message, answers=[], says=says)
        assert isinstance(outcome, Taken)
        assert (outcome.refused.keys(), requests) == ({message.id}, [])


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_refusal_has_its_outcome(how: str) -> None:
    """A partner that hangs, breaks off or refuses has the outcome that the protocol gives it, and is asked once."""
    outcome, [_] = await told(membership(), answers=[REFUSALS[how]])
    assert_means(outcome, how)


@pytest.mark.usefixtures("short_of_time")
@each_refusal
async def test_partner_that_does_not_register_gets_nothing(how: str) -> None:
    """Nothing is told of anybody before the partner has said what it takes."""
    async with receiving(REFUSALS[how]) as server:
        sender = DESTINATION.open({"url": server.url, "token": "t0ken"}, surroundings())
        outcome = await sender.send([membership()])
        await sender.close()
    assert assert_is_request(server.requests[0])["type"] == "module_registration_request"
    assert isinstance(outcome, NotAtAll if how in {"400", "401"} else NotNow)


@given(st.integers(300, 599))
def test_six_statuses_are_tried_again_and_no_other(status: int) -> None:
    """What the protocol retries is retried, nothing else."""
    outcome = refusing(status, "", None)
    assert isinstance(outcome, NotNow) is (status in {408, 429, 500, 502, 503, 504})
    if status in {400, 422}:
        assert isinstance(outcome, NotThis)
    if status in {401, 403, 404, 410, 501, 505}:
        assert isinstance(outcome, NotAtAll)


@pytest.mark.parametrize(
    "answer",
    [
        response("event_processing"),
        answering(202),
        answering(200, []),
        Answering(200, b"<html>"),
        Answering(200, b"[" * 9999),
    ],
    ids=["type", "empty", "list", "page", "deep"],
)
async def test_answer_of_another_type_is_no_success(answer: Answering) -> None:
    """Only the answer that belongs to a request says that it was taken."""
    outcome, _ = await told(membership(), answers=[answer])
    assert outcome == NotNow(Trouble.FAILED, "answered something else than audience_membership_change_response")


async def test_registration_is_asked_for_once_an_hour() -> None:
    """What a partner says of itself is relied on for an hour, and asked again then."""
    now = [NOW_MS]
    async with receiving(registration(), CHANGED, CHANGED, registration({}), otherwise=CHANGED) as server:
        clock = replace(surroundings(), now_ms=lambda: now[0])
        sender = DESTINATION.open({"url": server.url, "token": "t0ken"}, clock)
        assert await sender.send([membership()]) == Taken()
        now[0] += 3_599_999
        assert await sender.send([membership()]) == Taken()
        now[0] += 1
        assert await sender.send([membership()]) == Taken(refused={"m-1": NOBODY})
        await sender.close()
    kinds = [request.json["type"].removesuffix("_request") for request in server.requests]
    change = "audience_membership_change"
    assert kinds == ["module_registration", change, change, "module_registration"]


async def test_check_registers_and_tells_of_nobody() -> None:
    """The check asks what the partner takes, and sends a change without members, which is the protocol's health check."""
    needs = {"account_settings": [{"type": "text", "id": "apiKey", "name": "Key", "required": True}]}
    says = registration(audience_processing_registration=needs)
    for account, outcome, requests in (
        ('{"apiKey": "k"}', Taken(), 2),
        ("", NotAtAll("the partner needs account settings that are not set: apiKey"), 1),
    ):
        async with receiving(says, otherwise=CHANGED) as server:
            sender = DESTINATION.open(
                {"url": server.url, "token": "t0ken", "account_settings": account}, surroundings()
            )
            assert await sender.check() == outcome
            await sender.close()
        members = [assert_is_request(one) for one in server.requests]
        assert len(members) == requests
        assert all("user_profiles" not in one for one in members)


async def _asked(says: Behaviour) -> object:
    async with receiving(says) as server:
        assert DESTINATION.ask_places is not None
        return await DESTINATION.ask_places({"url": server.url, "token": "t0ken"}, surroundings())


async def test_partner_is_asked_which_identities_it_takes() -> None:
    """Whoever connects a partner is told what it takes, and that one of what it requires is enough."""
    permissions = {"user_identities": [permission("email", "sha256", required=True)], "allow_access_mpid": True}
    asked = await _asked(registration(permissions))
    assert isinstance(asked, AskedPlaces)
    assert asked.requirement is Requirement.ANY
    assert {(place.name, place.encoding, place.required) for place in asked.places} == {
        ("email", Encoding.SHA256, True),
        ("mpid", Encoding.RAW, False),
    }


async def test_partner_that_permits_nobody_is_not_taken_for_one_that_permits_everybody() -> None:
    """Without any permission there is nothing to connect; and a partner that does not answer has not said what it takes."""
    assert await _asked(registration({})) == NotAtAll("the partner permits no identity of anybody")
    assert isinstance(await _asked(answering(503)), NotNow)


DRAWN = hypothesis_settings(max_examples=30, deadline=None)


@DRAWN
@given(some_memberships())
async def test_each_permitted_identity_is_told_once_in_its_list(messages: tuple[MembershipMessage, ...]) -> None:
    """Whatever is sent, each identity that the partner permits stands once in the right list, and no other value anywhere."""
    outcome, requests = await told(*messages, answers=[CHANGED])
    assert isinstance(outcome, Taken)
    profiles = iter(requests[0]["user_profiles"] if requests else [])
    for message in messages:
        users, devices = _expected(message)
        mpids = [one.value for one in message.identities if one.target is MPID and one.encoding is Encoding.RAW]
        if not users and not devices and not mpids:
            assert message.id in outcome.refused
            continue
        profile = next(profiles)
        assert [tuple(one.values()) for one in profile["user_identities"]] == users
        assert [tuple(one.values()) for one in profile["device_identities"]] == devices
        assert profile.get("mpid") == (mpids[0] if mpids else None)
        assert profile["audiences"][0]["action"] == ("add" if message.action is Action.ADD else "delete")
    assert next(profiles, None) is None


def _expected(message: MembershipMessage) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    users: list[tuple[str, str, str]] = []
    devices: list[tuple[str, str, str]] = []
    for one in message.identities:
        if not isinstance(one.target, IdentityType):
            continue
        push = push_token_on_firehose(one.platform) if one.target is IdentityType.PUSH_TOKEN else None
        name = push or name_on(Surface.FIREHOSE, one.target)
        if name is not None:
            (devices if one.target in DEVICE_TYPES else users).append((name, one.encoding.value, one.value))
    return users, devices


@DRAWN
@given(some_identities())
async def test_each_identity_of_an_erasure_is_told_once(identities: tuple[Any, ...]) -> None:
    """Each identity that a privacy request can name is told exactly once, whatever of its type there is beside it."""
    named = {
        "email",
        "controller_customer_id",
        *(f"{one}_advertising_id" for one in ("ios", "android", "fire", "roku", "microsoft")),
    }
    named |= {"android_id", "ios_vendor_id", "roku_publisher_id", "microsoft_publisher_id"}
    expected = [
        (name, one.encoding.value, one.value)
        for one in identities
        if isinstance(one.target, IdentityType) and (name := name_on(Surface.DSR, one.target)) in named
    ]
    outcome, requests = await told(erasure(*identities), answers=[response("dsr_processing")] * len(identities))
    found = [
        (name, one["encoding"], one["value"])
        for request in requests
        for name, one in request["subject_identities"].items()
    ]
    assert sorted(found) == sorted(expected)
    assert isinstance(outcome, Taken)
    assert bool(outcome.refused) is not bool(expected)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"url": "https://partner.example"}, []),
        ({"url": "http://partner.example"}, ["url"]),
        ({"url": "https://partner.example", "token": "a\nb"}, ["token"]),
        ({"url": "https://partner.example", "account_id": 2**31}, ["account_id"]),
        ({"url": "https://partner.example", "account_settings": "{"}, ["account_settings"]),
        ({"url": "https://partner.example", "account_settings": '{"a": {}}'}, ["account_settings"]),
        ({"url": "https://partner.example", "account_settings": "[]"}, ["account_settings"]),
        ({"url": "https://partner.example", "account_settings": '{"a": "\ud800"}'}, ["account_settings"]),
        ({"url": "https://partner.example", "account_settings": '{"a": "b", "c": 1.5}'}, []),
    ],
    ids=ascii,
)
def test_settings_are_checked(settings: Mapping[str, str | int | bool], names: list[str]) -> None:
    """What is wrong with settings is said of each by its name."""
    assert [name for name, _ in DESTINATION.faults(settings)] == names


def test_examples_cover_everything() -> None:
    """The partner of these tests permits everything that the protocol has, so that nothing passes by being left out."""
    assert {name for name, value in EVERYTHING.items() if value is True} == {
        f"allow_{name}"
        for name in (
            "access_mpid", "access_device_application_stamp", "access_location", "access_ip_address", "access_http_user_agent",
            "device_info", "user_attributes", "consent_state", "platform_fields", "eventless_batches",
        )
    }  # fmt: skip
    assert EVERY_EVENT["max_data_age_hours"] == -1
