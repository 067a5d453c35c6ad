"""Settles the people of the generated traffic: households, who has an account, and who uses which device."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final
from uuid import UUID

from knownas.core.identity.kinds import IdentityType
from knownas.demo import names

_T = IdentityType

HOUSEHOLD_SIZES: Final = {1: 0.35, 2: 0.33, 3: 0.17, 4: 0.15}
"""Share of the households with this many people."""

OWN_DEVICES: Final = {1: 0.40, 2: 0.35, 3: 0.18, 4: 0.07}
"""Share of the people with this many devices of their own."""

SHARED_BROWSER_SHARE: Final = 0.5
"""Households of two and more with a computer that all of them use."""

TELEVISION_SHARE: Final = 0.3
"""Households with a television that shows the app."""

ACCOUNT_SHARE: Final = 0.45
"""People who had an account before the hour began; the server has not seen them yet."""

ANDROID_SHARE: Final = 0.55
"""Phones that are not iPhones."""

TRACKING_ALLOWED_SHARE: Final = 0.3
"""iPhones whose owner lets the app read the advertising ID."""

TRACKING_ZEROED_SHARE: Final = 0.05
"""iPhones with an old app that sends the advertising ID as zeros instead of leaving it out."""

ZEROED_ID: Final = "00000000-0000-0000-0000-000000000000"
"""What a device without permission answers when asked for its advertising ID: junk that many share."""

WEB, IOS, ANDROID, ROKU = "web", "ios", "android", "roku"


@dataclass(slots=True)
class Device:
    """One browser or one app on one device, and who is logged in on it.

    `identities` are those that its SDK sends by itself. `account` is the customer ID logged in with, `user` the
    person; both None while nobody is. `free_ms` is when the session on it ends: it serves one person at a time.
    """

    label: str
    input: str
    identities: Mapping[str, str]
    user: "Person | None" = None
    account: str | None = None
    free_ms: int = 0


@dataclass(slots=True)
class Person:
    """One person: their devices, shared ones after their own, and what they have told about themselves.

    `accounts` counts their customer IDs, `revision` the changes of their address.
    """

    number: int
    household: int
    own: tuple[Device, ...]
    shared: tuple[Device, ...]
    accounts: int = 0
    revision: int = 0

    @property
    def email(self) -> str:
        """Their present address."""
        return names.email(self.number, self.household, self.revision)

    def customer_id(self, account: int = 0) -> str:
        """Return the ID of one of their accounts."""
        return names.customer_id(self.number, account)


@dataclass(frozen=True, slots=True)
class Town:
    """Everybody, and the one kiosk in the shop that everybody may use."""

    people: tuple[Person, ...]
    kiosk: Device


class _Shop:
    """Hands out devices with identities that no other device has."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._sold = 0

    def device(self, platform: str, label: str | None = None) -> Device:
        self._sold += 1
        return Device(label or f"{platform}-{self._sold}", platform, self._identities(platform))

    def _identities(self, platform: str) -> Mapping[str, str]:
        identities = {_T.DEVICE_APPLICATION_STAMP.value: self._uuid()}
        if platform == ANDROID:
            identities[_T.ANDROID_AAID.value] = self._uuid()
        elif platform == IOS:
            identities[_T.IOS_IDFV.value] = self._uuid().upper()
            tracking = self._random.random()
            if tracking < TRACKING_ALLOWED_SHARE:
                identities[_T.IOS_IDFA.value] = self._uuid().upper()
            elif tracking < TRACKING_ALLOWED_SHARE + TRACKING_ZEROED_SHARE:
                identities[_T.IOS_IDFA.value] = ZEROED_ID
        elif platform == ROKU:
            identities[_T.ROKU_AID.value] = self._uuid()
            identities[_T.ROKU_PUBLISHER_ID.value] = self._uuid()
        return identities

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def _pick(random: Random, shares: Mapping[int, float]) -> int:
    """Draw one of the keys, each with its share."""
    return random.choices(list(shares), list(shares.values()))[0]


def settle(random: Random, people: int) -> Town:
    """Settle this many people, one household after the other."""
    shop = _Shop(random)
    kiosk = shop.device(WEB, "kiosk")
    settled: list[Person] = []
    household = 0
    while len(settled) < people:
        size = min(_pick(random, HOUSEHOLD_SIZES), people - len(settled))
        shared = _shared_devices(random, shop, size)
        for _ in range(size):
            person = Person(len(settled) + 1, household, _own_devices(random, shop), shared)
            person.accounts = int(random.random() < ACCOUNT_SHARE)
            settled.append(person)
        household += 1
    return Town(tuple(settled), kiosk)


def _shared_devices(random: Random, shop: _Shop, size: int) -> tuple[Device, ...]:
    devices: list[Device] = []
    if size > 1 and random.random() < SHARED_BROWSER_SHARE:
        devices.append(shop.device(WEB))
    if random.random() < TELEVISION_SHARE:
        devices.append(shop.device(ROKU))
    return tuple(devices)


def _own_devices(random: Random, shop: _Shop) -> tuple[Device, ...]:
    """Give somebody a phone or a browser first, then the other, then one more of each."""
    phone = ANDROID if random.random() < ANDROID_SHARE else IOS
    platforms = [phone, WEB, WEB, phone] if random.random() < 1 / 2 else [WEB, phone, WEB, phone]
    return tuple(shop.device(platform) for platform in platforms[: _pick(random, OWN_DEVICES)])
