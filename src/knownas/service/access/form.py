"""Says what the lines of an answer to a data subject look like; the schema that comes with the answer is made of this.

Each file has one JSON object a line, which says by `mpid` of which profile it is: a person can have several. MPIDs are strings, times RFC 3339 in UTC; only batches of events are written the way
that they are handed out (platform §2.3), with what is said here beside it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from knownas.core.identity.decision import ChangeKind
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.privacy.request import RequestType

Moment = Annotated[str, msgspec.Meta(description="RFC 3339, in UTC.", extra_json_schema={"format": "date-time"})]
Scalar = str | int | float | bool


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a file."""


class AttributeShown(Line, frozen=True):
    """What was last said of an attribute, and when. `value` null: it was deleted then."""

    value: str | int | float | bool | list[Scalar] | None
    at: Moment


class AttributionShown(Line, frozen=True):
    """Who brought the person to install an app."""

    publisher: str
    campaign: str
    at: Moment


class CopyShown(Line, frozen=True):
    """A request by which events were copied, from another profile to this one or the other way; whose it is is not told."""

    direction: str
    state: str
    events_from: Moment
    events_to: Moment
    requested_at: Moment


class ProfileLine(Line, frozen=True):
    """The profile, as the workspace knows it in one environment. Where it has never seen the profile, times are null.

    `identities` are those of the person, `device_identities` those of their devices, by type. `known`: with an identity
    that only somebody has who logged in.
    """

    mpid: str
    workspace: int
    environment: str
    known: bool
    created_at: Moment
    last_active_at: Moment
    first_seen_at: Moment | None
    last_seen_at: Moment | None
    linked_to_an_earlier_profile: bool
    identities: Mapping[IdentityType, list[str]]
    device_identities: Mapping[IdentityType, list[str]]
    attributes: Mapping[str, AttributeShown]
    calculated_attributes: Mapping[str, str | list[str]]
    attributions: list[AttributionShown]
    opted_out: bool | None
    inputs: Mapping[str, Moment]
    copies: list[CopyShown]


class HappenedShown(Line, frozen=True):
    """What happened to an identity: it came, moved here from another profile, went, or moved away to another profile."""

    at: Moment
    change: str
    decision_id: str


class IdentityLine(Line, frozen=True):
    """An identity that the profile has or had, and its history. `value` null: it is another person's by now.

    `state`: "held" (the profile is found by it), "carried" (it is known, and nobody is found by it), or "former".
    """

    mpid: str
    type: IdentityType
    value: str | None
    state: str
    history: list[HappenedShown]


class DeviceLine(Line, frozen=True):
    """A device as it was last described. `not_shown` are types of ids that are also another person's."""

    mpid: str
    environment: str
    identities: Mapping[IdentityType, str]
    platform: str | None
    facts: Mapping[str, Scalar | None]
    first_seen_at: Moment
    last_seen_at: Moment
    not_shown: list[IdentityType]


class StatementShown(Line, frozen=True):
    """A statement about a purpose that changed something, or came too late to. `received_at` and `input` null: not remembered."""

    consented: bool
    at: Moment
    received_at: Moment | None
    input: str | None
    document: str | None
    location: str | None
    hardware_id: str | None


class ConsentLine(Line, frozen=True):
    """What counts now of the statements about one purpose of a regulation, and all that were made, the oldest first."""

    mpid: str
    environment: str
    regulation: str
    purpose: str
    consented: bool
    at: Moment
    document: str | None
    location: str | None
    hardware_id: str | None
    history: list[StatementShown]


class ChangeShown(Line, frozen=True):
    """An identity of the profile that a decision added, removed or moved. `value` null: it is another person's by now."""

    change: ChangeKind
    type: IdentityType
    value: str | None
    moved: str | None


class DecisionLine(Line, frozen=True):
    """A decision that the profile answered (`about` "this_profile"), or that changed it ("another_profile", "correction").

    The sentences say how it was decided. Other profiles are A, B, and so on, anew in each decision. `input` null: it came
    in through another workspace.
    """

    mpid: str
    at: Moment
    decision_id: str
    about: str
    endpoint: Endpoint
    environment: str
    input: str | None
    policy_version: int
    headline: str
    sentences: list[str]
    changes: list[ChangeShown]


class RecipientLine(Line, frozen=True):
    """Somebody who read or changed what is known of the person, how often on one day, or an output that it went to."""

    mpid: str
    day: str
    recipient: str
    what: str
    times: int


class SourceInfo(Line, frozen=True):
    """How a batch came in."""

    channel: str
    is_historical: bool = False


class EventShown(Line, frozen=True):
    """One event: its type, when it happened, and what was sent of it."""

    event_type: str
    at: Moment
    data: msgspec.Raw


class EventsLine(Line, frozen=True, omit_defaults=True):
    """A batch of events, as it is handed out (platform §2.3), and when it was received.

    `not_shown` are types of identities that the batch named and that are not this person's alone.
    """

    schema_version: int
    batch_id: int
    mpid: int
    environment: str
    timestamp_unixtime_ms: int
    received_at: Moment
    input: str
    events: list[EventShown]
    source_info: SourceInfo | None = None
    user_identities: Mapping[str, str] = {}
    mp_deviceid: str | None = None
    device_info: Mapping[str, Any] = {}
    user_attributes: Mapping[str, Any] = {}
    deleted_user_attributes: list[str] = []
    consent_state: Mapping[str, Any] = {}
    attribution_info: AttributionShown | None = None
    copied_from_another_profile: bool = False
    not_shown: list[IdentityType] = []


FILES: Final[Mapping[str, type[Line]]] = {
    "profile.jsonl": ProfileLine,
    "identities.jsonl": IdentityLine,
    "devices.jsonl": DeviceLine,
    "consent.jsonl": ConsentLine,
    "decisions.jsonl": DecisionLine,
    "recipients.jsonl": RecipientLine,
    "events-*.jsonl": EventsLine,
}
"""What each file has a line of; of events there are as many files as are needed."""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def line(one: Line) -> bytes:
    """Write a line down, with its end."""
    return _ENCODER.encode(one) + b"\n"


def schema() -> Document:
    """Return the JSON Schema (2020-12) of every file: `files` says which definition is a file's."""
    made, definitions = msgspec.json.schema_components(list(FILES.values()), ref_template="#/$defs/{name}")
    for one in definitions.values():
        one["description"] = " ".join(one.get("description", "").split())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What is known of a person",
        "description": f"The answer to a request of {RequestType.ACCESS} or {RequestType.PORTABILITY}; one object a line.",
        "anyOf": list(made),
        "files": dict(zip(FILES, made, strict=True)),
        "$defs": definitions,
    }
