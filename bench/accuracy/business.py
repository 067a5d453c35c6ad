"""Says how the people of a business behave: everything that a generated world depends on, and a preset for each kind.

The numbers are guesses, and none is measured: what counts is how the strategies differ, and which habit makes them
differ. `dataclasses.replace` makes a business of one's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final

from knownas.demo.town import HOUSEHOLD_SIZES, OWN_DEVICES

PEOPLE_MAX: Final = 100_000
DAYS_MAX: Final = 366
VISITS_A_MONTH_MAX: Final = 300.0
EVENTS_A_VISIT_MAX: Final = 50.0
MONTH_DAYS: Final = 30
"""The limits of a world, which is kept in memory whole."""

_MORE_THAN_ONE: Final = frozenset({"visits_a_month", "events_a_visit", "feed_rows_a_month"})


def _shares(shares: Mapping[int, float]) -> Mapping[int, float]:
    return MappingProxyType(dict(shares))


@dataclass(frozen=True, slots=True)
class Business:
    """The habits of a business's people. Shares are from 0 to 1; a share of visits applies to each visit anew.

    Devices: `app_first` people have a phone before a browser, `app_use` of the phones have the app, `second_app` of
    those the second one too, which names its users by e-mail alone; `own_device_counts` and `household_sizes` are
    weights by number. `shared_browser` and `television` are shares of households, `shared_use` of the visits of whoever
    has such a device. `kiosks` stand in stores, `kiosk_use` is a share of visits, and after each one those that forget
    are as new: logged out, with another device stamp. `cookie_loss` of a browser's
    visits begin without its cookies, `reinstall` of an app's on a new installation.

    Accounts: `has_account` of people before the first day, `sign_up` of the visits of others, `log_in` of the visits
    where nobody is logged in, `take_over` of those where somebody else is, `log_out` of visits at their end,
    `kiosk_log_out` the same at a kiosk, the kiosk's own time-out included. `household_account` of the households of
    several have one account for all, `second_account` of logins are a second sign-up of somebody who forgot the first.

    What is told: `newsletter` of anonymous visits leave an address, `names_email` and `names_phone` of logins do,
    `shared_email` of the households of several have two people with one address, `email_change` of logged-in visits,
    `phone_change` of visits (the number goes to somebody else), `typing_error` and `junk` of typed addresses, `typo_hits`
    of typing errors are another person's address, `zeroed_ads` of phones send an advertising ID of zeros.

    `of_households`: the business counts households, so that it wants to be scored by them too.

    The feed: rows of a CRM or a till about customers, `feed_names_customer` of them with the customer ID, the others
    with address and phone, `feed_junk` of those with the till's own address.

    Raises:
        ValueError: a number is out of its bounds.
    """

    name: str
    title: str
    of_households: bool = False
    people: int = 1_000
    days: int = 90
    visits_a_month: float = 6.0
    events_a_visit: float = 3.0

    household_sizes: Mapping[int, float] = field(default_factory=lambda: _shares(HOUSEHOLD_SIZES))
    own_device_counts: Mapping[int, float] = field(default_factory=lambda: _shares(OWN_DEVICES))
    app_first: float = 0.5
    app_use: float = 0.7
    second_app: float = 0.0
    shared_browser: float = 0.4
    television: float = 0.0
    shared_use: float = 0.15
    kiosks: int = 0
    kiosk_use: float = 0.0
    kiosks_forget: bool = False
    cookie_loss: float = 0.04
    reinstall: float = 0.005

    has_account: float = 0.3
    sign_up: float = 0.08
    log_in: float = 0.5
    take_over: float = 0.8
    log_out: float = 0.05
    kiosk_log_out: float = 0.95
    household_account: float = 0.0
    second_account: float = 0.01

    newsletter: float = 0.04
    names_email: float = 0.8
    names_phone: float = 0.2
    shared_email: float = 0.04
    email_change: float = 0.004
    phone_change: float = 0.002
    typing_error: float = 0.03
    typo_hits: float = 0.1
    junk: float = 0.02
    zeroed_ads: float = 0.08

    feed_rows_a_month: float = 0.5
    feed_names_customer: float = 0.6
    feed_junk: float = 0.03

    def __post_init__(self) -> None:
        if not 1 <= self.people <= PEOPLE_MAX or not 1 <= self.days <= DAYS_MAX or self.kiosks < 0:
            raise ValueError(f"1 to {PEOPLE_MAX} people, 1 to {DAYS_MAX} days, no fewer than 0 kiosks")
        if not 0 < self.visits_a_month <= VISITS_A_MONTH_MAX or not 1 <= self.events_a_visit <= EVENTS_A_VISIT_MAX:
            raise ValueError(f"up to {VISITS_A_MONTH_MAX} visits a month, 1 to {EVENTS_A_VISIT_MAX} events in each")
        if not 0 <= self.feed_rows_a_month <= VISITS_A_MONTH_MAX:
            raise ValueError(f"0 to {VISITS_A_MONTH_MAX} rows of the feed a month")
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, float) and one.name not in _MORE_THAN_ONE and not 0 <= value <= 1:
                raise ValueError(f"{one.name} is a share, from 0 to 1")
        for weights in (self.household_sizes, self.own_device_counts):
            if not weights or min(weights) < 1 or min(weights.values()) < 0 or sum(weights.values()) <= 0:
                raise ValueError("numbers of people and devices start at 1 and have weights")

    def without_junk(self) -> "Business":
        """Return the same business if nobody ever named an identity that is nobody's: what a quarantine could reach."""
        return replace(self, junk=0.0, feed_junk=0.0, zeroed_ads=0.0)

    def with_forgetful_kiosks(self) -> "Business":
        """Return the same business if its kiosks were as new after each visit."""
        return replace(self, kiosks_forget=True)


