"""Says what a destination is, so that a new one is one file in `outputs/`: its settings, its places for identities, and how it is sent to.

The delivery (`service.delivery.delivering`) calls a sender with messages in their order, one request's worth at a time, all of one kind, and never
twice at once. A sender keeps nothing that a crash could lose: what it has not answered for is sent again. Whatever goes wrong at the other
side is an outcome, never an exception.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from knownas.core.delivery.batching import ONE_BY_ONE, Batching
from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Settings,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome
from knownas.core.translation.place import Place
from knownas.core.translation.rule import Keeps, OnIdentityChange, Requirement


class SettingKind(StrEnum):
    """What a setting's value is."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set, of an output or of a connection with it.

    A `confidential` one is sealed at rest and never shown again. `choices` of () means any text.
    """

    name: str
    kind: SettingKind
    description: str
    required: bool = False
    confidential: bool = False
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()


class Sender(Protocol):
    """An open way to one output. One event loop, one task at a time."""

    async def send(self, messages: Sequence[Message]) -> Outcome:
        """Send messages of one kind, at most as many as the destination's `Batching` says; one about a subscription comes alone.

        Called off after `service.delivery.limits.SEND_SECONDS`, as after a time-out.
        """
        ...

    async def check(self) -> Outcome:
        """Find out whether the output can be reached and lets us in, without telling of any user where that is possible."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sender gets from outside: the time (Unix milliseconds), and new ids (UUIDs as text)."""

    now_ms: Callable[[], int]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class AskedPlaces:
    """Which identities a destination takes by its own word, at least one place, and what it means that some are required."""

    places: tuple[Place, ...]
    requirement: Requirement


AskPlaces = Callable[[Settings, Surroundings], Awaitable[AskedPlaces | NotNow | NotThis | NotAtAll]]
"""Asks a destination which identities it takes."""

TakenKind = type[SubscriptionMessage] | type[MembershipMessage] | type[EventsMessage] | type[ErasureMessage]


@dataclass(frozen=True, slots=True)
class Destination:
    """A kind of output.

    `takes` are the messages that it can do something with; others are never written for it. `places` of () means that it takes identities of any
    type; where `ask_places` is given, the destination says itself which it takes, and is asked before the rule of a connection is made.
    `on_identity_change` is what becomes of a member's old value if nobody says otherwise. `faults` says what is wrong with settings beyond their kinds, each with the name of the setting and a sentence.
    """

    name: str
    title: str
    takes: frozenset[TakenKind]
    settings: tuple[Setting, ...]
    open: Callable[[Settings, Surroundings], Sender]
    connection_settings: tuple[Setting, ...] = ()
    places: tuple[Place, ...] = ()
    ask_places: AskPlaces | None = None
    keeps: Keeps = Keeps.PROFILES
    on_identity_change: OnIdentityChange = OnIdentityChange.REMOVE_OLD
    batching: Batching = ONE_BY_ONE
    faults: Callable[[Settings], Sequence[tuple[str, str]]] = lambda _: ()
