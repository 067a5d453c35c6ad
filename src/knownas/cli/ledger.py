"""`knownas ledger`: writes the ledger of erasures of a database that can still be read."""

import asyncio
import os
from pathlib import Path

import click

from knownas.batch.writing_ledger import write_ledger
from knownas.cli.configured import config_option
from knownas.cli.stored import configured, existing_database
from knownas.service.security.sealing import Unopenable
from knownas.store.errors import StoreError


@click.command("ledger")
@config_option
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file, which must be new."
)
def ledger(config_file: Path | None, output: Path) -> None:
    """Write the ledger of erasures: what `knownas restore` needs to erase again who was erased after a backup.

    For a database that is given up and can still be read. Where `privacy.ledger` is configured, the server writes
    the same file all the time, and there is nothing to do.
    """
    os.umask(0o077)
    configuration, keys = configured(config_file)
    database = existing_database(configuration)
    try:
        written = asyncio.run(write_ledger(database, output, keys))
    except FileExistsError as error:
        raise click.ClickException(f"{output} is there already; give another name") from error
    except (OSError, StoreError, Unopenable) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{written.entries:,} entries of the evidence, {written.lines:,} lines in {output}")
