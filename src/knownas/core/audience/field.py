"""Lists what a definition can ask about: the models, their paths, and which value each means (our catalogue, platform §6.3).

The schema leaves names of models and paths free. These are ours:

| Model | Paths |
|---|---|
| `user` | `mpid`, `is_known`, `first_seen`, `last_seen`, `is_opted_out`, `limit_ad_tracking`; any other is a user attribute |
| `user_attributes` | the name of an attribute, also one that `user` has another meaning for |
| `calculated_attributes` | the name of one |
| `user_identities`, `device_identities` | an identity type, as IDSync, the Events API or the Profile API spells it |
| `consent` | `gdpr.PURPOSE` or `ccpa.data_sale_opt_out`, each also with `.timestamp`, `.document`, `.location` or `.hardware_id` after it |
| `devices` | `platform`, `first_seen`, `last_seen`, or a member of the device's description, such as `os_version` |
| `attribution` | `publisher`, `campaign`, `timestamp` |
| `events` | `event_id`, `type`, `name`, `timestamp`, `message_id`, `attributes.NAME` of the event's own; any other is a path into its data, such as `product_action.total_amount` |

A user has many identities, devices, attributions and events: a field of them has many values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from knownas.core.identity.kinds import KIND_OF, IdentityType, Surface, types_named_on
from knownas.core.profile.consent import CCPA_PURPOSE, Purpose, Regulation


class Model(StrEnum):
    """What is known of a user, sorted by where it comes from."""

    USER = "user"
    USER_ATTRIBUTES = "user_attributes"
    CALCULATED_ATTRIBUTES = "calculated_attributes"
    USER_IDENTITIES = "user_identities"
    DEVICE_IDENTITIES = "device_identities"
    CONSENT = "consent"
    DEVICES = "devices"
    ATTRIBUTION = "attribution"
    EVENTS = "events"

    @property
    def has_items(self) -> bool:
        """Whether a user has many of it, each with fields of its own: only these can be counted."""
        return self in (Model.DEVICES, Model.ATTRIBUTION, Model.EVENTS)


class UserFact(StrEnum):
    """What holds of a user as a whole."""

    MPID = "mpid"
    IS_KNOWN = "is_known"
    FIRST_SEEN = "first_seen"
    LAST_SEEN = "last_seen"
    IS_OPTED_OUT = "is_opted_out"
    LIMIT_AD_TRACKING = "limit_ad_tracking"


class ConsentFact(StrEnum):
    """What a statement of consent says."""

    CONSENTED = "consented"
    TIMESTAMP = "timestamp"
    DOCUMENT = "document"
    LOCATION = "location"
    HARDWARE_ID = "hardware_id"


class AttributionFact(StrEnum):
    """What is known of who brought the user."""

    PUBLISHER = "publisher"
    CAMPAIGN = "campaign"
    TIMESTAMP = "timestamp"


class EventFact(StrEnum):
    """What every event has, or may have."""

    EVENT_ID = "event_id"
    TYPE = "type"
    NAME = "name"
    TIMESTAMP = "timestamp"
    MESSAGE_ID = "message_id"


class DeviceFact(StrEnum):
    """What is known of every device."""

    PLATFORM = "platform"
    FIRST_SEEN = "first_seen"
    LAST_SEEN = "last_seen"


@dataclass(frozen=True, slots=True)
class UserField:
    """A fact about the user."""

    fact: UserFact
    model: Model = Model.USER


@dataclass(frozen=True, slots=True)
class AttributeField:
    """A user attribute, by its name."""

    name: str
    model: Model = Model.USER_ATTRIBUTES


@dataclass(frozen=True, slots=True)
class CalculatedField:
    """A calculated attribute, by its name."""

    name: str
    model: Model = Model.CALCULATED_ATTRIBUTES


@dataclass(frozen=True, slots=True)
class IdentityField:
    """The values that the user has of an identity type."""

    type: IdentityType
    model: Model


@dataclass(frozen=True, slots=True)
class ConsentField:
    """What counts as said about a purpose."""

    purpose: Purpose
    fact: ConsentFact
    model: Model = Model.CONSENT


@dataclass(frozen=True, slots=True)
class DeviceField:
    """A fact about a device; as text, a member of its description."""

    fact: DeviceFact | str
    model: Model = Model.DEVICES


@dataclass(frozen=True, slots=True)
class AttributionField:
    """A fact about an attribution."""

    fact: AttributionFact
    model: Model = Model.ATTRIBUTION


@dataclass(frozen=True, slots=True)
class EventField:
    """A fact about an event; as a tuple, the way to it in the event's data."""

    fact: EventFact | tuple[str, ...]
    model: Model = Model.EVENTS


