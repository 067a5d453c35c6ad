"""Reads what workspaces know of users, and writes it down as the documents that a store keeps."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from knownas.core.profile.document import section_document, section_from
from knownas.core.profile.section import Section
from knownas.store.user_data import SectionKey, StoredSection, UserDataStore

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])


def written(section: Section) -> bytes:
    """Write a section down for a store."""
    return _ENCODER.encode(section_document(section))


def read(stored: StoredSection) -> Section:
    """Read a section that a store kept."""
    return section_from(_DECODER.decode(stored.document))


class Sections:
    """The sections of profiles, as they are after the last acknowledged change."""

    def __init__(self, store: UserDataStore) -> None:
        self._store = store

    async def find(self, key: SectionKey) -> Section | None:
        """Return what a workspace knows of a profile; None if the profile was never seen there."""
        snapshot = await self._store.load([key])
        stored = snapshot.sections.get(key)
        return None if stored is None else read(stored)

    async def of_profile(self, mpid: int) -> Mapping[SectionKey, Section]:
        """Return what every workspace knows of a profile."""
        return {key: read(stored) for key, stored in (await self._store.sections_of(mpid)).items()}
