"""`knownas migrate`: brings a database's layout up to date, and distributes it over the servers of a cluster."""

import asyncio
import os
from pathlib import Path

import click

from knownas.cli.configured import config_option
from knownas.cli.stored import configured
from knownas.store.errors import StoreError
from knownas.store.opening import distribute
from knownas.store.opening import migrate as bring_up_to_date
from knownas.store.postgres.limits import SHARDS, SHARDS_MAX


@click.command()
@config_option
@click.option("--database", help="The database, in place of the one that the configuration names.")
@click.option("--distributed", is_flag=True, help="Lay the tables out over the servers of a Citus cluster.")
@click.option(
    "--shards",
    type=click.IntRange(1, SHARDS_MAX),
    default=SHARDS,
    show_default=True,
    help="With --distributed: into how many parts each table is divided, for good.",
)
def migrate(config_file: Path | None, database: str | None, *, distributed: bool, shards: int) -> None:
    """Bring a database's layout up to date.

    A server that starts does so too; this does it when you choose, and says what it did.

    With --distributed, the tables are laid out over the servers of a Citus cluster, with everything in them. Servers that
    run wait meanwhile, or say that the store is busy, and go on by themselves. Interrupted, nothing has happened; run
    again, it does what is left.
    """
    os.umask(0o077)
    chosen = configured(config_file)[0].database if database is None else database
    work = distribute(chosen, shards, click.echo) if distributed else bring_up_to_date(chosen, click.echo)
    try:
        asyncio.run(work)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
