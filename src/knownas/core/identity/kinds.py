"""Lists the identity types and the name of each on every surface, and says what a valid identity is.

The same identity is spelled differently by IDSync, by the Events API and by the numeric enumeration of the
SDKs (idsync §1.4, platform §1.5). This module is the one place where those spellings meet: a wire format that
needs a name looks it up here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX


class IdentityType(StrEnum):
    """A type of identity; the value is its IDSync name."""

    OTHER = "other"
    CUSTOMER_ID = "customerid"
    FACEBOOK = "facebook"
    TWITTER = "twitter"
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    EMAIL = "email"
    FACEBOOK_CUSTOM_AUDIENCE_ID = "facebookcustomaudienceid"
    OTHER2 = "other2"
    OTHER3 = "other3"
    OTHER4 = "other4"
    OTHER5 = "other5"
    OTHER6 = "other6"
    OTHER7 = "other7"
    OTHER8 = "other8"
    OTHER9 = "other9"
    OTHER10 = "other10"
    MOBILE_NUMBER = "mobile_number"
    PHONE_NUMBER_2 = "phone_number_2"
    PHONE_NUMBER_3 = "phone_number_3"
    IOS_IDFA = "ios_idfa"
    IOS_IDFV = "ios_idfv"
    PUSH_TOKEN = "push_token"  # noqa: S105 - the name of an identity type, not a credential
    DEVICE_APPLICATION_STAMP = "device_application_stamp"
    ANDROID_AAID = "android_aaid"
    ANDROID_UUID = "android_uuid"
    FIRE_AID = "fire_aid"
    AMP_ID = "amp_id"
    ROKU_AID = "roku_aid"
    ROKU_PUBLISHER_ID = "roku_publisher_id"
    MICROSOFT_AID = "microsoft_aid"
    MICROSOFT_PUBLISHER_ID = "microsoft_publisher_id"


class Surface(StrEnum):
    """A place where identities are spelled."""

    IDSYNC = "idsync"
    EVENTS = "events"
    PROFILE = "profile"
    DSR = "dsr"
    FIREHOSE = "firehose"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Kind:
    """One identity type: what it identifies, and its names.

    `firehose` is its name in the open partner protocol (platform §7.6), `stream` in the messages of an audience's stream (§6.5).
    `also` and `dsr_also` are further spellings that are read and never written. `code` is the number under which stores keep the
    type; it never changes and is never reused. Up to 25 it is the enumeration of the SDKs (8 is the analytics-only `alias`, which
    IDSync does not know).
    """

    type: IdentityType
    code: int
    is_device: bool
    events: str
    profile: str
    dsr: str | None
    firehose: str | None
    stream: str | None
    also: tuple[str, ...] = ()
    dsr_also: tuple[str, ...] = ()


_T = IdentityType

_FIREHOSE: Final[Mapping[IdentityType, str | None]] = MappingProxyType(
    {
        _T.CUSTOMER_ID: "customer",
        _T.FACEBOOK_CUSTOM_AUDIENCE_ID: None,
        # It has a name for each maker's service: `push_token_on_firehose`.
        _T.PUSH_TOKEN: None,
        # A field of the message, not one of its identities.
        _T.DEVICE_APPLICATION_STAMP: None,
        _T.AMP_ID: None,
    }
)
"""Where the partner protocol spells a type otherwise than IDSync (users) or the Profile API (devices), or not at all."""

_STREAM: Final[Mapping[IdentityType, str]] = MappingProxyType(
    {
        _T.OTHER: "Other",
        _T.CUSTOMER_ID: "CustomerId",
        _T.FACEBOOK: "FacebookId",
        _T.TWITTER: "TwitterId",
        _T.GOOGLE: "GoogleId",
        _T.MICROSOFT: "MicrosoftId",
        _T.YAHOO: "YahooId",
        _T.EMAIL: "Email",
        _T.OTHER2: "Other2",
        _T.OTHER3: "Other3",
        _T.OTHER4: "Other4",
        _T.OTHER5: "Other5",
        _T.OTHER6: "Other6",
        _T.OTHER7: "Other7",
        _T.OTHER8: "Other8",
        _T.OTHER9: "Other9",
        _T.OTHER10: "Other10",
        # Of the devices only Google's is documented. The others are spelled like it.
        _T.IOS_IDFA: "AppleAdvertisingIdentifier",
        _T.IOS_IDFV: "AppleVendorIdentifier",
        _T.ANDROID_AAID: "GoogleAdvertisingIdentifier",
        _T.ANDROID_UUID: "AndroidIdentifier",
        _T.FIRE_AID: "FireAdvertisingIdentifier",
        _T.ROKU_AID: "RokuAdvertisingIdentifier",
        _T.ROKU_PUBLISHER_ID: "RokuPublisherIdentifier",
        _T.MICROSOFT_AID: "MicrosoftAdvertisingIdentifier",
        _T.MICROSOFT_PUBLISHER_ID: "MicrosoftPublisherIdentifier",
    }
)
"""The names in the messages of an audience's stream; a type without one is not sent there."""


