"""Writes messages as rows of a log of changes: a row for each identity, with everything that is needed to apply it without the rows before.

Events are a row for each batch, with the batch as JSON: what is in it differs from event to event.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from knownas.core.delivery.message import ErasureMessage, EventsMessage, MembershipMessage, Message, SubscriptionMessage
from knownas.core.translation.outcome import Outgoing


class Column(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"


Value = str | int | bool | None
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of files: the folder it is in, and its columns in their order."""

    folder: str
    columns: Mapping[str, Column]


_HEAD: Final[Mapping[str, Column]] = {
    "message_id": Column.TEXT,
    "timestamp_ms": Column.INTEGER,
    "workspace_id": Column.INTEGER,
    "environment": Column.TEXT,
    "mpid": Column.INTEGER,
}
_IDENTITY: Final[Mapping[str, Column]] = {
    "identity_type": Column.TEXT,
    "identity_encoding": Column.TEXT,
    "identity_value": Column.TEXT,
}
MEMBERSHIPS: Final = Kind(
    "memberships",
    {
        **_HEAD,
        "audience_id": Column.INTEGER,
        "audience_name": Column.TEXT,
        "action": Column.TEXT,
        "is_member": Column.BOOLEAN,
        **_IDENTITY,
    },
)
EVENTS: Final = Kind("events", {**_HEAD, "batch": Column.TEXT})
ERASURES: Final = Kind(
    "erasures",
    {**_HEAD, "request_id": Column.TEXT, "regulation": Column.TEXT, "submitted_ms": Column.INTEGER, **_IDENTITY},
)
KINDS: Final[Mapping[type[Message], Kind]] = {
    MembershipMessage: MEMBERSHIPS,
    EventsMessage: EVENTS,
    ErasureMessage: ERASURES,
}


def rows(messages: Sequence[Message]) -> Iterator[Row]:
    """Yield the rows of messages of one kind, in their order."""
    for message in messages:
        match message:
            case MembershipMessage():
                about = (message.audience.id, message.audience.name, message.action.value, message.is_member)
                yield from _of_each(message.identities, (*_head(message, message.mpid), *about))
            case EventsMessage():
                yield (*_head(message, message.mpid), msgspec.json.encode(message.batch).decode())
            case ErasureMessage():
                about = (message.request_id, message.regulation.value, message.submitted_ms)
                yield from _of_each(message.identities, (*_head(message, message.mpid), *about))
            case SubscriptionMessage():
                pass


def _head(message: Message, mpid: int | None) -> Row:
    return message.id, message.at_ms, message.origin.workspace, message.origin.environment, mpid


def _of_each(identities: Sequence[Outgoing], head: Row) -> Iterator[Row]:
    for one in identities:
        yield *head, one.target.value, one.encoding.value, one.value
    if not identities:
        # The profile is told all the same, by its MPID.
        yield *head, None, None, None