Field = (
    UserField
    | AttributeField
    | CalculatedField
    | IdentityField
    | ConsentField
    | DeviceField
    | AttributionField
    | EventField
)

PATH_CHARACTERS_MAX: Final = 512
"""Characters of a path."""

OWN_ATTRIBUTES: Final = "custom_attributes"
"""Where the data of an event has the attributes that its sender gave it."""

_OWN: Final = "attributes."
_USER_FACTS: Final = frozenset(UserFact)
_EVENT_FACTS: Final = frozenset(EventFact)
_DEVICE_FACTS: Final = frozenset(DeviceFact)
_ATTRIBUTION_FACTS: Final = frozenset(AttributionFact)


def _identity_names(*, devices: bool) -> Mapping[str, IdentityType]:
    # The Profile API takes the spellings of all surfaces.
    named = types_named_on(Surface.PROFILE)
    return MappingProxyType({name: kind for name, kind in named.items() if KIND_OF[kind].is_device is devices})


IDENTITY_NAMES: Final[Mapping[Model, Mapping[str, IdentityType]]] = MappingProxyType(
    {
        Model.USER_IDENTITIES: _identity_names(devices=False),
        Model.DEVICE_IDENTITIES: _identity_names(devices=True),
    }
)
"""The identity types that each model has, by all names that they are known under."""


def field_of(model: Model, path: str) -> Field | str:
    """Return what a path of a model means, or a sentence that says why it means nothing."""
    if not path or len(path) > PATH_CHARACTERS_MAX:
        return f"a path has 1 to {PATH_CHARACTERS_MAX} characters"
    return _READERS[model](path)


def _user(path: str) -> Field | str:
    return UserField(UserFact(path)) if path in _USER_FACTS else AttributeField(path)


def _user_identity(path: str) -> Field | str:
    return _identity(Model.USER_IDENTITIES, path)


def _device_identity(path: str) -> Field | str:
    return _identity(Model.DEVICE_IDENTITIES, path)


def _identity(model: Model, path: str) -> Field | str:
    kind = IDENTITY_NAMES[model].get(path)
    return "this is not an identity type of the model" if kind is None else IdentityField(kind, model)


def _consent(path: str) -> Field | str:
    fact = ConsentFact.CONSENTED
    for one in ConsentFact:
        if one is not ConsentFact.CONSENTED and path.endswith(f".{one}"):
            path, fact = path.removesuffix(f".{one}"), one
            break
    regulation, _, purpose = path.partition(".")
    if regulation == Regulation.GDPR.value and purpose:
        return ConsentField(Purpose(Regulation.GDPR, purpose), fact)
    if (regulation, purpose) == (Regulation.CCPA.value, CCPA_PURPOSE):
        return ConsentField(Purpose(Regulation.CCPA, purpose), fact)
    return f"wanted is gdpr.PURPOSE or ccpa.{CCPA_PURPOSE}"


def _device(path: str) -> Field | str:
    return DeviceField(DeviceFact(path) if path in _DEVICE_FACTS else path)


def _attribution(path: str) -> Field | str:
    if path not in _ATTRIBUTION_FACTS:
        return f"wanted is one of {', '.join(AttributionFact)}"
    return AttributionField(AttributionFact(path))


def _event(path: str) -> Field | str:
    if path in _EVENT_FACTS:
        return EventField(EventFact(path))
    if path.startswith(_OWN) and len(path) > len(_OWN):
        # The name of an attribute may have dots.
        return EventField((OWN_ATTRIBUTES, path.removeprefix(_OWN)))
    steps = tuple(path.split("."))
    return EventField(steps) if all(steps) else "a path into an event's data has names between its dots"


_READERS: Final[Mapping[Model, Callable[[str], Field | str]]] = MappingProxyType(
    {
        Model.USER: _user,
        Model.USER_ATTRIBUTES: AttributeField,
        Model.CALCULATED_ATTRIBUTES: CalculatedField,
        Model.USER_IDENTITIES: _user_identity,
        Model.DEVICE_IDENTITIES: _device_identity,
        Model.CONSENT: _consent,
        Model.DEVICES: _device,
        Model.ATTRIBUTION: _attribution,
        Model.EVENTS: _event,
    }
)
