"""Makes a backup of a database while its servers work: a SQLite file with all of it as of one moment, and a manifest.

A backup is a copy (`batch.copying`), compared row by row. Its manifest says when it was made, what it holds, and how far the
evidence of erasures went then: whoever restores it has to carry out what came later. It says nothing of any person.
"""

import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from knownas.batch.copying import End, NotCopied, Watch, copy
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.receipts import rfc3339
from knownas.store.opening import SQLITE, open_copy_end, open_store

MANIFEST_SUFFIX: Final = ".manifest.json"
"""What the manifest's file is called, after the name of the backup."""

MANIFEST_BYTES_MAX: Final = 64 * 1024
"""Bytes of a manifest that are read; one has a thousand."""

_DIGESTED_AT_ONCE: Final = 1024 * 1024


class UnusableBackup(Exception):
    """A backup can't be made here, or is not what its manifest says; the message says why and what to do."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is. `evidence` is how many entries the chain had, and the hash of the last one."""

    made_at: str
    sha256: str
    rows: dict[str, int]
    evidence: int
    evidence_hash: str


async def back_up(database: str, file: Path, now_ms: int, watch: Watch = lambda _: None) -> Manifest:
    """Copy a database as it is at this moment into a new file, and write the manifest beside it.

    Raises:
        UnusableBackup: there is something at the file's place, or the copy is not the same.
        StoreError: the database does not answer, or the file can't be written.
    """
    if _is_there(file):
        raise UnusableBackup(f"{file} is there already; give another name")
    target = f"{SQLITE}{file}"
    try:
        async with AsyncExitStack() as opened:
            ends: list[End] = []
            for name in (database, target):
                tables = open_copy_end(name, makes=name == target, is_snapshot=name != target)
                opened.push_async_callback(tables.close)
                store = open_store(name)
                opened.push_async_callback(store.close)
                ends.append(End(tables, store))
            there, here = ends
            copied = await copy(there, here, folds=False, watch=watch)
            head = await Evidence(here.store.privacy).head()
    except BaseException as error:
        _remove(file)
        if isinstance(error, NotCopied):
            raise UnusableBackup(str(error)) from error
        raise
    rows = {part.value: count for part, count in copied.rows.items()}
    manifest = Manifest(rfc3339(now_ms), _sha256(file), rows, head.number, head.hash)
    _write(manifest, file)
    return manifest


def _is_there(file: Path) -> bool:
    return file.exists() or manifest_file(file).exists()


def _write(manifest: Manifest, file: Path) -> None:
    manifest_file(file).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def manifest_file(file: Path) -> Path:
    """Return where the manifest of a backup is."""
    return file.with_name(file.name + MANIFEST_SUFFIX)


def check_backup(file: Path) -> Manifest:
    """Return the manifest of a backup that is what it says.

    Raises:
        UnusableBackup: one of the two files is not there, can't be read, or was changed since.
    """
    try:
        with manifest_file(file).open("rb") as opened:
            manifest = msgspec.json.decode(opened.read(MANIFEST_BYTES_MAX), type=Manifest)
        found = _sha256(file)
    except (OSError, msgspec.MsgspecError) as error:
        raise UnusableBackup(f"{file} is no backup with its manifest beside it: {error}") from error
    if found != manifest.sha256:
        raise UnusableBackup(f"{file} is not the file that its manifest was written for")
    return manifest


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(_DIGESTED_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def _remove(file: Path) -> None:
    """Take a backup away that did not come to its end."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
