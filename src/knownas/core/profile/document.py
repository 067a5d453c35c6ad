"""Writes sections as JSON documents, the form in which stores keep them, and reads them back."""

from collections.abc import Mapping
from typing import Any, cast

from knownas.core.identity.kinds import IdentityType
from knownas.core.profile.attributes import Attribute, AttributeValue, Scalar
from knownas.core.profile.consent import Consent, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.event import Attribution
from knownas.core.profile.section import Section

Document = dict[str, Any]


def section_document(section: Section) -> Document:
    """Write a section down; what is empty is left out. Tuples, named or not, are the document's lists."""
    document: Document = {"first_seen_ms": section.first_seen_ms, "last_seen_ms": section.last_seen_ms}
    if section.attributes:
        document["attributes"] = section.attributes
    if section.consents:
        document["consents"] = [(*purpose, *consent) for purpose, consent in section.consents.items()]
    if section.devices:
        document["devices"] = section.devices
    if section.attributions:
        document["attributions"] = section.attributions
    if section.opted_out is not None:
        document["opted_out"] = section.opted_out
        document["opted_out_ms"] = section.opted_out_ms
    if section.inputs:
        document["inputs"] = section.inputs
    if section.calculated:
        document["calculated"] = section.calculated
    if section.notes:
        document["notes"] = section.notes
    return document


def section_from(document: Mapping[str, Any]) -> Section:
    """Read what `section_document` wrote."""
    return Section(
        document["first_seen_ms"],
        document["last_seen_ms"],
        {name: Attribute(_tupled(value), at_ms) for name, (value, at_ms) in document.get("attributes", {}).items()},
        {
            Purpose(Regulation(regulation), name): Consent(*consent)
            for regulation, name, *consent in document.get("consents", ())
        },
        tuple(_device(one) for one in document.get("devices", ())),
        tuple(Attribution(*one) for one in document.get("attributions", ())),
        document.get("opted_out"),
        document.get("inputs", {}),
        document.get("calculated", {}),
        tuple(document.get("notes", ())),
        document.get("opted_out_ms", 0),
    )


def _tupled(value: Any) -> AttributeValue | None:
    return tuple(cast("list[Scalar]", value)) if isinstance(value, list) else value


def _device(written: list[Any]) -> Device:
    stamp, platform, ids, facts, first_seen_ms, last_seen_ms = written
    held = {IdentityType(kind): value for kind, value in ids.items()}
    return Device(stamp, platform, held, facts, first_seen_ms, last_seen_ms)
