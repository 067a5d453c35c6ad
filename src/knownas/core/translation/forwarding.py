"""Decides what of a batch of events a connection forwards: the events, attributes and identities that go out, or why nothing does.

The batch has been resolved and stored before; here its user is looked at with everything that the profile has (platform §2.6, §7.2 to §7.4). In this
order: rules about the user, identities, then each event by the data filter and by rules about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.event import Event, EventBatch
from knownas.core.translation.data_filter import EVERYTHING, DataFilter
from knownas.core.translation.forwarding_rules import (
    ForwardedUser,
    ForwardingRule,
    HeldBackBy,
    event_held_back,
    user_held_back,
)
from knownas.core.translation.identity_change import change_written
from knownas.core.translation.limits import FORWARDING_RULES_MAX
from knownas.core.translation.outcome import Skipped, Translated
from knownas.core.translation.rule import Rule
from knownas.core.translation.translate import translate


class InvalidConnection(ValueError):
    """What a connection forwards can't be that; the message says why."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What one connection of an input with an output forwards; platform §7.1.

    `eventless` batches, which only update the profile, are forwarded if it says so.

    Raises:
        InvalidConnection: there are too many rules.
    """

    rule: Rule
    data_filter: DataFilter = EVERYTHING
    rules: tuple[ForwardingRule, ...] = ()
    eventless: bool = True

    def __post_init__(self) -> None:
        if len(self.rules) > FORWARDING_RULES_MAX:
            raise InvalidConnection(f"there may be {FORWARDING_RULES_MAX} forwarding rules")


class Forwarded(NamedTuple):
    """What goes out of a batch: the identities of its user, attributes by name, events in their order.

    `filtered` events were taken out by the data filter, `held_back` ones by rules: how many.
    """

    translated: Translated
    attributes: Mapping[str, AttributeValue]
    events: tuple[Event, ...]
    filtered: int = 0
    held_back: int = 0


class HeldBack(NamedTuple):
    """Why nothing of a batch goes out: a rule about the user holds it back."""

    by: HeldBackBy


class NothingLeft(NamedTuple):
    """Why nothing of a batch goes out: it has no event, or none is left after filter and rules."""

    filtered: int
    held_back: int


Forwarding = Forwarded | Skipped | HeldBack | NothingLeft


def forward(batch: EventBatch, user: ForwardedUser, connection: Connection) -> Forwarding:
    """Return what of a batch goes out, with the identities of the profile added."""
    by = user_held_back(user, connection.rules)
    if by is not None:
        return HeldBack(by)
    withheld = connection.data_filter.withheld()
    translation = translate(user.profile, connection.rule, withheld)
    if isinstance(translation, Skipped):
        return translation
    passing = [event for event in batch.events if event_held_back(event, connection.rules) is None]
    written = (change_written(event, translation, connection.rule, withheld) for event in passing)
    events = tuple(connection.data_filter.events(event for event in written if event is not None))
    filtered, held_back = len(passing) - len(events), len(batch.events) - len(passing)
    if not events and (batch.events or not connection.eventless):
        return NothingLeft(filtered, held_back)
    known = {name: said.value for name, said in user.attributes.items() if said.value is not None}
    return Forwarded(translation, connection.data_filter.attributes(known), events, filtered, held_back)
