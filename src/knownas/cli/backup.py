"""`knownas backup`: writes all that a database holds into one file, while its servers work."""

import asyncio
import os
from pathlib import Path

import click

from knownas.batch.backing_up import UnusableBackup, back_up, manifest_file
from knownas.batch.copying import Step
from knownas.cli.configured import config_option
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

    Beside it goes a manifest, which says nothing of anybody. Each row is compared. `knownas copy` brings it back into an empty
    database; erasures that came later have to be asked for again.
    """
    os.umask(0o077)  # It holds what people are called.
    configuration, _ = configured(config_file)
    line = ProgressLine()
    try:
        made = asyncio.run(
            back_up(existing_database(configuration), output, system_clock(), lambda step: line.draw(_told(step)))
        )
    except (UnusableBackup, StoreError) as error:
        line.clear()
        raise click.ClickException(str(error)) from error
    line.clear()
    click.echo(f"{sum(made.rows.values()):,} rows in {output}, and their manifest in {manifest_file(output).name}")
    click.echo(f"evidence: {made.evidence} entries")


def _told(step: Step) -> str:
    what = step.doing if step.part is None else f"{step.doing} {step.part.value}"
    return f"{what}: {step.rows:,}"
