"""Groups over HTTP, against a started server: ours and the vendor's paths define the same, and members get what they share (platform §9)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, configuration, served
from tests.waiting import wait_until

PLACE = "/api/workspaces/100/groups"
VENDOR = "/platform/workspaces/100/groups/"
PATIENCE_SECONDS = 30
HOUSEHOLD: dict[str, Any] = {
    "id": "household",
    "description": "Who lives together",
    "source_user_attribute": "$address",
    "attributes": [{"id": "has_dog", "type": "boolean_or"}],
}
CLIENTS = ("reader", "user", "admin")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a client of each role."""
    roles = {"reader": "read_only", "user": "user", "admin": "admin"}
    clients = [
        {"client_id": one, "client_secret": f"{one}-secret", "role": roles[one], "workspaces": [100]} for one in CLIENTS
    ]
    ids = {one: ["customerid"] for one in ("login_ids", "immutable_ids")}
    scope = {"strategy": "profile_conversion", "priority": ["customerid", "email"], **ids}
    with served(tmp_path_factory.mktemp("groups"), configuration(scope, credentials=clients)) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    with server.api as client:
        yield client


@pytest.fixture(scope="module")
def bearers(server: Served) -> dict[str, dict[str, str]]:
    """The headers of each client."""
    found: dict[str, dict[str, str]] = {}
    for one in CLIENTS:
        asked = {
            "grant_type": "client_credentials",
            "audience": "https://api.mparticle.com",
            "client_id": one,
            "client_secret": f"{one}-secret",
        }
        token = httpx.post(f"{server.url}/oauth/token", json=asked, timeout=30).json()["access_token"]
        found[one] = {"Authorization": f"Bearer {token}"}
    return found


def happen(server: Served, customer: str, **attributes: Any) -> None:
    """Send what is known of somebody."""
    batch = {"environment": "production", "user_identities": {"customer_id": customer}, "events": []}
    body = {**batch, "user_attributes": attributes}
    answer = httpx.post(f"{server.url}/v2/events", json=body, auth=(KEY, SECRET), timeout=30)
    assert answer.status_code == 202, answer.text


def is_ready(api: httpx.Client, name: str = "household") -> bool:
    """Whether everybody has what a kind of groups gives."""
    return api.get(f"{PLACE}/{name}").json()["status"] == "ready"


def test_a_household_from_its_definition_to_its_end(
    server: Served, api: httpx.Client, bearers: dict[str, dict[str, str]]
) -> None:
    """Defined over the vendor's path, shown over ours, changed and deleted; an audience follows what another member says."""
    address = {"$address": "1 Main St"}
    happen(server, "ann", **address, has_dog=False)
    happen(server, "bob", **address)
    made = httpx.post(server.url + VENDOR, json=HOUSEHOLD, headers=bearers["admin"], timeout=30)
    assert made.status_code == 201, made.text
    assert {name: made.json()[name] for name in HOUSEHOLD} == HOUSEHOLD
    wait_until(lambda: is_ready(api), PATIENCE_SECONDS)
    shown = api.get(f"{PLACE}/household").json()
    assert (shown["groups"], shown["members"], shown["progress"]) == (1, 2, 1)
    assert api.get(PLACE).json()["items"][0]["id"] == "household"
    asks = {"operator": "equals", "left": {"model": "user_attributes", "path": "has_dog"}, "right": True}
    defined = {"name": "Dogs", "definition": {"schema_version": "1.6.0", "audience": asks}}
    audience = api.post("/api/workspaces/100/audiences", json=defined).json()["id"]

    def size() -> int:
        found: int = api.get(f"/api/workspaces/100/audiences/{audience}").json()["size"]
        return found

    happen(server, "bob", has_dog=True)
    wait_until(lambda: size() == 2, PATIENCE_SECONDS)
    members = api.get(f"{PLACE}/household/members", params={"value": "1 Main St"}).json()
    assert (len(members["items"]), members["next"]) == (2, None)
    page = api.get(f"{PLACE}/household/members", params={"value": "1 Main St", "limit": 1}).json()
    rest = api.get(f"{PLACE}/household/members", params={"value": "1 Main St", "next": page["next"]}).json()
    assert page["items"] + rest["items"] == members["items"]
    ann = {"identity": {"type": "customer_id", "value": "ann"}}
    path = f"{server.url}/userprofile/v1/resolve/1/10/100?fields=user_attributes"
    profile = httpx.post(path, json=ann, headers=bearers["reader"], timeout=30).json()
    assert profile["user_attributes"]["has_dog"] == "true"
    anew = {**HOUSEHOLD, "attributes": [{"id": "has_dog", "type": "boolean_and"}]}
    assert api.put(f"{PLACE}/household", json=anew).json()["status"] == "calculating"
    wait_until(lambda: is_ready(api) and size() == 0, PATIENCE_SECONDS)
    gone = httpx.delete(f"{server.url}/platform/experimental/workspaces/100/groups/household", headers=bearers["admin"])
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.get(f"{PLACE}/household").status_code == 404
    wait_until(lambda: size() == 1, PATIENCE_SECONDS)


