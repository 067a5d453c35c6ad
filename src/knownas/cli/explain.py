"""`knownas explain`: shows why a decision was made, or what a request would be answered."""

import asyncio
import json
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import click

from knownas.cli.asking import call, identity_pair
from knownas.cli.configured import chosen_file, config_option, read_file
from knownas.cli.noting import noted_about
from knownas.cli.receipt import render_receipt
from knownas.config.values import Configuration
from knownas.core.identity.kinds import Surface, identities, types_named_on
from knownas.core.identity.observation import RESOLVING, Endpoint, Environment, IdentityRequest
from knownas.core.identity.record import parse_mpid
from knownas.service.identity.decisions import is_decision_id
from knownas.service.server import open_service, system_clock
from knownas.store.errors import StoreError
from knownas.store.opening import SQLITE, open_store


@click.command()
@click.argument("decision_id", required=False)
@click.option("-i", "--identity", "given", multiple=True, metavar="TYPE=VALUE", help="An identity of the request.")
@click.option(
    "--endpoint",
    type=click.Choice(sorted(endpoint.value for endpoint in RESOLVING)),
    default=Endpoint.IDENTIFY.value,
    show_default=True,
)
@click.option("--scope", help="The identity scope; may be left out where there is only one.")
@click.option(
    "--environment",
    type=click.Choice([one.value for one in Environment]),
    default=Environment.PRODUCTION.value,
    show_default=True,
)
@click.option("--previous-mpid", metavar="MPID", help="The MPID of the client's previous answer.")
@click.option("--server", metavar="URL", envvar="KNOWNAS_SERVER", help="Ask a running server.")
@click.option("--token", envvar="KNOWNAS_TOKEN", help="Its admin token; KNOWNAS_TOKEN is safer than the option.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
@config_option
def explain(**options: Any) -> None:
    """Show why DECISION_ID was decided so, or what a request with these identities would be answered.

    Asks a running server (--server), or else reads the database of the configuration. Changes nothing.
    """
    decision_id, given = options["decision_id"], options["given"]
    if (decision_id is None) == (not given):
        raise click.UsageError("give a decision id, or identities with -i TYPE=VALUE")
    if decision_id is not None and not is_decision_id(decision_id):
        raise click.UsageError("a decision id has 32 lower-case hex digits")
    wanted = dict(identity_pair(one) for one in given)
    receipt = _from_server(options, wanted) if options["server"] else noted_about(_from_database(options, wanted))
    if options["as_json"]:
        click.echo(json.dumps(receipt, indent=2, ensure_ascii=False))
    else:
        click.echo(render_receipt(receipt, color=sys.stdout.isatty()))


def _from_server(options: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    server = options["server"].rstrip("/")
    if options["decision_id"] is not None:
        return call(options["token"], f"{server}/api/decisions/{options['decision_id']}", None)
    scope = options["scope"]
    if scope is None:
        raise click.UsageError("--server needs --scope for a request that was not made")
    body = {
        "endpoint": options["endpoint"],
        "environment": options["environment"],
        "known_identities": wanted,
        "previous_mpid": options["previous_mpid"],
    }
    return call(options["token"], f"{server}/api/scopes/{urllib.parse.quote(scope, safe='')}/explain", body)


def _from_database(options: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    path = chosen_file(options["config_file"])
    if path is None:
        raise click.UsageError("give --server, or --config to read the database directly")
    configuration = read_file(path)
    file = configuration.database.removeprefix(SQLITE)
    if configuration.database.startswith(SQLITE) and not Path(file).exists():
        raise click.ClickException(f"there is no database {file} yet")
    try:
        return asyncio.run(_read(configuration, options, wanted))
    except StoreError as error:
        raise click.ClickException(str(error)) from error


async def _read(configuration: Configuration, options: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    service = await open_service(configuration, open_store(configuration.database), publish=False)
    try:
        if options["decision_id"] is not None:
            receipt = await service.decisions.show(options["decision_id"])
            if receipt is None:
                raise click.ClickException("no decision has this id")
            return receipt
        scopes = service.directory.scopes
        name: str = options["scope"] or (next(iter(scopes)) if len(scopes) == 1 else "")
        if name not in scopes:
            raise click.UsageError(f"--scope must name one of {', '.join(sorted(scopes))}")
        previous = options["previous_mpid"]
        request = IdentityRequest(
            Endpoint(options["endpoint"]),
            system_clock(),
            Environment(options["environment"]),
            "cli",
            identities({types_named_on(Surface.IDSYNC)[kind]: value for kind, value in wanted.items()}),
            None if previous is None else parse_mpid(previous),
        )
        return await service.decisions.explain(scopes[name], request)
    finally:
        await service.close()
