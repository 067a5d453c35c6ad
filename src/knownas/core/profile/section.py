"""Decides what a workspace knows of a user: the fold of everything that arrived about them there (platform §2.6, §4.4).

A profile has one section for each workspace that has seen it; what they say together of the profile as a whole is
decided by `whole`. A batch is
folded in this order (idsync §5.2): the profile is resolved before, then come attributes, consent, device and
attribution, then the events by their time. What is newer wins, wherever it came from; of what an SDK sends, only an
event that says so changes an attribute, since the rest of it is context.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, cast

from knownas.core.limits import ATTRIBUTIONS_MAX, INPUTS_SHOWN_MAX
from knownas.core.profile.attributes import (
    SCALARS,
    Attributes,
    AttributeValue,
    Said,
    fault_of,
    name_fault,
    with_attributes,
)
from knownas.core.profile.consent import ConsentChange, Consents, Purpose, with_changes, with_consents
from knownas.core.profile.device import Device, with_device
from knownas.core.profile.event import Attribution, Event, EventBatch
from knownas.core.profile.repeating import Repeats, changed

_AT: Final = attrgetter("at_ms")

CalculatedStates = Mapping[str, Mapping[str, Any]]
"""What is remembered for each calculated attribute, by its name: JSON objects that only its calculation reads."""


class Calculations(Protocol):
    """The calculated attributes of a workspace."""

    def count_in(self, states: CalculatedStates, events: Sequence[Event]) -> CalculatedStates:
        """Return the states after events, in time order."""
        ...


class NoCalculations:
    """A workspace without calculated attributes."""

    def count_in(self, states: CalculatedStates, events: Sequence[Event]) -> CalculatedStates:
        """Return the states as they are."""
        del events
        return states


NO_CALCULATIONS: Final = NoCalculations()


_NOTHING: Final[Mapping[Any, Any]] = {}
"""Never changed: what is folded into a section makes another one."""


class Section(NamedTuple):
    """What one workspace knows of a profile. Times are Unix milliseconds.

    `inputs` tells when each input last sent something. `notes` are sentences about what was done to the profile as a
    whole, such as an alias.
    """

    first_seen_ms: int
    last_seen_ms: int
    attributes: Attributes = _NOTHING
    consents: Consents = _NOTHING
    devices: tuple[Device, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    opted_out: bool | None = None
    inputs: Mapping[str, int] = _NOTHING
    calculated: CalculatedStates = _NOTHING
    notes: tuple[str, ...] = ()
    opted_out_ms: int = 0
    """When `opted_out` was said."""
    repeats: Repeats = _NOTHING
    consent_changes: tuple[ConsentChange, ...] = ()
    """Statements of consent that changed something, in the order in which they came."""


class Folded(NamedTuple):
    """A section after a batch, and what of the batch it had no room for: names of attributes, purposes of consent."""

    section: Section
    attributes_left_out: tuple[str, ...] = ()
    consents_left_out: tuple[Purpose, ...] = ()


def fold(before: Section | None, batch: EventBatch, calculations: Calculations = NO_CALCULATIONS) -> Folded:
    """Return what a workspace knows of a user after a batch, and what there was no room for."""
    events: Sequence[Event] = batch.events
    if len(events) > 1:
        events = sorted(events, key=_AT)
    first_ms = events[0].at_ms if events else batch.at_ms
    last_ms = batch.last_ms
    section = before or Section(first_ms, last_ms)
    said, attributions, opted_out, opted_out_ms = _told(section, batch, events)
    repeats = section.repeats
    if batch.repeated is not None:
        stamp = batch.device.stamp if batch.device is not None else None
        repeated, repeats = changed(repeats, stamp or "", batch.repeated, first_ms)
        said = [*said, *repeated]
    attributes, attributes_left_out = with_attributes(section.attributes, said) if said else (section.attributes, ())
    consents, consents_left_out = section.consents, ()
    consent_changes = section.consent_changes
    if batch.consents:
        consents, consents_left_out = with_consents(consents, batch.consents)
        came = [ConsentChange(purpose, consent, batch.at_ms, batch.input) for purpose, consent in batch.consents]
        consent_changes = with_changes(consent_changes, section.consents, consents, came)
    calculated = section.calculated
    if events and not batch.is_historical:
        calculated = calculations.count_in(calculated, events)
    after = Section(
        first_seen_ms=min(section.first_seen_ms, first_ms),
        last_seen_ms=max(section.last_seen_ms, last_ms),
        attributes=attributes,
        consents=consents,
        devices=section.devices if batch.device is None else with_device(section.devices, batch.device),
        attributions=attributions[-ATTRIBUTIONS_MAX:],
        opted_out=opted_out,
        inputs=_seen(section.inputs, batch.input, last_ms),
        calculated=calculated,
        notes=section.notes,
        opted_out_ms=opted_out_ms,
        repeats=repeats,
        consent_changes=consent_changes,
    )
    return Folded(after, attributes_left_out, consents_left_out)


class _Told(NamedTuple):
    """What a batch says of attributes, in its order, and what is known of attribution and opting out after it."""

    said: Sequence[Said]
    attributions: tuple[Attribution, ...]
    opted_out: bool | None
    opted_out_ms: int


def _told(section: Section, batch: EventBatch, events: Sequence[Event]) -> _Told:
    said: list[Said] = []
    if batch.attributes and not batch.channel.is_client:
        at_ms = batch.last_ms
        said = [(name, value, at_ms) for name, value in batch.attributes.items()]
    attributions = section.attributions
    if batch.attribution is not None and batch.attribution[:2] not in [one[:2] for one in attributions]:
        # Many senders repeat it in every batch: it was told first when it was told first.
        attributions = (*attributions, batch.attribution)
    opted_out, opted_out_ms = section.opted_out, section.opted_out_ms
    for event in events:
        if event.type == "custom_event":
            install = _install(event) if event.data.get("custom_event_type") == "attribution" else None
            if install is not None and install not in attributions:
                attributions = (*attributions, install)
        elif event.type == "user_attribute_change":
            # The one way in which an SDK changes an attribute; platform §2.6.
            change = attribute_change(event.data)
            if not isinstance(change, str):
                said.append((*change, event.at_ms))
        elif event.type == "opt_out":
            value = event.data.get("is_opted_out")
            if isinstance(value, bool) and event.at_ms >= opted_out_ms:
                opted_out, opted_out_ms = value, event.at_ms
    return _Told(said, attributions, opted_out, opted_out_ms)


def attribute_change(data: Mapping[str, Any]) -> tuple[str, AttributeValue | None] | str:
    """Read which attribute a `user_attribute_change` sets to what (None: deletes), or why it changes none."""
    name = data.get("user_attribute_name")
    if not isinstance(name, str):
        return "user_attribute_name is wanted"
    if data.get("deleted") is True:
        return name_fault(name) or (name, None)
    value = attribute_value(data.get("new"))
    if value is None:
        return "new is wanted, a scalar or a list of scalars"
    return fault_of(name, value) or (name, value)


def attribute_value(given: object) -> AttributeValue | None:
    """Read an attribute's value from JSON: a scalar, or a list of scalars. None for anything else."""
    if isinstance(given, SCALARS):
        return given
    if isinstance(given, list):
        return tuple(one for one in cast("list[object]", given) if isinstance(one, SCALARS))
    return None


def _install(event: Event) -> Attribution | None:
    """Read an install attribution: a custom event of that type, and of that name; platform §2.4."""
    if event.name != "attribution":
        return None
    said = event.data.get("custom_attributes")
    if not isinstance(said, dict):
        return None
    attributes = cast("dict[str, object]", said)
    publisher, campaign = attributes.get("publisher"), attributes.get("campaign")
    if isinstance(publisher, str) and isinstance(campaign, str):
        return Attribution(publisher, campaign, event.at_ms)
    return None


def _seen(inputs: Mapping[str, int], name: str, at_ms: int) -> Mapping[str, int]:
    """Return when each input last sent something, after one did."""
    seen_ms = inputs.get(name)
    if seen_ms is None:
        return {**inputs, name: at_ms} if len(inputs) < INPUTS_SHOWN_MAX else inputs
    return inputs if seen_ms >= at_ms else {**inputs, name: at_ms}
