"""Who read or changed a person's data through a started server can be listed."""

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.served import KEY, SECRET, TOKEN, Served, configuration, served

WITHIN_SECONDS = 60
CLIENT = {"client_id": "reader", "client_secret": "reader-secret", "role": "read_only", "workspaces": [100]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a credential that reads profiles."""
    with served(tmp_path_factory.mktemp("audit"), {**configuration(), "credentials": [CLIENT]}) as running:
        yield running


def person(server: Served, name: str) -> str:
    """Let somebody log in; returns the MPID."""
    body = {"environment": "production", "known_identities": {"customerid": name}}
    answer = httpx.post(f"{server.url}/v1/login", json=body, auth=(KEY, SECRET), timeout=30)
    mpid: str = answer.json()["mpid"]
    return mpid


def test_what_the_apis_show_is_listed(server: Served) -> None:
    """Reads by the admin token and by a credential, an explanation that names a profile and a refusal stand there, with no value."""
    mpid, other = person(server, "c-audited"), person(server, "c-other")
    asked = {"client_id": "reader", "client_secret": "reader-secret", "grant_type": "client_credentials"}
    asked["audience"] = "https://api.mparticle.com"
    token = httpx.post(f"{server.url}/oauth/token", json=asked, timeout=30).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for _ in range(2):
        answer = httpx.get(
            f"{server.url}/userprofile/v1/1/10/100/{mpid}?fields=user_identities", headers=bearer, timeout=30
        )
        assert answer.status_code == 200, answer.text
    with server.api as api:
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 5))
        assert api.get(f"/api/profiles/{mpid}").status_code == 200
        assert api.get("/api/profiles/123456789").status_code == 404
        explained = {"endpoint": "identify", "environment": "production", "known_identities": {"customerid": "c-other"}}
        assert api.post("/api/scopes/shop/explain", json=explained).status_code == 200
        assert httpx.get(f"{server.url}/api/profiles/{other}", timeout=30).status_code == 401
        rows = api.get("/api/audit", params={"mpid": mpid}).json()["items"]
        told: Counter[tuple[str, str, int]] = Counter()
        for one in rows:
            told[one["who"], one["what"], one["status"]] += one["times"]
        assert told == {("reader", "readProfile", 200): 2, ("admin", "showProfile", 200): 1}
        others = api.get("/api/audit", params={"mpid": other, "since": begun}).json()["items"]
        assert [(one["who"], one["what"]) for one in others] == [("admin", "explain")]
        nobody = api.get("/api/audit?mpid=123456789").json()["items"]
        assert [(one["what"], one["status"]) for one in nobody] == [("showProfile", 404)]
        assert "c-audited" not in api.get("/api/audit").text
        for query, code in (
            ("mpid=0", "malformed_mpid"),
            ("since=yesterday", "invalid_time"),
            ("next=x", "malformed_next"),
        ):
            refused = api.get(f"/api/audit?{query}")
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)


def test_the_command_line_lists_it(server: Served) -> None:
    """`knownas audit` prints the same, from a server."""
    mpid = person(server, "c-listed")
    with server.api as api:
        api.get(f"/api/profiles/{mpid}")
    command = [sys.executable, "-m", "knownas", "audit", "--server", server.url, "--token", TOKEN, "--mpid", mpid]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (line,) = ran.stdout.splitlines()
    assert line.split()[1:] == [mpid, "admin", "showProfile", "200"]
    wrong = subprocess.run([*command[:-1], "x"], capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == 2


def test_what_a_second_has_passed_over_survives_a_kill(tmp_path: Path) -> None:
    """A row that was written in the background is there after kill -9, without anybody having asked for the list."""
    with served(tmp_path, configuration()) as running:
        mpid = person(running, "c-killed")
        with running.api as api:
            assert api.get(f"/api/profiles/{mpid}").status_code == 200

        def listed() -> str:
            (database,) = running.folder.glob("*.db")
            with closing(sqlite3.connect(database)) as connection:
                rows = connection.execute("SELECT document FROM audit WHERE mpid = ?", (int(mpid),)).fetchall()
            return " ".join(bytes(document).decode() for (document,) in rows)

        give_up_at = time.monotonic() + WITHIN_SECONDS
        while "showProfile" not in listed() and time.monotonic() < give_up_at:
            time.sleep(0.2)
        running.kill()
        assert "showProfile" in listed()
