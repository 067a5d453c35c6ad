"""Holds the pieces that the descriptions of bodies are made of."""

import inspect
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from knownas.service.identity.decisions import DECISION_ID_DIGITS

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


DECISION_ID: Final[Schema] = {"type": "string", "pattern": f"^[0-9a-f]{{{DECISION_ID_DIGITS}}}$"}
CURSOR: Final[Schema] = {"type": "string", "pattern": "^[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]$"}
"""Eight bytes in URL-safe Base64 without padding, the highest bit 0; see `own_operation`."""

TYPES: Final[Schema] = ref("IdentityType")
MPID: Final[Schema] = ref("Mpid")
MPID_OR_NULL: Final[Schema] = {"anyOf": [MPID, {"type": "null"}]}
NEW_MPID: Final[Schema] = {**MPID_OR_NULL, "description": "Null if the profile was not made, only explained."}
TIME: Final[Schema] = {"type": "string", "format": "date-time", "description": "RFC 3339, in UTC."}
FLAG: Final[Schema] = {"type": "boolean"}
TEXT: Final[Schema] = {"type": "string"}
TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
OBJECT: Final[Schema] = {"type": "object"}


def object_of(description: str, /, **members: Schema) -> Schema:
    """Return the schema of an object that has all of these members."""
    schema: Schema = {"type": "object", "properties": members, "required": list(members)}
    return {"description": description, **schema} if description else schema


def closed_object(description: str, required: Schema, optional: Schema | None = None) -> Schema:
    """Return the schema of an object that has all of the required members, maybe some of the others, and no more."""
    schema: Schema = {"type": "object", "properties": {**required, **(optional or {})}, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return {"description": description, **schema} if description else schema


def list_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def values_of(values: Iterable[StrEnum]) -> list[str]:
    """Return the words of a closed set, sorted."""
    return sorted(one.value for one in values)


def enum_of(values: type[StrEnum]) -> Schema:
    """Return the schema of a closed set of words."""
    return {"enum": values_of(values), "description": inspect.getdoc(values) or ""}


def with_codes(name: str, path: Iterable[str], codes: Iterable[str]) -> Schema:
    """Return an error schema narrowed to some reason codes; `path` leads to the member that holds the code."""
    narrowed: Schema = {"enum": sorted(codes)}
    for step in reversed(list(path)):
        narrowed = {"items": narrowed} if step == "[]" else {"properties": {step: narrowed}}
    return {"allOf": [ref(name), narrowed]}
