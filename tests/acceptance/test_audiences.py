"""The acceptance line of use case H (platform §16.1): an audience reaches outputs with the identities that each needs, over HTTP alone."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.receiver import listening, made, webhook
from tests.served import KEY, SECRET, Served, configuration, served
from tests.waiting import wait_until

WITHIN_SECONDS = 30
GOLD: dict[str, Any] = {
    "schema_version": "1.6.0",
    "audience": {"operator": "equals", "left": {"model": "user_attributes", "path": "plan"}, "right": "gold"},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """Give a started server."""
    with served(tmp_path, configuration()) as running:
        yield running


def send(client: httpx.Client, **batch: Any) -> str:
    """Send a batch of events; return whose it is."""
    answer = client.post("/v2/events", json={"environment": "production", **batch}, auth=(KEY, SECRET))
    assert answer.status_code == 202, answer.text
    return answer.text


def connect(api: httpx.Client, url: str, path: str, audience: int, **members: Any) -> tuple[int, int]:
    """Set a webhook up and connect it; return the output and the connection."""
    output = webhook(api, url, path)
    connection = {"output": output, **members}
    made_connection = made(api.post(f"/api/workspaces/100/audiences/{audience}/connections", json=connection))
    return output, made_connection["id"]


def test_h_an_audience_reaches_outputs_with_the_identities_that_they_need(server: Served) -> None:
    """100 members have an advertising id and 65 of them an address: one output gets the former, one the latter hashed, with 35 reasons."""
    with listening() as (url, receiver), server.api as api:
        audience = made(api.post("/api/workspaces/100/audiences", json={"name": "Gold", "definition": GOLD}))
        by_device, first = connect(api, url, "/devices", audience["id"], identities=["ios_advertising_id"])
        by_mail, second = connect(api, url, "/mails", audience["id"], identities=["email"], hash=True)
        receiver.fails = 3
        for number in range(100):
            named = {"customer_id": f"c{number}"} | ({"email": f"{number}@Example.com"} if number < 65 else {})
            device = {"platform": "iOS", "ios_advertising_id": f"00000000-0000-4000-8000-{number + 1:012d}"}
            send(api, user_identities=named, user_attributes={"plan": "gold"}, device_info=device)
        second_device = {"platform": "iOS", "ios_advertising_id": "00000000-0000-4000-8000-00000000ffff"}
        send(api, user_identities={"customer_id": "c0"}, device_info=second_device)

        def everybody_told() -> bool:
            devices, mails = receiver.members("/devices"), receiver.members("/mails")
            return len(devices) == 100 and sum(map(len, devices.values())) == 101 and len(mails) == 65

        wait_until(everybody_told, WITHIN_SECONDS)
        digests = {hashlib.sha256(f"{number}@example.com".encode()).hexdigest() for number in range(65)}
        assert set().union(*receiver.members("/mails").values()) == digests
        listed = api.get(f"/api/workspaces/100/audiences/{audience['id']}/connections").json()["items"]
        told = {one["id"]: one["passed_over"] for one in listed}
        assert told[first] == []
        (why,) = told[second]
        assert (why["reason"], why["count"], why["sentence"]) == ("no_identity", 35, "has no email")
        passed = f"/api/workspaces/100/audiences/{audience['id']}/connections/{second}/passed-over"
        assert len(api.get(f"{passed}?limit=100").json()["items"]) == 35

        # What changes is told: an address, and who leaves.
        members = api.get(f"/api/workspaces/100/audiences/{audience['id']}/members?limit=100&reasons=true").json()
        assert (len(members["items"]), members["next"]) == (100, None)
        assert all(one["reasons"][0]["found"] == ["gold"] for one in members["items"])
        send(api, user_identities={"customer_id": "c1"}, user_attributes={"plan": "tin"})
        wait_until(lambda: len(receiver.members("/devices")) == 99, WITHIN_SECONDS)
        wait_until(lambda: len(receiver.members("/mails")) == 64, WITHIN_SECONDS)

        # Nobody was told twice, though the first requests failed; the ledger says what went out.
        ids = [body["id"] for _, body in receiver.bodies]
        assert len(ids) == len(set(ids))
        sent = api.get(f"/api/workspaces/100/outputs/{by_mail}/deliveries?limit=100&state=sent").json()["items"]
        assert all(one["message"]["kind"] in ("membership", "subscription") for one in sent)
        left = next(
            body for _, body in receiver.bodies if body["type"] == "audience_membership" and body["action"] == "remove"
        )
        ledger = api.get(f"/api/workspaces/100/profiles/{left['mpid']}/told").json()["items"]
        assert [(one["output"], one["message"]["action"]) for one in ledger] in (
            [(by_mail, "remove"), (by_device, "remove"), (by_mail, "add"), (by_device, "add")],
            [(by_device, "remove"), (by_mail, "remove"), (by_mail, "add"), (by_device, "add")],
            [(by_device, "remove"), (by_mail, "remove"), (by_device, "add"), (by_mail, "add")],
            [(by_mail, "remove"), (by_device, "remove"), (by_device, "add"), (by_mail, "add")],
        )


def test_memberships_stand_in_the_profile_and_in_the_web_sdks_call(tmp_path: Path) -> None:
    """With the audience's id; a kill loses none, and nobody joins twice."""
    client = {"client_id": "app", "client_secret": "app-secret", "role": "read_only", "workspaces": [100]}
    settings = configuration(credentials=[client])
    with served(tmp_path, settings) as running, running.api as api:
        audience = made(api.post("/api/workspaces/100/audiences", json={"name": "Gold", "definition": GOLD}))["id"]
        send(api, user_identities={"customer_id": "c"}, user_attributes={"plan": "gold"})
        running.kill()
    with served(tmp_path, settings) as running, running.api as api:
        members = f"/api/workspaces/100/audiences/{audience}/members"
        wait_until(lambda: len(api.get(members).json()["items"]) == 1, WITHIN_SECONDS)
        mpid = api.get(members).json()["items"][0]["mpid"]
        mine = api.get(f"/v1/{KEY}/audience?mpid={mpid}").json()
        assert mine["audience_memberships"] == [{"audience_id": audience}]
        changes = api.get(f"{members}/{mpid}").json()["changes"]
        assert [one["is_member"] for one in changes] == [True]
