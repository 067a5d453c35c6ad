"""Decides what of an event counts for a calculated attribute: the event, its products, or its promotions (platform §8).

An attribute of an event is looked for among its custom attributes, then in its product action (`total_amount`,
`transaction_id`), then among the event's own members (`session_duration_ms`, `currency_code`). An attribute of a
product or promotion is looked for among its own members, then among its custom attributes. A condition looks at the
product or promotion first, and at the event if that has no such attribute.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, cast

from knownas.core.profile.attributes import SCALARS
from knownas.core.profile.conditions import Condition, meets
from knownas.core.profile.definition import COMMERCE, AttributeCategory, DataPoint
from knownas.core.profile.event import Event
from knownas.core.profile.numbers import ONE, number_of
from knownas.core.profile.tallies import Occurrence

ITEMS_COUNTED_MAX: Final = 1_000
"""Products or promotions of one event that count."""

QUANTITY_MAX: Final = 10**9
"""The largest quantity of a product that is multiplied with; a larger one, as one that is no number, counts as 1."""

_SPELLINGS: Final[Mapping[str, str]] = MappingProxyType({"remove_from_wish_list": "remove_from_wishlist"})
"""Product actions that events spell otherwise than custom event types do; platform §2.4."""

_PROMOTION_ACTIONS: Final[Mapping[object, str]] = MappingProxyType(
    {"view": "view", "click": "click", 1: "view", 2: "click"}
)
"""What can be done with promotions, also by the numbers that web SDKs leave in their batches."""

Members = Mapping[str, Any]
_NONE: Final[Members] = MappingProxyType({})


def occurrences(point: DataPoint, conditions: tuple[Condition, ...], event: Event) -> Iterator[Occurrence]:
    """Yield what of an event counts: nothing, the event once, or each product or promotion that meets the conditions.

    Where the data point names an attribute, only what has it counts.
    """
    if not _concerns(point, event):
        return
    for item in islice(_items(point, event), ITEMS_COUNTED_MAX):
        if not all(meets(one, _attribute(one.attribute_name, item, event)) for one in conditions):
            continue
        value = None
        if point.attribute_name is not None:
            value = _own(point.attribute_name, item) if item is not None else _of_event(point.attribute_name, event)
            if not isinstance(value, SCALARS):
                continue
        weight = ONE
        if point.use_product_quantity and item is not None:
            quantity = number_of(item.get("quantity"))
            if quantity is not None and 0 <= quantity <= QUANTITY_MAX:
                weight = quantity
        yield Occurrence(event.at_ms, value, weight)


def _concerns(point: DataPoint, event: Event) -> bool:
    if event.type != point.type:
        return False
    if point.event_name is not None and event.name != point.event_name:
        return False
    return point.custom_event_type is None or point.custom_event_type in _kinds(event)


def _kinds(event: Event) -> Iterator[str]:
    """Yield the custom event types that an event has; of a commerce event, what was done."""
    if event.type != COMMERCE:
        yield str(event.data.get("custom_event_type"))
        return
    action = _members(event.data.get("product_action")).get("action")
    if isinstance(action, str):
        yield _SPELLINGS.get(action, action)
    promotion = _members(event.data.get("promotion_action")).get("action")
    if isinstance(promotion, str | int) and promotion in _PROMOTION_ACTIONS:
        yield f"promotion_{_PROMOTION_ACTIONS[promotion]}"
    if event.data.get("product_impressions"):
        yield "impression"


def _items(point: DataPoint, event: Event) -> Iterator[Members | None]:
    """Yield the products or promotions, or None for the event itself."""
    match point.attribute_category:
        case AttributeCategory.EVENT:
            yield None
        case AttributeCategory.PRODUCT:
            yield from _listed(_members(event.data.get("product_action")).get("products"))
            for impression in _listed(event.data.get("product_impressions")):
                yield from _listed(impression.get("products"))
        case AttributeCategory.PROMOTION:
            yield from _listed(_members(event.data.get("promotion_action")).get("promotions"))


def _attribute(name: str, item: Members | None, event: Event) -> object:
    value = _own(name, item) if item is not None else None
    return _of_event(name, event) if value is None else value


def _own(name: str, item: Members) -> object:
    value = item.get(name)
    return _members(item.get("custom_attributes")).get(name) if value is None else value


def _of_event(name: str, event: Event) -> object:
    for members in (
        _members(event.data.get("custom_attributes")),
        _members(event.data.get("product_action")),
        event.data,
    ):
        value = members.get(name)
        if value is not None:
            return value
    return None


def _members(given: object) -> Members:
    return cast("Members", given) if isinstance(given, dict) else _NONE


def _listed(given: object) -> Iterator[Members]:
    if isinstance(given, list):
        for one in cast("list[object]", given):
            if isinstance(one, dict):
                yield cast("Members", one)
