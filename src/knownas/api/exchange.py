"""Reads requests and writes replies on plain ASGI, which is what the hot endpoints can afford."""

import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from knownas.api.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX, PASSED_OVER_BYTES_MAX
from knownas.core.health.tally import NOWHERE, Source

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Final[Header] = (b"content-type", b"application/json; charset=utf-8")
HEADERS_TOO_LONG: Final = f"All headers together may have {HEADER_BYTES_MAX} bytes."
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


@dataclass(slots=True, eq=False)
class RequestRefused(Exception):
    """Ends a request with an answer that refuses it: a status, a stable reason, a sentence, further headers.

    Without a sentence the answer has no body. `code` is the vendor's word, where it is not the usual one of the status.
    `source` is where the request came from, as far as that was known (`api.sources`). `decision_id` is that of the
    decision that refuses, "" if nothing was decided.
    """

    status: int
    reason: str
    sentence: str = ""
    headers: tuple[Header, ...] = ()
    code: str = ""
    source: Source = NOWHERE
    decision_id: str = ""


class BodyRefused(RequestRefused):
    """The body can't be taken."""


class Disconnected(Exception):
    """The client went away before its request was whole."""


def header_bytes(headers: Iterable[Header]) -> int:
    """Return how many bytes the names and values of a request's headers have together."""
    return sum(map(len, chain.from_iterable(headers)))


async def read_body(receive: Receive, given: Mapping[bytes, bytes]) -> bytes:
    """Return the request's body, decompressed. `given` are the headers by their names.

    Raises:
        BodyRefused: it is longer than 256 KiB before or after decompression, or not what its headers say.
        Disconnected: the client went away.
    """
    if b"content-length" in given and int(given[b"content-length"]) > BODY_BYTES_MAX:
        raise _too_long()
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _read_rest(receive, body)
    elif len(body) > BODY_BYTES_MAX:
        raise _too_long()
    if b"content-encoding" not in given:
        return body
    encoding = given[b"content-encoding"].strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding == b"gzip":
        return _decompress(body)
    raise BodyRefused(415, "unknown_encoding", "Send the body as it is, or with Content-Encoding: gzip.")


class PassingOver:
    """Receives a request's body, and can pass over what is left of it when it is clear that it won't be taken."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def __call__(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def is_passed_over(self) -> bool:
        """Read what is left, without holding it; False if it is too much for that, or the client goes away."""
        size = 0
        while self._more:
            message = await self()
            size += len(message.get("body", b""))
            if size > PASSED_OVER_BYTES_MAX or message["type"] == "http.disconnect":
                return False
        return True


async def _read_rest(receive: Receive, first: bytes) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise _too_long()
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _decompress(body: bytes) -> bytes:
    """Decompress one gzip member without ever holding more than the limit."""
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = stream.decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise BodyRefused(400, "malformed_gzip", "The body is not what Content-Encoding: gzip says.") from error
    if len(plain) > BODY_BYTES_MAX:
        raise _too_long()
    if not stream.eof or stream.unused_data:
        raise BodyRefused(400, "malformed_gzip", "The gzip body is cut off, or something follows it.")
    return plain


def _too_long() -> BodyRefused:
    return BodyRefused(413, "body_too_long", f"A body may have {BODY_BYTES_MAX} bytes, compressed and decompressed.")


async def reply(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    """Send a whole answer."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
