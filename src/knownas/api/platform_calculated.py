"""Writes the definitions of calculated attributes the way the Platform API does (platform §8).

The configuration is where they are defined, so there is never a draft, each is active, and nobody is named who made
or activated it. An attribute is computed as events arrive and never from those of before, so its calculation is
always complete.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from knownas.core.identity.document import Document
from knownas.core.profile.conditions import Condition
from knownas.core.profile.definition import Definition

_ID_BYTES: Final = 6
"""A number of so many bytes is exact in every JSON parser, JavaScript's too."""

_COMPLETE_PERCENT: Final = 100


def attribute_id(definition: Definition) -> int:
    """Return the number by which an attribute is asked for: made from its name, and the same as long as that is."""
    return _number(definition.name)


def attribute_documents(definitions: Sequence[Definition], name: str | None) -> Sequence[Document]:
    """Return the attributes, or those of one name."""
    return [_attribute(one) for one in definitions if name is None or one.name == name]


def activation_document(definition: Definition) -> Document:
    """Return that an attribute is active."""
    return {
        "calculated_attribute_id": attribute_id(definition),
        "is_active": True,
        "activated_on": None,
        "activated_by": None,
    }


def calculation_document(definition: Definition) -> Document:
    """Return how far the calculation of an attribute is. Its revision changes with whatever decides the value."""
    return {
        "id": attribute_id(definition),
        "name": definition.name,
        "revision_id": _number(definition.digest),
        "is_calculated": True,
        "calculation_percent_complete": _COMPLETE_PERCENT,
        "estimated_completion_time": None,
    }


def _attribute(definition: Definition) -> Document:
    return {
        "id": attribute_id(definition),
        "name": definition.name,
        "description": None,
        "created_by": None,
        "created_on": None,
        "last_modified_on": None,
        "last_modified_by": None,
        "active_definition": _definition(definition),
        "draft_definition": None,
        "audience_count": 0,
        "activated_on": None,
        "activated_by": None,
    }


def _definition(definition: Definition) -> Document:
    point, cutoff = definition.data_point, definition.cutoff_ms
    return {
        "recipe_type": "event",
        "datapoint": {
            "type": "event",
            "event_name": point.event_name,
            "attribute_name": point.attribute_name,
            "event_type": point.type,
            "custom_event_type": point.custom_event_type,
            "attribute_category": point.attribute_category,
            "use_product_quantity": point.use_product_quantity,
        },
        "conditions": [_condition(one) for one in definition.conditions],
        "calculation_type": definition.calculation_type,
        "time_period": _period(definition),
        "seeding": None if cutoff is None else {"cutoff_date": _day(cutoff)},
    }


def _period(definition: Definition) -> Document | None:
    since, window = definition.since_ms, definition.window
    if window is not None:
        return {"type": "within", "date": None, "within": window.length, "within_unit": window.unit}
    if since is not None:
        return {"type": "since", "date": _day(since), "within": None, "within_unit": None}
    return None


def _condition(condition: Condition) -> Document:
    return {
        "type": condition.type,
        "operator": condition.operator,
        "attribute_name": condition.attribute_name,
        "value": condition.value,
        "values": list(condition.values) or None,
        "min_value": condition.min_value,
        "max_value": condition.max_value,
    }


def _day(at_ms: int) -> str:
    """Write the beginning of a day in UTC as the vendor does, without a zone."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_ID_BYTES).digest())
