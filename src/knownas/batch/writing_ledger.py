"""Writes the whole ledger of erasures of a database that can be read: what its server would have appended, and what is older."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from knownas.service.erasure.keeping_out import KEPT_AS, suppression_key
from knownas.service.evidence.chain import Evidence
from knownas.service.evidence.ledger import lines_of
from knownas.service.evidence.ledger_form import (
    LedgerErasure,
    LedgerLine,
    LedgerStart,
    LedgerSuppression,
    key_digest,
    line_bytes,
)
from knownas.service.identity.knowing import ERASED_FOR, ErasedFor
from knownas.service.limits import LEDGER_ENTRIES_A_STEP, PAGE_MAX
from knownas.service.security.sealing import SecretKeys
from knownas.store.copying import CopyEnd, Key, Part
from knownas.store.opening import open_copy_end, open_store
from knownas.store.port import Store

_ERASED: Final = f"{ERASED_FOR}/"


class Written(NamedTuple):
    """How much was written."""

    lines: int
    entries: int


async def write_ledger(database: str, file: Path, keys: SecretKeys) -> Written:
    """Write a database's ledger into a new file; it is on the disk when this returns.

    Raises:
        FileExistsError: there is something at the file's place.
        OSError: it can't be written.
        StoreError: the database does not answer.
        Unopenable: the key of the digests was sealed with a secret key that is not among `keys`.
    """
    tables = open_copy_end(database, is_snapshot=True)
    try:
        store = open_store(database)
        try:
            with file.open("xb") as opened:
                written = await _write(store, tables, keys, opened)
                opened.flush()
                await asyncio.to_thread(os.fsync, opened.fileno())
        except FileExistsError:
            raise
        except BaseException:
            _remove(file)
            raise
        finally:
            await store.close()
    finally:
        await tables.close()
    return written


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)


async def _write(store: Store, tables: CopyEnd, keys: SecretKeys, file: BinaryIO) -> Written:
    has_key = await store.kept(KEPT_AS) is not None
    key = await suppression_key(store, keys, publish=False)
    lines = entries = 0

    def put(line: LedgerLine) -> None:
        nonlocal lines
        file.write(line_bytes(line))
        lines += 1

    put(LedgerStart(key_digest(key) if has_key else None))
    async for one in _forgotten(store, tables):
        put(one)
    evidence = Evidence(store.privacy)
    head = await evidence.head()
    while entries < head.number:
        page = await evidence.entries(entries, min(LEDGER_ENTRIES_A_STEP, head.number - entries))
        async for one in lines_of(store.privacy, page):
            put(one)
        entries = page[-1].number
    return Written(lines, entries)


async def _forgotten(store: Store, tables: CopyEnd) -> AsyncIterator[LedgerLine]:
    """Yield what stays out, and the erasures: of some the request is forgotten by now."""
    digest = b""
    while kept_out := await store.privacy.suppressions_after(digest, PAGE_MAX):
        digest = kept_out[-1].digest
        for one in kept_out:
            yield LedgerSuppression(one.digest.hex(), one.request_id, one.at_ms)
    mpid: int | None = None
    while tombstones := await store.privacy.tombstones_after(mpid, PAGE_MAX):
        mpid = tombstones[-1].mpid
        for tombstone in tombstones:
            yield LedgerErasure(tombstone.request_id, tombstone.mpid, None, tombstone.at_ms)
    after: Key | None = None
    while True:
        page = await tables.page(Part.DOCUMENTS, after, PAGE_MAX)
        for name, document in page.rows:
            if isinstance(name, str) and name.startswith(_ERASED) and isinstance(document, bytes):
                erased = msgspec.json.decode(document, type=ErasedFor)
                workspace, _, profile = name.removeprefix(_ERASED).partition("/")
                yield LedgerErasure(erased.request_id, int(profile), int(workspace), erased.at_ms)
        after = page.after
        if after is None:
            return
