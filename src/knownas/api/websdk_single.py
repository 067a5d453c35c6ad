"""Rewrites the single events of web SDKs before 2.21.2 as the batches that later ones send (platform §3.2, §3.4).

Without the flag `eventsV3` such an SDK posts each event by itself, with short names and numbers for types. It sends
no event for a changed attribute then: what it repeats of attributes in each event is how it tells of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from knownas.api.limits import BATCH_BYTES_MAX
from knownas.api.wire import Malformed, decode_document, refuse_repeated_keys
from knownas.core.identity.kinds import DEVICE_TYPES, KIND_OF, TYPE_OF_CODE

Members = Mapping[str, Any]

_WITH_PRODUCTS: Final = (
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
)
CUSTOM_EVENT_TYPES: Final = (
    "unknown",
    "navigation",
    "location",
    "search",
    "transaction",
    "user_content",
    "user_preference",
    "social",
    "other",
    "media",
    *_WITH_PRODUCTS,
    "promotion_view",
    "promotion_click",
    "add_to_wishlist",
    "remove_from_wishlist",
    "impression",
)
"""The event types by their numbers; platform §3.4."""

PRODUCT_ACTIONS: Final = ("unknown", *_WITH_PRODUCTS, "add_to_wishlist", "remove_from_wish_list")
"""What can be done with products, by the numbers of the SDK's enumeration."""

PROMOTION_ACTIONS: Final = ("unknown", "view", "click")
"""What can be done with promotions, by the numbers of the SDK's enumeration."""

PROFILE_EVENT_TYPES: Final = ("unknown", "signup", "login", "logout", "update", "delete")
"""What can happen to a user, by the numbers of the SDK's enumeration."""

_CUSTOM_EVENT: Final = 4
_COMMERCE_EVENT: Final = 16
_EVENT_TYPES: Final = {
    1: "session_start",
    2: "session_end",
    3: "screen_view",
    _CUSTOM_EVENT: "custom_event",
    5: "crash_report",
    6: "opt_out",
    10: "application_state_transition",
    14: "profile",
    _COMMERCE_EVENT: "commerce_event",
}
"""The message types that an event by itself can have; platform §3.4."""

_COMMON: Final = {
    "ct": "timestamp_unixtime_ms",
    "sid": "session_uuid",
    "ssd": "session_start_unixtime_ms",
    "attrs": "custom_attributes",
    "flags": "custom_flags",
}
_OWN: Final[Mapping[int, Mapping[str, str]]] = {
    2: {"sl": "session_duration_ms"},
    3: {"n": "screen_name"},
    _CUSTOM_EVENT: {"n": "event_name"},
    5: {"n": "message"},
    6: {"o": "is_opted_out"},
    10: {"fr": "is_first_run", "iu": "is_upgrade", "lr": "launch_referral"},
    _COMMERCE_EVENT: {"cu": "currency_code"},
}
_PRODUCT: Final = {
    "id": "id",
    "nm": "name",
    "br": "brand",
    "ca": "category",
    "va": "variant",
    "tpa": "total_product_amount",
    "ps": "position",
    "pr": "price",
    "qt": "quantity",
    "cc": "coupon_code",
    "attrs": "custom_attributes",
}
_PRODUCT_ACTION: Final = {
    "cs": "checkout_step",
    "co": "checkout_options",
    "ti": "transaction_id",
    "ta": "affiliation",
    "tcc": "coupon_code",
    "tr": "total_amount",
    "ts": "shipping_amount",
    "tt": "tax_amount",
}
_PROMOTION: Final = {"id": "id", "nm": "name", "cr": "creative", "ps": "position"}
_CONSENT: Final = {
    "c": "consented",
    "ts": "timestamp_unixtime_ms",
    "d": "document",
    "l": "location",
    "h": "hardware_id",
}
_BATCH: Final = {
    "mpid": "mpid",
    "das": "mp_deviceid",
    "sdk": "sdk_version",
    "ua": "user_attributes",
    "ia": "integration_attributes",
}

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def batch_of_single_event(body: bytes) -> bytes:
    """Return the batch of one event that a single event stands for; a body that is no single event, as it is.

    Raises:
        Malformed: a key stands twice in it, its type is none that there is, or it is nested too deep.
    """
    if len(body) > BATCH_BYTES_MAX:
        return body
    try:
        given = decode_document(_OBJECT, body)
    except Malformed:
        # Whoever reads batches says why.
        return body
    if "dt" not in given or "events" in given:
        return body
    refuse_repeated_keys(body)
    batch = _renamed(given, _BATCH)
    batch["environment"] = "development" if given.get("dbg") is True else "production"
    batch["device_info"] = {"platform": "web"}
    batch["application_info"] = _renamed(given, {"av": "application_version"})
    batch["user_identities"] = _user_identities(given)
    batch["consent_state"] = {
        regulation: {purpose: _renamed(_object(said), _CONSENT) for purpose, said in _object(purposes).items()}
        for regulation, purposes in _object(given.get("con")).items()
    }
    batch["events"] = [_event(given)]
    try:
        return _ENCODER.encode(batch)
    except RecursionError as error:
        raise Malformed("too_deep", "The event is nested too deep.") from error


