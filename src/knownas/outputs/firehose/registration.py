"""Reads what a partner says of itself: which identities it may be sent and how they are written, what else it may see, what it processes.

What is not said is not allowed. A type that this server does not know is kept by its name, and nothing is sent for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from knownas.core.identity.kinds import IdentityType, Surface, name_on
from knownas.core.translation.encoding import Encoding
from knownas.outputs.limits import PERMISSIONS_MAX

HOURS_DEFAULT: Final = 24
"""The age up to which events are sent if a partner says nothing else (platform §7.6)."""

HOURS_ALL: Final = -1
"""What a partner says that takes events of any age."""

_PUSH_TOKENS: Final = ("apple_push_notification_token", "google_cloud_messaging_token")


class Permission(msgspec.Struct, frozen=True):
    """One type of identity that a partner may be sent, by its name in the protocol."""

    type: str
    encoding: Encoding
    required: bool = False


class _Permissions(msgspec.Struct, frozen=True):
    user_identities: tuple[Permission, ...] | None = None
    device_identities: tuple[Permission, ...] | None = None
    partner_identities: tuple[Permission, ...] | None = None
    allow_access_mpid: bool | None = None
    allow_access_device_application_stamp: bool | None = None
    allow_access_location: bool | None = None
    allow_access_ip_address: bool | None = None
    allow_access_http_user_agent: bool | None = None
    allow_device_info: bool | None = None
    allow_user_attributes: bool | None = None
    allow_audience_user_attributes: bool | None = None
    allow_consent_state: bool | None = None
    allow_platform_fields: bool | None = None
    allow_eventless_batches: bool | None = None


class _Setting(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    required: bool | None = None


class _Bulk(msgspec.Struct, frozen=True):
    bulk_forward_wait_for_messages: int | None = None
    bulk_forward_wait_in_minutes: int | None = None


class _Events(msgspec.Struct, frozen=True):
    account_settings: tuple[_Setting, ...] | None = None
    supported_event_types: tuple[str, ...] | None = None
    supported_runtime_environments: tuple[str, ...] | None = None
    supported_system_notification_types: tuple[str, ...] | None = None
    max_data_age_hours: int | None = None


class _Audiences(msgspec.Struct, frozen=True):
    account_settings: tuple[_Setting, ...] | None = None
    audience_subscription_settings: tuple[_Setting, ...] | None = None
    bulk_configuration: _Bulk | None = None


class _Erasures(msgspec.Struct, frozen=True):
    account_settings: tuple[_Setting, ...] | None = None
    supported_dsr_types: tuple[str, ...] | None = None
    domain: str | None = None


class _Response(msgspec.Struct, frozen=True):
    name: str = ""
    version: str = ""
    description: str = ""
    permissions: _Permissions | None = None
    event_processing_registration: _Events | None = None
    audience_processing_registration: _Audiences | None = None
    dsr_processing_registration: _Erasures | None = None


@dataclass(frozen=True, slots=True)
class EventsRegistration:
    """Which events a partner takes: of which types, from which runtime environments (None: of all), and up to which age in hours."""

    types: frozenset[str]
    environments: frozenset[str] | None
    notifications: frozenset[str]
    age_hours_max: int = HOURS_DEFAULT


@dataclass(frozen=True, slots=True)
class Registration:
    """What a partner says of itself.

    `permissions` are of the identities of users and of devices, in its order. `allowed` are the names of what else it may see, such as
    `allow_access_mpid`. `settings` are the ids of account settings that it needs. `events` is None if it takes none.
    """

    name: str
    permissions: tuple[Permission, ...] = ()
    allowed: frozenset[str] = frozenset()
    events: EventsRegistration | None = None
    takes_audiences: bool = False
    takes_erasures: bool = False
    settings: frozenset[str] = frozenset()
    of_type: Mapping[IdentityType, tuple[Permission, ...]] = field(init=False, compare=False)
    """The permissions by the identity type that they are of."""

    def __post_init__(self) -> None:
        by_type = {kind: tuple(one for one in self.permissions if one.type in names) for kind, names in NAMES.items()}
        object.__setattr__(self, "of_type", {kind: found for kind, found in by_type.items() if found})


def _names(kind: IdentityType) -> tuple[str, ...]:
    if kind is IdentityType.PUSH_TOKEN:
        return _PUSH_TOKENS
    name = name_on(Surface.FIREHOSE, kind)
    return () if name is None else (name,)


NAMES: Final[Mapping[IdentityType, tuple[str, ...]]] = {kind: _names(kind) for kind in IdentityType}
"""The names of each type in the protocol: a push token has one for each maker's service, some types have none."""


def registration_in(body: bytes) -> Registration | str:
    """Read the members of a `module_registration_response`. Returns a sentence if it can't be read."""
    try:
        response = msgspec.json.decode(body, type=_Response)
    except (msgspec.DecodeError, RecursionError) as error:
        # It says which member is of another type, and no value.
        return f"its registration can't be read: {error}"
    given = response.permissions or _Permissions()
    permissions = (*(given.user_identities or ()), *(given.device_identities or ()))
    if len(permissions) > PERMISSIONS_MAX:
        return f"its registration has more than {PERMISSIONS_MAX} identities"
    allowed = frozenset(name for name in _Permissions.__struct_fields__ if getattr(given, name) is True)
    events = response.event_processing_registration
    audiences, erasures = response.audience_processing_registration, response.dsr_processing_registration
    needed = (part.account_settings or () for part in (events, audiences, erasures) if part is not None)
    return Registration(
        response.name,
        permissions,
        allowed,
        None if events is None else _events(events),
        takes_audiences=audiences is not None,
        takes_erasures=erasures is not None and "erasure" in (erasures.supported_dsr_types or ("erasure",)),
        settings=frozenset(one.id for part in needed for one in part if one.required),
    )


def _events(given: _Events) -> EventsRegistration:
    hours = given.max_data_age_hours
    return EventsRegistration(
        frozenset(given.supported_event_types or ()),
        None if given.supported_runtime_environments is None else frozenset(given.supported_runtime_environments),
        frozenset(given.supported_system_notification_types or ()),
        HOURS_DEFAULT if hours is None else hours,
    )
