"""Finds the configuration a verb works with, and reports a bad one with every fault at once."""

import os
from pathlib import Path
from typing import Final, NoReturn

import click

from knownas.config.reader import InvalidConfiguration, read_configuration, warnings_of
from knownas.config.values import Configuration
from knownas.service.privacy.processor import InvalidProcessor
from knownas.service.privacy.signing import configured_processor

USUAL_FILE: Final = Path("knownas.yaml")

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file. Without it, ./knownas.yaml is used if there is one.",
)


def chosen_file(config_file: Path | None) -> Path | None:
    """Return the file to use: the one given, else ./knownas.yaml if it exists."""
    if config_file is None and USUAL_FILE.is_file():
        return USUAL_FILE
    return config_file


def read_file(path: Path) -> Configuration:
    """Read a configuration file, or end the program with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} can't be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Configuration:
    """Read a configuration text, or end the program with all its faults; warnings go to standard error."""
    configuration = read_configuration(text, environment=os.environ)
    if isinstance(configuration, InvalidConfiguration):
        _report(configuration, name)
    for warning in warnings_of(configuration):
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    return configuration


def try_processor(configuration: Configuration, name: str) -> None:
    """End the program if the certificate and the key that sign for privacy requests can't be used."""
    try:
        configured_processor(configuration.privacy)
    except InvalidProcessor as error:
        raise click.ClickException(f"{name}: privacy: {error}") from error


def _report(invalid: InvalidConfiguration, name: str) -> NoReturn:
    for fault in invalid.faults:
        where = f"{name}:{fault.line}: {fault.path}: " if fault.path else f"{name}:{fault.line}: "
        click.echo(click.style(where, bold=True) + fault.message, err=True)
        if fault.allowed is not None:
            click.echo(f"    allowed: {fault.allowed}", err=True)
    count = len(invalid.faults)
    raise click.ClickException(f"{count} {'fault' if count == 1 else 'faults'} in {name}; nothing was started.")
