"""Says what a section is in JSON: its schema, rendered from the table that the reader reads by, and where a document has values of other types.

A file is YAML, in which the member decides how a value is read: `"8080"` is a number where one belongs. What programs send as JSON
has numbers, flags and texts already, and is held to them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from knownas.config.faults import quoted
from knownas.config.identity_types import UNLIMITED, TypeLimits, TypeName
from knownas.config.listing import Listing
from knownas.config.reading import Place, Reading
from knownas.config.sections import NEEDED, Member, Section
from knownas.config.shapes import Choice, Flag, Shape, Text, Whole
from knownas.config.toxic import ByType
from knownas.core.identity.policy import MAX_VALUES_MAX

Schema = dict[str, Any]


def schema_of(shape: Shape[object], identity_type: Schema) -> Schema:
    """Return the schema of what a shape takes. `identity_type` is that of the name of an identity type, such as a reference.

    Raises:
        TypeError: nobody has said yet what such a shape is in JSON.
    """
    match shape:
        case Section(title=title, members=members):
            return {
                "type": "object",
                "description": f"{title}.",
                "properties": {one.name: _member(one, identity_type) for one in members},
                "required": [one.name for one in members if one.default is NEEDED],
                "additionalProperties": False,
            }
        case Listing():
            listing = cast("Listing[object]", shape)
            return {"type": "array", "items": schema_of(listing.item, identity_type), "maxItems": listing.most}
        case ByType():
            each = cast("ByType[object]", shape).shape
            return _by_type(_or_null(schema_of(each, identity_type)), identity_type)
        case TypeLimits():
            limit: Schema = {"anyOf": [_whole(1, MAX_VALUES_MAX), {"const": UNLIMITED}]}
            return _by_type(limit, identity_type)
        case _:
            return identity_type if isinstance(shape, TypeName) else _scalar(shape)


def _scalar(shape: Shape[object]) -> Schema:
    match shape:
        case Flag():
            return {"type": "boolean"}
        case Whole(least=least, most=most):
            return _whole(least, most)
        case Choice():
            return {"type": "string", "enum": [one.value for one in shape.words]}
        case Text(most=most):
            return {"type": "string", "minLength": 1, "maxLength": most}
        case _:
            raise TypeError(f"{type(shape).__name__} has no form in JSON yet")


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _member(member: Member[object], identity_type: Schema) -> Schema:
    """Return the schema of a member; one that may be left out may be null, which says the same."""
    taken = schema_of(member.shape, identity_type)
    left_out = f" Left out: {member.left_out}." if member.left_out else ""
    told = {"description": f"{member.meaning}{left_out}"}
    return {**(taken if member.default is NEEDED else _or_null(taken)), **told}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _by_type(value: Schema, identity_type: Schema) -> Schema:
    return {"type": "object", "propertyNames": identity_type, "additionalProperties": value}


def note_types(shape: Shape[object], given: object, place: Place, reading: Reading) -> None:
    """Note a fault for each value that the reader would take, but that has another type in JSON than the schema says.

    What is a mapping or a list, or should be one, is refused by the reader.
    """
    if isinstance(given, dict):
        for name, one in cast("Mapping[str, object]", given).items():
            within = _within(shape, name)
            if within is not None and one is not None:
                note_types(within, one, place.member(name), reading)
    elif isinstance(given, list):
        if isinstance(shape, Listing):
            item = cast("Listing[object]", shape).item
            for number, one in enumerate(cast("Sequence[object]", given)):
                note_types(item, one, place.item(number, place.line), reading)
    elif given is not None and not _has_type(shape, given):
        reading.fault(place, f"{quoted(str(given))} is no {shape.label} in JSON", shape.allowed)


def _within(shape: Shape[object], name: str) -> Shape[object] | None:
    """Return the shape of a member of what a shape takes; None if there is none, or if it takes no mapping."""
    match shape:
        case Section(members=members):
            return next((one.shape for one in members if one.name == name), None)
        case ByType():
            return cast("ByType[object]", shape).shape
        case TypeLimits():
            return _LIMIT
        case _:
            return None


_LIMIT: Final = Whole(1, MAX_VALUES_MAX)
"""A limit of `TypeLimits`, which may be a word as well."""


def _has_type(shape: Shape[object], given: object) -> bool:
    match shape:
        case Flag():
            return isinstance(given, bool)
        case Whole():
            is_whole = isinstance(given, int) and not isinstance(given, bool)
            return is_whole or (shape is _LIMIT and given == UNLIMITED)
        case Choice() | TypeName() | Text():
            return isinstance(given, str)
        case _:
            return True
