"""Reads the connection of an input with an output, over which events are forwarded, from its JSON document, and writes it back (platform §7.1).

Beside what is sent of whom it has the data filter, rules about users and events, and the share of users that is sent (§7.3, §7.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, assert_never

from knownas.config.calculated import EventType
from knownas.core.audience.reading_text import Fault, Text, Wrong
from knownas.core.delivery.message import Settings
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.profile.consent import Purpose, Regulation
from knownas.core.translation.data_filter import (
    EVERYTHING,
    USER_ATTRIBUTE,
    USER_IDENTITY,
    DataFilter,
    InvalidFilter,
    Point,
)
from knownas.core.translation.forwarding import Connection
from knownas.core.translation.forwarding_rules import (
    AttributeRule,
    AttributionRule,
    ConsentRule,
    Effect,
    InvalidSampling,
    KnownUsersOnly,
    Sampling,
    Where,
)
from knownas.core.translation.limits import FILTERED_POINTS_MAX, FORWARDING_RULES_MAX
from knownas.core.translation.place import Wish
from knownas.core.translation.rule import Rule
from knownas.service.delivery.wish_form import (
    COMMON_MEMBERS,
    DEFAULT_ENVIRONMENTS,
    FAULTS_TOLD_MAX,
    Members,
    common_document,
    read_environments,
    read_settings,
    read_wish,
)

POINT_STEPS_MAX: Final = 4
"""Steps of a data point's path: event type, kind of event, name, attribute."""

FIRST_STEPS: Final = (*(one.value for one in EventType), "profile", USER_ATTRIBUTE, USER_IDENTITY)
"""What the path of a data point begins with."""


StatedRule = AttributeRule | AttributionRule | ConsentRule | KnownUsersOnly
"""A rule that is listed; the sample is a member of its own, since there can be one."""


@dataclass(frozen=True, slots=True)
class InputConnection:
    """What somebody has set for an input (its key or name) and an output: what of its events goes out, with which identities of whom.

    `rules` hold at most one fewer than `FORWARDING_RULES_MAX`, so that there is room for `sampling`.
    """

    input: str
    output: str
    wish: Wish = field(default_factory=Wish)
    data_filter: DataFilter = EVERYTHING
    rules: tuple[StatedRule, ...] = ()
    sampling: Sampling | None = None
    eventless: bool = True
    environments: frozenset[Environment] = DEFAULT_ENVIRONMENTS
    settings: Settings = field(default_factory=dict[str, str | int | bool])

    def forwarding(self, rule: Rule) -> Connection:
        """Return what decides what is forwarded, with the rule that the wish has come to at the destination."""
        sampled = () if self.sampling is None else (self.sampling,)
        return Connection(rule, self.data_filter, (*self.rules, *sampled), self.eventless)


def read_input_connection(given: object) -> InputConnection | tuple[Fault, ...]:
    """Read a connection, from parsed JSON; what is wrong with it if it can't be, at most `FAULTS_TOLD_MAX` of it."""
    text = Text()
    try:
        optional = (*COMMON_MEMBERS, "data_filter", "rules", "sampling", "eventless")
        members = Members(text, given, "", ("input", "output"), optional)
    except Wrong:
        return tuple(text.faults)
    connection = InputConnection(
        members.get("input", text.text, ""),
        members.get("output", text.text, ""),
        read_wish(members),
        members.get("data_filter", partial(_data_filter, text), EVERYTHING),
        members.each("rules", FORWARDING_RULES_MAX - 1, partial(_rule, text)),
        members.get("sampling", partial(_sampling, text), None),
        members.flag("eventless", absent=True),
        read_environments(members),
        read_settings(members),
    )
    return tuple(text.faults[:FAULTS_TOLD_MAX]) or connection


