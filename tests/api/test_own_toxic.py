"""Toxic identities over our own API and the command line, against a started server that looks for them by itself."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served
from tests.waiting import wait_until

PLACE = "/api/scopes/shop/toxic"
DESK = {"type": "email", "value": "frontdesk@hotel.example"}
SETTINGS = {"toxic": {"mode": "quarantine", "limits": {"email": {"devices": 3}}}}
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that quarantines what meets more than three devices."""
    scope = {"strategy": "best_match", "settings": SETTINGS}
    with served(tmp_path_factory.mktemp("toxic"), configuration(scope)) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    with server.api as client:
        yield client


def ask(server: Served, **identities: str) -> httpx.Response:
    """Identify somebody."""
    body = {"environment": "production", "known_identities": identities}
    return httpx.post(f"{server.url}/v1/identify", json=body, auth=(KEY, SECRET), timeout=30)


def listed(api: httpx.Client, value: str) -> dict[str, Any] | None:
    """Return a value as it is listed."""
    items: list[dict[str, Any]] = api.get(PLACE).json()["items"]
    return next((one for one in items if one["value"] == value), None)


def profile(api: httpx.Client, mpid: str) -> dict[str, Any]:
    """Return a profile's identities."""
    found: dict[str, Any] = api.get(f"/api/profiles/{mpid}").json()["identities"]
    return found


def test_a_value_is_found_while_it_happens_released_and_blocked(server: Served, api: httpx.Client) -> None:
    """A server lists what meets too many, takes apart what it joined, shows it, and follows what people say of it."""
    mpids = {ask(server, email=DESK["value"], device_application_stamp=f"d{one}").json()["mpid"] for one in range(5)}
    assert len(mpids) == 1

    def is_settled() -> bool:
        found = listed(api, DESK["value"])
        return found is not None and found["history"] == "corrected"

    wait_until(is_settled, PATIENCE_SECONDS)
    found = listed(api, DESK["value"])
    assert found is not None
    assert (found["state"], found["reason"], found["met"]["devices"]) == ("quarantined", "too_many_devices", 5)
    assert mpids <= set(found["would_join"])
    apart = [ask(server, device_application_stamp=f"d{one}").json()["mpid"] for one in range(5)]
    assert len(set(apart)) == 5
    answer = ask(server, email=DESK["value"], device_application_stamp="d1")
    assert answer.json() == ask(server, device_application_stamp="d1").json()
    receipt = api.get(f"/api/decisions/{answer.headers['x-decision-id']}").json()
    assert receipt["observation"]["set_aside"] == [["email", DESK["value"]]]
    assert [one["why"] for one in receipt["skipped"]] == ["quarantined"]
    assert any("quarantined" in one for one in receipt["story"]["sentences"])
    preview = api.post(f"{PLACE}/release?preview=true", json=DESK).json()
    released = api.post(f"{PLACE}/release", json=DESK).json()
    assert sorted(released["changed"]) == sorted(preview["changed"])
    assert (released["state"], released["history"], preview["decision_id"]) == ("released", "corrected", None)
    assert "email" in profile(api, ask(server, device_application_stamp="d1").json()["mpid"])
    blocked = api.post(f"{PLACE}/block", json=DESK).json()
    assert (blocked["state"], blocked["history"]) == ("quarantined", "corrected")
    assert "email" not in profile(api, ask(server, device_application_stamp="d1").json()["mpid"])


def test_what_looks_toxic_is_set_aside_explained_and_counted(server: Served, api: httpx.Client) -> None:
    """A value that nobody owns matches nobody from the first; the explanation and the metrics say so."""
    for one in range(2):
        assert ask(server, email="guest@example.com", device_application_stamp=f"g{one}").status_code == 200

    def is_listed() -> bool:
        return listed(api, "guest@example.com") is not None

    wait_until(is_listed, PATIENCE_SECONDS)
    found = listed(api, "guest@example.com")
    assert found is not None
    assert (found["state"], found["reason"], len(found["would_join"])) == ("quarantined", "pattern", 2)
    asked = {"endpoint": "identify", "environment": "production", "known_identities": {"email": "noreply@example.com"}}
    explained = api.post("/api/scopes/shop/explain", json=asked).json()
    assert explained["skipped"][0]["why"] == "quarantined"
    assert listed(api, "noreply@example.com") is None
    metrics = httpx.get(f"{server.url}/metrics").text
    assert 'knownas_identities_set_aside_total{reason="pattern",scope="shop"} 2.0' in metrics
    assert 'knownas_toxic_values{scope="shop",state="quarantined"}' in metrics


def test_the_list_is_paged(api: httpx.Client) -> None:
    """Page by page every value comes once."""
    whole = api.get(PLACE).json()["items"]
    pages: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = api.get(PLACE, params={"limit": 1} | ({} if cursor is None else {"next": cursor})).json()
        pages += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert pages == whole


def test_the_command_line_does_the_same(server: Served, api: httpx.Client) -> None:
    """`knownas toxic` lists, blocks and releases beside a server, which takes it up."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "knownas", "toxic", *arguments]
        done = subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    mpid = ask(server, email="shop@example.com", device_application_stamp="s1").json()["mpid"]
    assert "would be quarantined. 1 profiles would change" in run("block", "email", "shop@example.com", "--preview")
    assert "email" in profile(api, mpid)
    assert mpid in run("block", "email", "shop@example.com")
    assert "email" not in profile(api, mpid)
    assert "shop@example.com" in run("list")
    assert mpid in run("release", "email", "shop@example.com")
    assert profile(api, mpid)["email"] == ["shop@example.com"]
