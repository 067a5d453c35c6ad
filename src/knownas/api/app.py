"""Sends each request to the surface that serves it."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from knownas.api.exchange import HEADERS_TOO_LONG, JSON, App, Receive, Scope, Send, header_bytes, reply
from knownas.api.idsync import ROUTES, IdSync
from knownas.api.limits import HEADER_BYTES_MAX
from knownas.api.openapi import openapi_bytes
from knownas.api.operations import PATHS, ROOT, serve_operations
from knownas.api.own import own_api, punctual
from knownas.api.refusals import own_error
from knownas.api.surfaces import Finder, vendor_surfaces
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from knownas.service.server import Service

log: Final = logging.getLogger(__name__)

OpenService = Callable[[], Awaitable[Service]]
FindPage = Callable[[Scope], App | None]
"""Returns what serves a request of somebody who looks at pages, None if it is not one."""

OpenPages = Callable[[Service, Callable[[str, str], None]], FindPage]
"""Opens the pages of a service; what it is given counts a refusal of a surface by its reason."""


class Application:
    """The whole server as one ASGI application.

    The service is opened when the server starts and closed when it stops, on the server's own event loop. What no surface serves
    can be a page.
    """

    def __init__(self, open_service: OpenService, open_pages: OpenPages | None = None) -> None:
        self._open_service = open_service
        self._open_pages = open_pages
        self._find_page: FindPage = _no_page
        self._service: Service | None = None
        self._telemetry = Telemetry()
        self._throttle = Throttle()
        self._idsync: IdSync | None = None
        self._surfaces: Sequence[Finder] = ()
        self._own: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope. IDSync comes first: it is the hot path."""
        if scope["type"] == "http":
            asked = ROUTES.find(scope["path"])
            if asked is not None and self._idsync is not None:
                await self._idsync.serve(asked, scope, receive, send)
            else:
                await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        service, own = self._service, self._own
        if service is None or own is None:
            await reply(send, 503, [JSON], own_error("not_started", "The server is starting or stopping."))
        elif header_bytes(scope["headers"]) > HEADER_BYTES_MAX:
            await reply(send, 431, [JSON], own_error("headers_too_long", HEADERS_TOO_LONG))
        elif path in PATHS:
            # At the root programs are shown the way, and people are shown a page.
            page = self._find_page(scope) if path == ROOT else None
            if page is None:
                await serve_operations(path, scope["method"], service, self._telemetry, send)
            else:
                await page(scope, receive, send)
        else:
            found = next((app for find in self._surfaces if (app := find(path)) is not None), None)
            await (found or self._find_page(scope) or own)(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Open and close the service when the server says so."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except Exception as error:
                    log.exception("start")
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        service = await self._open_service()
        service.start()
        self._telemetry.tell_refusals(service.tallying)
        self._telemetry.show_toxic(service.toxic)
        self._telemetry.show_deliveries(service.activation.delivering)
        self._telemetry.show_privacy(service.privacy, service.ledger)
        self._idsync = IdSync(service, self._throttle, self._telemetry)
        self._surfaces = vendor_surfaces(service, self._throttle, self._telemetry)
        self._own = punctual(own_api(service, self._telemetry, openapi_bytes), self._telemetry)
        if self._open_pages is not None:
            self._find_page = self._open_pages(service, self._telemetry.refused)
        self._service = service

    async def _stop(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            await service.close()


def _no_page(_scope: Scope) -> App | None:
    return None
