"""Writes what people of the generated traffic do in a session: batches of events as an app's SDK sends them, the same for the same seed.

A session begins with a look around: screens, and products that are looked at, put into the basket, or bought. With a login the app
says what it knows of the customer, and what they have agreed to.
"""

import json
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from knownas.core.identity.kinds import IdentityType
from knownas.demo import names
from knownas.demo.town import ANDROID, IOS, ROKU, WEB
from knownas.demo.traffic import Visit

PRODUCTS: Final = (
    ("Walking boots", "shoes", 129.0),
    ("Rain jacket", "clothes", 89.5),
    ("Wool socks", "clothes", 14.9),
    ("Day pack", "bags", 64.0),
    ("Sleeping bag", "camping", 149.0),
    ("Tent for two", "camping", 239.0),
    ("Head torch", "camping", 34.5),
    ("Trail map", "books", 11.9),
)
"""What the shop sells: name, category, price."""

SCREENS: Final = ("Home", "New arrivals", "Sale", "Stores")

SEEN_MAX: Final = 3
"""Products that somebody looks at in a session, at most."""

BASKET_SHARE: Final = 0.35
"""Products that are put into the basket, of those that are looked at."""

PURCHASE_SHARE: Final = 0.4
"""Baskets that are bought, by people who are logged in."""

PLUS_SHARE: Final = 0.25
"""Customers with a paid plan."""

MARKETING_SHARE: Final = 0.6
"""Customers who have agreed to marketing when they log in."""

SECONDS_BETWEEN: Final = (2, 20)
"""Time between two events of a session, at least and at most."""

MARKETING: Final = "marketing"
"""The purpose that customers are asked to consent to."""

BUYING: Final = "purchase"
"""The name of the event by which something is bought."""

_MODELS: Final[Mapping[str, tuple[Mapping[str, str], ...]]] = {
    WEB: (
        {"platform": "web", "device_manufacturer": "Acme", "os_version": "14"},
        {"platform": "web", "os_version": "11"},
    ),
    IOS: ({"platform": "iOS", "device_manufacturer": "Apple", "device_model": "iPhone15,2", "os_version": "18.1"},),
    ANDROID: (
        {"platform": "Android", "device_manufacturer": "Fairphone", "device_model": "FP5", "os_version": "14"},
        {"platform": "Android", "device_manufacturer": "Google", "device_model": "Pixel 8", "os_version": "15"},
    ),
    ROKU: ({"platform": "Roku", "device_model": "3930X", "os_version": "12.5"},),
}
_STAMP: Final = IdentityType.DEVICE_APPLICATION_STAMP.value
_CUSTOMER_ID: Final = IdentityType.CUSTOMER_ID.value
_Event = dict[str, Any]


def batch_of(visit: Visit, mpid: int, seed: int) -> bytes | None:
    """Return what the app sends after a visit was answered with a profile, as the Events API takes it; None for nothing."""
    stamp = visit.identities.get(_STAMP)
    if visit.call not in ("identify", "login") or stamp is None:
        return None
    random = Random(f"{seed} {visit.person} {visit.at_ms}")  # noqa: S311 - repeatable, no secret
    customer = visit.identities.get(_CUSTOMER_ID)
    models = _MODELS[visit.input]
    body: dict[str, Any] = {
        "environment": visit.environment,
        "mpid": str(mpid),
        "mp_deviceid": stamp,
        "device_info": models[visit.person % len(models)],
        "events": _events(random, visit, is_customer=customer is not None),
    }
    if visit.call == "login" and customer is not None:
        body |= _told(random, visit)
    return json.dumps(body).encode()


def _events(random: Random, visit: Visit, *, is_customer: bool) -> list[_Event]:
    at_ms = visit.at_ms
    if visit.call == "login":
        return [_custom("signed in", "user_preference", at_ms)]
    events: list[_Event] = [_screen(random.choice(SCREENS), at_ms)]
    basket: list[tuple[str, str, float]] = []
    for name, category, price in random.sample(PRODUCTS, random.randint(0, SEEN_MAX)):
        at_ms += _pause_ms(random)
        events.append(_custom("product viewed", "navigation", at_ms, product=name, category=category))
        if random.random() < BASKET_SHARE:
            at_ms += _pause_ms(random)
            basket.append((name, category, price))
            events.append(_custom("added to basket", "other", at_ms, product=name, price=price))
    if basket and is_customer and random.random() < PURCHASE_SHARE:
        total = round(sum(price for _, _, price in basket), 2)
        events.append(_custom(BUYING, "transaction", at_ms + _pause_ms(random), items=len(basket), total=total))
    return events


def _told(random: Random, visit: Visit) -> dict[str, Any]:
    """Return what the app says of a customer: who they are, and what they have agreed to."""
    person = Random(visit.person)  # noqa: S311 - the same in each session
    attributes = {
        "$FirstName": names.FIRST_NAMES[visit.person % len(names.FIRST_NAMES)].capitalize(),
        "plan": "plus" if person.random() < PLUS_SHARE else "free",
        "favourite": person.choice(PRODUCTS)[1],
    }
    consented = {"consented": random.random() < MARKETING_SHARE, "timestamp_unixtime_ms": visit.at_ms}
    document = {"document": "terms of May", "location": "the app's first screen"}
    return {"user_attributes": attributes, "consent_state": {"gdpr": {MARKETING: {**consented, **document}}}}


def _screen(name: str, at_ms: int) -> _Event:
    return {"event_type": "screen_view", "data": {"screen_name": name, "timestamp_unixtime_ms": at_ms}}


def _custom(name: str, kind: str, at_ms: int, **attributes: str | float) -> _Event:
    data = {"event_name": name, "custom_event_type": kind, "timestamp_unixtime_ms": at_ms}
    return {"event_type": "custom_event", "data": {**data, "custom_attributes": attributes}}


def _pause_ms(random: Random) -> int:
    return 1_000 * random.randint(*SECONDS_BETWEEN)
