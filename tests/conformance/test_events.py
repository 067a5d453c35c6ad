"""The event scenarios, over HTTP against a started server."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conformance.scenarios import document
from tests.served import KEY, SECRET, Served, configuration, served

SCENARIOS: list[dict[str, Any]] = document()["event_scenarios"]
LIMITED = {"name": "limited", "feed": "partner", "key": "limited-key", "secret": "limited-secret"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the settings that the scenarios name, an app, and a feed with the restricted inputs' setting."""
    scope = {
        "strategy": "profile_conversion",
        "priority": ["customerid", "email", "ios_idfv"],
        "login_ids": ["customerid"],
        "unique_ids": ["customerid"],
    }
    whole = configuration(scope)
    whole["organization"]["accounts"][0]["workspaces"][0]["inputs"].append(
        {**LIMITED, "protection_level": "only_update_profiles"}
    )
    with served(tmp_path_factory.mktemp("events"), whole) as running:
        yield running


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one["id"])
def test_event_scenario(scenario: Mapping[str, Any], server: Served) -> None:
    """Each scenario's batch is answered as it says, and lands where it says."""
    batch, expect = dict(scenario["batch"]), scenario["expect"]
    known = scenario.get("input", {}).keys() <= {"protection_level"}
    assert known, scenario
    auth = ("limited-key", "limited-secret") if "input" in scenario else (KEY, SECRET)
    if "mpid" in batch:
        with server.api as api:
            seed = {
                "environment": "production",
                "mpid": str(batch["mpid"]),
                "identities": {"email": ["named@example.com"]},
            }
            assert api.post("/api/scopes/shop/profiles", json=seed).status_code == 201
        server.ask("login", {"customerid": batch["user_identities"]["customer_id"]})
    receipts = []
    for _ in range(scenario.get("repeat", 1)):
        answer = httpx.post(f"{server.url}/v2/events", json=batch, auth=auth, timeout=30)
        assert answer.status_code == expect["status"]
        assert answer.content == b""
        with server.api as api:
            found = api.get(f"/api/batches/{answer.headers['x-receipt-id']}")
        receipts += [found.json()] if found.status_code == 200 else []
    _check(expect, receipts, batch, server)


def _check(expect: Mapping[str, Any], receipts: list[dict[str, Any]], batch: Mapping[str, Any], server: Served) -> None:
    """Compare what a scenario expects with the receipts; every expectation must be one that is known here."""
    assert expect.keys() <= {"status", "body", "profile", "created_if_missing", "stored_batches", "created"}
    if "stored_batches" in expect:
        assert len([one for one in receipts if one["outcome"] == "kept"]) == expect["stored_batches"]
    profile = expect.get("profile")
    if profile == "none":
        assert [one["outcome"] for one in receipts] == ["refused"]
    elif profile is not None and profile.isdecimal():
        assert receipts[0]["mpid"] == profile
    elif profile is not None:
        found = server.ask("search", {"customerid": batch["user_identities"]["customer_id"]}).json()
        assert receipts[0]["mpid"] == found["mpid"]
    if expect.get("created_if_missing"):
        assert receipts[0]["profile"] == "created"
    if expect.get("created") is False:
        assert server.ask("search", batch["user_identities"]).status_code == 404
