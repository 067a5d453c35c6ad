"""Holds what arrives about a user: a batch of events with the profile's update, as every surface decodes it (platform §2)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.consent import Consent, Purpose
from knownas.core.profile.device import Device


class Channel(StrEnum):
    """How a batch came in; it decides what the batch may say of the profile (platform §2.6, §3.2)."""

    SERVER = "server_to_server"
    FEED = "feed"
    PARTNER = "partner"
    JAVASCRIPT = "javascript"

    @property
    def is_client(self) -> bool:
        """Whether an SDK on the user's device sent it: untrusted, and its attributes are context only."""
        return self is Channel.JAVASCRIPT


class Attribution(NamedTuple):
    """Who brought the user to install an app, as told at a time (Unix milliseconds)."""

    publisher: str
    campaign: str
    at_ms: int


class Event(NamedTuple):
    """One event. `data` is its document as sent; `message_id` is the caller's name for it, if any."""

    type: str
    at_ms: int
    message_id: str | None
    data: Mapping[str, Any]

    @property
    def name(self) -> str | None:
        """The name of a custom event, or of the screen of a screen view."""
        name = self.data.get("event_name", self.data.get("screen_name"))
        return name if isinstance(name, str) else None


NO_ATTRIBUTES: Final[Mapping[str, AttributeValue | None]] = {}


class EventBatch(NamedTuple):
    """One user's batch: who it is about, what it says of the profile, and the events.

    `identities` are in canonical order. `attributes` with the value None are deleted. `notes` say what was left out
    or cut on the way in, for the receipt. Times are Unix milliseconds.
    """

    environment: Environment
    at_ms: int
    input: str
    channel: Channel
    source_request_id: str | None = None
    mpid: int | None = None
    identities: tuple[Identity, ...] = ()
    attributes: Mapping[str, AttributeValue | None] = NO_ATTRIBUTES
    consents: tuple[tuple[Purpose, Consent], ...] = ()
    device: Device | None = None
    attribution: Attribution | None = None
    events: tuple[Event, ...] = ()
    is_historical: bool = False
    notes: tuple[str, ...] = ()
    repeated: Mapping[str, AttributeValue] | None = None
    """The attributes that a web SDK repeats with a single event; None if that is not what the batch was made from."""
    batch_id: int | None = None
    """The vendor's own id of a batch that is sent again as it was handed out (platform §2.7)."""

    def with_events(self, events: tuple[Event, ...]) -> "EventBatch":
        """Return the batch with other events."""
        return self._replace(events=events)

    @property
    def first_ms(self) -> int:
        """When the batch shows the user first."""
        return min((event.at_ms for event in self.events), default=self.at_ms)

    @property
    def last_ms(self) -> int:
        """When the batch shows the user last: now, or for a historical one at its last event."""
        if not self.is_historical:
            return self.at_ms
        return max((event.at_ms for event in self.events), default=self.at_ms)
