"""Reads a policy by itself: the rules of a scope as a configuration file gives them, without the file around them."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from knownas.config.faults import FaultList, InvalidConfiguration
from knownas.config.json_form import note_types, schema_of
from knownas.config.located import locate
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.scopes import POLICY_SECTION
from knownas.core.identity.policy import Policy

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


def read_policy(text: str, environment: Mapping[str, str] = NO_VARIABLES) -> Policy | InvalidConfiguration:
    """Return the policy that YAML or JSON describes, with its strategy's preset for what is left out, or all that is wrong.

    `environment` fills in the variables of the text; none are known to somebody who sends it.
    """
    return _read(text, environment, Reading(FaultList()))


def read_policy_document(document: Mapping[str, Any]) -> Policy | InvalidConfiguration:
    """Return the policy that a parsed JSON document describes, as `read_policy` does; numbers, flags and texts have to be such."""
    reading = Reading(FaultList())
    note_types(POLICY_SECTION, document, Place(1, ""), reading)
    return _read(json.dumps(document, ensure_ascii=False), NO_VARIABLES, reading)


def policy_schema(identity_type: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of such a document; `identity_type` is that of the name of an identity type.

    What rests on several members of it, it does not say.
    """
    return schema_of(POLICY_SECTION, identity_type)


def _read(text: str, environment: Mapping[str, str], reading: Reading) -> Policy | InvalidConfiguration:
    faults = reading.faults
    root = locate(text, environment, faults)
    try:
        policy = POLICY_SECTION.read(root, Place(root.line, ""), reading)
    except Unreadable:
        return InvalidConfiguration(faults.in_order())
    return InvalidConfiguration(faults.in_order()) if faults.faults else policy