def _user(kind: IdentityType, code: int, events: str, dsr: str | None = None, *also: str) -> Kind:
    firehose = _FIREHOSE.get(kind, kind.value)
    stream = _STREAM.get(kind)
    return Kind(
        kind, code, is_device=False, events=events, profile=events, dsr=dsr, firehose=firehose, stream=stream, also=also
    )


def _device(kind: IdentityType, code: int, events: str, profile: str, dsr: str | None = None, *dsr_also: str) -> Kind:
    return Kind(
        kind,
        code,
        is_device=True,
        events=events,
        profile=profile,
        dsr=dsr,
        firehose=_FIREHOSE.get(kind, profile),
        stream=_STREAM.get(kind),
        dsr_also=dsr_also,
    )


KINDS: Final[tuple[Kind, ...]] = (
    _user(_T.OTHER, 0, "other", "other"),
    # The official server SDKs spell it `customerid` in events as well.
    _user(_T.CUSTOMER_ID, 1, "customer_id", "controller_customer_id", "customerid"),
    _user(_T.FACEBOOK, 2, "facebook"),
    _user(_T.TWITTER, 3, "twitter"),
    _user(_T.GOOGLE, 4, "google"),
    _user(_T.MICROSOFT, 5, "microsoft"),
    _user(_T.YAHOO, 6, "yahoo"),
    _user(_T.EMAIL, 7, "email", "email"),
    # The UWP SDK sends the underscored form to IDSync too.
    _user(_T.FACEBOOK_CUSTOM_AUDIENCE_ID, 9, "facebook_custom_audience_id", None, "facebook_custom_audience_id"),
    _user(_T.OTHER2, 10, "other_id_2", "other2"),
    _user(_T.OTHER3, 11, "other_id_3", "other3"),
    _user(_T.OTHER4, 12, "other_id_4", "other4"),
    _user(_T.OTHER5, 13, "other_id_5", "other5"),
    _user(_T.OTHER6, 14, "other_id_6", "other6"),
    _user(_T.OTHER7, 15, "other_id_7", "other7"),
    _user(_T.OTHER8, 16, "other_id_8", "other8"),
    _user(_T.OTHER9, 17, "other_id_9", "other9"),
    _user(_T.OTHER10, 18, "other_id_10", "other10"),
    _user(_T.MOBILE_NUMBER, 19, "mobile_number", "mobile_number"),
    _user(_T.PHONE_NUMBER_2, 20, "phone_number_2", "phone_number_2"),
    _user(_T.PHONE_NUMBER_3, 21, "phone_number_3", "phone_number_3"),
    _device(_T.IOS_IDFA, 22, "ios_advertising_id", "ios_advertising_id", "ios_advertising_id"),
    _device(_T.IOS_IDFV, 23, "ios_idfv", "ios_vendor_id", "ios_vendor_id"),
    _device(_T.PUSH_TOKEN, 24, "push_token", "push_token"),
    # A top-level field of a batch, not a member of `device_info`.
    _device(_T.DEVICE_APPLICATION_STAMP, 25, "mp_deviceid", "device_application_stamp"),
    _device(_T.ANDROID_AAID, 26, "android_advertising_id", "google_advertising_id", "android_advertising_id"),
    _device(_T.ANDROID_UUID, 27, "android_uuid", "android_id", "android_id"),
    _device(_T.FIRE_AID, 28, "fire_advertising_id", "fire_advertising_id", "fire_advertising_id"),
    _device(_T.AMP_ID, 29, "amp_id", "amp_id"),
    _device(_T.ROKU_AID, 30, "roku_advertising_id", "roku_advertising_id", "roku_advertising_id"),
    # One table of the privacy documents misspells it.
    _device(
        _T.ROKU_PUBLISHER_ID, 31, "roku_publisher_id", "roku_publisher_id", "roku_publisher_id", "roku_publishing_id"
    ),
    _device(_T.MICROSOFT_AID, 32, "microsoft_advertising_id", "microsoft_advertising_id", "microsoft_advertising_id"),
    _device(
        _T.MICROSOFT_PUBLISHER_ID, 33, "microsoft_publisher_id", "microsoft_publisher_id", "microsoft_publisher_id"
    ),
)

