"""Rehearsing rules and resolving a history over our own API, against a started server."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served

WITHIN_SECONDS = 90
UNDER_EMAIL = {
    "strategy": "profile_conversion",
    "priority": ["email", "customerid"],
    "login_ids": ["email"],
    "unique_ids": ["email"],
    "settings": {"tie_break": ["most_recent"]},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server under profile conversion, that has heard of two customers who share an e-mail address."""
    with served(tmp_path_factory.mktemp("jobs"), configuration()) as running:
        for number in ("1", "2"):
            body = {
                "environment": "production",
                "known_identities": {"customerid": f"c-{number}", "email": "both@example.com"},
            }
            answer = httpx.post(f"{running.url}/v1/login", json=body, auth=(KEY, SECRET), timeout=30)
            assert answer.status_code == 200, answer.text
        yield running


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    with server.api as client:
        yield client


def scope_of(api: httpx.Client) -> str:
    """Return the name of the server's scope."""
    allowed = api.post("/api/scopes/none/resolutions").json()["error"]["allowed"]
    return str(allowed[0])


def ended(api: httpx.Client, path: str) -> dict[str, Any]:
    """Wait until a job is over."""
    give_up_at = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        found: dict[str, Any] = api.get(path).json()
        if found["state"] in ("done", "failed"):
            return found
        time.sleep(0.1)
    pytest.fail(f"{path} did not end in time: {found}")


def test_rules_are_rehearsed_in_the_background(api: httpx.Client) -> None:
    """A rehearsal tells who would be one, writes nothing, is listed, and says the same when it is done again."""
    path = f"/api/scopes/{scope_of(api)}/rehearsals"
    begun = [api.post(path, json={"policy": UNDER_EMAIL}) for _ in range(2)]
    assert [one.status_code for one in begun] == [202, 202]
    first, second = (ended(api, f"{path}/{one.json()['id']}") for one in begun)
    assert first["state"] == "done", first
    assert first["report"] == second["report"]
    (pool,) = first["report"]["pools"]
    assert pool["environment"] == "production"
    assert pool["observations"] == 2
    assert pool["profiles"] == {
        "before": 2,
        "after": 1,
        "changed": 1,
        "joined": 2,
        "joined_into": 1,
        "parted": 0,
        "parted_into": 0,
        "appeared": 0,
        "vanished": 1,
    }
    assert pool["users"] == {"before": 2, "after": 1, "mpid_changed": 1}
    (joined,) = pool["examples"]["joined"]
    mpids = {one["mpid"] for one in joined["before"]}
    for mpid in mpids:
        assert api.get(f"/api/profiles/{mpid}").json()["known"]
    listed = api.get(path).json()["rehearsals"]
    assert {one["id"] for one in listed} == {one.json()["id"] for one in begun}
    assert all(one["report"] is None for one in listed)


def test_a_time_says_which_observations_count(api: httpx.Client) -> None:
    """Of a time in which nothing was observed, there is nothing to tell."""
    path = f"/api/scopes/{scope_of(api)}/rehearsals"
    body = {"policy": {}, "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00+00:00"}
    done = ended(api, f"{path}/{api.post(path, json=body).json()['id']}")
    assert (done["from"], done["to"]) == ("2020-01-01T00:00:00.000Z", "2020-01-02T00:00:00.000Z")
    assert [pool["observations"] for pool in done["report"]["pools"]] == [0]


def test_a_history_is_resolved_in_the_background(api: httpx.Client) -> None:
    """Under rules that have always held, there is nothing to correct; the resolution says so, and is listed."""
    path = f"/api/scopes/{scope_of(api)}/resolutions"
    begun = api.post(path)
    assert begun.status_code == 202
    done = ended(api, f"{path}/{begun.json()['id']}")
    assert done["state"] == "done", done
    assert (done["report"]["finished"], done["report"]["corrections"]) == (True, 0)
    assert [one["id"] for one in api.get(path).json()["resolutions"]] == [begun.json()["id"]]


REFUSED = {
    "every fault of a policy at once": (
        {"policy": {"strategy": "best", "priority": ["e-mail"], "settings": {"max_age_seconds": -1}}},
        "invalid_policy",
    ),
    "lists that contradict each other": ({"policy": {"immutable_ids": ["email"]}}, "invalid_policy"),
    "a time without its offset": ({"policy": {}, "from": "2020-01-01T00:00:00"}, "invalid_time"),
    "a number that is written as a text": ({"policy": {"settings": {"max_age_seconds": "86400"}}}, "invalid_policy"),
    "a number beyond all bounds": ({"policy": {"settings": {"max_age_seconds": 10**30}}}, "invalid_policy"),
    "other pools": ({"policy": {"settings": {"environment_pools": "shared"}}}, "other_pools"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_rehearsed_is_refused(api: httpx.Client, case: str) -> None:
    """A refusal has its reason, and names all that is wrong with a policy with its place."""
    body, reason = REFUSED[case]
    refused = api.post(f"/api/scopes/{scope_of(api)}/rehearsals", json=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409 if reason == "other_pools" else 400, reason)
    if case.startswith("every"):
        assert [one["path"] for one in error["faults"]] == ["strategy", "priority[0]", "settings.max_age_seconds"]


def test_a_job_of_another_kind_is_not_found(api: httpx.Client) -> None:
    """A resolution is no rehearsal, and what nobody asked for is neither."""
    scope = scope_of(api)
    begun = api.post(f"/api/scopes/{scope}/resolutions").json()["id"]
    for job_id in (begun, "0" * 32):
        refused = api.get(f"/api/scopes/{scope}/rehearsals/{job_id}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_job")
