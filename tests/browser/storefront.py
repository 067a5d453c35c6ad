"""Serves the page that loads the web SDK, over https, on a free port of loopback."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

PAGE = Path(__file__).with_name("storefront.html")
BODY_BYTES_MAX = 10_000_000
STOP_WITHIN_SECONDS = 10


@dataclass(frozen=True)
class Storefront:
    """A running storefront."""

    host: str

    def address(self, key: str, config: Mapping[str, Any]) -> str:
        """Return the address of a page that starts the SDK with a key and a configuration."""
        return f"https://{self.host}/?{urlencode({'settings': json.dumps({'key': key, 'config': config})})}"


class _Handler(BaseHTTPRequestHandler):
    """Answers with the page, and with the SDK's bundle as it was published; anything else is not found.

    The SDK's events come here too as long as knownas takes none: they are not found, and the SDK drops them.
    """

    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, tuple[str, bytes]]] = {}

    def do_GET(self) -> None:
        kind, content = self.files.get(urlsplit(self.path).path, ("text/plain", None))
        self._answer(HTTPStatus.NOT_FOUND if content is None else HTTPStatus.OK, kind, content or b"")

    def do_POST(self) -> None:
        self.rfile.read(min(int(self.headers.get("Content-Length", "0")), BODY_BYTES_MAX))
        self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"")

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def storefront(web_sdk: bytes, tls: ssl.SSLContext) -> Iterator[Storefront]:
    """Serve the page until the block ends."""
    files = {"/": ("text/html; charset=utf-8", PAGE.read_bytes()), "/mparticle.js": ("text/javascript", web_sdk)}
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files})) as server:
        server.daemon_threads = True
        # The handshake is left to the connection's own thread: a browser opens some that it never speaks on.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, name="storefront")
        thread.start()
        try:
            yield Storefront(f"localhost:{server.server_port}")
        finally:
            server.shutdown()
            thread.join(STOP_WITHIN_SECONDS)
