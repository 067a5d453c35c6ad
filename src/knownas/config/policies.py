"""Reads a policy by itself: the rules of a scope as a configuration file gives them, without the file around them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from knownas.config.faults import FaultList, InvalidConfiguration
from knownas.config.located import locate
from knownas.config.reading import Place, Reading, Unreadable
from knownas.config.scopes import POLICY_SECTION
from knownas.core.identity.policy import Policy

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


def read_policy(text: str, environment: Mapping[str, str] = NO_VARIABLES) -> Policy | InvalidConfiguration:
    """Return the policy that YAML or JSON describes, with its strategy's preset for what is left out, or all that is wrong.

    `environment` fills in the variables of the text; none are known to somebody who sends it.
    """
    faults = FaultList()
    root = locate(text, environment, faults)
    reading = Reading(faults)
    try:
        policy = POLICY_SECTION.read(root, Place(root.line, ""), reading)
    except Unreadable:
        return InvalidConfiguration(faults.in_order())
    return InvalidConfiguration(faults.in_order()) if faults.faults else policy
