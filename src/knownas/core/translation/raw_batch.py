"""Writes what a connection forwards of a batch as a raw output batch (platform §7.7): JSON members with the identities that go out.

Of who the user is nothing stands in it but the MPID and these identities. So nothing that was sent is passed on but what is named here: of a
device the facts that the vendor's schema names, of consent no hardware id, and no stamp of a device but one that goes out.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from knownas.core.identity.kinds import KINDS, IdentityType
from knownas.core.profile.consent import Consents
from knownas.core.profile.device import Device
from knownas.core.profile.event import Event, EventBatch
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.forwarding import Forwarded
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.target import MPID, is_of_device

SCHEMA_VERSION: Final = 2
"""Of the form of a raw output batch (platform §2.3)."""

DEVICE_FACTS: Final = frozenset(
    {
        "limit_ad_tracking",
        "att_authorization_status",
        "att_timestamp_unixtime_ms",
        "brand",
        "product",
        "device",
        "device_manufacturer",
        "os_version",
        "device_model",
        "screen_height",
        "screen_width",
        "screen_dpi",
        "device_country",
        "locale_language",
        "locale_country",
        "network_country",
        "network_carrier",
        "network_code",
        "network_mobile_country_code",
        "timezone_offset",
        "build_identifier",
        "build_version_release",
        "http_header_user_agent",
        "cpu_architecture",
        "is_tablet",
        "push_notification_sound_enabled",
        "push_notification_vibrate_enabled",
        "radio_access_technology",
        "supports_telephony",
        "has_nfc",
        "bluetooth_enabled",
        "bluetooth_version",
        "is_dst",
    }
)
"""What is passed on of a device beside its ids (platform §2.5)."""

_TOKENS: Final = frozenset({"registration_token", "push_message_token"})
"""The members of events about push messages that are an identity of the device (platform §2.4)."""

_EVENT_NAMES: Final[Mapping[IdentityType, str]] = {one.type: one.events for one in KINDS}


class Sent(NamedTuple):
    """What is sent: a batch as it was kept, of whom, what of it is forwarded, and what the workspace knows of consent.

    `name` tells the batch from all others, for ever.
    """

    name: str
    batch: EventBatch
    mpid: int
    forwarded: Forwarded
    consents: Consents


def raw_batch(sent: Sent) -> Mapping[str, Any]:
    """Return the members of a batch as it goes out. Of values of attributes there are scalars and lists of them."""
    batch, forwarded = sent.batch, sent.forwarded
    identities = forwarded.translated.identities
    members: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "environment": batch.environment.value,
        "batch_id": _number(sent.name),
        "mpid": sent.mpid,
        "timestamp_unixtime_ms": batch.at_ms,
        "source_info": {"channel": batch.channel.value},
        "user_identities": list(_user_identities(identities)),
        "user_attributes": {
            name: list(value) if isinstance(value, tuple) else value for name, value in forwarded.attributes.items()
        },
        "events": [_event(event, f"{sent.name}/{place}", identities) for place, event in enumerate(forwarded.events)],
    }
    stamp = _value_of(IdentityType.DEVICE_APPLICATION_STAMP, batch.device, identities)
    if stamp is not None:
        members["mp_deviceid"] = stamp
    device = _device(batch.device, identities)
    if device:
        members["device_info"] = device
    if sent.consents:
        members["consent_state"] = _consent_state(sent.consents)
    if batch.is_historical:
        members["source_info"]["is_historical"] = True
    return members


def _user_identities(identities: Sequence[Outgoing]) -> Iterator[dict[str, str]]:
    """Yield the identities of the user. A digest says that it is one; what stands in several places stands here once."""
    seen: set[tuple[str, Encoding, str]] = set()
    for one in identities:
        if one.target is MPID or is_of_device(one.target):
            continue
        name = _EVENT_NAMES[IdentityType(one.target)]
        if (name, one.encoding, one.value) in seen:
            continue
        seen.add((name, one.encoding, one.value))
        encoding = {} if one.encoding is Encoding.RAW else {"encoding": one.encoding.value}
        yield {"identity_type": name, "identity": one.value, **encoding}


def _device(device: Device | None, identities: Sequence[Outgoing]) -> dict[str, Any]:
    """Return what goes out of the device of the batch, with one id of each type: its own if that goes out, else the first that does."""
    facts: dict[str, Any] = {}
    if device is not None:
        facts = {name: value for name, value in device.facts.items() if name in DEVICE_FACTS}
        if device.platform is not None:
            facts["platform"] = device.platform
    for kind in dict.fromkeys(one.target for one in identities if is_of_device(one.target)):
        if kind is not IdentityType.DEVICE_APPLICATION_STAMP:
            facts[_EVENT_NAMES[IdentityType(kind)]] = _value_of(IdentityType(kind), device, identities)
    return facts


def _value_of(kind: IdentityType, device: Device | None, identities: Sequence[Outgoing]) -> str | None:
    """Return which value of a type that goes out stands for the device of the batch."""
    going = [one for one in identities if one.target is kind]
    stamp = None if device is None else device.stamp
    own = [one for one in going if stamp is not None and one.device == stamp]
    return next((one.value for one in (*own, *going)), None)


def _event(event: Event, name: str, identities: Sequence[Outgoing]) -> dict[str, Any]:
    going = {one.value for one in identities if one.target is IdentityType.PUSH_TOKEN}
    told = {member: value for member, value in event.data.items() if member not in _TOKENS or str(value) in going}
    said = {} if event.message_id is None else {"message_id": event.message_id}
    own = {"event_id": _number(name), **said, "message_type": event.type, "timestamp_unixtime_ms": event.at_ms}
    return {"event_type": event.type, "data": {**told, **own}}


def _consent_state(consents: Consents) -> dict[str, dict[str, dict[str, Any]]]:
    """Write consent down as events bring it (platform §5.9), without the hardware by which it was given."""
    state: dict[str, dict[str, dict[str, Any]]] = {}
    for purpose in sorted(consents):
        consent = consents[purpose]
        said = {"document": consent.document, "location": consent.location}
        given = {name: text for name, text in said.items() if text is not None}
        statement = {"consented": consent.consented, "timestamp_unixtime_ms": consent.at_ms, **given}
        state.setdefault(purpose.regulation.value, {})[purpose.name] = statement
    return state


def _number(name: str) -> int:
    """Return a number that follows from a name, as ids of batches and events are: of 63 bits, and never 0."""
    return (int.from_bytes(blake2b(name.encode(), digest_size=8, person=b"knownas batch").digest()) >> 1) or 1
