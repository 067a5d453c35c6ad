"""Writes messages as records of a stream: changes of memberships in the form of an audience's stream (platform §6.5), events as raw output batches (§7.7).

A record of a change has one identity of each type. A user with several of one type is told in several records, so that each of them is told.
Types without a name in that form are not sent there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from knownas.core.delivery.message import ErasureMessage, EventsMessage, MembershipMessage, Message, SubscriptionMessage
from knownas.core.identity.kinds import IdentityType, Surface, name_on
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.telling import Action
from knownas.outputs.telling_form import told

MESSAGE_ID: Final = "message-id"
WORKSPACE: Final = "workspace-id"
ENVIRONMENT: Final = "environment"


@dataclass(frozen=True, slots=True)
class Record:
    """A record: those with the same key keep their order."""

    key: str
    value: bytes
    headers: Mapping[str, str]


def records(message: Message) -> Sequence[Record]:
    """Return the records of a message, the same at each try; none if it has no identity that has a name in the form."""
    match message:
        case MembershipMessage():
            return [_record(message, str(message.mpid), members) for members in _changes(message)]
        case EventsMessage():
            return [_record(message, str(message.mpid), message.batch)]
        case ErasureMessage():
            key = message.request_id if message.mpid is None else str(message.mpid)
            return [_record(message, key, told(message))]
        case SubscriptionMessage():
            return []


def _record(message: Message, key: str, members: Mapping[str, Any]) -> Record:
    headers = {
        MESSAGE_ID: message.id,
        WORKSPACE: str(message.origin.workspace),
        ENVIRONMENT: message.origin.environment,
    }
    return Record(key, msgspec.json.encode(members), headers)


def _changes(message: MembershipMessage) -> Iterator[dict[str, Any]]:
    for identities in _one_of_each(message.identities):
        yield {
            # Seconds, as text, as in the form's example.
            "MembershipChangedTimestamp": str(message.at_ms // 1000),
            "AudienceId": message.audience.id,
            "AudienceName": message.audience.name,
            # Of these identities: a member's that was given up is one no more.
            "IsMember": message.action is Action.ADD,
            "UserIdentities": identities,
        }


def _one_of_each(outgoing: Sequence[Outgoing]) -> list[dict[str, str]]:
    maps: list[dict[str, str]] = []
    for one in outgoing:
        name = name_on(Surface.STREAM, one.target) if isinstance(one.target, IdentityType) else None
        if name is None:
            continue
        room = next((known for known in maps if name not in known), None)
        if room is None:
            room = dict[str, str]()
            maps.append(room)
        room[name] = one.value
    return maps
