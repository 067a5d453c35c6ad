"""Answers every request alike: the plain ASGI application that shows what the server around ours costs.

It reads the body if there is one, decodes what an identify or a batch of events is made of, and sends a fixed answer
of identify with the headers that IDSync sends. Whatever ours takes beyond that is ours.
"""

from typing import Any, Final

import msgspec

from knownas.api.app import OpenPages, OpenService
from knownas.api.exchange import JSON, Receive, Scope, Send
from knownas.api.idsync import CORS


class Body(msgspec.Struct, frozen=True):
    """The members of an identify that decide something."""

    environment: str
    known_identities: dict[str, str | None]
    previous_mpid: str | int | None = None


class Batch(msgspec.Struct, frozen=True):
    """The members of a batch of events that decide something."""

    environment: str
    user_identities: dict[str, str | None]
    user_attributes: dict[str, Any]
    events: list[dict[str, Any]]


_DECODER: Final = msgspec.json.Decoder(Body)
_BATCH: Final = msgspec.json.Decoder(Batch)
_BODY: Final = (
    b'{"context":null,"matched_identities":{"customerid":"c000000001","email":"u41c67ea6.1@example.com"},'
    b'"is_ephemeral":false,"mpid":"4354685564936845356","is_logged_in":true}'
)
_ID: Final = b"0194206ff800aabbccddeeff00112233"
_HEADERS: Final = [
    JSON,
    *CORS,
    (b"x-decision-id", _ID),
    (b"x-mp-trace-id", _ID),
    (b"x-mp-max-age", b"86400"),
    (b"content-length", b"%d" % len(_BODY)),
]


class NoOp:
    """Stands where `knownas.api.app.Application` stands; the service is never opened."""

    def __init__(self, open_service: OpenService, open_pages: OpenPages) -> None:
        del open_service, open_pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body", False):
            message = await receive()
            body += message.get("body", b"")
        if body:
            (_BATCH if scope["path"] == "/v2/events" else _DECODER).decode(body)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _BODY})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return
