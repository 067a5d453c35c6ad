"""Holds what the tables of bad input are made of: a request, and the status and reason it must be answered with."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from tests.served import KEY, SECRET, TOKEN, Served

LIMIT = 256 * 1024
"""Bytes of a body; named in the reference."""


@dataclass(frozen=True)
class Line:
    """One request with a body, and its answer. A reason None means that it is accepted."""

    name: str
    body: bytes
    status: int
    reason: str | None
    path: str = "/v1/identify"
    headers: Mapping[str, str] = field(default_factory=dict)


def accepted(name: str, body: bytes | str, path: str = "/v1/identify", status: int = 200, **headers: str) -> Line:
    """A request that is served."""
    return Line(name, _bytes(body), status, None, path, _named(headers))


def refused(
    name: str, body: bytes | str, reason: str, status: int = 400, path: str = "/v1/identify", **headers: str
) -> Line:
    """A request that is refused for a reason."""
    return Line(name, _bytes(body), status, reason, path, _named(headers))


def _bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def identify(identities: str = '{"email":"a"}', more: str = "", environment: str = '"production"') -> str:
    """Write the text of an identify; all members as raw JSON, `more` after a comma at the end."""
    return f'{{"environment":{environment},"known_identities":{identities}{"," * bool(more)}{more}}}'


def modify(changes: str, more: str = "", environment: str = '"production"') -> str:
    """Write the text of a modify; all members as raw JSON."""
    return f'{{"environment":{environment},"identity_changes":{changes}{"," * bool(more)}{more}}}'


def zipped(body: str | bytes) -> bytes:
    """Compress a body."""
    return gzip.compress(_bytes(body), mtime=0)


def client(server: Served) -> httpx.Client:
    """A keep-alive client that sends what it is given, and no more."""
    return httpx.Client(base_url=server.url, timeout=60)


def ask(sender: httpx.Client, line: Line) -> httpx.Response:
    """Send a line with the credentials its surface asks for."""
    if line.path.startswith("/api"):
        return sender.post(line.path, content=line.body, headers={"Authorization": f"Bearer {TOKEN}", **line.headers})
    return sender.post(line.path, content=line.body, headers=line.headers, auth=(KEY, SECRET))


def reason_of(answer: httpx.Response) -> str | None:
    """Return the stable reason of a refusal, wherever its surface tells it; None of an answer that is none."""
    told = answer.headers.get("x-refusal-reason")
    if answer.status_code < 400:
        assert told is None
        return None
    if told is None:
        return answer.json()["error"]["code"]
    if answer.content:
        body = answer.json()
        assert body["errors"] == body["Errors"]
        assert [one["reason"] for one in body["errors"]] == [told]
        assert body["ErrorCode"] == body["errors"][0]["code"]
        assert body["StatusCode"] == answer.status_code
    return told
