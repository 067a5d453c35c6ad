"""`knownas restore`: brings a backup into an empty database, and erases again who was erased after it."""

import asyncio
import os
from pathlib import Path
from typing import Final

import click

from knownas.batch.backing_up import UnusableBackup
from knownas.batch.copying import NotCopied
from knownas.batch.restoring import Restore, Restored, restore
from knownas.cli.configured import config_option
from knownas.cli.copy import told
from knownas.cli.progress import ProgressLine
from knownas.cli.stored import configured
from knownas.service.erasure.replaying import CantReplay
from knownas.service.evidence.ledger_reading import UnusableLedger
from knownas.service.privacy.processor import InvalidProcessor
from knownas.service.security.sealing import Unopenable
from knownas.service.server import system_clock
from knownas.store.errors import StoreError

LOST_NAMED_MAX: Final = 20
"""Requests that were lost and are named on the screen."""


@click.command("restore")
@click.argument("backup", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@config_option
@click.option(
    "--ledger",
    "ledgers",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A ledger of erasures; may be given several times. Without, the configuration's `privacy.ledger`.",
)
@click.option(
    "--without-ledger",
    is_flag=True,
    help="There is no ledger: who was erased after the backup is back. The evidence says so.",
)
@click.option(
    "--without-key",
    is_flag=True,
    help="The backup was made before there was a key of the ledger's digests: erase again by MPID alone. The evidence says so.",
)
def restore_(
    config_file: Path | None, backup: Path, ledgers: tuple[Path, ...], *, without_ledger: bool, without_key: bool
) -> None:
    """Restore a backup into the configuration's database, which must be empty, and erase again who was erased after it.

    Stop its servers first; none starts over it before this has come to its end. Stopped or killed, the same command goes on where
    it was. The backup itself is not changed.
    """
    os.umask(0o077)
    configuration, keys = configured(config_file)
    kept = configuration.privacy.ledger
    if not ledgers and kept is not None and kept.exists():
        ledgers = (kept,)
    if without_ledger == bool(ledgers):
        if ledgers:
            raise click.UsageError("--without-ledger says that there is no ledger, and there is one")
        raise click.UsageError(
            "give the ledger of erasures with --ledger: without it, whoever was erased after the backup is back. "
            "--without-ledger restores all the same, and the evidence says so"
        )
    line = ProgressLine()
    asked = Restore(backup, ledgers, has_ledger=not without_ledger, has_key=not without_key)
    try:
        done = asyncio.run(restore(asked, configuration, keys, system_clock, lambda step: line.draw(told(step))))
    except (UnusableBackup, UnusableLedger, NotCopied, CantReplay, StoreError, Unopenable, InvalidProcessor) as error:
        line.clear()
        raise click.ClickException(str(error)) from error
    line.clear()
    _tell(done)


def _tell(done: Restored) -> None:
    replayed = done.replayed
    click.echo(f"{done.rows:,} rows restored; {replayed.entries:,} entries of the evidence came after the backup")
    erasures = "1 erasure" if replayed.erasures == 1 else f"{replayed.erasures:,} erasures"
    click.echo(f"{erasures} carried out again; {replayed.suppressions:,} identities stay out")
    if done.unreadable:
        click.echo(f"{done.unreadable:,} lines of the ledger were torn or damaged, and not needed")
    if replayed.lost:
        named = ", ".join(replayed.lost[:LOST_NAMED_MAX])
        click.echo(
            f"{len(replayed.lost):,} requests came after the backup and were not begun; have them sent again: {named}"
        )
