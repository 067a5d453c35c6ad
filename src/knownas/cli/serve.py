"""`knownas serve`: starts the server, making everything it needs when nothing is configured."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import click
import uvicorn

from knownas.api.app import Application, OpenService
from knownas.batch.assessing_beside import assessing_beside
from knownas.batch.looking_beside import looks_beside
from knownas.batch.rehearsing_beside import folds_beside
from knownas.cli.configured import chosen_file, config_option, read_file, try_processor
from knownas.cli.first_configuration import configured_keys, first_configuration
from knownas.cli.workers import WORKERS_MAX, run_workers
from knownas.config.values import Configuration
from knownas.console.app import open_console
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.interpreter import look_for_cycles_rarely, switch_often
from knownas.service.security.directory import Pairs
from knownas.service.security.keys import read_changes
from knownas.service.security.sealing import SecretKeys, Unopenable
from knownas.service.security.sessions import open_sessions
from knownas.service.security.tokens import open_tokens
from knownas.service.server import Service, open_service, system_clock
from knownas.store.errors import StoreError
from knownas.store.opening import is_shared, open_store

GRACE_SECONDS: Final = 3
"""How long requests under way may take when the server is told to stop."""

BACKLOG: Final = 2_048
"""Connections that wait to be accepted."""


@click.command()
@config_option
@click.option("--host", help="The address to listen on; the configuration's `listen.host` otherwise.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port; 0 takes a free one.")
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    default=1,
    show_default=True,
    help="Server processes behind the address; more than one take a PostgreSQL database.",
)
def serve(config_file: Path | None, host: str | None, port: int | None, workers: int) -> None:
    """Start the server.

    Without a configuration, it makes a SQLite file with one workspace and prints its keys, once.
    """
    os.umask(0o077)  # The database holds people's identities, and perhaps keys: nobody else may read it.
    path = chosen_file(config_file)
    if path is None:
        configuration, keys = first_configuration()
    else:
        configuration = read_file(path)
        try_processor(configuration, str(path))
        keys = configured_keys(configuration)
    if workers > 1 and not is_shared(configuration.database):
        raise click.ClickException("--workers takes a PostgreSQL database: a SQLite file has one writer at a time")
    _try_keys(configuration, keys)

    async def opened() -> Service:
        store = open_store(configuration.database)
        folds = folds_beside(configuration.database, store)
        return await open_service(
            configuration,
            store,
            secret_keys=keys,
            folds=folds,
            destinations=DESTINATIONS,
            assessing=assessing_beside(configuration.database),
            looks=looks_beside(configuration.database, store),
        )

    run(opened, configuration, host, port, workers=workers)


def _try_keys(configuration: Configuration, keys: SecretKeys) -> None:
    """End the program if these secret keys don't open what the server needs: rotated pairs, the keys of tokens and sessions."""

    async def tried() -> None:
        store = open_store(configuration.database)
        try:
            pairs = Pairs(await read_changes(store), keys, system_clock())
            pairs.try_all(configuration)
            await open_tokens(configuration, store, system_clock, publish=False, keys=keys)
            await open_sessions(store, system_clock, publish=False, keys=keys)
        finally:
            await store.close()

    try:
        asyncio.run(tried())
    except (StoreError, Unopenable) as error:
        raise click.ClickException(f"nothing was started: {error}") from error


def run(
    opened: OpenService,
    configuration: Configuration,
    host: str | None = None,
    port: int | None = None,
    started: Callable[[str], None] = lambda _: None,
    *,
    workers: int = 1,
) -> None:
    """Serve until the process is told to stop. `started` is called with the server's address once it answers.

    With more than one worker, each is a process with an application of its own.
    """
    listen = configuration.listen
    config = uvicorn.Config(
        Application(opened, open_console),
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
    switch_often()
    look_for_cycles_rarely()
    listeners = _listeners(config.host, config.port, workers)
    scheme = "https" if config.is_ssl else "http"
    address = f"{scheme}://{_shown(config.host)}:{listeners[0].getsockname()[1]}"

    def announce() -> None:
        click.echo(f"knownas answers at {address}")
        started(address)

    def work(listener: socket.socket, started: Callable[[], None]) -> bool:
        server = _Server(config, started)
        server.run(sockets=[listener])
        return server.started

    has_started = run_workers(listeners, work, announce) if workers > 1 else work(listeners[0], announce)
    if not has_started:
        raise click.ClickException("the server did not start; the reason stands above.")


def _listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Return sockets on one port, of which the system spreads connections over those of several processes."""
    if count > 1:
        # Sockets that share a port would share it with those of another server too.
        _listener(host, port, shared=False).close()
    first = _listener(host, port, shared=count > 1)
    taken = first.getsockname()[1]
    return [first, *(_listener(host, taken, shared=True) for _ in range(count - 1))]


def _listener(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(f"can't listen on {host}:{port}: {error.strerror}") from error
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, without the wait for idle TLS clients: one that does not say goodbye would take up all of the grace."""
        for connection in list(self.server_state.connections):
            # uvloop's transport of TLS is a WriteTransport in all but its base class.
            cycle = getattr(connection, "cycle", None)
            transport = cast("asyncio.WriteTransport | None", getattr(connection, "transport", None))
            idle = cycle is None or cycle.response_complete
            if self.config.is_ssl and transport is not None and idle and not transport.get_write_buffer_size():
                transport.abort()
        await super().shutdown(sockets)
