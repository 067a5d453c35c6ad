"""Decides what a workspace knows of a user: the fold of everything that arrived about them there (platform §2.6, §4.4).

A profile has one section for each workspace that has seen it; nothing in it is shared between workspaces. A batch is
folded in this order (idsync §5.2): the profile is resolved before, then come attributes, consent, device and
attribution, then the events by their time. What is newer wins, wherever it came from; of what an SDK sends, only an
event that says so changes an attribute, since the rest of it is context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

from knownas.core.limits import ATTRIBUTIONS_MAX, INPUTS_SHOWN_MAX
from knownas.core.profile.attributes import Attribute, Attributes, AttributeValue, fault_of, name_fault, with_attribute
from knownas.core.profile.consent import Consent, Consents, Purpose, with_consents
from knownas.core.profile.device import Device, with_device
from knownas.core.profile.event import Attribution, Event, EventBatch

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


@dataclass(frozen=True, slots=True)
class Section:
    """What one workspace knows of a profile. Times are Unix milliseconds.

    `inputs` tells when each input last sent something. `notes` are sentences about what was done to the profile as a
    whole, such as an alias.
    """

    first_seen_ms: int
    last_seen_ms: int
    attributes: Attributes = field(default_factory=dict[str, Attribute])
    consents: Consents = field(default_factory=dict[Purpose, Consent])
    devices: tuple[Device, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    opted_out: bool | None = None
    inputs: Mapping[str, int] = field(default_factory=dict[str, int])
    calculated: CalculatedStates = field(default_factory=dict[str, Mapping[str, Any]])
    notes: tuple[str, ...] = ()
    opted_out_ms: int = 0
    """When `opted_out` was said."""

    @property
    def limit_ad_tracking(self) -> bool | None:
        """What the device seen last says of ad tracking; None if none does."""
        return next((one.limit_ad_tracking for one in self.devices if one.limit_ad_tracking is not None), None)


def fold_batch(before: Section | None, batch: EventBatch, calculations: Calculations = NO_CALCULATIONS) -> Section:
    """Return what a workspace knows of a user after a batch."""
    section = before or Section(batch.first_ms, batch.last_ms)
    attributes = section.attributes
    if not batch.channel.is_client:
        for name, value in batch.attributes.items():
            attributes = with_attribute(attributes, name, value, batch.last_ms)
    events = sorted(batch.events, key=lambda event: event.at_ms)
    opted_out, opted_out_ms = _opt_out(section, events)
    attributions = list(section.attributions)
    if batch.attribution is not None and batch.attribution[:2] not in [(one[0], one[1]) for one in attributions]:
        # Many senders repeat it in every batch: it was told first when it was told first.
        attributions.append(batch.attribution)
    for event in events:
        if event.type == "user_attribute_change":
            attributes = _changed(attributes, event)
        elif event.type == "custom_event":
            install = _install(event)
            if install is not None and install not in attributions:
                attributions.append(install)
    calculated = section.calculated
    if events and not batch.is_historical:
        calculated = calculations.count_in(calculated, events)
    return replace(
        section,
        first_seen_ms=min(section.first_seen_ms, batch.first_ms),
        last_seen_ms=max(section.last_seen_ms, batch.last_ms),
        attributes=attributes,
        consents=with_consents(section.consents, batch.consents) if batch.consents else section.consents,
        devices=section.devices if batch.device is None else with_device(section.devices, batch.device),
        attributions=tuple(attributions[-ATTRIBUTIONS_MAX:]),
        opted_out=opted_out,
        opted_out_ms=opted_out_ms,
        inputs=_seen(section.inputs, batch),
        calculated=calculated,
    )


def _changed(attributes: Attributes, event: Event) -> Attributes:
    """Carry out a `user_attribute_change`, the one way in which an SDK changes an attribute; platform §2.6."""
    change = attribute_change(event.data)
    return attributes if isinstance(change, str) else with_attribute(attributes, *change, event.at_ms)


def _opt_out(section: Section, events: Sequence[Event]) -> tuple[bool | None, int]:
    """Return whether the user has opted out, and when that was said, after events in time order."""
    said, said_ms = section.opted_out, section.opted_out_ms
    for event in events:
        value = event.data.get("is_opted_out") if event.type == "opt_out" else None
        if isinstance(value, bool) and event.at_ms >= said_ms:
            said, said_ms = value, event.at_ms
    return said, said_ms


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
    if isinstance(given, str | bool | int | float):
        return given
    if isinstance(given, list):
        return tuple(one for one in cast("list[object]", given) if isinstance(one, str | bool | int | float))
    return None


def _install(event: Event) -> Attribution | None:
    """Read an install attribution: a custom event of that type and name; platform §2.4."""
    if event.data.get("custom_event_type") != "attribution" or event.name != "attribution":
        return None
    said = event.data.get("custom_attributes")
    if not isinstance(said, dict):
        return None
    attributes = cast("dict[str, object]", said)
    publisher, campaign = attributes.get("publisher"), attributes.get("campaign")
    if isinstance(publisher, str) and isinstance(campaign, str):
        return Attribution(publisher, campaign, event.at_ms)
    return None


def _seen(inputs: Mapping[str, int], batch: EventBatch) -> Mapping[str, int]:
    if batch.input not in inputs and len(inputs) >= INPUTS_SHOWN_MAX:
        return inputs
    return {**inputs, batch.input: max(inputs.get(batch.input, 0), batch.last_ms)}