KIND_OF: Final[Mapping[IdentityType, Kind]] = MappingProxyType({kind.type: kind for kind in KINDS})
TYPE_OF_CODE: Final[Mapping[int, IdentityType]] = MappingProxyType({kind.code: kind.type for kind in KINDS})
DEVICE_TYPES: Final = frozenset(kind.type for kind in KINDS if kind.is_device)

ADVERTISING_TYPES: Final = frozenset({_T.IOS_IDFA, _T.ANDROID_AAID, _T.FIRE_AID, _T.ROKU_AID, _T.MICROSOFT_AID})
"""The ids that platforms give devices for advertising, and whose use their users can limit."""

PHONE_TYPES: Final = frozenset({_T.MOBILE_NUMBER, _T.PHONE_NUMBER_2, _T.PHONE_NUMBER_3})


def name_on(surface: Surface, identity_type: IdentityType) -> str | None:
    """Return the name a surface writes for a type; None where the surface has none."""
    kind = KIND_OF[identity_type]
    match surface:
        case Surface.IDSYNC:
            return kind.type.value
        case Surface.EVENTS:
            return kind.events
        case Surface.PROFILE:
            return kind.profile
        case Surface.DSR:
            return kind.dsr
        case Surface.FIREHOSE:
            return kind.firehose
        case Surface.STREAM:
            return kind.stream


def push_token_on_firehose(platform: str | None) -> str | None:
    """Return the name of a push token in the partner protocol, by the platform of its device; None if it has none there."""
    match (platform or "").lower():
        case "ios" | "tvos":
            return "apple_push_notification_token"
        case "android":
            return "google_cloud_messaging_token"
        case _:
            return None


def _spellings(surface: Surface) -> Mapping[str, IdentityType]:
    names: dict[str, IdentityType] = {}
    for kind in KINDS:
        also: tuple[str, ...] = ()
        if surface in (Surface.IDSYNC, Surface.EVENTS):
            also = kind.also
        elif surface is Surface.PROFILE:
            # Who asks there has the name from where it sent the value; no two types share one.
            also = (*kind.also, kind.type.value, kind.events)
        elif surface is Surface.DSR:
            also = kind.dsr_also
        names.update(dict.fromkeys(also, kind.type))
        name = name_on(surface, kind.type)
        if name is not None:
            names[name] = kind.type
    return MappingProxyType(names)


_SPELLINGS: Final[Mapping[Surface, Mapping[str, IdentityType]]] = MappingProxyType(
    {surface: _spellings(surface) for surface in Surface}
)


def types_named_on(surface: Surface) -> Mapping[str, IdentityType]:
    """Return every spelling that a surface accepts, with the type it means."""
    return _SPELLINGS[surface]


class InvalidIdentity(ValueError):
    """The value can't be an identity; the message says why, for the caller's eyes."""


class Identity(NamedTuple):
    """A typed value, such as `email = a@example.com`. Compared exactly, to the byte (idsync §1.4)."""

    type: IdentityType
    value: str


def identity(identity_type: IdentityType, value: str) -> Identity:
    """Build an identity.

    Raises:
        InvalidIdentity: the value is empty, longer than 256 characters, or holds a character that no store
            and no wire format can carry (NUL, a lone surrogate).
    """
    fault = value_fault(value)
    if fault is not None:
        raise InvalidIdentity(f"{identity_type.value}: {fault}")
    return Identity(identity_type, value)


def value_fault(value: str) -> str | None:
    """Say what is wrong with an identity value; None if nothing is."""
    if not value:
        return "the value is empty"
    if len(value) > IDENTITY_VALUE_CHARACTERS_MAX:
        return f"the value has {len(value)} characters, at most {IDENTITY_VALUE_CHARACTERS_MAX} are allowed"
    if "\0" in value:
        return "the value contains the character NUL"
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "the value contains half of a surrogate pair"
    return None


def identities(given: Mapping[IdentityType, str]) -> tuple[Identity, ...]:
    """Build the identities of one request in their canonical order, so that the order on the wire never matters.

    Raises:
        InvalidIdentity: one of the values can't be an identity.
    """
    return tuple(sorted(identity(kind, value) for kind, value in given.items()))
