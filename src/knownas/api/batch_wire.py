"""Decodes a batch of the Events API or of the web SDK (platform §2.3 to §2.5, §5.9).

The vendor's senders differ from its schema, so unknown members are passed over. What can't be used of a batch that is
otherwise sound is left out or cut, and the receipt's notes say so; only what makes the batch senseless refuses it.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from knownas.api.batch_identities import EVENT_NAMES, identities_of
from knownas.api.duplicate_keys import surely_once
from knownas.api.limits import (
    EVENT_ATTRIBUTES_MAX,
    EVENT_NAME_CHARACTERS_MAX,
    EVENT_VALUE_CHARACTERS_MAX,
    EVENTS_A_BATCH_MAX,
    NOTES_MAX,
    REQUEST_ID_CHARACTERS_MAX,
    USER_ATTRIBUTES_A_BATCH_MAX,
)
from knownas.api.wire import (
    INVALID_MPID,
    NAME_CHARACTERS_SHOWN,
    Malformed,
    decode_document,
    optional_mpid,
    refuse_repeated_keys,
    shaped,
)
from knownas.core.identity.kinds import DEVICE_TYPES, IdentityType
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid, valid_mpid
from knownas.core.limits import ATTRIBUTE_VALUE_CHARACTERS_MAX
from knownas.core.profile.attributes import AttributeValue, fault_of, name_fault
from knownas.core.profile.consent import CCPA_PURPOSE, Consent, Purpose, Regulation
from knownas.core.profile.device import DEVICE_FACT_CHARACTERS_MAX, DEVICE_FACTS_MAX, Device
from knownas.core.profile.event import Attribution, Channel, Event, EventBatch
from knownas.core.profile.section import attribute_change, attribute_value

HISTORICAL_AGE_MS: Final = 72 * 3_600_000
"""Events of a historical batch are at least this old; platform §2.1."""

EVENT_DEPTH_MAX: Final = 50
"""Objects and lists inside each other in an event: what is kept must be readable wherever it is read from later."""

SOURCE_FEED: Final = "mParticle Source Feed"
"""The attribute in which every event of a feed says the feed's name; platform §2.4."""

Members = Mapping[str, Any]


class EventBody(msgspec.Struct, frozen=True):
    """One event as sent."""

    event_type: str | None = None
    data: dict[str, Any] | None = None


class BatchBody(msgspec.Struct, frozen=True):
    """The members of a batch that decide something, as loose as the vendor's senders are."""

    environment: str | None = None
    events: list[EventBody] | None = None
    source_request_id: str | int | None = None
    mpid: str | int | None = None
    user_identities: dict[str, Any] | list[Any] | None = None
    device_info: dict[str, Any] | None = None
    mp_deviceid: Any = None
    user_attributes: dict[str, Any] | None = None
    deleted_user_attributes: list[Any] | None = None
    consent_state: dict[str, Any] | None = None
    attribution_info: dict[str, Any] | None = None
    batch_id: Any = None


class NamedBody(msgspec.Struct, frozen=True):
    """What a batch that can't be taken is found by, as far as it can be read."""

    source_request_id: Any = None
    environment: Any = None


_BATCH: Final = msgspec.json.Decoder(BatchBody)
_ANYTHING: Final = msgspec.json.Decoder(Any)
_BULK: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NAMED: Final = msgspec.json.Decoder(NamedBody)


def bulk(body: bytes) -> list[bytes]:
    """Cut a bulk request into its batches, none of them decoded yet.

    Raises:
        Malformed: it is not a JSON array.
    """
    return [bytes(one) for one in decode_document(_BULK, body)]


