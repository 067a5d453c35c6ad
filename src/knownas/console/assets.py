"""Serves the console's own files: style sheet, scripts, icon. The address of each names what is in it, so browsers keep it."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from knownas.console.headers import SECURITY
from knownas.console.limits import STATIC_AGE_SECONDS
from knownas.console.refusal import unknown_page

PREFIX: Final = "/static"
PATH: Final = f"{PREFIX}/{{digest}}/{{name}}"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DIGEST_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    packed: bytes
    media_type: str


class Assets:
    """The files, read once."""

    def __init__(self) -> None:
        folder = files("knownas.console") / "static"
        held = [*_listed(folder), *_listed(folder / "vendor")]
        digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGEST_DIGITS] for file in held}
        self._addresses: Mapping[str, str] = MappingProxyType(
            {name: f"{PREFIX}/{digest}/{name}" for name, digest in digests.items()}
        )
        self._held = {self._addresses[file.name]: _asset(file) for file in held}

    def address(self, name: str) -> str:
        """Return the address of a file.

        Raises:
            KeyError: there is none of this name.
        """
        return self._addresses[name]

    def answer(self, request: Request) -> Response:
        """Send a file.

        Raises:
            Refusal: there is none at this address.
        """
        asset = self._held.get(request.url.path)
        if asset is None:
            raise unknown_page()
        headers = {
            **SECURITY,
            "Cache-Control": f"public, max-age={STATIC_AGE_SECONDS}, immutable",
            "Vary": "Accept-Encoding",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, 200, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
        return Response(asset.body, 200, headers, asset.media_type)


def _listed(folder: Traversable) -> list[Traversable]:
    return [file for file in folder.iterdir() if any(file.name.endswith(ending) for ending in _TYPES)]


def _asset(file: Traversable) -> _Asset:
    body = file.read_bytes()
    return _Asset(body, gzip.compress(body, mtime=0), _TYPES[f".{file.name.rpartition('.')[2]}"])
