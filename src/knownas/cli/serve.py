"""`knownas serve`: starts the server, making everything it needs when nothing is configured."""

import asyncio
import gc
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import uvicorn

from knownas.api.app import Application, OpenService
from knownas.cli.configured import chosen_file, config_option, parse, read_file
from knownas.config.template import generate_configuration
from knownas.config.values import DATABASE_DEFAULT, Configuration
from knownas.service.server import Service, open_service
from knownas.store.errors import StoreError
from knownas.store.opening import open_store

FIRST_CONFIGURATION: Final = "first_configuration"
"""The name under which a server that was given no file keeps the configuration it made."""

GRACE_SECONDS: Final = 3
GARBAGE_OBJECTS: Final = 100_000
BACKLOG: Final = 2_048
SWITCH_SECONDS: Final = 0.001
"""How long the thread that waits for the disk may have to wait for the interpreter."""


@click.command()
@config_option
@click.option("--host", help="The address to listen on; the configuration's `listen.host` otherwise.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port; 0 takes a free one.")
def serve(config_file: Path | None, host: str | None, port: int | None) -> None:
    """Start the server.

    Without a configuration, it makes a SQLite file with one workspace and prints its keys, once.
    """
    os.umask(0o077)  # The database holds people's identities, and perhaps keys: nobody else may read it.
    path = chosen_file(config_file)
    configuration = first_configuration() if path is None else read_file(path)

    async def opened() -> Service:
        return await open_service(configuration, open_store(configuration.database))

    run(opened, configuration, host, port)


def run(
    opened: OpenService,
    configuration: Configuration,
    host: str | None = None,
    port: int | None = None,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until the process is told to stop. `started` is called with the server's address once it answers."""
    listen = configuration.listen
    config = uvicorn.Config(
        Application(opened),
        host=host or listen.host,
        port=listen.port if port is None else port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=listen.certificate,
        ssl_keyfile=listen.private_key,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    # A request makes some hundred short-lived objects and no cycles; looking for cycles after every 700 of them
    # took a third of the server's time.
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 20, 100)
    listener = _listener(config.host, config.port)
    address = f"{'https' if config.is_ssl else 'http'}://{_shown(config.host)}:{listener.getsockname()[1]}"

    def announce() -> None:
        click.echo(f"knownas answers at {address}")
        started(address)

    server = _Server(config, announce)
    server.run(sockets=[listener])
    if not server.started:
        raise click.ClickException("the server did not start; the reason stands above.")


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(f"can't listen on {host}:{port}: {error.strerror}") from error
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def first_configuration() -> Configuration:
    """Return the configuration of a server that was given none, making it at the first start."""
    database = Path(DATABASE_DEFAULT.removeprefix("sqlite:///"))
    try:
        text, is_new = asyncio.run(_kept_configuration(database))
    except StoreError as error:
        raise click.ClickException(f"{database}: {error}") from error
    configuration = parse(text, f"the configuration kept in {database}")
    if is_new:
        _print_keys(configuration, database)
    else:
        click.echo(f"Using the keys made when {database} was. `knownas init` writes a file with keys of your own.")
    return configuration


async def _kept_configuration(database: Path) -> tuple[str, bool]:
    """Return the kept configuration, and whether it was made just now."""
    store = open_store(f"sqlite:///{database}")
    try:
        made = generate_configuration(secrets.token_urlsafe).encode()
        is_new = await store.kept(FIRST_CONFIGURATION) is None and await store.keep(FIRST_CONFIGURATION, made)
        kept = await store.kept(FIRST_CONFIGURATION)
    finally:
        await store.close()
    if kept is None:
        raise AssertionError("a configuration is kept by now")
    return kept.decode(), is_new


def _print_keys(configuration: Configuration, database: Path) -> None:
    """Print the keys of a fresh configuration. They are shown this once."""
    click.echo(f"No configuration: made {database} with these keys. They are shown once; keep them.\n")
    rows = [("admin token", "", configuration.admin_token)]
    for account in configuration.organization.accounts:
        rows += [(f"workspace {one.name}", one.key, one.secret) for one in account.workspaces]
    rows += [(f"input {one.name}", one.key, one.secret) for _, one in configuration.inputs()]
    for name, key, secret in rows:
        shown = "" if secret is None else secret.reveal()
        click.echo(f"  {name:22} {key:30} {shown}")
    click.echo()


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce it."""
        await super().startup(sockets)
        if self.started:
            self._announce()
