"""Writes the events of a raw output batch as those of the partner protocol. What the protocol has no event for is left out."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType, Surface, name_on, types_named_on
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.outputs.firehose.members import (
    Members,
    boolean,
    integer,
    mapping,
    number,
    objects,
    present,
    text,
    texts,
)

_CUSTOM_TYPES: Final = frozenset(
    {"navigation", "location", "search", "transaction", "user_content", "user_preference", "social", "other", "media"}
)
_ACTIONS: Final = frozenset(
    {
        "add_to_wishlist",
        "remove_from_wish_list",
        "add_to_cart",
        "remove_from_cart",
        "checkout",
        "purchase",
        "refund",
        "checkout_option",
        "click",
        "view_detail",
    }
)
_TRANSITIONS: Final[Mapping[str, str]] = {
    "application_initialized": "initialize",
    "application_exit": "exit",
    "application_background": "background",
    "application_foreground": "foreground",
}
_NAMES: Final[Mapping[str, IdentityType]] = {**types_named_on(Surface.IDSYNC), **types_named_on(Surface.EVENTS)}

Data = Mapping[str, Any]


def event_members(event: Data, place: int, message_id: str, outgoing: tuple[Outgoing, ...]) -> Members | None:
    """Return the members of an event but for where it happened; None if the protocol has no such event.

    `place` is the event's in the batch of a message; its id follows from both, so that it is the same at each try. `outgoing` are the identities
    that go out, outside which no event may tell one.
    """
    data = mapping(event.get("data"))
    kind = str(event.get("event_type"))
    if kind in _OF_IDENTITIES:
        own = _OF_IDENTITIES[kind](data, outgoing)
    else:
        write = _WRITTEN.get(kind)
        own = None if write is None else write(data)
    at_ms = integer(data.get("timestamp_unixtime_ms"))
    if own is None or at_ms is None:
        return None
    head = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{message_id}/{place}")),
        "timestamp_ms": at_ms,
        "source_id": text(data.get("message_id")) or text(data.get("event_id")),
        "session_id": integer(data.get("session_id")),
    }
    return present({**own, **head}.items())


def location(value: object) -> Members | None:
    """Return where something happened; None if that is not known."""
    given = mapping(value)
    members = {name: number(given.get(name)) for name in ("latitude", "longitude", "accuracy")}
    found = present(members.items())
    return found if {"latitude", "longitude"} <= found.keys() else None


def _custom(data: Data) -> Members | None:
    name, kind = text(data.get("event_name")), data.get("custom_event_type")
    if name is None:
        return None
    attributes = texts(data.get("custom_attributes"))
    if kind == "attribution":
        told = {"publisher_name": attributes.get("publisher"), "campaign_name": attributes.get("campaign")}
        return {"type": "attribution", "name": name, **told, "attributes": attributes}
    custom_type = kind if kind in _CUSTOM_TYPES else "unknown"
    return {"type": "custom_event", "name": name, "custom_event_type": custom_type, **_free(data)}


def _screen_view(data: Data) -> Members | None:
    name = text(data.get("screen_name"))
    return None if name is None else {"type": "screen_view", "screen_name": name, **_free(data)}


def _session_start(_: Data) -> Members:
    return {"type": "session_start"}


def _session_end(data: Data) -> Members:
    return {"type": "session_end", "session_length_ms": integer(data.get("session_duration_ms"))}


def _error(data: Data) -> Members:
    trail = [one for crumb in objects(data.get("breadcrumbs")) if (one := text(crumb.get("label"))) is not None]
    return {
        "type": "error",
        "is_crash": data.get("exception_handled") is not True,
        "message": text(data.get("message")),
        "stack_trace": text(data.get("stack_trace")),
        "breadcrumbs": trail,
        "attributes": texts(data.get("custom_attributes")),
    }


def _opt_out(data: Data) -> Members | None:
    is_out = boolean(data.get("is_opted_out"))
    if is_out is None:
        return None
    return {"type": "privacy_setting_change", "setting": "app_data_collection", "is_enabled": not is_out}


def _transition(data: Data) -> Members | None:
    state = _TRANSITIONS.get(str(data.get("application_transition_type")))
    if data.get("is_first_run") is True:
        state = "install"
    elif data.get("is_upgrade") is True:
        state = "upgrade"
    if state is None:
        return None
    referral = text(data.get("launch_referral"))
    return {"type": "application_state_transition", "application_state": state, "launch_referral": referral}


def _first_run(_: Data) -> Members:
    return {"type": "application_state_transition", "application_state": "install"}


def _push_message(data: Data) -> Members | None:
    kinds = {"received": "push_message_receipt", "action": "push_message_open"}
    kind = kinds.get(str(data.get("push_message_type")))
    return None if kind is None else {"type": kind, "payload": text(data.get("push_notification_payload"))}


def _attribute_change(data: Data) -> Members | None:
    name = text(data.get("user_attribute_name"))
    if name is None:
        return None
    added, removed = texts({name: data.get("new")}), texts({name: data.get("old")})
    return {"type": "user_attribute_change", "added": added, "removed": removed} if added or removed else None


def _commerce(data: Data) -> Members | None:
    if "product_action" in data:
        return _product_action(data)
    if "promotion_action" in data:
        given = mapping(data["promotion_action"])
        action = given.get("action")
        names = ("id", "name", "creative", "position")
        promotions = [
            present((name, text(one.get(name))) for name in names) for one in objects(given.get("promotions"))
        ]
        known = action if action in {"view", "click"} else "unknown"
        return {"type": "promotion_action", "action": known, "promotions": promotions, **_free(data)}
    if "product_impressions" in data:
        seen = [
            {"impression_list_name": text(one.get("product_impression_list")), "products": _products(one)}
            for one in objects(data["product_impressions"])
        ]
        return {"type": "impression", "impressions": [present(one.items()) for one in seen], **_free(data)}
    return None


def _product_action(data: Data) -> Members | None:
    given = mapping(data["product_action"])
    if given.get("action") not in _ACTIONS:
        return None
    return {
        "type": "product_action",
        "action": given["action"],
        "transaction_id": text(given.get("transaction_id")),
        "affiliation": text(given.get("affiliation")),
        "total_amount": number(given.get("total_amount")),
        "tax_amount": number(given.get("tax_amount")),
        "shipping_amount": number(given.get("shipping_amount")),
        "currency_code": text(data.get("currency_code")),
        "coupon_code": text(given.get("coupon_code")),
        "products": _products(given),
        **_free(data),
    }


def _products(given: Data) -> list[Members]:
    return [_product(one) for one in objects(given.get("products"))]


def _product(one: Data) -> Members:
    names = ("id", "name", "brand", "category", "variant", "coupon_code")
    members: Members = {name: text(one.get(name)) for name in names}
    members["position"] = integer(one.get("position"))
    members["price"], members["quantity"] = number(one.get("price")), number(one.get("quantity"))
    members["total_amount"] = number(one.get("total_product_amount"))
    members["attributes"] = texts(one.get("custom_attributes"))
    return present(members.items())


def _free(data: Data) -> Members:
    return {"attributes": texts(data.get("custom_attributes")), "custom_flags": texts(data.get("custom_flags"))}


def _push_registration(data: Data, outgoing: tuple[Outgoing, ...]) -> Members | None:
    """Return the subscription of a device, if its token is among what goes out: an event must not tell it otherwise."""
    token = data.get("registration_token")
    going = {one.value for one in outgoing if one.target is IdentityType.PUSH_TOKEN and one.encoding is Encoding.RAW}
    if token not in going:
        return None
    action = "subscribe" if data.get("register") is True else "unsubscribe"
    return {"type": "push_subscription", "action": action, "token": token}


def _identity_change(data: Data, outgoing: tuple[Outgoing, ...]) -> Members | None:
    """Return a changed identity of a user, of a type that goes out, written as that type is: whoever made the batch has done so."""
    sides = {side: _changed(data.get(side), outgoing) for side in ("new", "old")}
    if not any(sides.values()):
        return None
    return {"type": "user_identity_change", "added": sides["new"], "removed": sides["old"]}


def _changed(value: object, outgoing: tuple[Outgoing, ...]) -> list[Members]:
    given = mapping(value)
    kind, told = _NAMES.get(str(given.get("identity_type"))), given.get("identity")
    encoding = next((one.encoding for one in outgoing if one.target is kind), None)
    # The protocol has these events for identities of users only.
    name = None if kind is None or kind in DEVICE_TYPES else name_on(Surface.FIREHOSE, kind)
    if encoding is None or name is None or not isinstance(told, str):
        return []
    return [{"type": name, "encoding": encoding.value, "value": told}]


_WRITTEN: Final[Mapping[str, Callable[[Data], Members | None]]] = {
    "custom_event": _custom,
    "screen_view": _screen_view,
    "session_start": _session_start,
    "session_end": _session_end,
    "crash_report": _error,
    "opt_out": _opt_out,
    "application_state_transition": _transition,
    "first_run": _first_run,
    "push_message": _push_message,
    "user_attribute_change": _attribute_change,
    "commerce_event": _commerce,
}
_OF_IDENTITIES: Final[Mapping[str, Callable[[Data, tuple[Outgoing, ...]], Members | None]]] = {
    "push_registration": _push_registration,
    "user_identity_change": _identity_change,
}
