"""Serves one surface by itself, as the application does for the paths that the surface declares."""

from knownas.api.answering import HttpSurface
from knownas.api.exchange import App, Receive, Scope, Send
from knownas.api.routes import Routes, Target


def app_of(surface: HttpSurface[Target], routes: Routes[Target]) -> App:
    """Return the surface as an application of its own; whatever it is asked must be one of its routes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked = routes.find(scope["path"])
        assert asked is not None
        await surface.serve(asked, scope, receive, send)

    return app
