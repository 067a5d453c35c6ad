"""Reads what workspaces know of users, and writes it down as the documents that a store keeps."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from knownas.core.profile.attributes import Attribute
from knownas.core.profile.consent import Consent, ConsentChange, Purpose, Regulation
from knownas.core.profile.device import Device
from knownas.core.profile.document import section_document
from knownas.core.profile.event import Attribution
from knownas.core.profile.repeating import Repeat
from knownas.core.profile.section import Section
from knownas.service.profile.kept_batches import TIME_MS_MAX, shown_document
from knownas.store.user_data import SectionKey, SectionWrite, StoredEvents, StoredSection, UserDataStore

_ENCODER: Final = msgspec.json.Encoder()


def written(section: Section) -> bytes:
    """Write a section down for a store."""
    return _ENCODER.encode(section_document(section))


class _Written(msgspec.Struct, frozen=True):
    """A section as `core.profile.document` writes it: what the store keeps is decoded straight into the core's values."""

    first_seen_ms: int
    last_seen_ms: int
    attributes: dict[str, Attribute] = {}
    consents: tuple[tuple[Regulation, str, bool, int, str | None, str | None, str | None], ...] = ()
    devices: tuple[Device, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    opted_out: bool | None = None
    opted_out_ms: int = 0
    inputs: dict[str, int] = {}
    calculated: dict[str, dict[str, Any]] = {}
    notes: tuple[str, ...] = ()
    repeats: dict[str, Repeat] = {}
    consent_changes: tuple[
        tuple[Regulation, str, bool, int, str | None, str | None, str | None, int | None, str | None], ...
    ] = ()


_SECTION: Final = msgspec.json.Decoder(_Written)


def section_write(key: SectionKey, before: StoredSection | None, after: Section) -> SectionWrite:
    """Return the write that turns a section as it was loaded, None if there was none, into another."""
    return SectionWrite(key, None if before is None else before.version, written(after), after.last_seen_ms)


def read(stored: StoredSection) -> Section:
    """Read a section that a store kept."""
    return section_from(stored.document)


def section_from(document: bytes) -> Section:
    """Read a section that was written down."""
    found = _SECTION.decode(document)
    consents = {
        Purpose(regulation, name): Consent(consented, at_ms, document, location, hardware_id)
        for regulation, name, consented, at_ms, document, location, hardware_id in found.consents
    }
    return Section(
        found.first_seen_ms,
        found.last_seen_ms,
        found.attributes,
        consents,
        found.devices,
        found.attributions,
        found.opted_out,
        found.inputs,
        found.calculated,
        found.notes,
        found.opted_out_ms,
        found.repeats,
        tuple(
            ConsentChange(
                Purpose(regulation, name),
                Consent(consented, at_ms, document, location, hardware_id),
                received_ms,
                input_,
            )
            for regulation, name, consented, at_ms, document, location, hardware_id, received_ms, input_ in (
                found.consent_changes
            )
        ),
    )


class Sections:
    """The sections of profiles, as they are after the last acknowledged change."""

    def __init__(self, store: UserDataStore) -> None:
        self._store = store

    async def find(self, key: SectionKey) -> Section | None:
        """Return what a workspace knows of a profile; None if the profile was never seen there."""
        stored = await self._store.section(key)
        return None if stored is None else read(stored)

    async def events(
        self, key: SectionKey, after_seq: int, limit: int
    ) -> tuple[Sequence[tuple[StoredEvents, Mapping[str, Any]]], int | None]:
        """Return kept batches of events of a profile in a workspace, in the order in which they were kept.

        With them comes the number after which the next page begins, None after the last one. A page can have fewer than
        `limit`: what was kept without events is not shown.
        """
        found = await self._store.events(key, from_ms=0, to_ms=TIME_MS_MAX, after_seq=after_seq, limit=limit)
        shown = [(one, document) for one in found if (document := shown_document(one.document)) is not None]
        return shown, found[-1].seq if len(found) == limit else None

    async def of_profile(self, mpid: int) -> Mapping[SectionKey, Section]:
        """Return what every workspace knows of a profile."""
        return {key: read(stored) for key, stored in (await self._store.sections_of(mpid)).items()}
