"""Opens the store of a configuration for a verb that works beside the server, and tells in a sentence what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from knownas.cli.configured import chosen_file, read_file
from knownas.cli.first_configuration import configured_keys, kept_configuration
from knownas.config.values import Configuration
from knownas.service.security.keys import KeyChangeRefused
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.store.errors import StoreError
from knownas.store.opening import MEMORY, SQLITE, open_store
from knownas.store.port import Store


def configured(config_file: Path | None, older: Path | None = None) -> tuple[Configuration, SecretKeys]:
    """Return the configuration and its secret keys: of a file, else what a server without one keeps in its database.

    `older` is a file with further secret keys, which open what was sealed before.
    """
    path = chosen_file(config_file)
    if path is not None:
        configuration = read_file(path)
        return configuration, configured_keys(configuration, older)
    kept = kept_configuration(older)
    if kept is None:
        raise click.UsageError("there is no configuration here: give --config, or start the server once")
    return kept


def existing_database(configuration: Configuration) -> str:
    """Return the database of a configuration if another process can reach it, or end the program."""
    database = configuration.database
    if database == MEMORY:
        raise click.ClickException(f"{MEMORY} keeps nothing that another process could reach")
    file = database.removeprefix(SQLITE)
    if database.startswith(SQLITE) and not Path(file).exists():
        raise click.ClickException(f"there is no database {file} yet; start the server once")
    return database


def with_store(configuration: Configuration, work: Callable[[Store], Awaitable[None]]) -> None:
    """Do something with the store, or end the program with the reason why it can't be done."""
    database = existing_database(configuration)

    async def opened() -> None:
        store = open_store(database)
        try:
            await work(store)
        finally:
            await store.close()

    try:
        asyncio.run(opened())
    except (StoreError, Unopenable, KeyChangeRefused) as error:
        raise click.ClickException(str(error)) from error