def event_batch(body: bytes, at_ms: int, source: str, channel: Channel, *, historical: bool = False) -> EventBatch:
    """Decode one batch that came at a time, from an input.

    Raises:
        Malformed: it is not JSON, a member has the wrong shape, or it says two things at once.
    """
    given = _decoded(body)
    notes: list[str] = []
    # Some partners send one constant for all users (idsync §5.3).
    stamp = None if channel is Channel.PARTNER else given.mp_deviceid
    identities = identities_of(given.user_identities or {}, given.device_info or {}, stamp, notes)
    # No text has more characters than the body has bytes: in most batches no value needs to be measured.
    feed = source if channel in (Channel.FEED, Channel.PARTNER) else None
    reading = _Reading(at_ms, notes, historical, len(body) > EVENT_VALUE_CHARACTERS_MAX, feed)
    events = _events(given.events or [], reading)
    if historical:
        _check_history(events, given.events or [], at_ms)
    batch = EventBatch(
        environment=_environment(given.environment),
        at_ms=at_ms,
        input=source,
        channel=channel,
        source_request_id=_request_id(given.source_request_id),
        mpid=optional_mpid(given.mpid, "invalid_mpid", INVALID_MPID),
        identities=identities,
        attributes=_attributes(given, channel, notes),
        consents=_consents(given.consent_state, channel, at_ms, notes),
        attribution=_attribution(given.attribution_info, at_ms, notes),
        events=events,
        is_historical=historical,
        batch_id=_batch_id(given.batch_id, notes),
    )
    device = _device(given, batch, channel, notes)
    if device is None and not notes:
        return batch
    if len(notes) > NOTES_MAX:
        notes[NOTES_MAX - 1 :] = [f"and {len(notes) - NOTES_MAX + 1} further notes"]
    return batch._replace(device=device, notes=tuple(notes))


def refused_batch(body: bytes, at_ms: int, source: str, channel: Channel) -> EventBatch:
    """Return what can be told of a batch that can't be taken: its environment, and the id that its sender gave it."""
    environment, request_id = Environment.PRODUCTION, None
    try:
        # An id that stands twice names nothing; what is not JSON has none.
        refuse_repeated_keys(body)
        given = _NAMED.decode(body)
        if isinstance(given.source_request_id, str | int) and not isinstance(given.source_request_id, bool):
            request_id = _request_id(given.source_request_id)
        environment = _environment(given.environment)
    except (Malformed, ValueError, RecursionError):
        pass
    return EventBatch(environment, at_ms, source, channel, request_id)


def _decoded(body: bytes) -> BatchBody:
    """Decode a body, and refuse what other readers could read differently, or not at all.

    Raises:
        Malformed: it can't be decoded, a key stands twice in an object, an event is nested too deep.
    """
    try:
        document = decode_document(_ANYTHING, body)
    except Malformed:
        # What can't be read may stand where it is passed over.
        given = decode_document(_BATCH, body)
        refuse_repeated_keys(body)
    else:
        given = shaped(document, BatchBody)
        if not surely_once(body, document):
            refuse_repeated_keys(body)
    if body.count(b"{") + body.count(b"[") > EVENT_DEPTH_MAX and any(
        _is_deeper(one.data, EVENT_DEPTH_MAX) for one in given.events or ()
    ):
        raise Malformed("too_deep", f"An event may be nested {EVENT_DEPTH_MAX} deep.")
    return given


class _Reading(NamedTuple):
    """What the events of a batch are read under: when they came, as what, and where to note what was cut.

    `feed` is the name of the feed that they came through, if it is one.
    """

    at_ms: int
    notes: list[str]
    historical: bool
    may_be_long: bool
    feed: str | None


def _is_deeper(value: object, limit: int) -> bool:
    """Whether objects and lists stand in each other more than `limit` deep."""
    if isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).values())
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    else:
        return False
    return limit == 0 or any(_is_deeper(one, limit - 1) for one in inner)


def _environment(given: str | None) -> Environment:
    if given is None:
        return Environment.PRODUCTION
    try:
        return Environment(given)
    except ValueError:
        raise Malformed("invalid_environment", 'environment is "production" or "development".') from None


def _request_id(given: str | int | None) -> str | None:
    if given is None or given == "":
        return None
    text = str(given)
    if len(text) > REQUEST_ID_CHARACTERS_MAX or "\0" in text:
        sentence = f"source_request_id may have {REQUEST_ID_CHARACTERS_MAX} characters, and no NUL."
        raise Malformed("invalid_source_request_id", sentence)
    return text


