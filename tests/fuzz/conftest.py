"""Runs the server that the tables of bad input are sent to, and holds it to account at the end."""

from collections.abc import Iterator

import httpx
import pytest

from tests.fuzz.lines import client
from tests.served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that must still answer when a module is through, and never have met a fault of its own."""
    with served(tmp_path_factory.mktemp("fuzz")) as running:
        yield running
        assert httpx.get(f"{running.url}/readyz").json() == {"status": "ready"}
        log = (running.folder / "server.log").read_text()
        assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def sender(server: Served) -> Iterator[httpx.Client]:
    """A keep-alive client of that server."""
    with client(server) as made:
        yield made
