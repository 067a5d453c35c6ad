"""Holds a policy's settings about toxic identities, and says when a value has met more than one person would.

A value *meets* what it is named together with: users, told apart by their login IDs, and devices. A person's e-mail meets
one user and some devices, a person's phone a user or a family. A value that meets dozens is a front desk's, a kiosk's, a
shop's, whatever it looks like. Where nobody logs in, or on a device, e-mail addresses, numbers and accounts tell users apart as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from knownas.core.identity.kinds import DEVICE_TYPES, Identity, IdentityType

_T = IdentityType


class ToxicMode(StrEnum):
    """What is done about toxic identities: nothing, they are listed, or they match nothing and join nobody."""

    OFF = "off"
    WATCH = "watch"
    QUARANTINE = "quarantine"


class ToxicReason(StrEnum):
    """Why a value is toxic: by its looks, by whom it has met, or because somebody said so."""

    PATTERN = "pattern"
    KNOWN_USERS = "too_many_known_users"
    DEVICES = "too_many_devices"
    SCOPES = "too_many_scopes"
    BY_HAND = "by_hand"


class Met(NamedTuple):
    """How many a value has met: distinct users, devices and identity scopes."""

    known_users: int = 0
    devices: int = 0
    scopes: int = 1


LIMIT_MAX: Final = 500
"""The largest number that a limit may be; a profile holds 1,000 identities in all."""

WINDOW_DAYS_MAX: Final = 365
"""The longest window of a limit."""


@dataclass(frozen=True, slots=True)
class MetLimits:
    """How many a value may meet: distinct users, devices, and identity scopes; None: any number."""

    known_users: int | None = None
    devices: int | None = None
    scopes: int | None = None


@dataclass(frozen=True, slots=True)
class ToxicLimit:
    """How many a value of a type may meet in all, and how many within any so many days."""

    in_all: MetLimits = MetLimits()
    within: MetLimits = MetLimits()
    within_days: int = 7


def _default_limits() -> Mapping[IdentityType, ToxicLimit]:
    week = MetLimits(devices=20)
    phone = ToxicLimit(MetLimits(known_users=8), week)
    device = ToxicLimit(MetLimits(known_users=8))
    # An account may be a family's, and a browser that forgets its cookies is a new device each day.
    other = ToxicLimit(MetLimits(known_users=10), MetLimits(devices=50))
    given = {_T.EMAIL: ToxicLimit(MetLimits(known_users=5), week)}
    given |= dict.fromkeys((_T.MOBILE_NUMBER, _T.PHONE_NUMBER_2, _T.PHONE_NUMBER_3), phone)
    return MappingProxyType({kind: device if kind in DEVICE_TYPES else given.get(kind, other) for kind in IdentityType})


DEFAULT_LIMITS: Final = _default_limits()


@dataclass(frozen=True, slots=True)
class ToxicSettings:
    """What a policy says about toxic identities. A type whose limits it does not give has those of `DEFAULT_LIMITS`.

    `allowed` are values that are never toxic, whatever they look like and whomever they meet.
    """

    mode: ToxicMode = ToxicMode.WATCH
    patterns: bool = True
    limits: Mapping[IdentityType, ToxicLimit] = field(default_factory=lambda: MappingProxyType({}))
    allowed: tuple[Identity, ...] = ()

    def limit(self, kind: IdentityType) -> ToxicLimit:
        """Return the limits of a type's values."""
        return self.limits.get(kind, DEFAULT_LIMITS[kind])