SHOP: Final = Business("shop", "Shop with accounts", app_use=0.5)

STREAMING: Final = Business(
    "streaming",
    "Streaming",
    of_households=True,
    visits_a_month=12.0,
    app_first=0.6,
    app_use=0.9,
    television=0.8,
    shared_use=0.55,
    has_account=0.6,
    log_in=0.9,
    take_over=0.1,
    log_out=0.01,
    household_account=0.75,
    newsletter=0.01,
    names_phone=0.0,
    feed_rows_a_month=0.2,
    feed_names_customer=0.9,
)

BANK: Final = Business(
    "bank",
    "Bank",
    app_use=0.8,
    has_account=0.85,
    sign_up=0.04,
    log_in=0.9,
    take_over=1.0,
    log_out=0.85,
    second_account=0.0,
    kiosks=4,
    kiosk_use=0.04,
    kiosk_log_out=1.0,
    newsletter=0.0,
    names_email=0.5,
    names_phone=0.5,
    typing_error=0.01,
    junk=0.002,
    feed_rows_a_month=2.0,
    feed_names_customer=0.98,
    feed_junk=0.0,
)

RESTAURANT: Final = Business(
    "restaurant",
    "Restaurant with kiosks",
    visits_a_month=5.0,
    events_a_visit=2.5,
    app_first=0.8,
    app_use=0.5,
    shared_browser=0.1,
    kiosks=6,
    kiosk_use=0.45,
    has_account=0.2,
    sign_up=0.05,
    log_in=0.35,
    take_over=0.5,
    kiosk_log_out=0.9,
    newsletter=0.05,
    names_phone=0.6,
    junk=0.06,
    feed_rows_a_month=1.0,
    feed_names_customer=0.3,
    feed_junk=0.1,
)

MARKETPLACE: Final = Business(
    "marketplace",
    "Marketplace, app first",
    visits_a_month=9.0,
    app_first=0.95,
    app_use=0.95,
    second_app=0.35,
    shared_browser=0.15,
    shared_use=0.05,
    reinstall=0.015,
    has_account=0.35,
    sign_up=0.12,
    log_in=0.7,
    log_out=0.02,
    second_account=0.03,
    names_phone=0.6,
    phone_change=0.004,
    zeroed_ads=0.25,
    feed_names_customer=0.8,
)

BUSINESSES: Final = (SHOP, STREAMING, BANK, RESTAURANT, MARKETPLACE)
"""The businesses that are measured, in the order of the report."""
