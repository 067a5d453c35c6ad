"""Makes and finds the configuration of a server that was given none: kept sealed in its database, its key beside it."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Final

import click

from knownas.cli.configured import parse
from knownas.config.secret import Secret
from knownas.config.template import generate_configuration
from knownas.config.values import DATABASE_DEFAULT, Configuration
from knownas.service.security.resealing import FIRST_CONFIGURATION, seal_first_configuration
from knownas.service.security.sealing import (
    VARIABLE,
    InvalidSecretKey,
    SecretKeys,
    Unopenable,
    is_sealed,
    make_key_file,
    read_secret_keys,
)
from knownas.store.errors import StoreError
from knownas.store.opening import SQLITE, open_store
from knownas.store.port import Store

KEY_FILE_SUFFIX: Final = ".secret-key"
"""What the name of the key file beside the database ends with."""

PLAIN_WARNING: Final = (
    "warning: an older knownas kept the keys of this database in it, plain. They are sealed now, but older copies of the "
    "database have them: `knownas keys rotate` replaces them; a new configuration (`knownas init`) replaces the admin token."
)


def configured_keys(configuration: Configuration, older: Path | None = None) -> SecretKeys:
    """Return the secret keys of the environment, the configuration's key file and one with older keys.

    Ends the program if one of them can't be read.
    """
    return _read_keys(configuration.secrets.key_file, older)


def first_configuration() -> tuple[Configuration, SecretKeys]:
    """Return the configuration of a server that was given none, and its secret keys; made at the first start."""
    database = _database()
    try:
        text, keys, is_new = asyncio.run(_kept_or_made(database))
    except (StoreError, Unopenable) as error:
        raise _unreadable(database, error) from error
    configuration = parse(text, f"the configuration kept in {database}")
    if is_new:
        _print_keys(configuration, database)
    else:
        click.echo(f"Using the keys made when {database} was. `knownas init` writes a file with keys of your own.")
    return configuration, keys


def kept_configuration(older: Path | None = None) -> tuple[Configuration, SecretKeys] | None:
    """Return the configuration that a server without a file made before, and its secret keys; None if none did.

    `older` is a file with further secret keys.
    """
    database = _database()
    if not database.exists():
        return None
    try:
        kept = asyncio.run(_kept(database))
        if kept is None:
            return None
        keys = _read_keys(_key_file(database, make=not is_sealed(kept)), older)
        return parse(_opened(kept, keys), f"the configuration kept in {database}"), keys
    except (StoreError, Unopenable) as error:
        raise _unreadable(database, error) from error


def _unreadable(database: Path, error: StoreError | Unopenable) -> click.ClickException:
    made = f"; the one made with {database} was in {database}{KEY_FILE_SUFFIX}" if isinstance(error, Unopenable) else ""
    return click.ClickException(f"{database}: {error}{made}")


def _database() -> Path:
    return Path(DATABASE_DEFAULT.removeprefix(SQLITE))


async def _kept_or_made(database: Path) -> tuple[str, SecretKeys, bool]:
    """Return the kept configuration, the secret keys, and whether the configuration was made just now."""
    store = open_store(f"{SQLITE}{database}")
    try:
        kept = await _text(store)
        # A key that is missing where something was sealed with it must not be replaced by another one.
        keys = _read_keys(_key_file(database, make=kept is None or not is_sealed(kept)))
        is_new = False
        if kept is None:
            made = keys.seal(FIRST_CONFIGURATION, generate_configuration(secrets.token_urlsafe).encode())
            is_new = await store.keep(FIRST_CONFIGURATION, made.encode())
            kept = await _text(store)
        await _seal_plain(store, keys, kept)
    finally:
        await store.close()
    if kept is None:
        raise AssertionError("a configuration is kept by now")
    return _opened(kept, keys), keys, is_new


async def _kept(database: Path) -> str | None:
    store = open_store(f"{SQLITE}{database}")
    try:
        return await _text(store)
    finally:
        await store.close()


async def _text(store: Store) -> str | None:
    kept = await store.kept(FIRST_CONFIGURATION)
    return None if kept is None else kept.decode()


async def _seal_plain(store: Store, keys: SecretKeys, kept: str | None) -> None:
    """Seal a configuration that an older version kept plain."""
    if kept is not None and not is_sealed(kept):
        await seal_first_configuration(store, keys, kept)
        click.secho(PLAIN_WARNING, fg="yellow", err=True)


def _opened(kept: str, keys: SecretKeys) -> str:
    return keys.open(FIRST_CONFIGURATION, kept).decode() if is_sealed(kept) else kept


def _key_file(database: Path, *, make: bool) -> Path | None:
    """Return the key file beside the database, if there is or, where no key is given otherwise, must be one."""
    file = database.with_name(database.name + KEY_FILE_SUFFIX)
    if make and not os.environ.get(VARIABLE) and not file.exists():
        try:
            make_key_file(file)
        except OSError as error:
            raise click.ClickException(f"the key file {file} can't be made: {error}") from error
    return file if file.exists() else None


def _read_keys(*files: Path | None) -> SecretKeys:
    try:
        return read_secret_keys(os.environ.get(VARIABLE), *files)
    except InvalidSecretKey as error:
        raise click.ClickException(str(error)) from error


def _print_keys(configuration: Configuration, database: Path) -> None:
    """Print the keys of a fresh configuration. They are shown this once."""
    click.echo(f"No configuration: made {database} with these keys. They are shown once; keep them.\n")
    rows = [("", "key", "secret"), ("admin token", "", _revealed(configuration.admin_token))]
    for account in configuration.organization.accounts:
        rows += [(f"workspace {one.name}", one.key, one.secret.reveal()) for one in account.workspaces]
    rows += [(f"input {one.name}", one.key, one.secret.reveal()) for _, one in configuration.inputs()]
    for name, key, secret in rows:
        click.echo(f"  {name:22} {key:24} {secret}")
    click.echo("\nTo see what it does, open the address below in a browser, and sign in with the admin token.")


def _revealed(secret: Secret | None) -> str:
    return "" if secret is None else secret.reveal()
