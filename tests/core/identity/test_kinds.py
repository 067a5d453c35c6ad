"""The identity types, their names on every surface (idsync §1.4, platform §1.5), and what a value may be."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knownas.core.identity.kinds import (
    DEVICE_TYPES,
    KIND_OF,
    KINDS,
    PHONE_TYPES,
    TYPE_OF_CODE,
    IdentityType,
    InvalidIdentity,
    Surface,
    identities,
    identity,
    name_on,
    push_token_on_firehose,
    types_named_on,
    value_fault,
)

T = IdentityType

USER_NAMES = {
    # type: (Events, number of the SDKs, data subject requests)
    "other": ("other", 0, "other"),
    "customerid": ("customer_id", 1, "controller_customer_id"),
    "facebook": ("facebook", 2, None),
    "twitter": ("twitter", 3, None),
    "google": ("google", 4, None),
    "microsoft": ("microsoft", 5, None),
    "yahoo": ("yahoo", 6, None),
    "email": ("email", 7, "email"),
    "facebookcustomaudienceid": ("facebook_custom_audience_id", 9, None),
    "other2": ("other_id_2", 10, "other2"),
    "other3": ("other_id_3", 11, "other3"),
    "other4": ("other_id_4", 12, "other4"),
    "other5": ("other_id_5", 13, "other5"),
    "other6": ("other_id_6", 14, "other6"),
    "other7": ("other_id_7", 15, "other7"),
    "other8": ("other_id_8", 16, "other8"),
    "other9": ("other_id_9", 17, "other9"),
    "other10": ("other_id_10", 18, "other10"),
    "mobile_number": ("mobile_number", 19, "mobile_number"),
    "phone_number_2": ("phone_number_2", 20, "phone_number_2"),
    "phone_number_3": ("phone_number_3", 21, "phone_number_3"),
}

DEVICE_NAMES = {
    # type: (Events, Profile API, data subject requests)
    "ios_idfa": ("ios_advertising_id", "ios_advertising_id", "ios_advertising_id"),
    "ios_idfv": ("ios_idfv", "ios_vendor_id", "ios_vendor_id"),
    "android_aaid": ("android_advertising_id", "google_advertising_id", "android_advertising_id"),
    "android_uuid": ("android_uuid", "android_id", "android_id"),
    "roku_aid": ("roku_advertising_id",) * 3,
    "roku_publisher_id": ("roku_publisher_id",) * 3,
    "fire_aid": ("fire_advertising_id",) * 3,
    "microsoft_aid": ("microsoft_advertising_id",) * 3,
    "microsoft_publisher_id": ("microsoft_publisher_id",) * 3,
}


@pytest.mark.parametrize("name", USER_NAMES)
def test_user_identities_are_named_as_documented(name: str) -> None:
    """Each user identity has the documented name for IDSync, Events, profiles and privacy, and the SDKs' number."""
    events, code, dsr = USER_NAMES[name]
    kind = T(name)
    assert name_on(Surface.IDSYNC, kind) == name
    assert name_on(Surface.EVENTS, kind) == events
    assert name_on(Surface.PROFILE, kind) == events
    assert name_on(Surface.DSR, kind) == dsr
    assert KIND_OF[kind].code == code
    assert kind not in DEVICE_TYPES


@pytest.mark.parametrize("name", DEVICE_NAMES)
def test_device_identities_are_named_as_documented(name: str) -> None:
    """Each device identity has the documented name for IDSync, `device_info`, profiles and privacy."""
    events, profile, dsr = DEVICE_NAMES[name]
    kind = T(name)
    assert name_on(Surface.IDSYNC, kind) == name
    assert name_on(Surface.EVENTS, kind) == events
    assert name_on(Surface.PROFILE, kind) == profile
    assert name_on(Surface.DSR, kind) == dsr
    assert kind in DEVICE_TYPES


def test_devices_without_a_name_for_privacy_have_none() -> None:
    """The push token, the device application stamp and the AMP client have no name in data subject requests."""
    for kind in (T.PUSH_TOKEN, T.DEVICE_APPLICATION_STAMP, T.AMP_ID):
        assert name_on(Surface.DSR, kind) is None
        assert kind not in types_named_on(Surface.DSR).values()
    assert name_on(Surface.EVENTS, T.DEVICE_APPLICATION_STAMP) == "mp_deviceid"
    assert [KIND_OF[kind].code for kind in (T.IOS_IDFA, T.IOS_IDFV, T.PUSH_TOKEN, T.DEVICE_APPLICATION_STAMP)] == [
        22,
        23,
        24,
        25,
    ]


def test_every_type_is_listed_once() -> None:
    """Every type has a kind, no two share a number, and the number 8 stays free: `alias` is no IDSync type."""
    assert [kind.type for kind in KINDS] == list(KIND_OF)
    assert set(KIND_OF) == set(T)
    assert len(TYPE_OF_CODE) == len(KINDS)
    assert 8 not in TYPE_OF_CODE
    assert set(USER_NAMES) | DEVICE_TYPES == set(T)


@pytest.mark.parametrize("surface", Surface)
def test_every_name_leads_back_to_its_type(surface: Surface) -> None:
    """What a surface writes for a type it also reads as that type, and no name means two types."""
    named = types_named_on(surface)
    for kind in T:
        name = name_on(surface, kind)
        assert name is None or named[name] is kind


