"""What goes out of a batch holds nothing of who the user is but the identities that go out."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import Attribute
from knownas.core.profile.consent import Consent
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, Event, EventBatch
from knownas.core.translation.forwarding import Connection, Forwarded, forward
from knownas.core.translation.forwarding_rules import ForwardedUser
from knownas.core.translation.raw_batch import Sent, raw_batch
from knownas.core.translation.rule import Rule, wanting
from knownas.core.translation.target import MPID
from knownas.core.translation.view import DeviceView, ProfileView
from tests.core.translation.profiles import MARKETING, T, rules, user

AT_MS = 1_700_000_000_000


def kept(*events: Event, device: Device | None = None, **more: Any) -> EventBatch:
    """Make a batch."""
    return EventBatch(Environment.PRODUCTION, AT_MS, "app", Channel.SERVER, events=events, device=device, **more)


def told(batch: EventBatch, view: ProfileView, rule: Rule, name: str = "r-1") -> dict[str, Any]:
    """Return what goes out, as it reads when it has come."""
    outcome = forward(batch, ForwardedUser(view, {"plan": Attribute(("a", "b"), 1)}), Connection(rule))
    assert isinstance(outcome, Forwarded)
    return json.loads(json.dumps(raw_batch(Sent(name, batch, view.mpid, outcome, view.consents))))


def test_it_has_the_members_of_a_raw_output_batch() -> None:
    """In the vendor's names, with numbers for ids that are the same whenever it is written, and others for another batch."""
    play = Event("custom_event", AT_MS - 5, "m-1", {"event_name": "Play"})
    view = user(7, email="a@example.com")
    out = told(kept(play), view, wanting(T.EMAIL))
    assert out == told(kept(play), view, wanting(T.EMAIL))
    assert out["batch_id"] != told(kept(play), view, wanting(T.EMAIL), "r-2")["batch_id"]
    (event,) = out.pop("events")
    assert 0 < event["data"].pop("event_id") < 2**63
    assert 0 < out.pop("batch_id") < 2**63
    assert event == {
        "event_type": "custom_event",
        "data": {
            "event_name": "Play",
            "message_id": "m-1",
            "message_type": "custom_event",
            "timestamp_unixtime_ms": AT_MS - 5,
        },
    }
    assert out == {
        "schema_version": 2,
        "environment": "production",
        "mpid": 7,
        "timestamp_unixtime_ms": AT_MS,
        "source_info": {"channel": "server_to_server"},
        "user_identities": [{"identity_type": "email", "identity": "a@example.com"}],
        "user_attributes": {"plan": ["a", "b"]},
    }


def test_of_two_devices_the_one_that_sent_the_batch_is_told() -> None:
    """With its own id, though another one was seen later; its stamp only if that goes out."""
    seen = DeviceView("das-1", "iOS", {T.IOS_IDFV: "one"}, 1)
    later = DeviceView("das-2", "iOS", {T.IOS_IDFV: "two"}, 2)
    device = Device("das-1", "iOS", {T.IOS_IDFV: "one"}, {"brand": "Apple"}, 1, 1)
    view = user(7, seen, later)
    out = told(kept(device=device), view, wanting(T.IOS_IDFV))
    assert out["device_info"] == {"brand": "Apple", "platform": "iOS", "ios_idfv": "one"}
    assert "mp_deviceid" not in out
    out = told(kept(device=device), view, wanting(T.IOS_IDFV, T.DEVICE_APPLICATION_STAMP))
    assert out["mp_deviceid"] == "das-1"


def test_consent_goes_out_without_the_hardware_by_which_it_was_given() -> None:
    """As events bring it."""
    consent = Consent(consented=True, at_ms=5, document="terms", hardware_id="secret-id")
    view = ProfileView(7, known=True, identities={T.EMAIL: ("a@example.com",)}, consents={MARKETING: consent})
    statement = {"consented": True, "timestamp_unixtime_ms": 5, "document": "terms"}
    assert told(kept(), view, wanting(T.EMAIL))["consent_state"] == {"gdpr": {"marketing": statement}}


def test_a_token_for_push_messages_goes_out_only_where_it_may() -> None:
    """It is an identity of the device that stands in an event."""
    event = Event("push_registration", AT_MS, None, {"register": True, "registration_token": "token"})
    view = ProfileView(7, known=True, identities={T.EMAIL: ("a@example.com",), T.PUSH_TOKEN: ("token",)})
    (without,) = told(kept(event), view, wanting(T.EMAIL))["events"]
    assert "registration_token" not in without["data"]
    (with_it,) = told(kept(event), view, wanting(T.EMAIL, T.PUSH_TOKEN))["events"]
    assert with_it["data"]["registration_token"] == "token"


SECRETS = {kind: f"hidden {kind.value}" for kind in IdentityType}


@given(rules(), st.frozensets(st.sampled_from(IdentityType)), st.sampled_from(Channel))
def test_no_identity_is_told_that_does_not_go_out(rule: Rule, held: frozenset[IdentityType], channel: Channel) -> None:
    """Whatever the profile and the batch have, in whatever fact or member it stands."""
    ids = {kind: SECRETS[kind] for kind in held & DEVICE_TYPES if kind is not T.DEVICE_APPLICATION_STAMP}
    facts = {"brand": "Apple", **{f"{kind.value}_too": value for kind, value in SECRETS.items()}}
    device = Device(SECRETS[T.DEVICE_APPLICATION_STAMP], "iOS", ids, facts, 1, 1)
    push = Event("push_message", AT_MS, None, {"push_message_token": SECRETS[T.PUSH_TOKEN]})
    batch = kept(push, device=device, identities=tuple(sorted(Identity(kind, SECRETS[kind]) for kind in held)))
    view = ProfileView(
        7,
        known=True,
        identities={kind: (SECRETS[kind],) for kind in held},
        devices=(DeviceView(device.stamp, "iOS", ids, 1, limits_ad_tracking=False),),
    )
    outcome = forward(
        batch._replace(channel=channel),
        ForwardedUser(view),
        Connection(rule),
    )
    if isinstance(outcome, Forwarded):
        text = json.dumps(raw_batch(Sent("r", batch, 7, outcome, view.consents)))
        going = {one.value for one in outcome.translated.identities if one.target is not MPID}
        assert not [value for value in SECRETS.values() if f'"{value}"' in text and value not in going]
        listed = outcome.translated.identities
        assert all(
            json.dumps(one.value) in text for one in listed if one.target not in DEVICE_TYPES and one.target is not MPID
        )
