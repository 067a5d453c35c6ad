"""Puts the console together as one ASGI application, and knows which requests are for it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from knownas.console.assets import PATH, Assets
from knownas.console.openid import Provider
from knownas.console.page import Page
from knownas.console.pages import PAGES
from knownas.console.refusal import Refusal, broken, unknown_page
from knownas.console.rendering import Rendering
from knownas.console.serving import Refused, Serving
from knownas.console.signing_in import SigningIn
from knownas.console.visitors import Visitors
from knownas.service.server import Service

_READING: Final = frozenset({"GET", "HEAD"})
_OF_PROGRAMS: Final = ("/api/", "/v1/", "/v2/", "/v3/")
"""How addresses begin that no person types in: what is not there is told to a program."""

Find = Callable[[Scope], ASGIApp | None]


def open_console(service: Service, refused: Refused, pages: Sequence[Page] = PAGES) -> Find:
    """Return what finds the console's application for a request; None for a request that is not for people.

    `refused` counts refusals. Somebody who asks for a page (`Accept: text/html`) at an address with nothing is told so by a page.
    """
    assets = Assets()
    visitors = Visitors(service.configuration, service.sessions)
    serving = Serving(service, Rendering(assets), visitors, refused)
    listed = listed_pages(service, pages, visitors)
    serving.show_places(listed)
    app = _application(serving, assets, listed)
    routes = [route for route in app.routes if isinstance(route, Route)]

    async def lost(scope: Scope, receive: Receive, send: Send) -> None:
        await serving.refuse(unknown_page(), Request(scope, receive))(scope, receive, send)

    def find(scope: Scope) -> ASGIApp | None:
        path: str = scope["path"]
        if path == "/" and not _wants_page(scope):
            return None
        if any(route.matches(scope)[0] is not Match.NONE for route in routes):
            return app
        return lost if _wants_page(scope) and not path.startswith(_OF_PROGRAMS) else None

    return find


def listed_pages(service: Service, pages: Sequence[Page] = PAGES, visitors: Visitors | None = None) -> Sequence[Page]:
    """Return every page that is served, those to sign in with them."""
    console = service.configuration.console
    provider = None
    if console.oidc is not None and console.base_url is not None:
        provider = Provider(console.oidc, console.base_url, service.clock)
    known = visitors or Visitors(service.configuration, service.sessions)
    return (*pages, *SigningIn(service.configuration, known, provider, service.auditing).pages)


def _application(serving: Serving, assets: Assets, pages: Sequence[Page]) -> Starlette:
    async def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, Refusal):
            return serving.refuse(error, request)
        if isinstance(error, HTTPException):
            refusal = Refusal(error.status_code, "method_not_allowed", "This page is not asked like this.", "Open it.")
            response = serving.refuse(refusal, request)
            response.headers.update(error.headers or {})
            return response
        return serving.refuse(broken(), request)

    async def asset(request: Request) -> Response:
        return assets.answer(request)

    by_path: dict[str, dict[str, Page]] = {}
    for page in pages:
        by_path.setdefault(page.path, {})[page.method] = page
    # One route an address, so that a wrong method is told all that there are.
    routes = [Route(path, partial(_serve, serving, of), methods=list(of)) for path, of in by_path.items()]
    routes.append(Route(PATH, asset, methods=["GET"]))
    handlers = {Refusal: refuse, HTTPException: refuse, Exception: refuse}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


async def _serve(serving: Serving, pages: dict[str, Page], request: Request) -> Response:
    return await serving.serve(pages, request)


def _wants_page(scope: Scope) -> bool:
    """Whether somebody looks at the answer: a browser asks for a page like this, and programs don't."""
    if scope["method"] not in _READING:
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
