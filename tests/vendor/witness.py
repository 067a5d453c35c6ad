"""Stands between a client and a server, passes everything on unchanged, and remembers what was said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

ANSWER_WITHIN_SECONDS = 30


@dataclass(frozen=True)
class Exchange:
    """One request as the client sent it, header names in lower case, and how it was answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes
    answered: dict[str, str]


@dataclass
class Witness:
    """Where clients are pointed, and what they said so far."""

    url: str
    seen: list[Exchange] = field(default_factory=list[Exchange])

    def last(self) -> Exchange:
        """The exchange that ended last."""
        return self.seen[-1]


@contextmanager
def witness(server_url: str) -> Iterator[Witness]:
    """Listen on a free port of loopback, for as long as the block lasts."""
    host = urlsplit(server_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            onward = HTTPConnection(host, timeout=ANSWER_WITHIN_SECONDS)
            onward.request("POST", self.path, body, dict(self.headers.items()))
            answer = onward.getresponse()
            content = answer.read()
            headers = {name.lower(): value for name, value in self.headers.items()}
            answered = {name.lower(): value for name, value in answer.getheaders()}
            made.seen.append(Exchange("POST", self.path, headers, body, answer.status, content, answered))
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            onward.close()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it is called by
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Witness(f"http://127.0.0.1:{listener.server_port}")
    thread = Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
