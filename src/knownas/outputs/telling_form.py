"""Writes messages as JSON in a form of our own, where no other is asked for: changes of memberships, connections of audiences, erasures.

Each has `type`, and `version` of the form of that type, which grows when a member is removed or means something else; members may be
added without that. What a user did is no matter of this form: it goes out as a raw output batch (platform §7.7).
"""

from collections.abc import Mapping
from typing import Any, Final

from knownas.core.delivery.message import ErasureMessage, MembershipMessage, Message, SubscriptionMessage
from knownas.core.translation.outcome import Outgoing

VERSION: Final = 1


def told(message: SubscriptionMessage | MembershipMessage | ErasureMessage) -> dict[str, Any]:
    """Return the members of a message. MPIDs are text, since many readers of JSON round numbers of that size."""
    match message:
        case SubscriptionMessage():
            rest: dict[str, Any] = {"action": message.subscription.value, "audience": _audience(message)}
            return _headed("audience_subscription", message, rest)
        case MembershipMessage():
            rest = {
                "mpid": str(message.mpid),
                "action": message.action.value,
                "is_member": message.is_member,
                "audience": _audience(message),
                "identities": [identity(one) for one in message.identities],
            }
            return _headed("audience_membership", message, rest)
        case ErasureMessage():
            rest = {
                "mpid": None if message.mpid is None else str(message.mpid),
                "request_id": message.request_id,
                "regulation": message.regulation.value,
                "submitted_ms": message.submitted_ms,
                "identities": [identity(one) for one in message.identities],
            }
            return _headed("erasure", message, rest)


def identity(outgoing: Outgoing) -> dict[str, str]:
    """Return the members of an identity: its type by its name in IDSync, how the value is written, the value."""
    return {"type": outgoing.target.value, "encoding": outgoing.encoding.value, "value": outgoing.value}


def _headed(kind: str, message: Message, rest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "version": VERSION,
        "id": message.id,
        "timestamp_ms": message.at_ms,
        "workspace_id": message.origin.workspace,
        "environment": message.origin.environment,
        **rest,
    }


def _audience(message: SubscriptionMessage | MembershipMessage) -> dict[str, int | str]:
    return {"id": message.audience.id, "name": message.audience.name}
