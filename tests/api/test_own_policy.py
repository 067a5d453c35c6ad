"""Showing and publishing a scope's policy over our own API, against a started server."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served

BY_EMAIL = {
    "strategy": "profile_conversion",
    "priority": ["email", "customerid"],
    "login_ids": ["email"],
    "unique_ids": ["email"],
}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server under profile conversion."""
    with served(tmp_path_factory.mktemp("policy"), configuration()) as running:
        yield running


@pytest.fixture
def api(server: Served) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    with server.api as client:
        yield client


@pytest.fixture
def path(api: httpx.Client) -> str:
    """The address of the policy of the server's scope."""
    (scope,) = api.get("/api/scopes/none/policy").json()["error"]["allowed"]
    return f"/api/scopes/{scope}/policy"


def refused(answer: httpx.Response) -> tuple[int, Any]:
    """Return the status and the reason of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def login(server: Served) -> Any:
    """Log in by an e-mail address alone."""
    body = {"environment": "production", "known_identities": {"email": "ann@example.com"}}
    return httpx.post(f"{server.url}/v1/login", json=body, auth=(KEY, SECRET), timeout=30).json()


def test_rules_are_published_and_shown(server: Served, api: httpx.Client, path: str) -> None:
    """Who logs in by e-mail is known from then on; the versions tell why."""
    assert not login(server)["is_logged_in"]
    before = api.get(path).json()
    assert (before["version"], before["versions"][0]["published_by"]) == (1, None)
    answer = api.put(path, json={"policy": BY_EMAIL, "after_version": 1, "note": "we have no customer numbers"})
    assert answer.status_code == 200, answer.text
    assert login(server)["is_logged_in"]
    shown = api.get(path).json()
    assert answer.json() == shown
    assert (shown["version"], shown["policy"]["login_ids"]) == (2, ["email"])
    assert [one["version"] for one in shown["versions"]] == [2, 1]
    assert (shown["versions"][0]["published_by"], shown["versions"][0]["note"]) == (
        "admin",
        "we have no customer numbers",
    )
    assert shown["versions"][1]["policy"] == before["policy"]


def test_what_can_not_be_published_is_refused(api: httpx.Client, path: str) -> None:
    """A policy that can't be one, one that follows another version, one that needs a restart, and a note that is too long."""
    wrong = {**BY_EMAIL, "immutable_ids": ["customerid"]}
    assert refused(api.put(path, json={"policy": wrong, "after_version": 1})) == (400, "invalid_policy")
    assert refused(api.put(path, json={"policy": BY_EMAIL, "after_version": 7})) == (409, "policy_outdated")
    pools = {**BY_EMAIL, "settings": {"environment_pools": "shared"}}
    assert refused(api.put(path, json={"policy": pools, "after_version": 1})) == (409, "policy_needs_restart")
    long = {"policy": BY_EMAIL, "after_version": 1, "note": "n" * 501}
    assert refused(api.put(path, json=long)) == (400, "note_too_long")
    assert api.get(path).json()["version"] == 1
