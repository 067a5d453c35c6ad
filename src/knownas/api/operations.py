"""Serves what operators ask: is it alive, is it ready, what does it count."""

import asyncio
from typing import Final

from knownas.api.exchange import JSON, Header, Send, reply
from knownas.api.refusals import own_error
from knownas.api.telemetry import Telemetry
from knownas.service.server import Service
from knownas.store.errors import StoreError

READY_WITHIN_SECONDS: Final = 1.5
"""A store that takes longer does not answer; readiness tells so within two seconds."""

ROOT: Final = "/"
PATHS: Final = (ROOT, "/healthz", "/readyz", "/metrics")
ROUTES: Final = tuple(("GET", path) for path in PATHS)
_WELCOME: Final = (
    b'{"knownas":"an open identity resolution server","api":"/api/openapi.json","health":"/healthz",'
    b'"ready":"/readyz","metrics":"/metrics"}'
)
_TEXT: Final[Header] = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


async def serve_operations(path: str, method: str, service: Service, telemetry: Telemetry, send: Send) -> None:
    """Answer one of `PATHS`."""
    if method not in ("GET", "HEAD"):
        body = own_error("method_not_allowed", "Ask with GET.")
        await reply(send, 405, [JSON, (b"allow", b"GET, HEAD")], body)
    elif path == ROOT:
        await reply(send, 200, [JSON], _WELCOME)
    elif path == "/healthz":
        await reply(send, 200, [JSON], b'{"status":"alive"}')
    elif path == "/readyz":
        await _ready(service, send)
    else:
        await reply(send, 200, [_TEXT], telemetry.exposition(service.self_check.last))


async def _ready(service: Service, send: Send) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            await service.store.ping()
    except (StoreError, TimeoutError) as error:
        code = error.code if isinstance(error, StoreError) else "store_unavailable"
        await reply(send, 503, [JSON], own_error(code, "The store does not answer."))
    else:
        await reply(send, 200, [JSON], b'{"status":"ready"}')