def _user_identities(given: Members) -> dict[str, Any]:
    """Name the identities by their types' numbers; platform §1.5. Of several of a type the last one stays."""
    found: dict[str, Any] = {}
    for one in _objects(given.get("ui")):
        number = one.get("Type")
        kind = TYPE_OF_CODE.get(number) if isinstance(number, int) else None
        if kind is not None and kind not in DEVICE_TYPES:
            found[KIND_OF[kind].events] = one.get("Identity")
    return found


def _event(given: Members) -> dict[str, Any]:
    number = given["dt"]
    event_type = _EVENT_TYPES.get(number) if isinstance(number, int) else None
    if event_type is None:
        raise Malformed("invalid_member", "dt is no message type that an event by itself can have.")
    data = _renamed(given, {**_COMMON, **_OWN.get(number, {})})
    where = _object(given.get("lc"))
    if where:
        data["location"] = _renamed(where, {"lat": "latitude", "lng": "longitude"})
    if number == _CUSTOM_EVENT:
        data["custom_event_type"] = _numbered(given.get("et"), CUSTOM_EVENT_TYPES)
    elif number == _COMMERCE_EVENT:
        data |= _commerce(given)
    elif event_type == "profile":
        data["profile_event_type"] = _numbered(given.get("pet"), PROFILE_EVENT_TYPES)
    elif event_type == "application_state_transition":
        data["application_transition_type"] = "application_initialized"
    return {"event_type": event_type, "data": data}


def _commerce(given: Members) -> dict[str, Any]:
    """Read what was done with which products or promotions: one of the three, and the shopping cart."""
    data: dict[str, Any] = {}
    action, promotion, impressions = _object(given.get("pd")), _object(given.get("pm")), _objects(given.get("pi"))
    if action:
        named = {"action": _numbered(action.get("an"), PRODUCT_ACTIONS), "products": _products(action)}
        data["product_action"] = named | _renamed(action, _PRODUCT_ACTION)
    if promotion:
        promotions = [_renamed(one, _PROMOTION) for one in _objects(promotion.get("pl"))]
        data["promotion_action"] = {
            "action": _numbered(promotion.get("an"), PROMOTION_ACTIONS),
            "promotions": promotions,
        }
    if impressions:
        data["product_impressions"] = [
            {"product_impression_list": one.get("pil"), "products": _products(one)} for one in impressions
        ]
    cart = _products(_object(given.get("sc")))
    if cart:
        data["shopping_cart"] = {"products": cart}
    return data


def _products(given: Members) -> list[dict[str, Any]]:
    return [_renamed(one, _PRODUCT) for one in _objects(given.get("pl"))]


def _renamed(given: Members, names: Mapping[str, str]) -> dict[str, Any]:
    """Return those members that have a longer name and a value, by that name."""
    return {long: value for short, long in names.items() if (value := given.get(short)) is not None}


def _numbered(number: object, names: Sequence[str]) -> str:
    known = isinstance(number, int) and 0 <= number < len(names)
    return names[cast("int", number)] if known else names[0]


def _object(given: object) -> Members:
    return cast("Members", given) if isinstance(given, dict) else {}


def _objects(given: object) -> list[Members]:
    return [_object(one) for one in cast("list[object]", given)] if isinstance(given, list) else []
