"""`knownas tail`: follows what comes through the inputs of a running server, and what it is answered, in a terminal."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlencode

import click

from knownas.cli.asking import NoAnswer, call
from knownas.cli.printable import clean
from knownas.core.identity.document import Document
from knownas.core.identity.observation import Environment
from knownas.service.live.limits import LINES_A_LOOK_MAX
from knownas.service.live.line import Kind, Outcome

LOOK_SECONDS: Final = 1.0
"""The pause before `tail` asks for what has come since."""

LOST_SECONDS: Final = 2.0
LOST_ATTEMPTS_MAX: Final = 150
"""The pause before `tail` asks a server again that does not answer, and how often it does so in a row before it gives up."""

_FIRST_LINES: Final = 20
_FILTERS: Final = ("scope", "workspace", "input", "kind", "outcome", "environment", "text")
_IDS: Final = ("decision_id", "receipt_id", "request_id")


def _words(words: type[Kind | Outcome | Environment]) -> click.Choice[str]:
    return click.Choice([one.value for one in words])


@click.command()
@click.option("--scope", help="Of this identity scope only.")
@click.option("--workspace", type=click.IntRange(min=0), help="Of the inputs of this workspace only.")
@click.option("--input", help="Of inputs of this name only.")
@click.option("--kind", type=_words(Kind), help="Of this kind only.")
@click.option("--outcome", type=_words(Outcome), help="With this outcome only.")
@click.option("--environment", type=_words(Environment), help="Of this environment only.")
@click.option("--text", help="With this text in an id, an MPID or a reason.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(1, LINES_A_LOOK_MAX),
    default=_FIRST_LINES,
    show_default=True,
    help="How many lines that came before are shown first.",
)
@click.option("--once", is_flag=True, help="Show what came before, and end.")
@click.option("--server", metavar="URL", envvar="KNOWNAS_SERVER", required=True, help="The server to ask.")
@click.option("--token", envvar="KNOWNAS_TOKEN", help="Its admin token; KNOWNAS_TOKEN is safer than the option.")
@click.option("--json", "as_json", is_flag=True, help="Print each line as JSON.")
def tail(**options: Any) -> None:
    """Follow what comes through the inputs of a running server, and what it is answered, until Ctrl-C.

    A line names ids and types, never what was sent: `knownas explain DECISION_ID` shows the receipt. Each time it asks through a new
    connection, and so comes to every server process behind the address.
    """
    server: str = options["server"].rstrip("/")
    token: str | None = options["token"]
    wanted = {name: options[name] for name in _FILTERS if options[name] is not None}
    asked: dict[str, Any] = {**wanted, "limit": options["lines"]}
    failures = 0
    try:
        while True:
            try:
                page = call(token, f"{server}/api/live?{urlencode(asked)}", None)
            except NoAnswer as error:
                failures += 1
                if "after" not in asked or options["once"] or failures > LOST_ATTEMPTS_MAX:
                    raise
                if failures == 1:
                    click.secho(f"{error.message}; trying again", fg="yellow", err=True)
                time.sleep(LOST_SECONDS)
                continue
            failures = 0
            _tell(page, as_json=options["as_json"])
            if options["once"]:
                return
            asked = {**wanted, "after": page["next"]}
            if not page["more"]:
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        click.echo(err=True)


def _tell(page: Document, *, as_json: bool) -> None:
    if page["missed"]:
        click.secho(f"{page['missed']} lines came faster than they were asked for", fg="yellow", err=True)
    for line in cast("list[Document]", page["items"]):
        click.echo(json.dumps(line) if as_json else line_text(line))


def line_text(line: Mapping[str, Any]) -> str:
    """Write a line for a terminal, which may show colours: who asked what, what became of it and why, its receipt and what came."""
    came = ", ".join(line["identity_types"]) or ", ".join(f"{count} {one}" for one, count in line["events"].items())
    sender = line["input"] or ("own API" if line["scope"] else "unknown sender")
    if line["environment"] == Environment.DEVELOPMENT:
        sender += " (dev)"
    receipt = next((line[name] for name in _IDS if line[name] is not None), "")
    is_refused = line["reason"] is not None
    outcome = click.style(f"{line['outcome'].replace('_', ' '):<12}", fg="red" if is_refused else "green")
    if is_refused:
        why = line["reason"] + (f": {clean(line['sentence'])}" if line["sentence"] else "")
        became = [why, clean(receipt), clean(came)]
    else:
        took = "" if line["milliseconds"] is None else f"{line['milliseconds']:.1f} ms"
        became = [f"{line['mpid'] or '':<19}", f"{took:>9}", clean(receipt), clean(came)]
    head = (line["at"][11:23], f"{clean(sender):<14}", f"{clean(line['asked']):<9}", outcome)
    return "  ".join([*head, *filter(None, became)]).rstrip()
