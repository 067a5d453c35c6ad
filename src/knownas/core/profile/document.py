"""Writes sections as JSON documents, the form in which stores keep them; `service.sections` reads them back."""

from typing import Any

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
    if section.repeats:
        document["repeats"] = section.repeats
    return document
