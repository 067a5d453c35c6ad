"""A real HTTP server on loopback that notes each request as it came over the wire, and answers as a test has written down."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

HEADER_BYTES_MAX = 65_536


@dataclass(frozen=True)
class Received:
    """One request as it came. Header names are in lower case; one that came twice has a comma between its values."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, which it must say that it is."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@dataclass(frozen=True)
class Answering:
    """An answer of HTTP. `cut_after` leaves it off after so many bytes of the body, though more were announced; or it `hangs` there.

    With `pause_seconds` it comes byte by byte, with so long a pause before each.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut_after: int | None = None
    hangs: bool = False
    pause_seconds: float = 0.0

    @property
    def wire(self) -> bytes:
        """The bytes that are sent."""
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Other"
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body[: self.cut_after]


@dataclass(frozen=True)
class Hanging:
    """No answer, for as long as the test goes on."""


@dataclass(frozen=True)
class Saying:
    """Bytes that need not be HTTP; then it hangs up. None at all is hanging up without a word."""

    wire: bytes = b""


Behaviour = Answering | Hanging | Saying
Deciding = Callable[[Received], Behaviour]
"""Decides what is answered to a request by what it says."""

HANGING, HANGING_UP = Hanging(), Saying()


def answering(status: int = 200, members: object = None, **headers: str) -> Answering:
    """Return an answer with JSON, or without a body; an underscore in a header's name is a hyphen on the wire."""
    body = b"" if members is None else json.dumps(members).encode()
    typed = {} if members is None else {"Content-Type": "application/json"}
    return Answering(status, body, {**typed, **{name.replace("_", "-"): value for name, value in headers.items()}})


class Receiving:
    """What came in, and what is answered: each of `script` once, in order, and `otherwise` from then on."""

    def __init__(self, script: Sequence[Behaviour] = (), otherwise: Behaviour | Deciding | None = None) -> None:
        self.requests: list[Received] = []
        self.script = list(script)
        self.otherwise = otherwise
        self.unexpected: list[Received] = []
        self.url = ""
        self._hanging = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            # It is cancelled only when the server stops, and asyncio would tell of that as of a fault.
            with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
                while await self._answered(await _received(reader), writer):
                    pass
        finally:
            self._open.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()

    async def stop(self) -> None:
        """Let go of all that hang."""
        self._hanging.set()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _otherwise(self, request: Received) -> Behaviour | None:
        return self.otherwise(request) if callable(self.otherwise) else self.otherwise

    async def _answered(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer a request. Returns whether the connection can go on."""
        self.requests.append(request)
        behaviour = self.script.pop(0) if self.script else self._otherwise(request)
        if callable(behaviour):
            behaviour = behaviour(request)
        match behaviour:
            case None:
                # Nobody has thought of this request: the test is told when the server stops.
                self.unexpected.append(request)
                return False
            case Hanging():
                await self._hanging.wait()
                return False
            case Saying():
                writer.write(behaviour.wire)
                await writer.drain()
                return False
            case Answering():
                await _written(behaviour, writer)
                if behaviour.hangs:
                    await self._hanging.wait()
                return behaviour.cut_after is None


@asynccontextmanager
async def receiving(
    *script: Behaviour, otherwise: Behaviour | Deciding | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[Receiving]:
    """Serve on a free port of loopback; `context` is for HTTPS. Fails in the end if a request came that nobody has thought of."""
    receiver = Receiving(script, otherwise)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context, limit=HEADER_BYTES_MAX)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.stop()
    assert receiver.unexpected == [], "a request came that the test has no answer for"


async def _written(answer: Answering, writer: asyncio.StreamWriter) -> None:
    wire = answer.wire
    pieces = [wire[place : place + 1] for place in range(len(wire))] if answer.pause_seconds else [wire]
    for piece in pieces:
        await asyncio.sleep(answer.pause_seconds)
        writer.write(piece)
        await writer.drain()


async def _received(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, version = first.split(" ")
    assert version == "HTTP/1.1"
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("transfer-encoding") == "chunked":
        return Received(method, target, headers, await _chunks(reader))
    return Received(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body
