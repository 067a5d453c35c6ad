"""Holds what is known of a user when an audience is judged, and finds the values that a field of a definition means."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

from knownas.core.audience.dates import NEVER
from knownas.core.audience.field import (
    AttributeField,
    AttributionFact,
    AttributionField,
    CalculatedField,
    ConsentFact,
    ConsentField,
    DeviceFact,
    DeviceField,
    EventFact,
    EventField,
    Field,
    IdentityField,
    Model,
    UserFact,
    UserField,
)
from knownas.core.identity.kinds import KIND_OF, IdentityType
from knownas.core.profile.attributes import SCALARS, AttributeValue, Scalar
from knownas.core.profile.consent import Consent
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution, Event
from knownas.core.profile.section import Section

JUDGED_EVENTS_MAX: Final = 10_000
"""Events of a user that a definition can see, the newest ones."""


class PastEvent(NamedTuple):
    """An event of a user. `id` is ours, unique among theirs."""

    id: str
    event: Event


class Subject(NamedTuple):
    """A user as one workspace knows them, at a time.

    `section` is what the workspace knows; `events` are its events by time, oldest first. `calculated` are the values of calculated
    attributes, which hold until `calculated_until_ms`. `audiences` are those that the user is in.
    """

    mpid: int
    is_known: bool
    identities: Mapping[IdentityType, Sequence[str]]
    section: Section
    is_opted_out: bool = False
    limit_ad_tracking: bool | None = None
    first_seen_ms: int | None = None
    events: Sequence[PastEvent] = ()
    calculated: Mapping[str, str | list[str]] = {}
    calculated_until_ms: int = NEVER
    audiences: frozenset[str] = frozenset()


Item = PastEvent | Device | Attribution


class Found(NamedTuple):
    """The values of a field. `is_list`: they are the elements of one list. They stay the same until a time."""

    values: Sequence[Scalar]
    is_list: bool = False
    until_ms: int = NEVER


NOTHING: Final = Found(())


def items_of(subject: Subject, model: Model) -> Sequence[Item]:
    """Return what a user has of a model that has items, in the order in which it happened or was kept."""
    match model:
        case Model.EVENTS:
            return subject.events
        case Model.DEVICES:
            return subject.section.devices
        case Model.ATTRIBUTION:
            return subject.section.attributions
        case _:
            raise AssertionError("a model without items has none")


def found(subject: Subject, field: Field) -> Found:
    """Return the values that a user has of a field that `read_by` reads not: of all items, where the field is an item's."""
    match field:
        case UserField() | AttributeField() | ConsentField():
            raise AssertionError("a user has one value of it at most")
        case CalculatedField(name):
            value = subject.calculated.get(name)
            if value is None:
                return Found((), until_ms=subject.calculated_until_ms)
            values = value if isinstance(value, list) else [value]
            return Found(values, isinstance(value, list), subject.calculated_until_ms)
        case IdentityField(kind):
            return Found(_identities(subject, kind))
        case DeviceField() | AttributionField() | EventField():
            return Found([one for item in items_of(subject, field.model) for one in of_item(item, field).values])


Read = Callable[[Any], AttributeValue | None]
"""Reads a field of which there is one value at most, whatever time it is."""


def read_by(field: Field) -> Read | None:
    """Return what reads such a field of a user; None for another field."""
    match field:
        case AttributeField(name):
            return lambda subject: None if (held := subject.section.attributes.get(name)) is None else held.value
        case UserField(fact):
            return lambda subject: _user_fact(subject, fact)
        case ConsentField(purpose, fact):
            return lambda subject: (
                None if (said := subject.section.consents.get(purpose)) is None else _consent_fact(said, fact)
            )
        case _:
            return None


def read_item_by(field: Field) -> Read | None:
    """Return what reads such a field of an item; None for another field."""
    match field:
        case EventField(EventFact.EVENT_ID):
            return attrgetter("id")
        case EventField(EventFact() as fact):
            return attrgetter(f"event.{_EVENT_MEMBERS[fact]}")
        case AttributionField(fact):
            return attrgetter(_ATTRIBUTION_MEMBERS[fact])
        case _:
            return None


_EVENT_MEMBERS: Final = {
    EventFact.TYPE: "type",
    EventFact.NAME: "name",
    EventFact.TIMESTAMP: "at_ms",
    EventFact.MESSAGE_ID: "message_id",
}
_ATTRIBUTION_MEMBERS: Final = {
    AttributionFact.PUBLISHER: "publisher",
    AttributionFact.CAMPAIGN: "campaign",
    AttributionFact.TIMESTAMP: "at_ms",
}


