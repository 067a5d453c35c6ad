"""How a person's consent changed can be read from a started server."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A started server."""
    with served(tmp_path_factory.mktemp("consent"), configuration()) as running:
        yield running


def state(at_ms: int, document: str, *, consented: bool) -> dict[str, Any]:
    """Return a consent state as a batch says it."""
    said = {"consented": consented, "timestamp_unixtime_ms": at_ms, "document": document}
    return {"gdpr": {"marketing": {**said, "location": "Berlin", "hardware_id": "h-1"}}}


def test_each_change_is_told_with_its_time_and_input(server: Served) -> None:
    """What counts, and each change, stand there with document, place, device and input; repeating changes nothing."""
    login = {"environment": "production", "known_identities": {"customerid": "c-consenting"}}
    mpid = httpx.post(f"{server.url}/v1/login", json=login, auth=(KEY, SECRET), timeout=30).json()["mpid"]
    for said in (
        state(1_000, "v1", consented=True),
        state(1_000, "v1", consented=True),
        state(9_000, "v2", consented=False),
    ):
        batch = {"environment": "production", "mpid": mpid, "consent_state": said, "events": []}
        sent = httpx.post(f"{server.url}/v2/events", json=batch, auth=(KEY, SECRET), timeout=30)
        assert sent.status_code == 202, sent.text
    with server.api as api:
        found = api.get(f"/api/profiles/{mpid}/consent?workspace=100").json()
        assert [(one["consented"], one["document"]) for one in found["items"]] == [(False, "v2")]
        assert [(one["consented"], one["document"], one["at"]) for one in found["history"]] == [
            (True, "v1", "1970-01-01T00:00:01.000Z"),
            (False, "v2", "1970-01-01T00:00:09.000Z"),
        ]
        first = found["history"][0]
        assert (first["location"], first["hardware_id"]) == ("Berlin", "h-1")
        assert first["received_at"] > "2020"
        assert first["input"]
        empty = api.get(f"/api/profiles/{mpid}/consent?workspace=100&environment=development").json()
        assert (empty["items"], empty["history"]) == ([], [])
        for path, code in ((f"{mpid}/consent", "invalid_workspace"), ("5/consent?workspace=100", "unknown_profile")):
            assert api.get(f"/api/profiles/{path}").json()["error"]["code"] == code
