"""Promises about events for partners: each as the protocol has it, what the partner may not see left out."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knownas.core.delivery.outcome import Taken
from knownas.core.identity.kinds import IdentityType
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.target import MPID
from knownas.outputs.firehose.identities import NOBODY
from tests.core.delivery.messages import JSON
from tests.outputs.firehose.protocol import EVERY_EVENT, EVERYTHING, registration, response
from tests.outputs.firehose.test_destination import ACCOUNT, CUSTOMER_THERE, EMAIL_THERE, HEAD, IDFA_THERE, told
from tests.outputs.messages import CUSTOMER, EMAIL, IDFA, MPID_OF_ADA, NOW_MS, events, outgoing
from tests.outputs.receiving import Answering

DONE = response("event_processing")
AT_MS = NOW_MS - 2_000
STAMP = outgoing(IdentityType.DEVICE_APPLICATION_STAMP, "0b5d9a1e-7d44-4d7d-8a3d-3d4a3c2b1a00")
TOKEN = outgoing(IdentityType.PUSH_TOKEN, "t-1", platform="iOS")
ADA = outgoing(MPID, str(MPID_OF_ADA))
FREE = {"custom_attributes": {"size": 3, "gift": True, "odd": {"a": 1}}, "custom_flags": {"F.a": "b"}}
FREE_THERE = {"attributes": {"size": "3", "gift": "true"}, "custom_flags": {"F.a": "b"}}
PRODUCT = {
    "id": "sku-1", "name": "Loom", "price": 9.5, "quantity": 2, "position": 1, "total_product_amount": 19, "unknown": 1,
    "custom_attributes": {"wood": "oak"},
}  # fmt: skip
PRODUCT_THERE = {
    "id": "sku-1", "name": "Loom", "price": 9.5, "quantity": 2, "position": 1, "total_amount": 19, "attributes": {"wood": "oak"},
}  # fmt: skip

BATCH: Mapping[str, Any] = {
    "schema_version": 2,
    "environment": "production",
    "mpid": MPID_OF_ADA,
    "batch_id": 1,
    "ip": "192.0.2.7",
    "user_identities": [],
    "user_attributes": {"$FirstName": "Augusta", "age": 36, "colours": ["blue", 7], "empty": None},
    "device_info": {
        "platform": "iOS", "device_model": "iPad", "screen_height": 2436, "is_tablet": True, "os_version": "17.0",
        "http_header_user_agent": "agent", "att_authorization_status": "authorized", "ios_advertising_id": IDFA.value,
        "bluetooth_enabled": True, "timezone_offset": "late",
    },
    "application_info": {"application_name": "Shop", "application_version": "2", "package": "example.shop"},
    "consent_state": {
        "gdpr": {"ads": {"consented": True, "timestamp_unixtime_ms": 5, "document": "v1"}},
        "ccpa": {"data_sale_opt_out": {"consented": False, "timestamp_unixtime_ms": 6}},
    },
    "system_notifications": [
        {"type": "gdpr_change", "data": {"purpose": "ads", "old": {"consented": False}, "current": {"consented": True}}}
    ],
    "source_info": {"channel": "native"},
    "context": {"data_plan": {"plan_id": "shop", "plan_version": 2}},
}  # fmt: skip


def batch(*items: tuple[str, Mapping[str, Any]], **members: Any) -> dict[str, Any]:
    """Return a raw output batch with some events."""
    common = {"event_id": 5, "message_id": "order-1", "session_id": 77, "timestamp_unixtime_ms": AT_MS}
    made = [{"event_type": kind, "data": {**common, **data}} for kind, data in items]
    return {**BATCH, "events": made, **members}


WRITTEN: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
    ("custom_event", {"event_name": "Played", "custom_event_type": "media", **FREE},
     {"type": "custom_event", "name": "Played", "custom_event_type": "media", **FREE_THERE}),
    ("custom_event", {"event_name": "Odd", "custom_event_type": "of_tomorrow"},
     {"type": "custom_event", "name": "Odd", "custom_event_type": "unknown"}),
    ("custom_event", {"event_name": "attribution", "custom_event_type": "attribution",
                      "custom_attributes": {"publisher": "P", "campaign": "C"}},
     {"type": "attribution", "name": "attribution", "publisher_name": "P", "campaign_name": "C",
      "attributes": {"publisher": "P", "campaign": "C"}}),
    ("screen_view", {"screen_name": "Cart", **FREE}, {"type": "screen_view", "screen_name": "Cart", **FREE_THERE}),
    ("session_start", {}, {"type": "session_start"}),
    ("session_end", {"session_duration_ms": 9}, {"type": "session_end", "session_length_ms": 9}),
    ("crash_report", {"severity": "fatal", "message": "oops", "stack_trace": "at x", "breadcrumbs": [{"label": "tap"}]},
     {"type": "error", "is_crash": True, "message": "oops", "stack_trace": "at x", "breadcrumbs": ["tap"]}),
    ("opt_out", {"is_opted_out": True},
     {"type": "privacy_setting_change", "setting": "app_data_collection", "is_enabled": False}),
    ("application_state_transition", {"application_transition_type": "application_foreground", "launch_referral": "r"},
     {"type": "application_state_transition", "application_state": "foreground", "launch_referral": "r"}),
    ("application_state_transition", {"application_transition_type": "application_initialized", "is_first_run": True},
     {"type": "application_state_transition", "application_state": "install"}),
    ("application_state_transition", {"application_transition_type": "application_initialized", "is_upgrade": True},
     {"type": "application_state_transition", "application_state": "upgrade"}),
    ("first_run", {}, {"type": "application_state_transition", "application_state": "install"}),
    ("push_message", {"push_message_type": "received", "push_notification_payload": "{}", "push_message_token": "t-9"},
     {"type": "push_message_receipt", "payload": "{}"}),
    ("push_message", {"push_message_type": "action", "push_notification_payload": "{}"},
     {"type": "push_message_open", "payload": "{}"}),
    ("user_attribute_change", {"user_attribute_name": "age", "new": 37, "old": 36},
     {"type": "user_attribute_change", "added": {"age": "37"}, "removed": {"age": "36"}}),
    ("commerce_event",
     {"product_action": {"action": "purchase", "transaction_id": "o-1", "total_amount": 19, "tax_amount": 1.5,
                         "coupon_code": "c", "affiliation": "a", "products": [PRODUCT]}, "currency_code": "EUR", **FREE},
     {"type": "product_action", "action": "purchase", "transaction_id": "o-1", "total_amount": 19, "tax_amount": 1.5,
      "coupon_code": "c", "affiliation": "a", "products": [PRODUCT_THERE], "currency_code": "EUR", **FREE_THERE}),
    ("commerce_event", {"promotion_action": {"action": "view", "promotions": [{"id": "p", "position": 1}]}},
     {"type": "promotion_action", "action": "view", "promotions": [{"id": "p", "position": "1"}]}),
    ("commerce_event", {"product_impressions": [{"product_impression_list": "top", "products": [PRODUCT]}]},
     {"type": "impression", "impressions": [{"impression_list_name": "top", "products": [PRODUCT_THERE]}]}),
    ("push_registration", {"register": True, "registration_token": "t-1"},
     {"type": "push_subscription", "action": "subscribe", "token": "t-1"}),
    ("user_identity_change",
     {"new": {"identity_type": "email", "identity": "ada@example.com"}, "old": {"identity_type": "email", "identity": "a@b.example"}},
     {"type": "user_identity_change", "added": [EMAIL_THERE], "removed": [{**EMAIL_THERE, "value": "a@b.example"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "there"), WRITTEN, ids=[f"{one[0]}-{n}" for n, one in enumerate(WRITTEN)])
async def test_event_is_written_as_the_protocol_has_it(
    kind: str, data: Mapping[str, Any], there: Mapping[str, Any]
) -> None:
    """Each event that the protocol has arrives with its members under their names there."""
    message = events(EMAIL, TOKEN, batch=batch((kind, data)))
    outcome, [request] = await told(message, answers=[DONE])
    assert outcome == Taken()
    [event] = request["events"]
    assert event.pop("id")
    assert event == {**there, "timestamp_ms": AT_MS, "source_id": "order-1", "session_id": 77}


UNWRITTEN: list[tuple[str, Mapping[str, Any]]] = [
    ("uninstall", {}),
    ("breadcrumb", {"label": "tap"}),
    ("network_performance", {"url": "https://a.example", "response_code": 200}),
    ("push_message", {"push_message_type": "sent"}),
    ("commerce_event", {"product_action": {"action": "of_tomorrow"}}),
    ("push_registration", {"register": True, "registration_token": "not-told-otherwise"}),
    ("user_identity_change", {"new": {"identity_type": "other", "identity": "x"}, "old": {"identity_type": "other"}}),
    ("user_identity_change", {"new": {"identity_type": "ios_advertising_id", "identity": "x"}, "old": {}}),
    ("custom_event", {"custom_event_type": "media"}),
    ("custom_event", {"event_name": "Late", "custom_event_type": "media", "timestamp_unixtime_ms": None}),
]


@pytest.mark.parametrize(("kind", "data"), UNWRITTEN, ids=[f"{one[0]}-{n}" for n, one in enumerate(UNWRITTEN)])
async def test_what_the_protocol_has_no_event_for_is_left_out(kind: str, data: Mapping[str, Any]) -> None:
    """Other events, and those that would tell an identity which does not go out, are not sent; no request is made for none."""
    assert await told(events(EMAIL, IDFA, batch=batch((kind, data))), answers=[]) == (Taken(), [])


async def test_whole_request_is_as_permitted() -> None:
    """A partner that may see everything gets everything, each under its name in the protocol."""
    where = {"latitude": 47.6, "longitude": 8, "accuracy": 5, "city_name": "Zurich"}
    message = events(EMAIL, CUSTOMER, IDFA, STAMP, ADA, batch=batch(("session_start", {"location": where})))
    outcome, [request] = await told(message, answers=[DONE])
    assert outcome == Taken()
    assert request.pop("id")
    [event] = request.pop("events")
    assert event["location"] == {"latitude": 47.6, "longitude": 8, "accuracy": 5}
    assert request == {
        "type": "event_processing_request",
        **HEAD,
        "source_id": "e-1",
        "account": ACCOUNT,
        "user_identities": [EMAIL_THERE, CUSTOMER_THERE],
        "partner_identities": [],
        "user_attributes": {"$FirstName": "Augusta", "age": "36"},
        "user_attribute_lists": {"colours": ["blue", "7"]},
        "runtime_environment": {
            "type": "ios",
            "identities": [IDFA_THERE],
            "client_ip_address": "192.0.2.7",
            "http_header_user_agent": "agent",
            "model": "iPad",
            "screen_height": 2436,
            "is_tablet": True,
            "os_version": "17.0",
            "att_authorization_status": "authorized",
            "application_name": "Shop",
            "application_version": "2",
            "application_package": "example.shop",
        },
        "source_channel": "native",
        "device_application_stamp": STAMP.value,
        "consent_state": {
            "gdpr_consent_state": {"ads": {"consented": True, "timestamp_unixtime_ms": 5, "document": "v1"}},
            "ccpa_consent_state": {"data_sale_opt_out": {"consented": False, "timestamp_unixtime_ms": 6}},
        },
        "system_notifications": [
            {
                "type": "gdpr_consent_state",
                "purpose": "ads",
                "old_gdpr_consent_state": {"consented": False},
                "new_gdpr_consent_state": {"consented": True},
            }
        ],
        "mpid": str(MPID_OF_ADA),
        "platform_fields": {"workspace_id": 100, "dataplan_id": "shop", "dataplan_version": 2},
    }


MAY_SEE: Mapping[str, tuple[str, ...]] = {
    "allow_access_mpid": ("mpid",),
    "allow_access_device_application_stamp": ("device_application_stamp",),
    "allow_access_location": ("location",),
    "allow_access_ip_address": ("client_ip_address",),
    "allow_access_http_user_agent": ("http_header_user_agent",),
    "allow_device_info": ("model", "application_name"),
    "allow_user_attributes": ("user_attributes", "user_attribute_lists"),
    "allow_consent_state": ("consent_state", "system_notifications"),
    "allow_platform_fields": ("platform_fields",),
}
"""What each permission is for."""


@pytest.mark.parametrize("missing", MAY_SEE)
async def test_permission_that_is_missing_leaves_out_what_it_is_for(missing: str) -> None:
    """Without a permission its members are nowhere, and those of all others are there."""
    says = registration({**EVERYTHING, missing: False})
    where = {"latitude": 1, "longitude": 2}
    message = events(EMAIL, IDFA, STAMP, ADA, batch=batch(("session_start", {"location": where})))
    _, [request] = await told(message, answers=[DONE], says=says)
    found = request.keys() | request["runtime_environment"].keys() | request["events"][0].keys()
    for permission, members in MAY_SEE.items():
        assert [name in found for name in members] == [permission != missing] * len(members)


async def test_change_of_an_attribute_needs_the_permission_for_attributes() -> None:
    """A partner that may not see attributes is not told of their changes either."""
    change = ("user_attribute_change", {"user_attribute_name": "age", "new": 1})
    says = registration({**EVERYTHING, "allow_user_attributes": False})
    assert await told(events(EMAIL, batch=batch(change)), answers=[], says=says) == (Taken(), [])


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        ({}, 2),
        ({"supported_event_types": ["session_end"]}, 1),
        ({"supported_event_types": ["screen_view"]}, 0),
        ({"supported_event_types": None}, 0),
        ({"supported_runtime_environments": ["android"]}, 0),
        ({"supported_runtime_environments": None}, 2),
        ({"max_data_age_hours": 24}, 1),
        ({"max_data_age_hours": None}, 1),
    ],
    ids=str,
)
async def test_partner_gets_the_events_that_it_takes(registered: Mapping[str, Any], sent: int) -> None:
    """Events of other types, from other environments or too old for the partner are left out."""
    old = {"timestamp_unixtime_ms": NOW_MS - 25 * 3_600_000}
    message = events(EMAIL, batch=batch(("session_start", old), ("session_end", {})))
    says = registration(events={**EVERY_EVENT, **registered})
    outcome, requests = await told(message, answers=[DONE] if sent else [], says=says)
    assert outcome == Taken()
    assert sum(len(request["events"]) for request in requests) == sent


@pytest.mark.parametrize("allowed", [True, False])
async def test_eventless_batch_goes_to_who_wants_it(allowed: bool) -> None:  # noqa: FBT001 - a case of the table
    """What was said of a user without an event goes to partners that ask for it."""
    says = registration({**EVERYTHING, "allow_eventless_batches": allowed})
    outcome, requests = await told(events(EMAIL, batch=batch()), answers=[DONE] if allowed else [], says=says)
    assert outcome == Taken()
    assert [request["events"] for request in requests] == [[]] * allowed


async def test_events_of_nobody_who_may_be_told_are_refused() -> None:
    """Events of a user of whom the partner permits nothing are refused with the reason."""
    says: Answering = registration({"allow_user_attributes": True})
    assert await told(events(), answers=[], says=says) == (Taken(refused={"e-1": NOBODY}), [])


async def test_id_of_an_event_is_the_same_at_each_try() -> None:
    """A partner that gets a batch twice can tell by the ids of its events."""
    message = events(EMAIL, batch=batch(("session_start", {}), ("session_end", {})))
    _, [first] = await told(message, answers=[DONE])
    _, [second] = await told(message, answers=[DONE])
    ids = [event["id"] for event in first["events"]]
    assert ids == [event["id"] for event in second["events"]]
    assert len(set(ids)) == 2


async def test_no_identity_leaves_that_was_not_chosen() -> None:
    """Identities that stand in the batch, and not among those that go out, are nowhere in the request."""
    hidden = {
        "user_identities": [{"identity_type": "email", "identity": "hidden-1"}],
        "device_info": {
            **BATCH["device_info"], "ios_advertising_id": "hidden-2", "push_token": "hidden-3", "android_uuid": "hidden-4"
        },
        "mp_deviceid": "hidden-5",
        "mpid": 666_666,
        "partner_identities": {"Partner_Id": "hidden-6"},
        "integration_attributes": {"1": {"id": "hidden-7"}},
    }  # fmt: skip
    items = (
        ("session_start", {}),
        ("push_message", {"push_message_type": "received", "push_message_token": "hidden-8"}),
        ("push_registration", {"register": True, "registration_token": "hidden-9"}),
        ("user_identity_change", {"new": {"identity_type": "other2", "identity": "hidden-10"}, "old": None}),
    )
    _, [request] = await told(events(EMAIL, batch=batch(*items, **hidden)), answers=[DONE])
    assert "hidden" not in str(request)
    assert "666666" not in str(request)
    assert request["user_identities"] == [EMAIL_THERE]


_MEMBERS = (
    "device_info",
    "application_info",
    "consent_state",
    "user_attributes",
    "system_notifications",
    "source_info",
    "context",
    "ip",
)
_KINDS = st.sampled_from([one[0] for one in (*WRITTEN, *UNWRITTEN)])
_NAMES = st.sampled_from(
    sorted({name for _, data, _ in WRITTEN for name in data} | {"location", "session_id", "message_id"})
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(_MEMBERS), JSON),
    st.lists(st.tuples(_KINDS, st.dictionaries(_NAMES, JSON)), max_size=4),
    st.sampled_from(["iOS", "Android", "web", "roku", "xbox", "desktop", "tvOS"]),
)
async def test_whatever_a_batch_holds_the_request_is_one_of_the_protocol(
    members: dict[str, Any], items: list[tuple[str, dict[str, Any]]], platform: str
) -> None:
    """Members of any type make no request that the protocol does not have; what does not fit is left out."""
    made = batch(*items, **members)
    if isinstance(made["device_info"], dict):
        made["device_info"] = {**made["device_info"], "platform": platform}
    message = events(outgoing(IdentityType.EMAIL, "a@b.example", Encoding.SHA256), IDFA, batch=made)
    outcome, _ = await told(message, answers=[DONE])
    assert outcome == Taken()
