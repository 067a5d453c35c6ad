"""Asks a running server for a verb, and reads what identities a verb is given."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any, Final

import click

from knownas.core.identity.kinds import InvalidIdentity, Surface, identity, types_named_on

ANSWER_WITHIN_SECONDS: Final = 10
"""How long a verb waits for the server."""


class NoAnswer(click.ClickException):
    """The server does not answer, or says that it can't now: asked again later, it may."""


def identity_pair(given: str) -> tuple[str, str]:
    """Read TYPE=VALUE as the name of an identity type and a value, or end the program."""
    name, equals, value = given.partition("=")
    kind = types_named_on(Surface.IDSYNC).get(name)
    if not equals or kind is None:
        raise click.UsageError(f"{given!r} is not TYPE=VALUE with an identity type such as customerid or email")
    try:
        identity(kind, value)
    except InvalidIdentity as error:
        raise click.UsageError(str(error)) from error
    return kind.value, value


def call(token: str | None, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """Ask a server: GET, or POST with a body. Its answer, or the end of the program with the reason.

    Raises:
        NoAnswer: there is none now.
    """
    if not url.startswith(("http://", "https://")):
        raise click.UsageError("--server is a URL such as http://127.0.0.1:8080")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token or ''}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_SECONDS) as answer:  # noqa: S310 - likewise
            return json.load(answer)
    except urllib.error.HTTPError as error:
        is_passing = error.code == HTTPStatus.SERVICE_UNAVAILABLE
        raise (NoAnswer if is_passing else click.ClickException)(_reason(error)) from error
    except OSError as error:
        raise NoAnswer(f"{url} does not answer: {error}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return json.load(error)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"the server answered {error.code}"
