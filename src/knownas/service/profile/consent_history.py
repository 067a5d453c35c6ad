"""Tells how a person's consent changed in a workspace: each statement, when it was made, when it came, and through which input.

It stands in the section, beside what counts now (`core.profile.section.Section.consent_changes`), and not only in the kept batches
that said it: those are removed after a while (`retention.events_days`), and who consented to what must be told for as
long as the consent is relied on. So it goes when the section goes: by erasure, or after the person was not seen for long.
"""

from collections.abc import Sequence
from typing import Any

from knownas.core.profile.consent import Consent, ConsentChange, Purpose, history
from knownas.core.profile.section import Section
from knownas.service.identity.receipts import rfc3339
from knownas.service.profile.sections import read
from knownas.store.user_data import SectionKey, UserDataStore


async def consent_history(user_data: UserDataStore, key: SectionKey) -> Sequence[ConsentChange]:
    """Return how consent changed in a section, by when it was stated; nothing if there is no such section.

    Raises:
        StoreError: the store does not answer.
    """
    stored = await user_data.section(key)
    return () if stored is None else changes_of(read(stored))


def changes_of(section: Section) -> Sequence[ConsentChange]:
    """Return how consent changed in a section, by when it was stated."""
    return history(section.consent_changes, section.consents)


def consent_document(purpose: Purpose, consent: Consent) -> dict[str, Any]:
    """Write a statement of consent down, as our own API shows it."""
    return {
        "regulation": purpose.regulation.value,
        "purpose": purpose.name,
        "consented": consent.consented,
        "at": rfc3339(consent.at_ms),
        "document": consent.document,
        "location": consent.location,
        "hardware_id": consent.hardware_id,
    }


def change_document(one: ConsentChange) -> dict[str, Any]:
    """Write a change of consent down; `received_at` and `input` are null of one that came before changes were remembered."""
    received = None if one.received_ms is None else rfc3339(one.received_ms)
    return {**consent_document(one.purpose, one.consent), "received_at": received, "input": one.input}