def test_what_is_wrong_is_told(server: Served, api: httpx.Client, bearers: dict[str, dict[str, str]]) -> None:
    """Each fault with its place on our own API, in the envelope on the vendor's; and nothing is defined."""
    wrong = {**HOUSEHOLD, "id": "a household", "attributes": [{"id": "$address", "type": "boolean_or"}]}
    refused = api.post(PLACE, json=wrong)
    assert refused.status_code == 400
    assert [one["place"] for one in refused.json()["error"]["faults"]] == ["/id", ""]
    told = httpx.post(server.url + VENDOR, json=wrong, headers=bearers["admin"], timeout=30)
    assert (told.status_code, told.headers["x-refusal-reason"]) == (400, "invalid_group_kind")
    assert len(told.json()["errors"]) == 2
    for body in ({**HOUSEHOLD, "attributes": [{"id": "x", "type": "median"}]}, {**HOUSEHOLD, "more": 1}, [], {}):
        assert api.post(PLACE, json=body).status_code == 400
        assert httpx.post(server.url + VENDOR, json=body, headers=bearers["admin"], timeout=30).status_code == 400
    assert api.get(PLACE).json() == {"items": []}
    assert api.get(f"{PLACE}/household/members", params={"value": "x"}).status_code == 404


def test_two_kinds_give_no_attribute_twice(api: httpx.Client) -> None:
    """Nor do two have one id; once the first is gone the name is free again."""
    first = {**HOUSEHOLD, "id": "first"}
    assert api.post(PLACE, json=first).status_code == 201
    for body, place in (({**HOUSEHOLD, "id": "second"}, "/attributes/0/id"), ({**first, "attributes": []}, "/id")):
        refused = api.post(PLACE, json=body)
        assert (refused.status_code, refused.json()["error"]["faults"][0]["place"]) == (400, place)
    assert api.get(f"{PLACE}/first/members").json()["error"]["code"] == "invalid_value"
    assert api.get(f"{PLACE}/first/too-large", params={"next": "x"}).json()["error"]["code"] == "malformed_next"
    assert api.get(f"{PLACE}/first/too-large").json() == {"items": [], "next": None}
    assert api.delete(f"{PLACE}/first").json() == {"id": "first", "deleted": True}
    assert api.post(PLACE, json={**HOUSEHOLD, "id": "second"}).status_code == 201
    assert api.delete(f"{PLACE}/second").status_code == 200


@pytest.mark.parametrize(("client", "reads", "writes"), [("reader", 403, 403), ("user", 200, 403), ("admin", 200, 201)])
def test_who_may_define_groups(
    server: Served, bearers: dict[str, dict[str, str]], client: str, reads: int, writes: int
) -> None:
    """An admin's client; a user's looks at them, and one that reads profiles has no business here."""
    assert httpx.get(server.url + VENDOR, headers=bearers[client], timeout=30).status_code == reads
    made = httpx.post(server.url + VENDOR, json={**HOUSEHOLD, "id": client}, headers=bearers[client], timeout=30)
    assert made.status_code == writes
    if writes == 201:
        gone = httpx.delete(f"{server.url}{VENDOR}{client}", headers=bearers[client], timeout=30)
        assert gone.status_code == 204
