"""Puts the identities of a message into the members that the partner protocol has for them, as far as a partner permits each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType, Surface, name_on, push_token_on_firehose
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.target import MPID
from knownas.outputs.firehose.permissions import ACCESSES
from knownas.outputs.firehose.registration import Registration

Identity = dict[str, str]
"""`type`, `encoding` and `value`, as in the protocol."""


@dataclass(slots=True)
class Identities:
    """What may be told of a user: identities of the user and of devices, the MPID and the device application stamp.

    `has_required` is whether one is there that the partner requires, or it requires none.
    """

    user: list[Identity] = field(default_factory=list[Identity])
    device: list[Identity] = field(default_factory=list[Identity])
    mpid: str | None = None
    stamp: str | None = None
    has_required: bool = True

    def are_enough(self, *, with_stamp: bool) -> bool:
        """Whether it can be told who is meant, and the partner gets what it requires. Not every request has a member for the stamp."""
        has_stamp = with_stamp and self.stamp is not None
        return self.has_required and (bool(self.user or self.device) or self.mpid is not None or has_stamp)


NOBODY: Final = "the partner permits none of its identities, or none that it requires, in the encoding that they have"


_ERASURE_TYPES: Final = frozenset(
    {
        "controller_customer_id",
        "email",
        "android_advertising_id",
        "android_id",
        "fire_advertising_id",
        "ios_advertising_id",
        "ios_vendor_id",
        "microsoft_advertising_id",
        "microsoft_publisher_id",
        "roku_advertising_id",
        "roku_publisher_id",
    }
)
"""The types that a privacy request may name in the protocol. Others that our own may name are an extension that it does not have."""


def permitted_identities(outgoing: Sequence[Outgoing], registration: Registration) -> Identities:
    """Return what of some identities a partner permits. One that is written in an encoding that it does not take is left out."""
    found = Identities()
    required = {one.type for one in registration.permissions if one.required}
    told: set[str] = set()
    for one in outgoing:
        access = ACCESSES.get(one.target)
        if access is not None:
            if access in registration.allowed and one.encoding is Encoding.RAW:
                _set_access(found, one)
            continue
        name = _name(one)
        if name is None or not _permits(registration, name, one.encoding):
            continue
        told.add(name)
        identities = found.device if one.target in DEVICE_TYPES else found.user
        identities.append({"type": name, "encoding": one.encoding.value, "value": one.value})
    found.has_required = not required or not required.isdisjoint(told)
    return found


def erasure_identities(outgoing: Sequence[Outgoing]) -> list[dict[str, Identity]]:
    """Return identities by their type in privacy requests, as many maps as a type has values: each map has one of each type at most."""
    maps: list[dict[str, Identity]] = []
    for one in outgoing:
        name = name_on(Surface.DSR, one.target) if isinstance(one.target, IdentityType) else None
        if name not in _ERASURE_TYPES:
            continue
        where = next((known for known in maps if name not in known), None)
        if where is None:
            where = dict[str, Identity]()
            maps.append(where)
        where[name] = {"encoding": one.encoding.value, "value": one.value}
    return maps


def _set_access(found: Identities, one: Outgoing) -> None:
    # Of several the newest stands first.
    if one.target is MPID:
        found.mpid = found.mpid or one.value
    else:
        found.stamp = found.stamp or one.value


def _name(one: Outgoing) -> str | None:
    if not isinstance(one.target, IdentityType):
        return None
    if one.target is IdentityType.PUSH_TOKEN:
        return push_token_on_firehose(one.platform)
    return name_on(Surface.FIREHOSE, one.target)


def _permits(registration: Registration, name: str, encoding: Encoding) -> bool:
    return any(one.type == name and one.encoding is encoding for one in registration.permissions)
