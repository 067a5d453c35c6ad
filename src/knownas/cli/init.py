"""`knownas init`: writes a commented configuration file with fresh keys."""

import os
import secrets
from pathlib import Path

import click

from knownas.cli.configured import USUAL_FILE
from knownas.config.template import generate_configuration


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=USUAL_FILE)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def init(file: Path, *, force: bool) -> None:
    """Write a commented FILE (knownas.yaml) with fresh keys."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        # The file holds secrets: nobody else may read it.
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8") as target:
            target.write(generate_configuration(secrets.token_urlsafe))
    except FileExistsError as error:
        raise click.ClickException(f"{file} exists; --force replaces it, keys and all.") from error
    except OSError as error:
        raise click.ClickException(f"{file} can't be written: {error}") from error
    click.echo(f"Wrote {file}. Next: knownas check, then knownas serve.")
