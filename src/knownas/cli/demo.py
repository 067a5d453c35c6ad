"""`knownas demo`: serves with an hour of generated traffic, and prints three commands to try."""

import json
import signal
import sys
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Final

import click

from knownas.batch.rehearsing_beside import folds_beside
from knownas.cli.configured import parse
from knownas.cli.serve import run
from knownas.demo.hour import Hour
from knownas.demo.opening import open_shop
from knownas.outputs.destinations import DESTINATIONS
from knownas.service.server import Service, open_service
from knownas.store.opening import open_store

SCOPE: Final = "shop"
TOKEN: Final = "demo-admin-token"  # noqa: S105 - printed for everybody to use
WEB_KEY: Final = "demo-web-key"
PEOPLE_MAX: Final = 100_000
"""People of the town of the demo."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--people", type=click.IntRange(1, PEOPLE_MAX), default=400, show_default=True)
@click.option("--seed", type=int, default=12, show_default=True, help="The same seed makes the same people.")
def demo(host: str, port: int, people: int, seed: int) -> None:
    """Serve with an hour of generated traffic. Everything is gone when it stops."""
    # The server hands a signal on when it has stopped. A plain SIGTERM would leave the folder behind.
    signal.signal(signal.SIGTERM, _end)
    text = (files("knownas.demo") / "demo.yaml").read_text()
    with tempfile.TemporaryDirectory(prefix="knownas-demo-") as folder:
        configuration = replace(parse(text, "the demo"), database=f"sqlite:///{Path(folder) / 'demo.db'}")
        hours: list[Hour] = []

        async def opened() -> Service:
            click.echo(f"Playing an hour of {people} people's traffic …")
            store = open_store(configuration.database)
            folds = folds_beside(configuration.database, store)
            service = await open_service(configuration, store, folds=folds, destinations=DESTINATIONS)
            hours.append(await open_shop(service, SCOPE, seed, people, Path(folder) / "newsletter"))
            return service

        run(opened, configuration, host, port, started=lambda address: _invite(address, hours[0]))


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _invite(address: str, hour: Hour) -> None:
    counts = ", ".join(f"{count} {kind}" for kind, count in hour.outcomes.most_common())
    click.echo(f"In the hour: {counts}.\n\nThree things to try in another terminal:\n")
    if hour.refused_decision is not None:
        click.echo("1. Why did this device get a new profile, although somebody is known on it?\n")
        click.echo(f"   knownas explain --server {address} --token {TOKEN} {hour.refused_decision}\n")
    if hour.moved_mpid is not None:
        click.echo("2. What happened to this profile's identities, and where did they come from?\n")
        path = f"{address}/api/profiles/{hour.moved_mpid}/history"
        click.echo(f"   curl -s -H 'Authorization: Bearer {TOKEN}' {path}\n")
    if hour.device is not None:
        click.echo("3. Who is on this device now? (what an SDK asks at its start)\n")
        body = {"environment": "production", "known_identities": {hour.device.type.value: hour.device.value}}
        click.echo(f"   curl -s {address}/v1/identify -H 'x-mp-key: {WEB_KEY}' -d '{json.dumps(body)}'\n")
    click.echo(f"Or look around: open {address}/ in a browser, and sign in with the token {TOKEN}.\n")
    click.echo("Ctrl-C stops it.")