@pytest.mark.parametrize(
    ("surface", "name", "kind"),
    [
        (Surface.EVENTS, "customerid", T.CUSTOMER_ID),
        (Surface.EVENTS, "customer_id", T.CUSTOMER_ID),
        (Surface.IDSYNC, "facebook_custom_audience_id", T.FACEBOOK_CUSTOM_AUDIENCE_ID),
        (Surface.IDSYNC, "facebookcustomaudienceid", T.FACEBOOK_CUSTOM_AUDIENCE_ID),
        (Surface.DSR, "roku_publisher_id", T.ROKU_PUBLISHER_ID),
        (Surface.DSR, "roku_publishing_id", T.ROKU_PUBLISHER_ID),
    ],
)
def test_spellings_that_official_clients_send_are_accepted(surface: Surface, name: str, kind: IdentityType) -> None:
    """Where the documentation or an official SDK spells a name in two ways, both are read (platform §1.5)."""
    assert types_named_on(surface)[name] is kind


@pytest.mark.parametrize("name", ["alias", "email_sha256", "mp_deviceid", "Email", "other1", ""])
def test_names_that_idsync_does_not_know_are_not_read(name: str) -> None:
    """A misspelled name, another surface's name or the analytics-only alias is no IDSync type."""
    assert name not in types_named_on(Surface.IDSYNC)


@pytest.mark.parametrize(
    "value",
    ["a", "a" * 256, "\u00e9" * 256, "\U0001f600" * 256, " ", "A@Example.com ", "\n", "null"],
)
def test_values_of_up_to_256_characters_are_valid(value: str) -> None:
    """A value has 1 to 256 characters, counted as code points, of whatever kind."""
    assert value_fault(value) is None
    assert identity(T.EMAIL, value) == (T.EMAIL, value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "empty"),
        ("a" * 257, "257 characters"),
        ("\U0001f600" * 257, "257 characters"),
        ("a\0b", "NUL"),
        ("\0", "NUL"),
        ("\ud800", "surrogate"),
        ("a\udfffb", "surrogate"),
    ],
)
def test_values_that_cannot_be_kept_are_refused(value: str, why: str) -> None:
    """An empty or overlong value, a NUL and half of a surrogate pair are refused, and the message says which."""
    assert why in (value_fault(value) or "")
    with pytest.raises(InvalidIdentity, match="email: .*" + why):
        identity(T.EMAIL, value)
    with pytest.raises(InvalidIdentity):
        identities({T.OTHER: "fine", T.EMAIL: value})


@given(st.text(st.characters(), min_size=1, max_size=300))
def test_a_valid_value_can_be_written_as_utf8(value: str) -> None:
    """Whatever is accepted survives UTF-8 and JSON unchanged, and is compared exactly."""
    if value_fault(value) is None:
        assert value.encode().decode() == value
        assert len(value) <= 256


@given(st.dictionaries(st.sampled_from(T), st.sampled_from(("1", "2"))), st.randoms(use_true_random=False))
def test_identities_have_one_order(given_identities: dict[IdentityType, str], random: Random) -> None:
    """The order of the mapping given does not show in the identities."""
    pairs = list(given_identities.items())
    random.shuffle(pairs)
    assert identities(dict(pairs)) == identities(given_identities)


def test_partners_read_the_documented_names() -> None:
    """To partners users are named as to IDSync, but for the customer, and devices as in the Profile API (platform §1.5)."""
    for kind in T:
        name = name_on(Surface.FIREHOSE, kind)
        if kind is T.CUSTOMER_ID:
            assert name == "customer"
        elif kind in {T.FACEBOOK_CUSTOM_AUDIENCE_ID, T.PUSH_TOKEN, T.DEVICE_APPLICATION_STAMP, T.AMP_ID}:
            assert name is None
        else:
            assert name == name_on(Surface.PROFILE if kind in DEVICE_TYPES else Surface.IDSYNC, kind)


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("iOS", "apple_push_notification_token"),
        ("tvOS", "apple_push_notification_token"),
        ("Android", "google_cloud_messaging_token"),
        ("web", None),
        (None, None),
    ],
)
def test_a_push_token_is_named_after_its_service(platform: str | None, name: str | None) -> None:
    """A partner is told whose service a push token is of, which follows from the platform of its device."""
    assert push_token_on_firehose(platform) == name


def test_the_stream_of_an_audience_has_the_documented_names() -> None:
    """Messages of a stream name identities as the documented examples do; phones have no name there (platform §6.5)."""
    named = {kind: name_on(Surface.STREAM, kind) for kind in T}
    assert named[T.CUSTOMER_ID] == "CustomerId"
    assert named[T.EMAIL] == "Email"
    assert (named[T.OTHER], named[T.OTHER3], named[T.OTHER10]) == ("Other", "Other3", "Other10")
    assert (named[T.FACEBOOK], named[T.ANDROID_AAID]) == ("FacebookId", "GoogleAdvertisingIdentifier")
    assert {named[kind] for kind in PHONE_TYPES} == {None}
    spelled = [name for name in named.values() if name is not None]
    assert len(set(spelled)) == len(spelled)
