"""An audience is downloaded over HTTP from a started server, and who is in the archive is noted before it is sent."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from knownas.service.audience.limits import DOWNLOADED_A_PAGE
from tests.served import KEY, SECRET, Served, configuration, served
from tests.waiting import wait_until

PLACE = "/api/workspaces/100/audiences"
GOLD = {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"}
MEMBERS = DOWNLOADED_A_PAGE + 20
A_REQUEST = 100


class Gold(NamedTuple):
    """An audience of more than a page of members, half of them with an address."""

    api: httpx.Client
    path: str


def batch(number: int) -> dict[str, Any]:
    """Say what is sent of a member."""
    named = {"customer_id": f"c-{number}"} | ({"email": f"{number}@example.com"} if number % 2 else {})
    device = {"platform": "iOS", "ios_advertising_id": f"00000000-0000-4000-8000-{number + 1:012d}"}
    return {
        "environment": "production",
        "user_identities": named,
        "user_attributes": {"plan": "gold"},
        "device_info": device,
        "events": [],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server."""
    with served(tmp_path_factory.mktemp("download"), configuration()) as running:
        yield running


@pytest.fixture(scope="module")
def gold(server: Served) -> Iterator[Gold]:
    """Let everybody join."""
    with server.api as api:
        definition = {"schema_version": "1.6.0", "audience": GOLD}
        number = api.post(PLACE, json={"name": "gold", "definition": definition}).json()["id"]
        for start in range(0, MEMBERS, A_REQUEST):
            batches = [batch(one) for one in range(start, min(start + A_REQUEST, MEMBERS))]
            answer = httpx.post(f"{server.url}/v2/bulkevents", json=batches, auth=(KEY, SECRET), timeout=30)
            assert answer.status_code == 202, answer.text
        wait_until(lambda: api.get(f"{PLACE}/{number}").json()["size"] == MEMBERS, 60)
        yield Gold(api, f"{PLACE}/{number}/download")


def rows_of(answer: httpx.Response) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Open an archive; return its rows and its manifest."""
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as pack:
        assert pack.testzip() is None
        manifest = json.loads(pack.read("manifest.json"))
        text = pack.read(manifest["files"][0]["name"]).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""))), manifest


def test_each_identity_of_each_member_is_in_it(gold: Gold) -> None:
    """Those that are asked for, be they of a device; a member without any has no row."""
    answer = gold.api.get(gold.path, params={"identities": "email,ios_advertising_id"})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="audience-')
    rows, manifest = rows_of(answer)
    found = {(row["identity_type"], row["identity_value"]) for row in rows}
    wanted = {("ios_advertising_id", f"00000000-0000-4000-8000-{number + 1:012d}") for number in range(MEMBERS)}
    assert found == wanted | {("email", f"{number}@example.com") for number in range(1, MEMBERS, 2)}
    assert len(rows) == len(found) == manifest["total_rows"]
    assert manifest["included_identities"] == ["email", "ios_advertising_id"]
    only, _ = rows_of(gold.api.get(gold.path, params={"identities": "email"}))
    assert len(only) == len({row["mpid"] for row in only}) == MEMBERS // 2


def test_without_types_it_has_all(gold: Gold) -> None:
    """Of everything by which a profile is known."""
    _, manifest = rows_of(gold.api.get(gold.path))
    told = manifest["rows_by_identity"]
    assert (told["customer_id"], told["email"], told["ios_advertising_id"]) == (MEMBERS, MEMBERS // 2, MEMBERS)


def test_who_is_in_it_is_noted(gold: Gold) -> None:
    """Each person who is handed out, on every page."""
    rows, _ = rows_of(gold.api.get(gold.path, params={"identities": "email"}))
    for mpid in (rows[0]["mpid"], rows[-1]["mpid"]):
        noted = gold.api.get("/api/audit", params={"mpid": mpid}).json()["items"]
        assert "downloadAudience" in [one["what"] for one in noted]


def noted(gold: Gold) -> int:
    """Count how often the first member was noted for a download."""
    member = gold.api.get(gold.path.replace("download", "members"), params={"limit": 1}).json()["items"][0]["mpid"]
    items = gold.api.get("/api/audit", params={"mpid": member}).json()["items"]
    return sum(one.get("times", 1) for one in items if one["what"] == "downloadAudience")


def test_an_audience_of_nobody_is_an_archive_of_nothing(gold: Gold) -> None:
    """In an environment in which nobody is."""
    rows, manifest = rows_of(gold.api.get(gold.path, params={"environment": "development"}))
    assert (rows, manifest["total_rows"], manifest["min_timestamp_ms"]) == ([], 0, None)


def test_asking_for_the_head_makes_no_archive(gold: Gold) -> None:
    """It says what would come, and notes nobody."""
    before = noted(gold)
    answer = gold.api.head(gold.path)
    assert noted(gold) == before
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/zip", b"")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"identities": "email,shoe_size"}, "invalid_identities"),
        ({"identities": ""}, "invalid_identities"),
        ({"environment": "test"}, "invalid_environment"),
    ],
)
def test_what_can_not_be_asked_for_is_refused(query: dict[str, str], reason: str, gold: Gold) -> None:
    """With its reason."""
    answer = gold.api.get(gold.path, params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, reason)
