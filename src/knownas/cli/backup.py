"""`knownas backup`: writes all that a database holds into one file, while its servers work."""

import asyncio
import os
from pathlib import Path

import click

from knownas.batch.backing_up import UnusableBackup, back_up, manifest_file
from knownas.cli.configured import config_option
from knownas.cli.copy import told
from knownas.cli.progress import ProgressLine
from knownas.cli.stored import configured, existing_database
from knownas.service.server import system_clock
from knownas.store.errors import StoreError


@click.command("backup")
@config_option
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file, which must be new."
)
def backup(config_file: Path | None, output: Path) -> None:
    """Write all that the database holds into a SQLite file, as of one moment, while servers work.

    Beside it goes a manifest, which says nothing of anybody. Each row is compared. `knownas restore` brings it back into an
    empty database, and erases again who was erased later.
    """
    os.umask(0o077)  # It holds what people are called.
    configuration, _ = configured(config_file)
    line = ProgressLine()
    try:
        made = asyncio.run(
            back_up(existing_database(configuration), output, system_clock(), lambda step: line.draw(told(step)))
        )
    except (UnusableBackup, StoreError) as error:
        line.clear()
        raise click.ClickException(str(error)) from error
    line.clear()
    click.echo(f"{sum(made.rows.values()):,} rows in {output}, and their manifest in {manifest_file(output).name}")
    click.echo(f"evidence: {made.evidence} entries")
