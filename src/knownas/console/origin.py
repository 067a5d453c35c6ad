"""Decides from where a request comes: by which address, and whether a page of this console has sent it."""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

_OWN: Final = "same-origin"


class Origin:
    """The address of the console as the configuration says it; None leaves it to each request."""

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    def is_secure(self, request: Request) -> bool:
        """Whether people come by HTTPS, be it to something in front of this server."""
        return (self._base_url or str(request.base_url)).startswith("https://")

    def is_own(self, request: Request) -> bool:
        """Whether a form was sent by a page of this console, as far as the browser tells.

        Browsers tell it of themselves where the connection is safe (`Sec-Fetch-Site`), and otherwise from where the page is that
        has sent the form (`Origin`). A client that tells neither is not believed.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == _OWN
        origin = request.headers.get("origin", "")
        own = self._base_url or f"{request.url.scheme}://{request.headers.get('host', '')}"
        return origin != "" and urlsplit(origin)[:2] == urlsplit(own)[:2]


def local_path(given: str) -> str:
    """Return an address within the console to which somebody may be sent; that of the first page for any other."""
    is_path = given.startswith("/") and not given.startswith("//")
    return given if is_path and given.isprintable() and "\\" not in given else "/"
