"""Writes the requests of the partner protocol, as far as a partner permits what would be in them (platform §7.6)."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Settings,
    SubscriptionMessage,
)
from knownas.core.identity.kinds import DEVICE_TYPES
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.telling import Action
from knownas.outputs.firehose.environment import environment, environment_type
from knownas.outputs.firehose.event_form import event_members, location
from knownas.outputs.firehose.identities import erasure_identities, permitted_identities
from knownas.outputs.firehose.members import Members, integer, mapping, objects, present, text, texts
from knownas.outputs.firehose.registration import HOURS_ALL, EventsRegistration, Registration

VERSION: Final = "3.2.0"
KEPT_PREFIX: Final = "partner:"
"""What stands before the names of the settings that a partner wanted kept, so that they are not taken for ours."""

HOUR_MS: Final = 3_600_000


class Account:
    """The account that a partner is told of in each request: its number here, and the settings that the partner wants."""

    def __init__(self, account_id: int, settings: Mapping[str, str]) -> None:
        self.members: Members = {"account_id": account_id, "account_settings": dict(settings)}


def request(kind: str, request_id: str, now_ms: int, rest: Mapping[str, Any]) -> Members:
    """Return a request of a kind, such as `event_processing`. Its id is a UUID that follows from what it is given."""
    head = {"type": f"{kind}_request", "id": _uuid(request_id), "timestamp_ms": now_ms, "firehose_version": VERSION}
    return {**head, **rest}


def subscription(message: SubscriptionMessage, account: Account) -> Members:
    """Return what an `audience_subscription_request` says."""
    return {
        "account": account.members,
        "audience_id": message.audience.id,
        "audience_name": message.audience.name,
        "audience_subscription_settings": subscription_settings(message.settings),
        "action": message.subscription.value,
    }


def subscription_settings(settings: Settings) -> dict[str, str]:
    """Return the settings of an audience for a partner: those that somebody has set, and those that it wanted kept."""
    own = settings_in(str(settings.get("subscription_settings") or "{}")) or {}
    kept = {name.removeprefix(KEPT_PREFIX): text(one) for name, one in settings.items() if name.startswith(KEPT_PREFIX)}
    return {**own, **{name: one for name, one in kept.items() if one is not None}}


def settings_in(document: str) -> dict[str, str] | None:
    """Read settings as a partner gets them, a JSON object of scalars; None if it is none."""
    try:
        members = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    given = mapping(members)
    found = texts(given)
    return found if isinstance(members, dict) and len(found) == len(given) else None


def user_profile(message: MembershipMessage, registration: Registration) -> Members | None:
    """Return a member of an audience; None if the partner permits nothing by which it could tell who that is."""
    identities = permitted_identities(message.identities, registration)
    if not identities.are_enough(with_stamp=False):
        return None
    audience = {
        "audience_id": message.audience.id,
        "audience_name": message.audience.name,
        "audience_subscription_settings": subscription_settings(message.settings),
        "action": "add" if message.action is Action.ADD else "delete",
    }
    lists = {"user_identities": identities.user, "device_identities": identities.device, "partner_identities": []}
    mpid = {} if identities.mpid is None else {"mpid": identities.mpid}
    return {**mpid, **lists, "audiences": [audience]}


def erasures(message: ErasureMessage, account: Account) -> Iterator[Members]:
    """Yield what `dsr_processing_request`s say: more than one if there are several values of a type, none if there is nothing to tell."""
    for identities in erasure_identities(message.identities):
        yield {
            "account": account.members,
            "subject_request_id": message.request_id,
            "subject_request_type": "erasure",
            "submitted_time": message.submitted_ms / 1000,
            "subject_identities": identities,
            "api_version": "3.0",
            "regulation": message.regulation.value,
        }


def has_identities(message: EventsMessage, registration: Registration) -> bool:
    """Whether the partner permits something by which it could tell who did it."""
    return permitted_identities(message.identities, registration).are_enough(with_stamp=True)


def events(
    message: EventsMessage, account: Account, registration: Registration, takes: EventsRegistration, now_ms: int
) -> Members | None:
    """Return what an `event_processing_request` says; None if nothing is left that the partner wants to hear."""
    batch = message.batch
    if takes.environments is not None and environment_type(batch) not in takes.environments:
        return None
    told = list(_events(message, registration, takes, now_ms))
    is_eventless = not objects(batch.get("events"))
    if not told and not (is_eventless and "allow_eventless_batches" in registration.allowed):
        return None
    identities = permitted_identities(message.identities, registration)
    attributes = mapping(batch.get("user_attributes") if "allow_user_attributes" in registration.allowed else None)
    stated = "allow_consent_state" in registration.allowed
    notifications = _notifications(batch, takes) if stated else []
    members = {
        "user_attributes": texts(attributes),
        "user_attribute_lists": _lists(attributes),
        "source_channel": text(mapping(batch.get("source_info")).get("channel")),
        "device_application_stamp": identities.stamp,
        "consent_state": _consent_state(batch) if stated else None,
        "system_notifications": notifications,
        "mpid": identities.mpid,
        "platform_fields": _platform_fields(message) if "allow_platform_fields" in registration.allowed else None,
    }
    return {
        "source_id": message.id,
        "account": account.members,
        "user_identities": identities.user,
        "partner_identities": [],
        "runtime_environment": environment(batch, identities, registration),
        "events": told,
        **present(members.items()),
    }


def _events(
    message: EventsMessage, registration: Registration, takes: EventsRegistration, now_ms: int
) -> Iterator[Members]:
    permitted = tuple(one for one in message.identities if _is_permitted(one, registration))
    since_ms = None if takes.age_hours_max == HOURS_ALL else now_ms - takes.age_hours_max * HOUR_MS
    for place, event in enumerate(objects(message.batch.get("events"))):
        members = event_members(event, place, message.id, permitted)
        if members is None or members["type"] not in takes.types:
            continue
        if members["type"] == "user_attribute_change" and "allow_user_attributes" not in registration.allowed:
            continue
        if since_ms is not None and members["timestamp_ms"] < since_ms:
            continue
        where = location(mapping(event.get("data")).get("location"))
        if where is not None and "allow_access_location" in registration.allowed:
            members["location"] = where
        yield members


def _is_permitted(one: Outgoing, registration: Registration) -> bool:
    found = permitted_identities([one], registration)
    return bool(found.device if one.target in DEVICE_TYPES else found.user)


def _lists(attributes: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in attributes.items():
        if isinstance(value, list | tuple):
            items = cast("Sequence[object]", value)
            found[name] = [one for item in items if (one := text(item)) is not None]
    return found


def _consent_state(batch: Mapping[str, Any]) -> Members:
    given = mapping(batch.get("consent_state"))
    return present(
        (f"{law}_consent_state", {name: _consent(one) for name, one in mapping(given.get(law)).items()})
        for law in ("gdpr", "ccpa")
    )


def _consent(value: object) -> Members:
    given = mapping(value)
    members = {name: text(given.get(name)) for name in ("document", "location", "hardware_id")}
    at_ms = integer(given.get("timestamp_unixtime_ms"))
    return present([("consented", given.get("consented") is True), ("timestamp_unixtime_ms", at_ms), *members.items()])


def _notifications(batch: Mapping[str, Any], takes: EventsRegistration) -> list[Members]:
    found: list[Members] = []
    for one in objects(batch.get("system_notifications")):
        law = str(one.get("type")).removesuffix("_change")
        kind, data = f"{law}_consent_state", mapping(one.get("data"))
        purpose = text(data.get("purpose"))
        if kind not in takes.notifications or purpose is None:
            continue
        sides = {"old": data.get("old"), "new": data.get("current")}
        states = {f"{side}_{kind}": _consent(state) for side, state in sides.items() if state is not None}
        found.append({"type": kind, "purpose": purpose, **states})
    return found


def _platform_fields(message: EventsMessage) -> Members:
    plan = mapping(mapping(message.batch.get("context")).get("data_plan"))
    members = {"dataplan_id": text(plan.get("plan_id")), "dataplan_version": integer(plan.get("plan_version"))}
    return present([("workspace_id", message.origin.workspace), *members.items()])


def _uuid(request_id: str) -> str:
    try:
        return str(uuid.UUID(request_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, request_id))


def ids_together(messages: Sequence[MembershipMessage]) -> str:
    """Return one id of several messages, which is the same for the same ones."""
    return messages[0].id if len(messages) == 1 else "/".join(message.id for message in messages)
