"""Holds what is looked at of a profile when it is translated, and makes it from records, sections and batches (platform §7.2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType
from knownas.core.identity.record import Record, Values, values_of
from knownas.core.profile.consent import Consents
from knownas.core.profile.device import Device, with_device
from knownas.core.profile.event import EventBatch
from knownas.core.profile.section import Section
from knownas.core.profile.whole import whole_of

_TRACKING_DENIED: Final = frozenset({"denied", "restricted"})
"""Answers to the request to track that mean that it may not be done."""


def limits_ad_tracking(device: Device) -> bool | None:
    """Whether ad tracking is limited on a device, by its switch or the answer to the request to track; None if neither says."""
    answer = device.facts.get("att_authorization_status")
    if isinstance(answer, str) and answer.lower() in _TRACKING_DENIED:
        return True
    return device.limit_ad_tracking


class DeviceView(NamedTuple):
    """A device of the user: its stamp, platform and ids, when it was seen last (Unix milliseconds), and what was said of tracking."""

    stamp: str | None
    platform: str | None
    ids: Mapping[IdentityType, str]
    last_seen_ms: int
    limits_ad_tracking: bool | None = None

    def id_of(self, kind: IdentityType) -> str | None:
        """Return the device's id of a type. Its stamp is one as well."""
        return (
            self.stamp
            if kind is IdentityType.DEVICE_APPLICATION_STAMP and self.stamp is not None
            else self.ids.get(kind)
        )


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as translation sees it.

    `identities` are those of the record, each type's in the order in which they were set, so the last is the newest. `consents` are those
    of the connection's workspace. The order of `devices` means nothing.
    """

    mpid: int
    known: bool
    identities: Values = field(default_factory=lambda: MappingProxyType({}))
    devices: tuple[DeviceView, ...] = ()
    consents: Consents = field(default_factory=lambda: MappingProxyType({}))
    opted_out: bool = False


def view_of(
    record: Record,
    here: Section | None,
    elsewhere: Iterable[Section] = (),
    batch: EventBatch | None = None,
    guarded: frozenset[IdentityType] = frozenset(),
) -> ProfileView:
    """Return what decides what is sent of a profile: its record, its section in the connection's workspace, and in the others.

    Identities and devices that other workspaces of the scope have collected go out as well (platform §6.5); consent is the workspace's own.
    With a batch that is forwarded goes what it brings, also where the profile does not keep it (platform §7.2), but for two things: of
    `guarded` types (login, unique and immutable ones) only what is the profile's own is, since the value may be another user's; and what an
    SDK says of identities is not trusted.
    """
    sections = [*elsewhere] if here is None else [here, *elsewhere]
    seen = [device for section in sections for device in section.devices]
    brought: tuple[Identity, ...] = ()
    if batch is not None:
        seen += [] if batch.device is None else [batch.device]
        brought = () if batch.channel.is_client else tuple(one for one in batch.identities if one.type not in guarded)
    devices: tuple[Device, ...] = ()
    for device in seen:
        devices = with_device(devices, device)
    held = (
        Identity(kind, value)
        for values in (record.carried, record.identities)
        for kind, several in values.items()
        for value in several
    )
    return ProfileView(
        record.mpid,
        record.known,
        # What the batch says was said last.
        values_of([*(one for one in held if one not in brought), *brought]),
        tuple(map(_seen, devices)),
        MappingProxyType({}) if here is None else here.consents,
        whole_of(sections).opted_out,
    )


def _seen(device: Device) -> DeviceView:
    ids = {kind: value for kind, value in device.ids.items() if kind in DEVICE_TYPES}
    return DeviceView(device.stamp, device.platform, ids, device.last_seen_ms, limits_ad_tracking(device))
