"""Runs the server that the vendor's clients send to, and the witness between them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.served import Served, served
from tests.vendor.witness import Exchange, Witness, witness


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that must not meet a fault of its own."""
    with served(tmp_path_factory.mktemp("vendor")) as running:
        yield running
        log = (running.folder / "server.log").read_text()
        assert "Traceback" not in log, log


@pytest.fixture
def between(server: Served) -> Iterator[Witness]:
    """What the client talks to: it passes everything on to the server."""
    with witness(server.url) as made:
        yield made


def receipts(server: Served, exchange: Exchange) -> list[dict[str, Any]]:
    """The receipts of the batches of a request, in their order."""
    with server.api as api:
        ids = exchange.answered["x-receipt-id"].split(", ")
        return [api.get(f"/api/batches/{one}").raise_for_status().json() for one in ids]


def section(server: Served, mpid: str) -> dict[str, Any]:
    """What the workspace knows of a profile."""
    with server.api as api:
        (only,) = api.get(f"/api/profiles/{mpid}/sections").raise_for_status().json()["items"]
        return only


def events(server: Served, mpid: str) -> list[dict[str, Any]]:
    """The events that the workspace keeps of a profile."""
    with server.api as api:
        batches = api.get(f"/api/profiles/{mpid}/events?workspace=100").raise_for_status().json()["items"]
        return [event for batch in batches for event in batch["events"]]


def identities(server: Served, mpid: str) -> dict[str, list[str]]:
    """The identities of a profile."""
    with server.api as api:
        return api.get(f"/api/profiles/{mpid}").raise_for_status().json()["identities"]
