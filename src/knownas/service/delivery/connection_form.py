"""Reads the connection of an audience with an output from its JSON document, and writes it back (platform §6.5, §7.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from knownas.core.audience.reading_text import Fault, Text, Wrong
from knownas.core.delivery.message import Settings
from knownas.core.identity.observation import Environment
from knownas.core.translation.place import Place, Wish, rule_of
from knownas.core.translation.rule import InvalidRule, Requirement, Rule
from knownas.service.delivery.destination import Destination
from knownas.service.delivery.wish_form import (
    COMMON_MEMBERS,
    DEFAULT_ENVIRONMENTS,
    FAULTS_TOLD_MAX,
    Members,
    common_document,
    faults_of_rule,
    read_environments,
    read_settings,
    read_wish,
)


@dataclass(frozen=True, slots=True)
class AudienceConnection:
    """What somebody has set for an audience and an output: which it is, what is sent of whom, of which environments, and its settings."""

    output: str
    wish: Wish = field(default_factory=Wish)
    environments: frozenset[Environment] = DEFAULT_ENVIRONMENTS
    settings: Settings = field(default_factory=dict[str, str | int | bool])


def read_connection(given: object) -> AudienceConnection | tuple[Fault, ...]:
    """Read a connection, from parsed JSON; what is wrong with it if it can't be, at most `FAULTS_TOLD_MAX` of it."""
    text = Text()
    try:
        members = Members(text, given, "", ("output",), (*COMMON_MEMBERS, "on_identity_change"))
    except Wrong:
        return tuple(text.faults)
    connection = AudienceConnection(
        members.get("output", text.text, ""), read_wish(members), read_environments(members), read_settings(members)
    )
    return tuple(text.faults[:FAULTS_TOLD_MAX]) or connection


def connection_document(connection: AudienceConnection, confidential: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Write a connection as it is read; settings that are confidential are left out."""
    wish = connection.wish
    common = common_document(wish, connection.environments, connection.settings, confidential)
    said = {} if wish.on_identity_change is None else {"on_identity_change": wish.on_identity_change.value}
    return {"output": connection.output, **common, **said}


def rule_or_faults(
    wish: Wish,
    destination: Destination,
    places: Sequence[Place] | None = None,
    requirement: Requirement = Requirement.EACH,
) -> Rule | tuple[Fault, ...]:
    """Return the rule of a connection with a destination; what is wrong with its document if there is none.

    `places` are those that it has for this output, if that is not always the same.
    """
    its_own = destination.places if places is None else places
    try:
        return rule_of(wish, its_own, destination.keeps, requirement, destination.on_identity_change)
    except InvalidRule as refused:
        return faults_of_rule(refused)
