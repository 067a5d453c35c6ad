"""`knownas undo`: takes a decision back, or says what that would change."""

import asyncio
import json
import urllib.parse
from typing import Any

import click

from knownas.cli.asking import call, identity_pair
from knownas.cli.configured import chosen_file, config_option, read_file
from knownas.cli.noting import noted_about
from knownas.cli.stored import existing_database
from knownas.config.values import Configuration
from knownas.core.identity.kinds import Identity, Surface, types_named_on
from knownas.core.profile.alias import is_alias_id
from knownas.service.history.undoing import UndoRefused, corrected_document
from knownas.service.line import Overloaded
from knownas.service.server import open_service
from knownas.store.errors import StoreError
from knownas.store.opening import open_store


@click.command("undo")
@click.argument("decision_id", metavar="DECISION")
@click.option("-i", "--identity", "given", metavar="TYPE=VALUE", help="Take back only this identity of the decision.")
@click.option("--preview", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--server", metavar="URL", envvar="KNOWNAS_SERVER", help="Ask a running server.")
@click.option("--token", envvar="KNOWNAS_TOKEN", help="Its admin token; KNOWNAS_TOKEN is safer than the option.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@config_option
def undo(**options: Any) -> None:
    """Take DECISION back: everything becomes what it would be had it never been asked.

    DECISION is the id of a decision, of a correction, which brings back what that took back, or of an alias request. Asks
    a running server (--server), or else works on the database of the configuration.
    """
    if not is_alias_id(options["decision_id"]):
        raise click.UsageError("a decision id has 32 lower-case hex digits")
    identity = None if options["given"] is None else identity_pair(options["given"])
    done = _by_server(options, identity) if options["server"] else noted_about(_in_database(options, identity))
    if options["as_json"]:
        click.echo(json.dumps(done, indent=2))
    else:
        for line in _told(done):
            click.echo(line)


def _by_server(options: dict[str, Any], identity: tuple[str, str] | None) -> dict[str, Any]:
    body = {} if identity is None else {"identity": {"type": identity[0], "value": identity[1]}}
    query = "?preview=true" if options["preview"] else ""
    name = urllib.parse.quote(options["decision_id"], safe="")
    return call(options["token"], f"{options['server'].rstrip('/')}/api/decisions/{name}/undo{query}", body)


def _in_database(options: dict[str, Any], identity: tuple[str, str] | None) -> dict[str, Any]:
    path = chosen_file(options["config_file"])
    if path is None:
        raise click.UsageError("give --server, or --config to work on the database directly")
    configuration = read_file(path)
    existing_database(configuration)
    try:
        return asyncio.run(_undo(configuration, options, identity))
    except Overloaded as error:
        raise click.ClickException("too many are at work on the database") from error
    except StoreError as error:
        raise click.ClickException(str(error)) from error


async def _undo(
    configuration: Configuration, options: dict[str, Any], identity: tuple[str, str] | None
) -> dict[str, Any]:
    named = None if identity is None else Identity(types_named_on(Surface.IDSYNC)[identity[0]], identity[1])
    service = await open_service(configuration, open_store(configuration.database), publish=False)
    try:
        done = await service.undoing.undo(options["decision_id"], named, preview=options["preview"])
        if isinstance(done, UndoRefused):
            raise click.ClickException(f"{done.sentence} ({done.reason.value})")
        return corrected_document(done)
    finally:
        await service.close()


def _told(done: dict[str, Any]) -> list[str]:
    """Say in lines what has changed, or would."""
    is_done = done["decision_id"] is not None
    lines = [f"Taken back by decision {done['decision_id']}." if is_done else "Nothing was changed. This would be:"]
    changed = done["changed"]
    lines.append(f"Profiles that {'are' if is_done else 'would be'} others: {', '.join(changed) or 'none'}.")
    for one in done["moved"]:
        what = f"{one['batches']} batches with {one['events']} events"
        where = f"workspace {one['workspace']}, {one['environment']}"
        if one["to_mpid"] is None:
            lines.append(f"{what} of {one['from_mpid']} count no longer ({where}).")
        elif one["from_mpid"] is None:
            lines.append(f"{what} count again, for {one['to_mpid']} ({where}).")
        else:
            lines.append(f"{what} go from {one['from_mpid']} to {one['to_mpid']} ({where}).")
    lines += [
        f"Left with {one['mpid']}, since no kept batch tells it: {', '.join(one['what'])}." for one in done["left"]
    ]
    if done["more"]:
        lines.append("There is more than is named here.")
    return lines
