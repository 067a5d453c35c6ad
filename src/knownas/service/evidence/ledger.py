"""Keeps the ledger of erasures beside the database, so that it is there when the database is lost (decision 40).

It follows the chain of evidence: whatever has been kept since the last time is appended, each request that the new entries tell of and
then the entries themselves. So what was torn by a crash, or could not be written, is written the next time, and what is written twice
says the same. An erasure waits before each of its steps until the ledger has what is kept by then.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from knownas.core.privacy.evidence import Entry, Head, head_of
from knownas.service.erasure.keeping_out import suppression_of
from knownas.service.evidence.chain import Evidence, entry_document
from knownas.service.evidence.ledger_file import LedgerFile, LedgerUnwritable
from knownas.service.evidence.ledger_form import (
    LedgerEntry,
    LedgerLine,
    LedgerStart,
    LedgerSuppression,
    line_bytes,
    request_line,
)
from knownas.service.limits import LEDGER_ENTRIES_A_STEP, LEDGER_LOOK_SECONDS
from knownas.service.privacy.subject_request_form import KeptRequest, kept_request, nameless
from knownas.service.repeating import Repeating
from knownas.store.errors import StoreError
from knownas.store.privacy import PrivacyStore, Suppression

_T = TypeVar("_T")

log: Final = logging.getLogger(__name__)


class Ledger:
    """The ledger of one database, in a file. One event loop, one of these a process; others may append to the same file."""

    def __init__(self, store: PrivacyStore, path: Path, key_digest: str | None) -> None:
        """`key_digest` tells the key of the digests (`ledger_form.key_digest`), None for who does not know it."""
        self._store: Final = store
        self._evidence: Final = Evidence(store)
        self._path: Final = path
        self._file: Final = LedgerFile(path)
        self._key_digest: Final = key_digest
        self._lock = asyncio.Lock()
        self._told = ""
        self._is_followed = False
        self._later = Repeating(self._look, LEDGER_LOOK_SECONDS, log, "the ledger of erasures", "what is new waits")
        self.failures = 0
        """How often it could not be written."""

    async def bring_up(self) -> None:
        """Append what is kept and not yet in the ledger; it is on the disk when this returns.

        Raises:
            LedgerUnwritable: it can't be written.
            StoreError: the store does not answer.
        """
        async with self._lock:
            head = await self._evidence.head()
            at = await self._do(self._file.last)
            if self._file.is_empty:
                await self._append([LedgerStart(self._key_digest)])
            if at == head:
                return
            await self._check(at)
            while at != head and (entries := await self._evidence.entries(at.number, LEDGER_ENTRIES_A_STEP)):
                await self._append([one async for one in lines_of(self._store, entries)])
                at = head_of(entries[-1])
                head = max(head, at, key=lambda one: one.number)
            self._told = ""

    async def let_in(self, digests: Iterable[bytes], at_ms: int) -> None:
        """Append that what had these digests is let in again.

        Raises:
            LedgerUnwritable: it can't be written.
        """
        async with self._lock:
            await self._append([LedgerSuppression(one.hex(), None, at_ms) for one in digests])

    async def _check(self, at: Head) -> None:
        """Return if the file's last entry is one of this database's; else it may be all that is left of another one.

        Raises:
            LedgerUnwritable: it is not.
        """
        kept = await self._evidence.numbered([at.number] if at.number else [])
        if at.number and (not kept or head_of(kept[0]) != at):
            raise self._failed(
                LedgerUnwritable(
                    f"the ledger {self._path} has entry {at.number} of another database, or of this one before something of it was lost: "
                    "restore from it, or give another file"
                )
            )

    async def _append(self, lines: Sequence[LedgerLine]) -> None:
        if lines:
            written = [line_bytes(one) for one in lines]
            await self._do(lambda: self._file.append(written))

    async def _do(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.to_thread(work)
        except LedgerUnwritable as error:
            raise self._failed(error) from error

    def _failed(self, error: LedgerUnwritable) -> LedgerUnwritable:
        """Count that it could not be written, and say why, once as long as that is the same."""
        self.failures += 1
        if str(error) != self._told:
            log.error("%s; erasures wait until it can be written", error)
        self._told = str(error)
        return error

    async def _look(self) -> None:
        with suppress(LedgerUnwritable):
            await self.bring_up()

    def start(self) -> None:
        """Follow the evidence from now on, also where nothing is erased."""
        self._is_followed = True
        self._later.start()

    async def close(self) -> None:
        """Append what is new, if this has followed the evidence, and stop."""
        await self._later.close()
        if self._is_followed:
            try:
                await self._look()
            except StoreError as error:
                log.warning("what is new could not be appended to the ledger: %s", error)
        async with self._lock:
            await asyncio.to_thread(self._file.close)


async def lines_of(store: PrivacyStore, entries: Sequence[Entry]) -> AsyncIterator[LedgerLine]:
    """Yield what the ledger says of some entries: the requests that they are about, what these keep out, then the entries.

    The entries come last: where they are, all the rest is.

    Raises:
        StoreError: the store does not answer, or what it keeps can't be read (StoreDamaged).
    """
    for request_id in dict.fromkeys(one.happening.request_id for one in entries):
        row = await store.request(request_id) if request_id else None
        if row is None:
            continue
        kept = kept_request(row)
        yield request_line(nameless(kept))
        async for one in _kept_out(store, kept):
            yield LedgerSuppression(one.digest.hex(), one.request_id, one.at_ms)
    for entry in entries:
        yield LedgerEntry(entry_document(entry))


async def _kept_out(store: PrivacyStore, kept: KeptRequest) -> AsyncIterator[Suppression]:
    """Yield what is still kept out of what a request has kept out."""
    for text in (text for progress in kept.each for text in progress.kept_out):
        one = await suppression_of(store, bytes.fromhex(text))
        if one is not None:
            yield one