def _batch_id(given: object, notes: list[str]) -> int | None:
    """Read the id of a batch that is replayed; 0 is nobody's (platform §2.7)."""
    if given is None or given in ("", "0", 0):
        return None
    number = given if isinstance(given, int) and not isinstance(given, bool) else None
    if isinstance(given, str):
        number = parse_mpid(given)
    if number is None or valid_mpid(number) is None:
        notes.append("batch_id: a signed 64-bit integer is wanted, passed over")
        return None
    return number


def _attributes(given: BatchBody, channel: Channel, notes: list[str]) -> Mapping[str, AttributeValue | None]:
    taken: dict[str, AttributeValue | None] = {}
    for name, value in (given.user_attributes or {}).items():
        if len(taken) >= USER_ATTRIBUTES_A_BATCH_MAX:
            notes.append(f"user_attributes: more than {USER_ATTRIBUTES_A_BATCH_MAX}, the others were left out")
            break
        if value is None:
            if not channel.is_client:  # To web SDKs an attribute without a value is a tag, and all of them are context.
                shown = name[:NAME_CHARACTERS_SHOWN]
                notes.append(f"user_attributes.{shown}: null sets nothing; deleted_user_attributes deletes")
            continue
        read = attribute_value(value)
        fault = None if read is None else fault_of(name, read)
        if read is None or fault is not None:
            shown = f"user_attributes.{name[:NAME_CHARACTERS_SHOWN]}"
            notes.append(f"{shown}: {fault or 'a scalar or a list of scalars is wanted'}")
        else:
            taken[name] = read
            if isinstance(read, tuple) and isinstance(value, list) and len(read) < len(cast("list[object]", value)):
                shown = f"user_attributes.{name[:NAME_CHARACTERS_SHOWN]}"
                notes.append(f"{shown}: entries of the list that are no scalars were left out")
    deleted = given.deleted_user_attributes or []
    if len(deleted) > USER_ATTRIBUTES_A_BATCH_MAX:
        notes.append(f"deleted_user_attributes: more than {USER_ATTRIBUTES_A_BATCH_MAX}, the others were left out")
    for name in deleted[:USER_ATTRIBUTES_A_BATCH_MAX]:
        fault = name_fault(name) if isinstance(name, str) else "a text is wanted"
        if fault is not None:
            notes.append(f"deleted_user_attributes.{str(name)[:NAME_CHARACTERS_SHOWN]}: {fault}")
        else:
            taken[name] = None
    return taken


def _consents(
    given: Members | None, channel: Channel, at_ms: int, notes: list[str]
) -> tuple[tuple[Purpose, Consent], ...]:
    """Read the statements of consent; a partner may make none (platform §2.6)."""
    if not given:
        return ()
    if channel is Channel.PARTNER:
        notes.append("consent_state: a partner feed may not set consent")
        return ()
    found: list[tuple[Purpose, Consent]] = []
    for name, purposes in given.items():
        if name not in set(Regulation) or not isinstance(purposes, dict):
            if purposes is not None:
                notes.append(f"consent_state.{name[:NAME_CHARACTERS_SHOWN]}: no such regulation, or no purposes")
            continue
        for purpose, said in cast("dict[str, object]", purposes).items():
            where = f"consent_state.{name}.{purpose[:NAME_CHARACTERS_SHOWN]}"
            if name_fault(purpose) is not None or (name == Regulation.CCPA and purpose != CCPA_PURPOSE):
                notes.append(f"{where}: no such purpose")
                continue
            consent = _consent(said, at_ms, where, notes)
            if consent is not None:
                found.append((Purpose(Regulation(name), purpose), consent))
    return tuple(found)


