"""A destination that fails in every way, notes what it took, and kills whoever sends when it is told to."""

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANGS_SECONDS = 6.0
STEADY_SECONDS = 0.05
STATUSES = {"took": 204, "refused": 422, "failed": 500, "busy": 429}


@dataclass
class Fickle:
    """A destination that does something else at each so many-th request, and kills whoever sends when it is told to.

    `taken` are the ids that it took, in order. `unheard` counts those whose answer nobody can have heard.
    """

    taken: list[str] = field(default_factory=list[str])
    unheard: Counter[str] = field(default_factory=Counter[str])
    behaved: Counter[str] = field(default_factory=Counter[str])
    senders: list[str] = field(default_factory=list[str])
    """Who sent each request that it answered, as they say."""
    is_steady: bool = False
    """Whether it takes everything, a little slowly."""
    refuses: frozenset[str] = frozenset()
    pid: int | None = None
    kill_in: int | None = None
    kills_before: bool = False
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def behaviour(self, name: str) -> str:
        """Decide what happens to a request, under the lock."""
        self.requests += 1
        if self.kill_in is not None and self.pid is not None:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.kill_in = None
                # What it refuses it takes at no time, not even when it kills.
                return "killed before" if self.kills_before or name in self.refuses else "killed after"
        if self.is_steady:
            return "took"
        if name in self.refuses:
            return "refused"
        for number, rest, what in (
            (11, 3, "failed"),
            (13, 5, "busy"),
            (17, 7, "cut off"),
            (199, 11, "hangs"),
            (211, 23, "took and hangs"),
        ):
            if self.requests % number == rest:
                return what
        return "took"

    def meet(self, name: str, sender: str) -> str:
        """Take a message, or not, and return what happens."""
        if self.is_steady:
            threading.Event().wait(STEADY_SECONDS)
        with self.lock:
            self.senders.append(sender)
            what = self.behaviour(name)
            self.behaved[what] += 1
            if what in ("took", "cut off", "took and hangs", "killed after"):
                self.taken.append(name)
            if what in ("cut off", "took and hangs"):
                self.unheard[name] += 1
            if what.startswith("killed") and self.pid is not None:
                os.kill(self.pid, signal.SIGKILL)
                self.pid = None
            return what


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fickle: Fickle) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fickle = fickle

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever is killed leaves connections behind."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert body["id"] == self.headers["idempotency-key"]
        what = self.server.fickle.meet(body["id"], self.headers["authorization"])
        with suppress(OSError):
            if what in STATUSES:
                self._say(what)
            else:
                self._leave(what)

    def _say(self, what: str) -> None:
        self.send_response(STATUSES[what])
        if what == "busy":
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _leave(self, what: str) -> None:
        """Leave a request without an answer, or with half of one."""
        self.close_connection = True
        if "hangs" in what:
            threading.Event().wait(HANGS_SECONDS)
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_given: object) -> None:
        pass


@contextmanager
def listening(fickle: Fickle) -> Iterator[str]:
    """Serve on loopback."""
    server = _Server(fickle)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/in"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
