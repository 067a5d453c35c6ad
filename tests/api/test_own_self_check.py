"""Checking a database against its history over our own API, against a started server."""

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served

WITHIN_SECONDS = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that has heard of three customers."""
    with served(tmp_path_factory.mktemp("check"), configuration()) as running:
        for number in range(3):
            body = {"environment": "production", "known_identities": {"customerid": f"c-{number}"}}
            answer = httpx.post(f"{running.url}/v1/login", json=body, auth=(KEY, SECRET), timeout=30)
            assert answer.status_code == 200, answer.text
        yield running


def checked(api: httpx.Client) -> dict[str, Any]:
    """Ask for a check, and wait until it is over."""
    begun = api.post("/api/self-check")
    assert begun.status_code == 202, begun.text
    give_up_at = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        found: dict[str, Any] = api.get("/api/self-check").json()
        if found["last"] is not None and found["last"]["id"] == begun.json()["id"]:
            last: dict[str, Any] = found["last"]
            return last
        time.sleep(0.1)
    pytest.fail(f"the check did not end in time: {found}")


def test_an_altered_record_is_named_by_the_next_check(server: Served) -> None:
    """Nothing differs at first; then a record is changed past the log, and the check names it, and what it should be."""
    with server.api as api:
        assert api.get("/api/self-check").json() == {"every_hours": None, "under_way": None, "last": None}
        first = checked(api)
        assert (first["state"], first["why"]) == ("done", None)
        assert (first["report"]["observations"], first["report"]["differing"]) == (3, 0)
        (database,) = server.folder.glob("*.db")
        with sqlite3.connect(database) as connection:
            ((mpid,),) = connection.execute("SELECT min(mpid) FROM profile")
            connection.execute("UPDATE profile SET created_ms = created_ms + 1 WHERE mpid = ?", (mpid,))
        connection.close()
        second = checked(api)
        (pool,) = second["report"]["pools"]
        assert [one["mpid"] for one in pool["differences"]] == [str(mpid)]
        assert pool["differences"][0]["first_observation"]["endpoint"] == "login"
        health = api.get("/api/scopes/shop/health").json()
        assert health["self_check"]["differing"] == 1
        assert health["jobs_under_way"] == []
        assert api.get("/readyz").status_code == 200
        assert "knownas_self_check_differences" in api.get("/metrics").text