def _consent(said: object, at_ms: int, where: str, notes: list[str]) -> Consent | None:
    members = cast("dict[str, object]", said) if isinstance(said, dict) else {}
    consented, when = members.get("consented"), members.get("timestamp_unixtime_ms")
    if not isinstance(consented, bool) or isinstance(when, bool) or not isinstance(when, int) or when <= 0:
        notes.append(f"{where}: consented and timestamp_unixtime_ms are wanted")
        return None
    if when > at_ms:
        # A statement of tomorrow would keep out every one that is made until then.
        notes.append(f"{where}: its time is ahead of the server's, the time of arrival was taken")
        when = at_ms
    texts: list[str | None] = []
    for name in ("document", "location", "hardware_id"):
        text = members.get(name)
        if text is not None and (not isinstance(text, str) or len(text) > ATTRIBUTE_VALUE_CHARACTERS_MAX):
            notes.append(f"{where}.{name}: a text of at most {ATTRIBUTE_VALUE_CHARACTERS_MAX} characters is wanted")
            text = None
        texts.append(text)
    return Consent(consented, when, *texts)


def _attribution(given: Members | None, at_ms: int, notes: list[str]) -> Attribution | None:
    """Read who brought the user; all three members are needed (platform §2.3), two of which are kept."""
    provider, publisher, campaign = ((given or {}).get(name) for name in ("service_provider", "publisher", "campaign"))
    if provider is None and publisher is None and campaign is None:
        return None
    if not (isinstance(provider, str) and isinstance(publisher, str) and isinstance(campaign, str)):
        notes.append("attribution_info: service_provider, publisher and campaign are wanted, all texts")
        return None
    if max(len(publisher), len(campaign)) > ATTRIBUTE_VALUE_CHARACTERS_MAX:
        notes.append(f"attribution_info: a text may have {ATTRIBUTE_VALUE_CHARACTERS_MAX} characters")
        return None
    return Attribution(publisher, campaign, at_ms)


def _device(given: BatchBody, batch: EventBatch, channel: Channel, notes: list[str]) -> Device | None:
    """Describe the device that the batch came from; None if it says nothing that would tell it from others."""
    if channel is Channel.PARTNER:
        return None
    ids = {kind: value for kind, value in batch.identities if kind in DEVICE_TYPES}
    stamp = ids.pop(IdentityType.DEVICE_APPLICATION_STAMP, None)
    if stamp is None and not ids:
        return None
    facts: dict[str, Any] = {}
    for name, value in (given.device_info or {}).items():
        if value is None or EVENT_NAMES.get(name) in DEVICE_TYPES:
            continue
        fault = _fact_fault(name, value)
        if fault is None and len(facts) >= DEVICE_FACTS_MAX:
            notes.append(f"device_info: more than {DEVICE_FACTS_MAX}, the others were left out")
            break
        if fault is None:
            facts[name] = value
        else:
            notes.append(f"device_info.{name[:NAME_CHARACTERS_SHOWN]}: {fault}")
    platform = facts.pop("platform", None)
    return Device(stamp, platform if isinstance(platform, str) else None, ids, facts, batch.first_ms, batch.last_ms)


def _fact_fault(name: str, value: object) -> str | None:
    """Say why a fact about a device can't be kept; None if it can."""
    if not isinstance(value, str | bool | int | float):
        return "a text, number or boolean is wanted"
    if isinstance(value, str) and len(value) > DEVICE_FACT_CHARACTERS_MAX:
        return f"the value has more than {DEVICE_FACT_CHARACTERS_MAX} characters"
    return name_fault(name)


