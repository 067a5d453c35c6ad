"""A webhook's other end, over HTTP: takes what comes, and remembers it."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

SIGNING_SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()


class Receiver:
    """A webhook's other end: takes what comes, and remembers it."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.fails = 0

    def batches(self, path: str) -> list[dict[str, Any]]:
        """Return the raw output batches that came to a path; those have no type."""
        return [body for at, body in list(self.bodies) if at == path and "type" not in body]

    def members(self, path: str) -> dict[str, set[str]]:
        """Return whom the audience has at a path by what it was told, under which values."""
        has: dict[str, set[str]] = {}
        for at, body in list(self.bodies):
            if at == path and body.get("type") == "audience_membership":
                values = {one["value"] for one in body["identities"]}
                held = has.setdefault(body["mpid"], set())
                if body["action"] == "add":
                    held |= values
                else:
                    held -= values
        return {mpid: values for mpid, values in has.items() if values}


@contextmanager
def listening() -> Iterator[tuple[str, Receiver]]:
    """Listen on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if receiver.fails:
                receiver.fails -= 1
                self.send_response(500)
            else:
                assert "webhook-signature" in self.headers
                receiver.bodies.append((self.path, json.loads(body)))
                self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def made(answer: httpx.Response) -> dict[str, Any]:
    """Return what was made."""
    assert answer.status_code == 201, answer.text
    return answer.json()


def webhook(api: httpx.Client, url: str, path: str) -> int:
    """Set a webhook up that leads to a path of a receiver; return the output."""
    settings = {"url": f"{url}{path}", "plain_http": True, "signing_secret": SIGNING_SECRET}
    body = {"name": path, "type": "webhook", "settings": settings}
    return made(api.post("/api/workspaces/100/outputs", json=body))["id"]
