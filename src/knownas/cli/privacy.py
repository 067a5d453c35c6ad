"""`knownas privacy`: shows what a request of a data subject would touch, before anybody makes it."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import click

from knownas.cli.asking import call, identity_pair
from knownas.core.identity.observation import Environment
from knownas.core.privacy.request import Encoding, RequestType

_COLUMNS: Final = 96
_OUTCOMES: Final = {"erased": "would be erased", "handed_out": "would be handed out", "kept": "stays as it is"}
_WHY: Final = {
    "nobody_found": "no profile holds any of these identities",
    "protected_by_a_guard": "whoever holds these identities is out of their reach",
    "unknown_mpid": "no profile of this scope has this MPID",
    "erased": "the profile was erased",
}
_STORES: Final = {
    "sections": "profiles of attributes, devices and consent",
    "events": "batches of events",
    "messages": "ids of messages",
    "aliases": "requests that copied events",
    "receipts": "receipts of batches",
}


@click.group()
def privacy() -> None:
    """Look at requests of data subjects."""


@privacy.command("preview")
@click.option("--workspace", required=True, type=click.IntRange(min=0), help="The workspace that would ask, by its id.")
@click.option(
    "-i",
    "--identity",
    "given",
    multiple=True,
    metavar="TYPE[:DIGEST]=VALUE",
    help="An identity of the person as OpenDSR names it, such as email=..., or its digest: email:sha256=...",
)
@click.option("--mpid", "mpids", multiple=True, help="The profile itself; several of one person may be named.")
@click.option(
    "--type",
    "kind",
    type=click.Choice([one.value for one in RequestType]),
    default=RequestType.ERASURE.value,
    show_default=True,
    help="What would be asked for.",
)
@click.option("--server", metavar="URL", envvar="KNOWNAS_SERVER", required=True, help="The server to ask.")
@click.option("--token", envvar="KNOWNAS_TOKEN", help="Its admin token; KNOWNAS_TOKEN is safer than the option.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def preview(**options: Any) -> None:
    """Say whom a request would reach, how much there is of them, and what it could not reach. Changes nothing."""
    body = {**_subject(options["given"], options["mpids"]), "subject_request_type": options["kind"]}
    url = f"{options['server'].rstrip('/')}/api/workspaces/{options['workspace']}/privacy/preview"
    shown = call(options["token"], url, body)
    if options["as_json"]:
        click.echo(json.dumps(shown, indent=2))
        return
    for number, one in enumerate((shown, *shown.get("further", []))):
        click.echo("", nl=number > 0)
        for line in told(one):
            click.echo(line)


@privacy.command("let-in")
@click.option("--scope", required=True, metavar="NAME", help="The identity scope.")
@click.option(
    "--environment",
    type=click.Choice([one.value for one in Environment]),
    default=Environment.PRODUCTION.value,
    show_default=True,
    help="Where the person was erased.",
)
@click.option("-i", "--identity", "given", required=True, metavar="TYPE=VALUE", help="What stays out now.")
@click.option("--server", metavar="URL", envvar="KNOWNAS_SERVER", required=True, help="The server to ask.")
@click.option("--token", envvar="KNOWNAS_TOKEN", help="Its admin token; KNOWNAS_TOKEN is safer than the option.")
def let_in(scope: str, environment: str, given: str, server: str, token: str | None) -> None:
    """Let in again what an erasure has kept out, since the person has come back by their own wish."""
    kind, value = identity_pair(given)
    url = f"{server.rstrip('/')}/api/scopes/{quote(scope, safe='')}/let-in?environment={environment}"
    call(token, url, {"type": kind, "value": value})
    click.echo(f"This {kind} may come in again.")


def _subject(given: Sequence[str], mpids: Sequence[str]) -> dict[str, Any]:
    if not given and not mpids:
        raise click.UsageError("give identities with -i TYPE=VALUE, or --mpid")
    if len(mpids) == 1 and not given:
        return {"subject_identities": {"mpid": {"value": mpids[0]}}}
    named = {"mpids": list(mpids)} if mpids else {}
    return {"subject_identities": dict(map(_identity, given)), **named}


def _identity(given: str) -> tuple[str, dict[str, str]]:
    """Read TYPE=VALUE or TYPE:DIGEST=VALUE; whether there is such a type, the server says."""
    name, equals, value = given.partition("=")
    kind, colon, encoding = name.partition(":")
    if not (equals and kind and value) or (colon and encoding not in set(Encoding)):
        raise click.UsageError(f"{given!r} is not TYPE=VALUE or TYPE:DIGEST=VALUE, with sha256, sha1 or md5")
    return kind, {"value": value, "encoding": encoding or Encoding.RAW.value}


def told(shown: dict[str, Any]) -> list[str]:
    """Say a preview in lines, for somebody who decides about a request."""
    return list(_told(shown))


def _told(shown: dict[str, Any]) -> Iterator[str]:
    kind, profile = shown["subject_request_type"], shown["profile"]
    yield from _wrapped(f"Nothing was changed. A request of {kind} by workspace {shown['workspace']} would reach:")
    if profile is None:
        yield f"  nobody: {_WHY.get(shown['why'], shown['why'])}"
    else:
        known = "a known user" if profile["known"] else "an anonymous one"
        yield f"  profile {profile['mpid']}, {known}, in {profile['environment']}"
        yield from _what(shown)
    if shown["unmatched_digests"]:
        yield ""
        yield f"{_counted(shown['unmatched_digests'], 'digest')} of the request {'is' if shown['unmatched_digests'] == 1 else 'are'} of no value that anybody has."
    for one in shown["out_of_reach"]:
        yield ""
        yield from _wrapped(f"Out of reach: {_counted(one['profiles'], 'profile')} with this {one['identity_type']}.")
        yield from _wrapped(one["sentence"], "  ")
    if shown["not_reached"]:
        yield ""
        yield "What it could not reach:"
        for sentence in shown["not_reached"]:
            yield from _wrapped(sentence, "  - ", "    ")


def _what(shown: dict[str, Any]) -> Iterator[str]:
    for one in shown["workspaces"]:
        yield ""
        asked = ", which asks" if one["is_asked"] else ""
        yield f"Workspace {one['workspace']} ({one['name']}{asked}): {_OUTCOMES[one['outcome']]}"
        if one["residency"] is not None:
            yield f"  its data lie in: {one['residency']}"
        some = {name: count for name, count in one["counts"].items() if count}
        for name, count in some.items():
            yield f"  {count:>8}  {_STORES.get(name, name)}"
        if not some:
            yield "  it has nothing of this person"
    record, lines = shown["identity_record"], shown["log_lines"]
    yield ""
    yield f"The scope {shown['scope']}, which these workspaces share:"
    yield f"  {record['identities']:>8}  identities: {_record_told(record)}"
    yield f"  {lines['count']:>8}  {'line' if lines['count'] == 1 else 'lines'} of the log{'' if lines['is_all'] else ', and more'}"
    shared = shown["shared_with"]
    if shared["profiles"]:
        types = ", ".join(f"{kind} with {count}" for kind, count in shared["by_type"].items())
        more = "" if shared["is_all"] else " or more"
        yield f"  {shared['profiles']:>8}  other profiles{more} have identities in common with this one: {types}"


def _record_told(record: dict[str, Any]) -> str:
    told = _OUTCOMES[record["outcome"]]
    whose = [f"workspace {one}" for one in record["kept_for_workspaces"]]
    if record["outcome"] != "kept" or not whose:
        return told
    return f"they stay for {', '.join(whose)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _wrapped(sentence: str, first: str = "", rest: str | None = None) -> list[str]:
    return textwrap.wrap(sentence, _COLUMNS, initial_indent=first, subsequent_indent=first if rest is None else rest)
