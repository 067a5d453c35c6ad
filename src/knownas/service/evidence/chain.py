"""Writes the chain of evidence: what became of data subjects' requests, in the same transaction as what it tells of.

All processes over a database write one chain. Whoever comes second takes the next number and hashes anew.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from knownas.core.privacy.evidence import Entry, Fact, Happening, Head, Step, head_of, linked, needed_hashes
from knownas.service.limits import EVIDENCE_ATTEMPTS_MAX, EVIDENCE_OF_REQUEST_MAX
from knownas.service.privacy.subject_status import announced
from knownas.service.retrying import pause_before_retry
from knownas.store.errors import StoreBusy, StoreDamaged
from knownas.store.privacy import PrivacyCommit, PrivacyStore, StoredEntry


class EntryDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an entry says, as it is kept and as it is exported."""

    number: int
    at_ms: int
    request_id: str
    step: Step
    facts: dict[str, Fact]
    salt: str
    before: str
    skip: str
    hash: str


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(EntryDocument)


SALT_BYTES: Final = 16
"""Random bytes that are hashed with what an entry tells: as many as a secret key of AES-128 has."""


def drawn_salt() -> str:
    """Draw the salt of an entry, in hex."""
    return secrets.token_hex(SALT_BYTES)


class Evidence:
    """The chain of one database. `salt` draws the salt of an entry."""

    def __init__(self, store: PrivacyStore, salt: Callable[[], str] = drawn_salt) -> None:
        self._store: Final = store
        self._salt: Final = salt

    async def write(self, happenings: Sequence[Happening], change: PrivacyCommit | None = None) -> bool:
        """Continue the chain with what has happened, and keep what changes with it, in one commit or not at all.

        A request that comes into another state brings the deliveries to all whom it names for being told.

        False: something of `change` is not as it was when it was loaded; the caller loads and decides again.

        Raises:
            StoreError: the store could not do it, or others were faster every time.
        """
        change = announced(change or PrivacyCommit())
        for attempt in range(EVIDENCE_ATTEMPTS_MAX):
            head = await self.head()
            hashes = await self._hashes(needed_hashes(head, len(happenings)))
            if await self._store.commit(replace(change, entries=self._stored(head, happenings, hashes))):
                return True
            if await self.head() == head:
                return False
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {EVIDENCE_ATTEMPTS_MAX} times")

    async def head(self) -> Head:
        """Return the end of the chain: whoever publishes it can prove later that nothing before it was changed.

        Raises:
            StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
        """
        last = await self._store.last_entry()
        return Head() if last is None else head_of(entry_from(last.document))

    async def numbered(self, numbers: Iterable[int]) -> Sequence[Entry]:
        """Return some entries of the chain, in the order of their numbers; those that are not there are left out.

        Raises:
            StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
        """
        found: list[Entry] = []
        for number in sorted(set(numbers)):
            kept = await self._store.entries(number - 1, 1)
            found += [entry_from(one.document) for one in kept if one.number == number]
        return found

    async def _hashes(self, numbers: Iterable[int]) -> Mapping[int, str]:
        return {one.number: one.hash for one in await self.numbered(numbers)}

    def _stored(self, head: Head, happenings: Sequence[Happening], hashes: Mapping[int, str]) -> Sequence[StoredEntry]:
        known, stored = {**hashes, head.number: head.hash}, list[StoredEntry]()
        for one in happenings:
            entry = linked(head, one, self._salt(), known)
            head = head_of(entry)
            known[entry.number] = entry.hash
            stored.append(StoredEntry(entry.number, one.request_id, entry_bytes(entry)))
        return stored

    async def of_request(self, request_id: str) -> Sequence[Entry]:
        """Return what happened of one request, in order.

        Raises:
            StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
        """
        kept = await self._store.entries_of(request_id, EVIDENCE_OF_REQUEST_MAX)
        return [entry_from(one.document) for one in kept]

    async def entries(self, after_number: int, limit: int) -> Sequence[Entry]:
        """Return the chain's entries after a number.

        Raises:
            StoreError: the store does not answer, or what it keeps is no entry (StoreDamaged).
        """
        return [entry_from(one.document) for one in await self._store.entries(after_number, limit)]


def entry_document(entry: Entry) -> EntryDocument:
    """Return an entry as it is written down."""
    what = entry.happening
    return EntryDocument(
        entry.number,
        what.at_ms,
        what.request_id,
        what.step,
        dict(what.facts),
        entry.salt,
        entry.before,
        entry.skip,
        entry.hash,
    )


def documented(one: EntryDocument) -> Entry:
    """Return the entry that was written down.

    Raises:
        ValueError: it says more than an entry may.
    """
    happening = Happening(one.at_ms, one.request_id, one.step, one.facts)
    return Entry(one.number, happening, one.salt, one.before, one.skip, one.hash)


def entry_bytes(entry: Entry) -> bytes:
    """Write an entry down, as JSON whose members stand in the order of their names."""
    return _ENCODER.encode(entry_document(entry))


def entry_from(kept: bytes) -> Entry:
    """Read an entry that was written down. Whether it says the truth, `core.privacy.evidence.faults_of` tells.

    Raises:
        StoreDamaged: it is no entry.
    """
    try:
        return documented(_DECODER.decode(kept))
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreDamaged(f"not an entry of the evidence: {error}") from error