def input_connection_document(
    connection: InputConnection, confidential: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Write a connection as it is read; settings that are confidential are left out."""
    data_filter, sampling = connection.data_filter, connection.sampling
    written: dict[str, Any] = {
        "input": connection.input,
        "output": connection.output,
        **common_document(connection.wish, connection.environments, connection.settings, confidential),
        "data_filter": {
            "off": [list(point) for point in sorted(data_filter.off)],
            "on": [list(point) for point in sorted(data_filter.on)],
            "send_new": data_filter.send_new,
        },
        "rules": [_rule_document(rule) for rule in connection.rules],
        "eventless": connection.eventless,
    }
    return written if sampling is None else {**written, "sampling": _sampling_document(sampling)}


def _data_filter(text: Text, given: object, place: str) -> DataFilter:
    members = Members(text, given, place, (), ("off", "on", "send_new"))
    noted = len(text.faults)

    def point(listed: object, at: str) -> Point:
        return _point(members, listed, at)

    off, on = (frozenset(members.each(side, FILTERED_POINTS_MAX, point)) for side in ("off", "on"))
    send_new = members.flag("send_new", absent=True)
    if len(text.faults) > noted:
        raise Wrong
    try:
        return DataFilter(off, on, send_new)
    except InvalidFilter as invalid:
        raise text.wrong(place, str(invalid)) from None


def _point(members: Members, given: object, place: str) -> Point:
    steps = members.elements(given, place, POINT_STEPS_MAX, members.any_text, least=1)
    if steps[0] not in FIRST_STEPS:
        raise members.text.wrong(f"{place}/0", f"wanted is one of {', '.join(FIRST_STEPS)}")
    if steps[0] != USER_IDENTITY or len(steps) == 1:
        return steps
    kind = members.target(steps[1], f"{place}/1")
    if not isinstance(kind, IdentityType) or len(steps) > len((USER_IDENTITY, kind)):
        raise members.text.wrong(place, "an identity is a data point by its type alone")
    return (USER_IDENTITY, kind.value)


_RULE_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "attribute": ("of", "name", "value", "effect"),
        "attribution": ("publisher", "effect"),
        "consent": ("regulation", "purpose", "consented", "effect"),
        "known_users_only": (),
    }
)
"""The members of a rule beside `kind`, by its kind."""


def _rule(text: Text, given: object, place: str) -> StatedRule:
    read = text.any_object(given, place, "an object is wanted, with kind")
    kind = read.get("kind")
    names = _RULE_MEMBERS.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise text.wrong(f"{place}/kind", f"wanted is one of {', '.join(_RULE_MEMBERS)}")
    noted = len(text.faults)
    members = Members(text, given, place, ("kind", *names), ())
    effect = members.get("effect", members.word(Effect), Effect.DO_NOT_FORWARD)
    rule: StatedRule
    match kind:
        case "attribute":
            where = members.get("of", members.word(Where), Where.USER)
            name, value = members.get("name", text.text, ""), members.get("value", members.any_text, "")
            rule = AttributeRule(where, name, value, effect)
        case "attribution":
            rule = AttributionRule(members.get("publisher", text.text, ""), effect)
        case "consent":
            regulation = members.get("regulation", members.word(Regulation), Regulation.GDPR)
            purpose = Purpose(regulation, members.get("purpose", text.text, ""))
            rule = ConsentRule(purpose, members.flag("consented", absent=False), effect)
        case _:
            rule = KnownUsersOnly()
    if len(text.faults) > noted:
        raise Wrong
    return rule


def _sampling(text: Text, given: object, place: str) -> Sampling:
    read = text.members(given, place, ("percent",), ("key",))
    percent, key = read["percent"], read.get("key", "")
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        raise text.wrong(f"{place}/percent", "wanted is a number")
    if not isinstance(key, str):
        raise text.wrong(f"{place}/key", "wanted is a text")
    try:
        return Sampling(percent, key)
    except InvalidSampling as invalid:
        raise text.wrong(place, str(invalid)) from None


def _rule_document(rule: StatedRule) -> dict[str, Any]:
    match rule:
        case AttributeRule(where, name, value, effect):
            return {"kind": "attribute", "of": where.value, "name": name, "value": value, "effect": effect.value}
        case AttributionRule(publisher, effect):
            return {"kind": "attribution", "publisher": publisher, "effect": effect.value}
        case ConsentRule(purpose, consented, effect):
            asked = {"regulation": purpose.regulation.value, "purpose": purpose.name, "consented": consented}
            return {"kind": "consent", **asked, "effect": effect.value}
        case KnownUsersOnly():
            return {"kind": "known_users_only"}
        case _:
            assert_never(rule)


def _sampling_document(sampling: Sampling) -> dict[str, Any]:
    return {"percent": sampling.percent, **({"key": sampling.key} if sampling.key else {})}
