"""Settles the people of a generated world: their households, their accounts, and the devices that they use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import UUID

from bench.accuracy.business import Business
from knownas.core.identity.kinds import IdentityType
from knownas.demo import names
from knownas.demo.town import ZEROED_ID

_T = IdentityType

ANDROID_SHARE: Final = 0.55
"""Phones that are not iPhones."""

TRACKING_ALLOWED_SHARE: Final = 0.3
"""iPhones whose owner lets apps read the advertising ID."""

WEB, IOS, ANDROID, ROKU, KIOSK = "web", "ios", "android", "roku", "kiosk"
PHONES: Final = frozenset({IOS, ANDROID})


@dataclass(slots=True)
class Account:
    """What somebody logs in with. People of a household may have one together. `opened` is false before the sign-up."""

    customer_id: str
    email: str
    opened: bool = False


@dataclass(slots=True)
class Install:
    """One browser, or one app on one device, and the state of its SDK.

    `number` names it for the player and changes when its storage is lost, as its stamp does. `identities` are what
    the SDK sends by itself, `told` what the current user was said to be. `account` is who is logged in. `free_ms` is
    when the visit on it ends. `by_email` apps know no customer IDs.
    """

    number: int
    platform: str
    identities: dict[IdentityType, str]
    by_email: bool = False
    told: dict[IdentityType, str] = field(default_factory=dict[IdentityType, str])
    account: Account | None = None
    free_ms: int = 0


@dataclass(slots=True)
class Person:
    """One person. `accounts` are theirs, the latest last; the first one may be their household's."""

    number: int
    household: int
    accounts: list[Account]
    email: str
    phone: str
    own: tuple[Install, ...]
    shared: tuple[Install, ...]
    revision: int = 0

    @property
    def account(self) -> Account:
        """The account that they use now."""
        return self.accounts[-1]

    def move(self) -> None:
        """Get another address."""
        self.revision += 1
        self.email = names.email(self.number, self.household, self.revision)


@dataclass(slots=True)
class Town:
    """Everybody, and the kiosks that everybody may use."""

    people: list[Person]
    kiosks: list[Install]
    shop: "Shop"


class Shop:
    """Hands out installs whose identities no other install has, but for those of one phone."""

    def __init__(self, random: Random, zeroed_ads: float) -> None:
        self._random = random
        self._zeroed_ads = zeroed_ads
        self._sold = 0

    def install(self, platform: str, hardware: Mapping[IdentityType, str], *, by_email: bool = False) -> Install:
        """Install something on a device with these identities."""
        return Install(self._next(), platform, {**hardware, _T.DEVICE_APPLICATION_STAMP: self.uuid()}, by_email)

    def lose(self, install: Install) -> None:
        """Forget all that an install kept: lost cookies, or an app that was removed and comes back.

        An iPhone gives a new vendor ID to the last app of a vendor that was removed, which it is taken to be.
        """
        install.number = self._next()
        install.identities[_T.DEVICE_APPLICATION_STAMP] = self.uuid()
        if _T.IOS_IDFV in install.identities:
            install.identities[_T.IOS_IDFV] = self.uuid().upper()
        install.told.clear()
        install.account = None

    def hardware(self, platform: str) -> dict[IdentityType, str]:
        """Return what all apps on a new device see of it."""
        # All is drawn, used or not: so a town with fewer zeros is the same town otherwise.
        zeroed, tracked = self._random.random() < self._zeroed_ads, self._random.random() < TRACKING_ALLOWED_SHARE
        advertising, vendor = self.uuid(), self.uuid().upper()
        if platform == ANDROID:
            return {_T.ANDROID_AAID: ZEROED_ID if zeroed else advertising}
        if platform == ROKU:
            return {_T.ROKU_AID: advertising}
        if platform == IOS:
            seen = {_T.IOS_IDFV: vendor}
            if zeroed or tracked:
                seen[_T.IOS_IDFA] = ZEROED_ID if zeroed else advertising.upper()
            return seen
        return {}

    def uuid(self) -> str:
        """Draw an identity that nothing else has."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _next(self) -> int:
        self._sold += 1
        return self._sold


def pick(random: Random, weights: Mapping[int, float]) -> int:
    """Draw one of the keys by its weight."""
    return random.choices(list(weights), list(weights.values()))[0]


def settle(random: Random, business: Business) -> Town:
    """Settle the people of a business, one household after the other. Persons are numbered from 0."""
    shop = Shop(random, business.zeroed_ads)
    kiosks = [shop.install(KIOSK, {}) for _ in range(business.kiosks)]
    people: list[Person] = []
    household = 0
    while len(people) < business.people:
        size = min(pick(random, business.household_sizes), business.people - len(people))
        people += _household(random, business, shop, range(len(people), len(people) + size), household)
        household += 1
    return Town(people, kiosks, shop)


def _household(random: Random, business: Business, shop: Shop, numbers: range, household: int) -> list[Person]:
    several = len(numbers) > 1
    shared: list[Install] = []
    if several and random.random() < business.shared_browser:
        shared.append(shop.install(WEB, {}))
    if random.random() < business.television:
        shared.append(shop.install(ROKU, shop.hardware(ROKU)))
    one_account = several and random.random() < business.household_account
    one_email = several and random.random() < business.shared_email
    people: list[Person] = []
    for number in numbers:
        own = _own_installs(random, business, shop)
        if one_account and people:
            account = people[0].account
            email = names.email(number, household, 0)
        else:
            # A couple with one address: the first two of the household, each with an account of their own.
            email = people[0].email if one_email and len(people) == 1 else names.email(number, household, 0)
            account = Account(names.customer_id(number, 0), email, random.random() < business.has_account)
        people.append(Person(number, household, [account], email, f"+1555{number:07d}", own, tuple(shared)))
    return people


def _own_installs(random: Random, business: Business, shop: Shop) -> tuple[Install, ...]:
    """Give somebody a phone or a browser first, then the other, then one more of each.

    A phone without the app has a browser.
    """
    phone = ANDROID if random.random() < ANDROID_SHARE else IOS
    platforms = [phone, WEB, phone, WEB] if random.random() < business.app_first else [WEB, phone, WEB, phone]
    installs: list[Install] = []
    for platform in platforms[: pick(random, business.own_device_counts)]:
        if platform in PHONES and random.random() < business.app_use:
            hardware = shop.hardware(platform)
            installs.append(shop.install(platform, hardware))
            if random.random() < business.second_app:
                installs.append(shop.install(platform, hardware, by_email=True))
        else:
            installs.append(shop.install(WEB, {}))
    return tuple(installs)
