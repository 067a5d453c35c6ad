"""Writes down what an output is told, as the bytes that a delivery keeps, and reads it back.

A message is the JSON array of its members, without their names: there is one for each thing told, for as long as deliveries are kept. Its
first element says of which kind it is and in which version of its form. So the order of the members here is a format: a new one comes last
and has a default, and what can't be said so gets a new version beside the old one, which stays readable.

The settings of a connection are not written with each message. They are given when it is read, as they are then: a destination that has been
moved to another account is told in the other account, also what happened before.
"""

from collections.abc import Sequence
from typing import Any, Final, assert_never

import msgspec

from knownas.core.delivery.message import (
    AudienceName,
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Origin,
    Settings,
    Subscription,
    SubscriptionMessage,
)
from knownas.core.identity.kinds import IdentityType
from knownas.core.privacy.request import Regulation
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.store.errors import StoreDamaged


class _Identity(msgspec.Struct, array_like=True, frozen=True):
    slot: str
    target: str
    encoding: Encoding
    value: str
    device: str | None = None
    platform: str | None = None


class _Subscription(msgspec.Struct, array_like=True, frozen=True, tag="s1"):
    id: str
    origin: tuple[int, str]
    at_ms: int
    audience: tuple[int, str]
    subscription: Subscription


class _Membership(msgspec.Struct, array_like=True, frozen=True, tag="m1"):
    id: str
    origin: tuple[int, str]
    mpid: int
    at_ms: int
    audience: tuple[int, str]
    action: Action
    identities: tuple[_Identity, ...]
    is_member: bool


class _Events(msgspec.Struct, array_like=True, frozen=True, tag="e1"):
    id: str
    origin: tuple[int, str]
    mpid: int
    at_ms: int
    batch: dict[str, Any]
    identities: tuple[_Identity, ...]


class _Erasure(msgspec.Struct, array_like=True, frozen=True, tag="x1"):
    id: str
    origin: tuple[int, str]
    mpid: int | None
    at_ms: int
    request_id: str
    regulation: Regulation
    submitted_ms: int
    identities: tuple[_Identity, ...]


_Kept = _Subscription | _Membership | _Events | _Erasure

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[_Kept]] = msgspec.json.Decoder(_Kept)


def message_document(message: Message) -> bytes:
    """Write a message down, without the settings of its connection."""
    return _ENCODER.encode(_kept(message))


def message_from(document: bytes, settings: Settings) -> Message:
    """Read a message that was written down. `settings` are those of its connection; a message that is of none has no use for them.

    Raises:
        StoreDamaged: it was not written down here, or by a newer knownas.
    """
    try:
        return _message(_DECODER.decode(document), settings)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreDamaged(f"not a message to an output: {error}") from error


def _kept(message: Message) -> _Kept:
    origin = (message.origin.workspace, message.origin.environment)
    match message:
        case SubscriptionMessage():
            return _Subscription(message.id, origin, message.at_ms, message.audience, message.subscription)
        case MembershipMessage():
            return _Membership(
                message.id,
                origin,
                message.mpid,
                message.at_ms,
                message.audience,
                message.action,
                _kept_identities(message.identities),
                message.is_member,
            )
        case EventsMessage():
            identities = _kept_identities(message.identities)
            return _Events(message.id, origin, message.mpid, message.at_ms, dict(message.batch), identities)
        case ErasureMessage():
            return _Erasure(
                message.id,
                origin,
                message.mpid,
                message.at_ms,
                message.request_id,
                message.regulation,
                message.submitted_ms,
                _kept_identities(message.identities),
            )
        case _:
            assert_never(message)


def _message(kept: _Kept, settings: Settings) -> Message:
    origin = Origin(*kept.origin)
    match kept:
        case _Subscription():
            audience = AudienceName(*kept.audience)
            return SubscriptionMessage(kept.id, origin, kept.at_ms, audience, kept.subscription, settings)
        case _Membership():
            return MembershipMessage(
                kept.id,
                origin,
                kept.mpid,
                kept.at_ms,
                AudienceName(*kept.audience),
                kept.action,
                _identities(kept.identities),
                kept.is_member,
                settings,
            )
        case _Events():
            return EventsMessage(kept.id, origin, kept.mpid, kept.at_ms, kept.batch, _identities(kept.identities))
        case _Erasure():
            return ErasureMessage(
                kept.id,
                origin,
                kept.mpid,
                kept.at_ms,
                kept.request_id,
                kept.regulation,
                kept.submitted_ms,
                _identities(kept.identities),
            )
        case _:
            assert_never(kept)


def _kept_identities(identities: Sequence[Outgoing]) -> tuple[_Identity, ...]:
    return tuple(
        _Identity(one.slot, one.target.value, one.encoding, one.value, one.device, one.platform) for one in identities
    )


def _identities(kept: Sequence[_Identity]) -> tuple[Outgoing, ...]:
    return tuple(
        Outgoing(
            one.slot,
            MPID if one.target == MPID.value else IdentityType(one.target),
            one.encoding,
            one.value,
            one.device,
            one.platform,
        )
        for one in kept
    )
