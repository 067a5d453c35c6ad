"""Speaks HTTP byte by byte, for requests that no client library would send."""

import base64
import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.fuzz.lines import identify
from tests.served import KEY, SECRET, Served

ANSWER_WITHIN_SECONDS = 20
BASIC = b"Authorization: Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode())
BODY = identify().encode()


@dataclass(frozen=True)
class Raw:
    """One request as bytes, and its answer. A reason None means that there is none: it was served."""

    name: str
    request: bytes
    status: int
    reason: str | None


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str | None:
        """The stable reason of a refusal. What was no HTTP has none: it is answered in plain text."""
        if self.status < 400:
            return None
        told = self.headers.get("x-refusal-reason")
        if told is not None or not self.headers.get("content-type", "").startswith("application/json"):
            return told
        return json.loads(self.body)["error"]["code"]


def post(
    path: bytes = b"/v1/identify",
    *headers: bytes,
    body: bytes = BODY,
    sized: bool = True,
    auth: bytes | None = BASIC,
    method: bytes = b"POST",
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """Write a request. `sized` adds the length of the body, `auth` the credentials."""
    lines = [method + b" " + path + b" " + version, b"Host: localhost", *headers]
    if auth is not None:
        lines.append(auth)
    if sized:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def chunked(*parts: bytes) -> bytes:
    """Write a body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Connection:
    """One connection to a server."""

    def __init__(self, server: Served) -> None:
        host, _, port = server.url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN_SECONDS)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has answered and closed already may not take them all."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def reply(self, *, bodiless: bool = False) -> Reply:
        """Read one answer; `bodiless` after HEAD."""
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if status == 100:
            return self.reply(bodiless=bodiless)
        size = 0 if bodiless else int(headers.get("content-length", "0"))
        return Reply(status, headers, self._file.read(size))

    def closed(self) -> bool:
        """Whether the server has closed the connection, waiting for it."""
        return self._file.read(1) == b""


def ask(server: Served, request: bytes, *, bodiless: bool = False) -> Reply:
    """Send one request on a connection of its own."""
    with Connection(server) as connection:
        connection.send(request)
        return connection.reply(bodiless=bodiless)


def ask_in_pieces(server: Served, pieces: Sequence[bytes]) -> Reply:
    """Send one request in pieces, each in a packet of its own."""
    with Connection(server) as connection:
        connection._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.send(piece)
        return connection.reply()
