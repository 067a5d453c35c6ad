"""Writes sections as JSON documents, the form in which stores keep them; `service.profile.sections` reads them back."""

from typing import Any, Final

from knownas.core.profile.section import Section

Document = dict[str, Any]

_AS_THEY_ARE: Final = ("attributes", "devices", "attributions", "inputs", "calculated", "notes", "repeats")
"""Members of a section that stand in its document as they are."""


def section_document(section: Section) -> Document:
    """Write a section down; what is empty is left out. Tuples, named or not, are the document's lists."""
    document: Document = {"first_seen_ms": section.first_seen_ms, "last_seen_ms": section.last_seen_ms}
    if section.opted_out is not None:
        document["opted_out"] = section.opted_out
        document["opted_out_ms"] = section.opted_out_ms
    if section.consents:
        document["consents"] = [(*purpose, *consent) for purpose, consent in section.consents.items()]
    if section.consent_changes:
        document["consent_changes"] = [
            (*one.purpose, *one.consent, one.received_ms, one.input) for one in section.consent_changes
        ]
    for name in _AS_THEY_ARE:
        held = getattr(section, name)
        if held:
            document[name] = held
    return document
