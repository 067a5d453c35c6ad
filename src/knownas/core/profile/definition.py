"""Holds how a calculated attribute is defined: which events count, under which conditions, and what is computed (platform §8)."""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from knownas.core.limits import ATTRIBUTE_NAME_CHARACTERS_MAX
from knownas.core.profile.conditions import Condition, InvalidDefinition
from knownas.core.profile.tallies import CalculationType
from knownas.core.profile.window import WINDOW_DAYS_MAX, Window

CONDITIONS_MAX: Final = 50
"""Conditions of one calculated attribute."""

_DIGEST_BYTES: Final = 8


COMMERCE: Final = "commerce_event"


class AttributeCategory(StrEnum):
    """What an attribute is of."""

    EVENT = "event_attribute"
    PRODUCT = "product_attribute"
    PROMOTION = "promotion_attribute"


@dataclass(frozen=True, slots=True)
class DataPoint:
    """Which events are looked at, and which attribute of them; platform §8.

    `type` is the event type. `event_name` is that of a custom event or screen; `custom_event_type` is also what kind
    of commerce event it is: a product action, `promotion_view`, `promotion_click` or `impression`. None of them sets
    no bounds. With `use_product_quantity` a product counts as often as it was bought.

    Raises:
        InvalidDefinition: products or promotions of what is no commerce event, or quantities of what are no products.
    """

    type: str
    event_name: str | None = None
    custom_event_type: str | None = None
    attribute_name: str | None = None
    attribute_category: AttributeCategory = AttributeCategory.EVENT
    use_product_quantity: bool = False

    def __post_init__(self) -> None:
        if self.attribute_category is not AttributeCategory.EVENT and self.type != COMMERCE:
            raise InvalidDefinition("attribute_category", f"only a {COMMERCE} has a {self.attribute_category}")
        if self.use_product_quantity and self.attribute_category is not AttributeCategory.PRODUCT:
            sentence = f"it goes with attribute_category {AttributeCategory.PRODUCT} only"
            raise InvalidDefinition("use_product_quantity", sentence)
        if self.attribute_name is not None and not 1 <= len(self.attribute_name) <= ATTRIBUTE_NAME_CHARACTERS_MAX:
            sentence = f"the name must have 1 to {ATTRIBUTE_NAME_CHARACTERS_MAX} characters"
            raise InvalidDefinition("attribute_name", sentence)


@dataclass(frozen=True, slots=True)
class Definition:
    """How one calculated attribute of a workspace is computed; platform §8.

    Only events that match the data point and meet all conditions count. `since_ms` leaves out what happened before, or
    `window` what is too long ago when the attribute is read; `cutoff_ms` opens the attribute to seeding: a seed stands
    for everything before. Times are Unix milliseconds.

    Raises:
        InvalidDefinition: the calculation needs an attribute and the data point names none, the name is too long, the
            window is, or it is to begin on a day, or to be seeded, as well.
    """

    name: str
    calculation_type: CalculationType
    data_point: DataPoint
    conditions: tuple[Condition, ...] = ()
    since_ms: int | None = None
    cutoff_ms: int | None = None
    window: Window | None = None
    digest: str = field(init=False, repr=False, compare=False)
    """Tells this computation from every other one."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= ATTRIBUTE_NAME_CHARACTERS_MAX:
            raise InvalidDefinition("name", f"the name must have 1 to {ATTRIBUTE_NAME_CHARACTERS_MAX} characters")
        if self.calculation_type.needs_attribute and self.data_point.attribute_name is None:
            raise InvalidDefinition("data_point", f"{self.calculation_type} needs an attribute_name in data_point")
        if len(self.conditions) > CONDITIONS_MAX:
            raise InvalidDefinition("conditions", f"there may be {CONDITIONS_MAX} conditions")
        if self.window is not None:
            if not 1 <= self.window.days <= WINDOW_DAYS_MAX:
                raise InvalidDefinition("time_period", f"a window has 1 to {WINDOW_DAYS_MAX} days")
            if self.since_ms is not None:
                raise InvalidDefinition("time_period", "a window slides; it does not begin on a day")
            if self.cutoff_ms is not None:
                sentence = "what was before the cutoff date would have to leave the window piece by piece"
                raise InvalidDefinition("seeding", f"a window that slides can't be seeded: {sentence}")
        object.__setattr__(self, "digest", _digest(self))


def _digest(definition: Definition) -> str:
    """Digest what decides the value. Members at their defaults are left out, so that new ones change no digest."""
    point = definition.data_point
    written: dict[str, Any] = {
        "calculation_type": definition.calculation_type,
        "data_point": [point.type, point.event_name, point.custom_event_type, point.attribute_name],
        "attribute_category": point.attribute_category,
        "use_product_quantity": point.use_product_quantity or None,
        "conditions": [
            [one.type, one.operator, one.attribute_name, one.value, one.values, one.min_value, one.max_value]
            for one in definition.conditions
        ],
        "since_ms": definition.since_ms,
        "cutoff_ms": definition.cutoff_ms,
        "window_ms": None if definition.window is None else definition.window.length_ms,
    }
    kept = {name: value for name, value in written.items() if value is not None and value != []}
    return hashlib.blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=_DIGEST_BYTES).hexdigest()
