"""Makes subjects out of users as `drawn` draws them."""

from typing import Any

from knownas.core.audience.subject import PastEvent, Subject
from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.attributes import Attribute, AttributeValue
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Event
from knownas.core.profile.section import Section


def subject_of(user: Any) -> Subject:
    """Return a user as a workspace knows them."""
    consent = user["consent"]
    consents = {}
    if "gdpr.mail" in consent:
        consents[Purpose(Regulation.GDPR, "mail")] = Consent(consent["gdpr.mail"], consent["gdpr.mail.timestamp"])
    held = {**user["user_identities"], **user["device_identities"]}
    return Subject(
        mpid=int(user["mpid"]),
        is_known=user["is_known"],
        identities={IdentityType(name): tuple(values) for name, values in held.items()},
        section=Section(
            first_seen_ms=user["first_seen"],
            last_seen_ms=user["last_seen"],
            attributes={name: Attribute(_value(value), 0) for name, value in user["attributes"].items()},
            consents=consents,
            devices=tuple(_device(one) for one in user["devices"]),
            attributions=tuple(
                Attribution(one["publisher"], one["campaign"], one["timestamp"]) for one in user["attribution"]
            ),
        ),
        is_opted_out=user["is_opted_out"],
        limit_ad_tracking=user["limit_ad_tracking"],
        events=tuple(
            PastEvent(one["event_id"], Event(one["type"], one["timestamp"], one["message_id"], one["data"]))
            for one in user["events"]
        ),
        calculated={name: values[0] for name, values in user["calculated_attributes"].items()},
        audiences=user["audiences"],
    )


def _value(value: Any) -> AttributeValue:
    return tuple(value) if isinstance(value, list) else value


def _device(one: Any) -> Device:
    facts = {name: one[name] for name in ("os_version",) if name in one}
    return Device(None, one.get("platform"), {}, facts, one["last_seen"], one["last_seen"])
