"""`knownas audit`: lists who read or changed what is known of a person."""

import json
from pathlib import Path
from urllib.parse import urlencode

import click

from knownas.api.own_operation import rfc3339_ms
from knownas.cli.asking import call
from knownas.cli.configured import config_option
from knownas.cli.stored import configured, with_store
from knownas.core.identity.document import Document
from knownas.core.identity.record import parse_mpid
from knownas.service.limits import PAGE_MAX
from knownas.service.security.auditing import Auditing, access_document
from knownas.service.server import system_clock
from knownas.store.port import Store


@click.command()
@click.option("--mpid", help="Of this profile only.")
@click.option("--since", metavar="TIME", help="Since a time of RFC 3339, such as 2026-05-03T12:00:00Z.")
@click.option("--server", metavar="URL", envvar="KNOWNAS_SERVER", help="Ask a running server.")
@click.option("--token", envvar="KNOWNAS_TOKEN", help="Its admin token; KNOWNAS_TOKEN is safer than the option.")
@click.option("--json", "as_json", is_flag=True, help="Print each row as JSON.")
@config_option
def audit(
    config_file: Path | None,
    mpid: str | None,
    since: str | None,
    server: str | None,
    token: str | None,
    *,
    as_json: bool,
) -> None:
    """List who read or changed a person's data: through the admin API, the Profile API, and by verbs that open the database.

    In the order in which it was written down, which a server does once a second. Asks a running server (--server), or
    else reads the database of the configuration.
    """
    if mpid is not None and parse_mpid(mpid) is None:
        raise click.BadParameter("an MPID is a 64-bit integer other than 0", param_hint="--mpid")
    since_ms = None if since is None else rfc3339_ms(since)
    if since is not None and since_ms is None:
        raise click.BadParameter(
            "a time of RFC 3339 with an offset, such as 2026-05-03T12:00:00Z", param_hint="--since"
        )
    if server is not None:
        _from_server(server, token, {"mpid": mpid, "since": since}, as_json=as_json)
        return

    async def work(store: Store) -> None:
        auditing, after = Auditing(store.privacy, system_clock), 0
        while True:
            found, following = await auditing.page(
                None if mpid is None else parse_mpid(mpid), since_ms, after, PAGE_MAX
            )
            _tell([access_document(one) for one in found], as_json=as_json)
            if following is None:
                return
            after = following

    with_store(configured(config_file)[0], work)


def _from_server(server: str, token: str | None, asked: dict[str, str | None], *, as_json: bool) -> None:
    query = {name: value for name, value in asked.items() if value is not None} | {"limit": str(PAGE_MAX)}
    while True:
        page = call(token, f"{server.rstrip('/')}/api/audit?{urlencode(query)}", None)
        _tell(page["items"], as_json=as_json)
        if page["next"] is None:
            return
        query["next"] = page["next"]


def _tell(rows: list[Document], *, as_json: bool) -> None:
    for row in rows:
        if as_json:
            click.echo(json.dumps(row))
        else:
            times = f" ({row['times']} times)" if row["times"] != 1 else ""
            status = "" if row["status"] is None else f"  {row['status']}"
            click.echo(f"{row['at']}  {row['mpid'] or 'no single one':>20}  {row['who']}  {row['what']}{status}{times}")
