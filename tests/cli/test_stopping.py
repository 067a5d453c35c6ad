"""A server that is told to stop stops at once, whoever is still connected to it."""

import socket
import time
from pathlib import Path

from tests.browser.shop import make_certificates
from tests.served import STOP_WITHIN_SECONDS, configuration, start, stop

AT_ONCE_SECONDS = 2.5
"""Less than the time that requests under way are given; most of it is for a busy machine."""


def test_an_idle_client_of_https_holds_nothing_up(tmp_path: Path) -> None:
    """A client that keeps its connection and never says goodbye on it does not use up the time for requests."""
    certificates = make_certificates(tmp_path)
    listen = {"certificate": str(certificates.certificate), "private_key": str(certificates.private_key)}
    server = start(tmp_path, configuration(listen=listen))
    try:
        host, _, port = server.url.removeprefix("https://").partition(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            certificates.trusting.wrap_socket(plain, server_hostname="localhost") as idle,
        ):
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
            server.process.terminate()
            server.process.wait(STOP_WITHIN_SECONDS)
            assert time.monotonic() - began < AT_ONCE_SECONDS
        assert "exceeded" not in (tmp_path / "server.log").read_text()
    finally:
        stop(server.process)