def of_item(item: Item | None, field: Field) -> Found:
    """Return the values of a field of one item; it has to be a field of its model."""
    match item, field:
        case PastEvent(), EventField(fact):
            return Found((item.id,)) if fact is EventFact.EVENT_ID else _event_fact(item.event, fact)
        case Device(), DeviceField(fact):
            return _device_fact(item, fact)
        case Attribution(), AttributionField(fact):
            return _one(_attribution_fact(item, fact))
        case _:
            raise AssertionError("the field is of another model")


def _one(value: Scalar | None) -> Found:
    return NOTHING if value is None else Found((value,))


def _user_fact(subject: Subject, fact: UserFact) -> Scalar | None:
    match fact:
        case UserFact.MPID:
            return str(subject.mpid)
        case UserFact.IS_KNOWN:
            return subject.is_known
        case UserFact.FIRST_SEEN:
            return subject.section.first_seen_ms if subject.first_seen_ms is None else subject.first_seen_ms
        case UserFact.LAST_SEEN:
            return subject.section.last_seen_ms
        case UserFact.IS_OPTED_OUT:
            return subject.is_opted_out
        case UserFact.LIMIT_AD_TRACKING:
            return subject.limit_ad_tracking


def _identities(subject: Subject, kind: IdentityType) -> Sequence[str]:
    """Return the values of a type: those that the record has, and a device's those of the devices seen."""
    values = dict.fromkeys(subject.identities.get(kind, ()))
    if KIND_OF[kind].is_device:
        for device in subject.section.devices:
            told = device.stamp if kind is IdentityType.DEVICE_APPLICATION_STAMP else device.ids.get(kind)
            if told is not None:
                values[told] = None
    return tuple(values)


def _consent_fact(said: Consent, fact: ConsentFact) -> Scalar | None:
    match fact:
        case ConsentFact.CONSENTED:
            return said.consented
        case ConsentFact.TIMESTAMP:
            return said.at_ms
        case ConsentFact.DOCUMENT:
            return said.document
        case ConsentFact.LOCATION:
            return said.location
        case ConsentFact.HARDWARE_ID:
            return said.hardware_id


def _device_fact(device: Device, fact: DeviceFact | str) -> Found:
    match fact:
        case DeviceFact.PLATFORM:
            return _one(device.platform)
        case DeviceFact.FIRST_SEEN:
            return Found((device.first_seen_ms,))
        case DeviceFact.LAST_SEEN:
            return Found((device.last_seen_ms,))
        case _:
            return Found(tuple(_scalars((device.facts.get(fact),))))


def _attribution_fact(one: Attribution, fact: AttributionFact) -> Scalar:
    match fact:
        case AttributionFact.PUBLISHER:
            return one.publisher
        case AttributionFact.CAMPAIGN:
            return one.campaign
        case AttributionFact.TIMESTAMP:
            return one.at_ms


def _event_fact(event: Event, fact: EventFact | tuple[str, ...]) -> Found:
    match fact:
        case EventFact.EVENT_ID:
            raise AssertionError("its id is ours, and not the event's")
        case EventFact.TYPE:
            return Found((event.type,))
        case EventFact.NAME:
            return _one(event.name)
        case EventFact.TIMESTAMP:
            return Found((event.at_ms,))
        case EventFact.MESSAGE_ID:
            return _one(event.message_id)
        case _:
            reached = list(_reached(event.data, fact))
            is_list = len(reached) == 1 and isinstance(reached[0], list)
            values = cast("list[object]", reached[0]) if is_list else reached
            return Found(tuple(_scalars(values)), is_list)


def _reached(data: object, way: tuple[str, ...]) -> Iterator[object]:
    """Yield what lies at the end of a way into a document; a list on the way is gone into, each of its elements."""
    if not way:
        yield data
    elif isinstance(data, dict):
        if way[0] in data:
            yield from _reached(cast("dict[str, object]", data)[way[0]], way[1:])
    elif isinstance(data, list):
        for one in cast("list[object]", data):
            yield from _reached(one, way)


def _scalars(values: Sequence[object]) -> Iterator[Scalar]:
    for one in values:
        if isinstance(one, SCALARS):
            yield one
