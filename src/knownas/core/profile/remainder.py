"""Decides what of a section no kept batch explains, so that it can stay where it is when batches are sorted anew.

Batches are removed after a while, values are taken over from other systems, and earlier versions kept less. What was known
then is part of the section all the same. It is kept as a section of its own, the *remainder*, which is folded after the
batches that were there when it was found out.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from knownas.core.limits import ATTRIBUTIONS_MAX, CONSENT_CHANGES_MAX, INPUTS_SHOWN_MAX, STATUS_NOTES_MAX
from knownas.core.profile.attributes import with_attributes
from knownas.core.profile.consent import with_consents
from knownas.core.profile.device import with_device
from knownas.core.profile.section import Section

_K = TypeVar("_K")
_V = TypeVar("_V")

NOBODY_SAID: Final = Section(0, 0)


def remainder(kept: Section | None, folded: Section | None) -> Section | None:
    """Return what of a section as it is kept its batches do not explain; None if they explain all of it.

    `folded` is what the batches come to.
    """
    if kept is None or kept == folded:
        return None
    there = folded or NOBODY_SAID
    opted = (kept.opted_out, kept.opted_out_ms) != (there.opted_out, there.opted_out_ms)
    # A time that batches explain must not keep the other one from following them.
    return Section(
        kept.last_seen_ms if kept.first_seen_ms == there.first_seen_ms else kept.first_seen_ms,
        kept.first_seen_ms if kept.last_seen_ms == there.last_seen_ms else kept.last_seen_ms,
        _beyond(kept.attributes, there.attributes),
        _beyond(kept.consents, there.consents),
        tuple(one for one in kept.devices if one not in there.devices),
        tuple(one for one in kept.attributions if one not in there.attributions),
        kept.opted_out if opted else None,
        _beyond(kept.inputs, there.inputs),
        _beyond(kept.calculated, there.calculated),
        tuple(one for one in kept.notes if one not in there.notes),
        kept.opted_out_ms if opted else 0,
        _beyond(kept.repeats, there.repeats),
        tuple(one for one in kept.consent_changes if one not in there.consent_changes),
    )


def with_remainder(folded: Section | None, rest: Section) -> Section:
    """Return a section after its remainder. What was computed stays as it was then; of the rest the newer counts."""
    if folded is None:
        first_ms, last_ms = sorted((rest.first_seen_ms, rest.last_seen_ms))
        return rest._replace(first_seen_ms=first_ms, last_seen_ms=last_ms)
    devices = folded.devices
    for one in reversed(rest.devices):
        devices = with_device(devices, one)
    attributions = [*(one for one in rest.attributions if one not in folded.attributions), *folded.attributions]
    opted = rest.opted_out is not None and rest.opted_out_ms >= folded.opted_out_ms
    inputs = {name: max(at_ms, folded.inputs.get(name, at_ms)) for name, at_ms in rest.inputs.items()}
    return Section(
        min(folded.first_seen_ms, rest.first_seen_ms),
        max(folded.last_seen_ms, rest.last_seen_ms),
        with_attributes(folded.attributes, ((name, one.value, one.at_ms) for name, one in rest.attributes.items()))[0],
        with_consents(folded.consents, rest.consents.items())[0],
        devices,
        tuple(sorted(attributions, key=lambda one: one.at_ms)[-ATTRIBUTIONS_MAX:]),
        rest.opted_out if opted else folded.opted_out,
        dict(list({**folded.inputs, **inputs}.items())[:INPUTS_SHOWN_MAX]),
        {**folded.calculated, **rest.calculated},
        (*rest.notes, *(one for one in folded.notes if one not in rest.notes))[-STATUS_NOTES_MAX:],
        rest.opted_out_ms if opted else folded.opted_out_ms,
        {**folded.repeats, **rest.repeats},
        (*rest.consent_changes, *(one for one in folded.consent_changes if one not in rest.consent_changes))[
            -CONSENT_CHANGES_MAX:
        ],
    )


def told(rest: Section) -> Iterator[str]:
    """Yield the names of what a remainder holds, for people: what can't be sorted anew and stays where it is."""
    yield from (f"attribute {name}" for name in sorted(rest.attributes))
    yield from (f"calculated attribute {name}" for name in sorted(rest.calculated))
    yield from (f"consent {purpose.regulation.value} {purpose.name}" for purpose in sorted(rest.consents))
    for name, held in (("devices", rest.devices), ("attributions", rest.attributions), ("notes", rest.notes)):
        if held:
            yield name
    if rest.opted_out is not None:
        yield "opt-out"


def _beyond(kept: Mapping[_K, _V], folded: Mapping[_K, _V]) -> Mapping[_K, _V]:
    return {name: value for name, value in kept.items() if name not in folded or folded[name] != value}


def is_explained(kept: Section | None, folded: Section | None) -> bool:
    """Whether a section is what its batches and its remainder come to, however its parts are ordered.

    How consent changed is left aside: of what came before an upgrade the batches tell more than was remembered.
    """
    return _comparable(kept) == _comparable(folded)


def _comparable(section: Section | None) -> Any:
    return (
        None
        if section is None
        else section._replace(devices=tuple(sorted(section.devices, key=repr)), consent_changes=())
    )