def _events(given: list[EventBody], reading: _Reading) -> tuple[Event, ...]:
    if len(given) > EVENTS_A_BATCH_MAX:
        raise Malformed("too_many_events", f"A batch may have {EVENTS_A_BATCH_MAX} events.")
    at_ms, notes, historical, may_be_long, feed = reading
    found: list[Event] = []
    for one in given:
        kind, data = one.event_type, one.data or {}
        if not kind:
            raise Malformed("event_type_missing", 'Required event field "event_type" is missing or empty.')
        when = data.get("timestamp_unixtime_ms")
        if type(when) is not int or when <= 0 or (when > at_ms and not historical):
            when = at_ms  # Not given, or the clock of a device is ahead.
        if kind == "user_attribute_change":
            change = attribute_change(data)
            if isinstance(change, str):
                notes.append(f"user_attribute_change: {change}; nothing was changed")
        message_id = data.get("source_message_id")
        if message_id is not None:
            message_id = _message_id(message_id, notes)
        if not _is_within_limits(data, may_be_long=may_be_long):
            data = _cut(data, notes)
        if feed is not None:
            data = _from_feed(data, feed)
        found.append(Event(kind, when, message_id, data))
    return tuple(found)


def _from_feed(data: dict[str, Any], feed: str) -> dict[str, Any]:
    """Return an event with the name of the feed that it came through; attributes that are none stay as they are."""
    attributes = data.get("custom_attributes")
    if attributes is None:
        return {**data, "custom_attributes": {SOURCE_FEED: feed}}
    if not isinstance(attributes, dict):
        return data
    return {**data, "custom_attributes": {**cast("Members", attributes), SOURCE_FEED: feed}}


def _message_id(given: object, notes: list[str]) -> str | None:
    if given is None or given == "":
        return None
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not 1 <= len(text) <= REQUEST_ID_CHARACTERS_MAX or "\0" in text:
        wanted = f"a text of at most {REQUEST_ID_CHARACTERS_MAX} characters without NUL"
        notes.append(f"source_message_id: {wanted} is wanted, passed over")
        return None
    return text


def _is_within_limits(data: Members, *, may_be_long: bool) -> bool:
    """Whether no name or value of an event has to be cut."""
    name, screen, attributes = data.get("event_name"), data.get("screen_name"), data.get("custom_attributes")
    if _is_long_name(name) or _is_long_name(screen):
        return False
    if not isinstance(attributes, dict) or not attributes:
        return True
    members = cast("dict[str, Any]", attributes)
    return (
        len(members) <= EVENT_ATTRIBUTES_MAX
        and max(map(len, members)) <= EVENT_NAME_CHARACTERS_MAX
        and not (may_be_long and any(map(_is_long, members.values())))
    )


def _is_long_name(value: object) -> bool:
    return isinstance(value, str) and len(value) > EVENT_NAME_CHARACTERS_MAX


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > EVENT_VALUE_CHARACTERS_MAX


def _cut(data: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Cut names and values that are too long, the way the vendor does for servers; platform §2.2, §14."""
    for name in ("event_name", "screen_name"):
        if _is_long_name(data.get(name)):
            notes.append(f"{name}: cut to {EVENT_NAME_CHARACTERS_MAX} characters")
            data = {**data, name: data[name][:EVENT_NAME_CHARACTERS_MAX]}
    attributes = data.get("custom_attributes")
    if not _is_within_limits(data, may_be_long=True):
        notes.append("custom_attributes: cut to the limits")
        kept = list(cast("dict[str, Any]", attributes).items())[:EVENT_ATTRIBUTES_MAX]
        data = {**data, "custom_attributes": {one[:EVENT_NAME_CHARACTERS_MAX]: _cut_value(v) for one, v in kept}}
    return data


def _cut_value(value: Any) -> Any:
    return value[:EVENT_VALUE_CHARACTERS_MAX] if isinstance(value, str) else value


def _check_history(events: tuple[Event, ...], given: list[EventBody], at_ms: int) -> None:
    """Refuse what is no history: no events, one without its time, or one younger than 72 hours; platform §2.1."""
    if not events:
        raise Malformed("no_events", "A historical batch has events.")
    if any(not isinstance((one.data or {}).get("timestamp_unixtime_ms"), int) for one in given):
        raise Malformed("no_event_time", "Each event of a historical batch says when it was: timestamp_unixtime_ms.")
    if any(event.at_ms > at_ms - HISTORICAL_AGE_MS for event in events):
        raise Malformed("too_young", "Each event of a historical batch is at least 72 hours old.")
