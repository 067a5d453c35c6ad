"""Restores a backup into an empty database, and carries out again on it whatever erasure came after the backup (decision 40).

The backup is copied and compared, then the ledger's erasures are carried out, then the database may be served: until then it is
marked as unfinished. Stopped or killed, the same restore goes on where it was. The backup stays as it is: what is read is a copy of
the file beside it, which is brought to this version's layout, and removed at the end.
"""

import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from knownas.batch.backing_up import Manifest, UnusableBackup, check_backup
from knownas.batch.copying import End, NotCopied, Step, Watch, copy, finish_copy
from knownas.config.values import Configuration
from knownas.core.privacy.evidence import Head
from knownas.service.copy_mark import copy_mark
from knownas.service.erasure.replaying import CantReplay, Replayed, Replaying
from knownas.service.evidence.ledger_reading import LedgerAfter, ledger_after, without_digests
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import Clock, open_service
from knownas.store.opening import SQLITE, open_copy_end, open_store

WORKING_SUFFIX: Final = ".restoring"
"""What the copy of a backup is called that is read, after the name of the backup."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: the rows of the backup, and what was carried out again."""

    rows: int
    replayed: Replayed
    unreadable: int


@dataclass(frozen=True, slots=True)
class Restore:
    """What is to be restored, with which ledgers; `has_ledger` False says that there is none, and that this is known.

    `has_key` False says that the key of the ledger's digests is lost, and that this is known.
    """

    backup: Path
    ledgers: Sequence[Path] = ()
    has_ledger: bool = True
    has_key: bool = True


async def restore(
    asked: Restore,
    configuration: Configuration,
    keys: SecretKeys,
    clock: Clock,
    watch: Watch = lambda _: None,
) -> Restored:
    """Restore a backup into the configuration's database, or what an earlier run has left of that.

    Raises:
        UnusableBackup: the backup is not what its manifest says, or can't be read.
        UnusableLedger: the ledgers don't continue it.
        NotCopied: the database holds something else.
        CantReplay: an erasure can't be carried out.
        StoreError: the database does not answer, or the like. Run again, the restore goes on from there.
    """
    manifest = check_backup(asked.backup)
    head = Head(manifest.evidence, manifest.evidence_hash)
    ledger = ledger_after(asked.ledgers, head) if asked.has_ledger else LedgerAfter()
    await _copied(asked.backup, manifest, configuration.database, watch)

    def replaying(doing: str, count: int) -> None:
        watch(Step(doing, None, count))

    store = open_store(configuration.database)
    try:
        service = await open_service(configuration, store, clock=clock, secret_keys=keys, restores=True)
    except BaseException:
        await store.close()
        raise
    try:
        if service.keeping_out is None:
            raise CantReplay("the key of who stays out can't be opened: give the secret keys")
        replay = Replaying(
            store, service.directory, service.resolver, service.erasing, service.keeping_out, service.clock
        )
        if not asked.has_key:
            ledger = without_digests(ledger)
        facts = {
            "backup": manifest.sha256,
            "made_at": manifest.made_at,
            "ledger": asked.has_ledger,
            "digests": asked.has_key,
        }
        replayed = await replay.replay(ledger, head, facts, replaying)
        await finish_copy(store)
    finally:
        await service.close()
    return Restored(sum(manifest.rows.values()), replayed, ledger.unreadable)


async def _copied(backup: Path, manifest: Manifest, database: str, watch: Watch) -> None:
    """Copy a backup into a database, unless that is done."""
    working = backup.with_name(backup.name + WORKING_SUFFIX)
    async with AsyncExitStack() as opened:
        tables = open_copy_end(database, makes=True)
        opened.push_async_callback(tables.close)
        store = open_store(database)
        opened.push_async_callback(store.close)
        mark = await copy_mark(store)
        if mark is not None and mark.state == "copied":
            if mark.backup != manifest.sha256:
                raise NotCopied(
                    "another backup is being restored into the target; restore that, or into a new database"
                )
            _remove(working)
            return
        opened.callback(_remove, working)
        _copy_file(backup, working)
        source = f"{SQLITE}{working}"
        there = open_copy_end(source)
        opened.push_async_callback(there.close)
        kept = open_store(source)
        opened.push_async_callback(kept.close)
        await copy(End(there, kept), End(tables, store), folds=False, watch=watch, backup=manifest.sha256)


def _copy_file(backup: Path, working: Path) -> None:
    _remove(working)
    try:
        shutil.copyfile(backup, working)
    except OSError as error:
        raise UnusableBackup(f"{working} can't be written beside the backup: {error.strerror}") from error


def _remove(working: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        working.with_name(working.name + suffix).unlink(missing_ok=True)
