"""Holds what an output is told: that somebody joined or left an audience, what somebody did, that somebody has to be erased.

A message is written once, when what it tells has happened, and is the same at each try. Its id is the key by which a
destination that gets it twice can tell so. How it looks on the wire is each destination's own matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from knownas.core.privacy.request import Regulation
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.telling import Action


class AudienceName(NamedTuple):
    """An audience as destinations know it: its id, and the name that is told outside (platform §6.1, *external name*)."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what a message tells has happened: the workspace and its environment ("production", "development")."""

    workspace: int
    environment: str


Settings = Mapping[str, str | int | bool]
"""What somebody has set for an output, or for the connection of one audience with it, by name."""


class Subscription(StrEnum):
    """What becomes of the connection of an audience with a destination (platform §7.6)."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class SubscriptionMessage:
    """An audience is connected with the destination, is called otherwise, or is no longer connected; before and after all of its members.

    `settings` are those of the connection, with what the destination itself wanted kept when it was connected.
    """

    id: str
    origin: Origin
    at_ms: int
    audience: AudienceName
    subscription: Subscription
    settings: Settings


@dataclass(frozen=True, slots=True)
class MembershipMessage:
    """A user is to be added to an audience at the destination, or taken out, under some identities.

    `is_member` is whether the user belongs to the audience: a member's identity is taken out as well, when it is the member's no more.
    `at_ms` is when what it tells became so (Unix milliseconds). `settings` are those of the connection, with what the destination itself wanted
    kept when the audience was connected.
    """

    id: str
    origin: Origin
    mpid: int
    at_ms: int
    audience: AudienceName
    action: Action
    identities: tuple[Outgoing, ...]
    is_member: bool
    settings: Settings


@dataclass(frozen=True, slots=True)
class EventsMessage:
    """What a user did or what was said of them, as a raw output batch (platform §7.7): JSON members with the identities that go out.

    `batch` has them in its `user_identities` and `device_info` already; `identities` are the same once more, for destinations with places of
    their own for them.
    """

    id: str
    origin: Origin
    mpid: int
    at_ms: int
    batch: Mapping[str, Any]
    identities: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class ErasureMessage:
    """A person asked to be erased (platform §5.7): the destination should do so as well.

    `request_id` is the request's at our side; `submitted_ms` is when it was made. `mpid` is None where no profile was found.
    """

    id: str
    origin: Origin
    mpid: int | None
    at_ms: int
    request_id: str
    regulation: Regulation
    submitted_ms: int
    identities: tuple[Outgoing, ...]


Message = SubscriptionMessage | MembershipMessage | EventsMessage | ErasureMessage
