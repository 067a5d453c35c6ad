"""What is looked at of a profile when it is translated."""

from typing import Any

import pytest

from knownas.core.identity.kinds import IdentityType, identities
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import Record
from knownas.core.profile.consent import Consent
from knownas.core.profile.device import Device
from knownas.core.profile.event import Channel, EventBatch
from knownas.core.profile.section import Section
from knownas.core.translation.view import limits_ad_tracking, view_of
from tests.core.translation.profiles import MARKETING, idfa

T = IdentityType


def device(stamp: str | None, last_seen_ms: int, *, platform: str = "iOS", **facts: Any) -> Device:
    return Device(stamp, platform, {T.IOS_IDFA: idfa(last_seen_ms)}, facts, 0, last_seen_ms)


RECORD = Record(
    7,
    {T.CUSTOMER_ID: ("c1",), T.EMAIL: ("a@example.com", "b@example.com")},
    {T.OTHER: ("o",)},
    known=True,
    created_ms=1,
    active_ms=1,
)


def section(*devices: Device, **members: Any) -> Section:
    return Section(1, 1, devices=devices, **members)


def batch(channel: Channel = Channel.SERVER, seen: Device | None = None, **given: str) -> EventBatch:
    brought = identities({T(name): value for name, value in given.items()})
    return EventBatch(Environment.PRODUCTION, 9, "app", channel, identities=brought, device=seen)


def test_a_view_has_the_whole_record() -> None:
    """The identities by which a profile is found go out, and those that it only carries."""
    view = view_of(RECORD, None)
    assert (view.mpid, view.known, view.opted_out, view.devices, view.consents) == (7, True, False, (), {})
    assert view.identities == {**RECORD.identities, **RECORD.carried}


def test_devices_of_all_workspaces_are_seen_and_consent_of_one() -> None:
    """What other workspaces have collected goes out as well, by consent that was given in this one."""
    here = section(device("d1", 5), consents={MARKETING: Consent(consented=False, at_ms=1)})
    there = section(device("d1", 8), device("d2", 3), consents={MARKETING: Consent(consented=True, at_ms=2)})
    view = view_of(RECORD, here, [there])
    assert [(one.stamp, one.last_seen_ms, one.ids) for one in view.devices] == [
        ("d1", 8, {T.IOS_IDFA: idfa(8)}),
        ("d2", 3, {T.IOS_IDFA: idfa(3)}),
    ]
    assert view.consents == here.consents
    assert view_of(RECORD, None, [there]).consents == {}


def test_opting_out_counts_whichever_workspace_heard_it() -> None:
    """Who has opted out has opted out as a person."""
    assert view_of(RECORD, section(), [section(opted_out=True, opted_out_ms=3)]).opted_out is True


@pytest.mark.parametrize(
    ("facts", "limited"),
    [
        ({}, None),
        ({"limit_ad_tracking": True}, True),
        ({"limit_ad_tracking": False}, False),
        ({"limit_ad_tracking": "yes"}, None),
        ({"att_authorization_status": "denied", "limit_ad_tracking": False}, True),
        ({"att_authorization_status": "Restricted"}, True),
        ({"att_authorization_status": "authorized"}, None),
        ({"att_authorization_status": 1}, None),
    ],
)
def test_a_denied_request_to_track_limits_as_the_switch_does(
    facts: dict[str, Any],
    limited: bool | None,  # noqa: FBT001 - a case
) -> None:
    """Ad tracking is limited by either of the two ways in which a user can say so."""
    assert limits_ad_tracking(device(None, 1, **facts)) is limited


def test_a_stamp_is_an_id_of_its_device() -> None:
    """The device application stamp goes out as an id of the device, which others are as well."""
    (seen,) = view_of(RECORD, section(device("d1", 5))).devices
    assert seen.id_of(T.DEVICE_APPLICATION_STAMP) == "d1"
    assert seen.id_of(T.IOS_IDFA) == idfa(5)
    assert seen.id_of(T.ANDROID_AAID) is None


def test_a_batch_adds_what_it_brings() -> None:
    """With a batch goes what it says itself: it was said last, and its device was seen."""
    view = view_of(RECORD, section(), (), batch(seen=device("d9", 9), email="a@example.com", facebook="f"))
    assert view.identities[T.EMAIL] == ("b@example.com", "a@example.com")
    assert view.identities[T.FACEBOOK] == ("f",)
    assert [one.stamp for one in view.devices] == ["d9"]


def test_a_batch_brings_no_login_of_somebody_else() -> None:
    """Of types that say who somebody is only what the profile has goes out, whatever a batch says."""
    view = view_of(RECORD, None, (), batch(customerid="bob", facebook="f"), frozenset({T.CUSTOMER_ID}))
    assert view.identities[T.CUSTOMER_ID] == ("c1",)
    assert view.identities[T.FACEBOOK] == ("f",)


def test_what_an_sdk_says_of_identities_does_not_go_out() -> None:
    """The key of an SDK is public, so its batches put no identity beside somebody else's."""
    assert (
        view_of(RECORD, None, (), batch(Channel.JAVASCRIPT, email="evil@example.com")).identities
        == view_of(RECORD, None).identities
    )
