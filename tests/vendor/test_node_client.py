"""The vendor's client for Node.js, as published, sends to a started server, and what it sends arrives."""

import base64
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.served import KEY, SECRET, Served
from tests.vendor.conftest import events, identities, receipts, section
from tests.vendor.witness import Witness
from tools.provision import node, node_client

SCRIPT = Path(__file__).with_name("send.js")
DONE_WITHIN_SECONDS = 60
NOW_MS = int(time.time() * 1000)


def send(between: Witness, *batches: dict[str, Any], bulk: bool = False, **given: str) -> dict[str, Any]:
    """Let the client send; returns what its callback was told."""
    asked = {"url": between.url + "/v2", "key": KEY, "secret": SECRET, "bulk": bulk, "batches": batches, **given}
    done = subprocess.run(
        [*node(), str(SCRIPT)],
        input=json.dumps(asked),
        env={**os.environ, "NODE_PATH": str(node_client() / "node_modules")},
        timeout=DONE_WITHIN_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_batch_arrives_whole(server: Served, between: Witness) -> None:
    """Everything of a batch of the client's own classes stands on the profile afterwards, in the types it was sent."""
    members = {"user_attributes": {"tier": "gold", "visits": 3, "likes": ["a", "b"], "vip": True}}
    told = send(between, {"customer": "node", "visit": True, "now": NOW_MS, "members": members})
    assert (told["error"], told["status"]) == (None, 202)

    (kept,) = receipts(server, between.last())
    assert (kept["outcome"], kept["profile"], kept["events"], kept["notes"]) == ("kept", "created", 5, [])
    mpid = server.ask("login", {"customerid": "node"}).json()["mpid"]
    assert kept["mpid"] == mpid
    assert identities(server, mpid)["email"] == ["node@example.com"]
    known = section(server, mpid)
    assert {name: one["value"] for name, one in known["attributes"].items()} == members["user_attributes"]
    said = {(one["regulation"], one["purpose"]): one["consented"] for one in known["consents"]}
    assert said == {("gdpr", "marketing"): True, ("ccpa", "data_sale_opt_out"): False}
    (seen,) = known["devices"]
    assert (seen["platform"], seen["facts"]) == ("iOS", {"os_version": "17.1"})
    assert [one["type"] for one in events(server, mpid)] == [
        "session_start",
        "screen_view",
        "custom_event",
        "commerce_event",
        "session_end",
    ]
    custom = events(server, mpid)[2]["data"]
    assert custom["custom_attributes"] == {"for": "tea", "n": None}
    assert custom["custom_flags"] == {"foo": "bar", "answer": 42, "arrays": ["foo", "bar"]}


def test_what_the_client_says_on_the_wire(between: Witness) -> None:
    """It signs in with Basic, sends plain JSON and asks for JSON; a 202 with nothing in it is no error to it."""
    told = send(between, {"customer": "wire"})
    said = between.last()
    assert said.path == "/v2/events"
    assert said.headers["authorization"] == "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert (said.headers["content-type"], said.headers["accept"]) == ("application/json", "application/json")
    assert json.loads(said.body)["user_identities"] == {"customerid": "wire", "email": "wire@example.com"}
    assert (said.status, said.answer) == (202, b"")
    assert told["error"] is None


def test_many_batches_arrive_in_their_order(server: Served, between: Witness) -> None:
    """A hundred batches in one request are each kept, in the order of the list."""
    given = [
        {"customer": f"bulk-{number % 10}", "members": {"user_attributes": {"n": number}}} for number in range(100)
    ]
    told = send(between, *given, bulk=True)
    assert (told["error"], told["status"], between.last().path) == (None, 202, "/v2/bulkevents")
    assert [one["outcome"] for one in receipts(server, between.last())] == ["kept"] * 100
    mpid = server.ask("search", {"customerid": "bulk-7"}).json()["mpid"]
    assert section(server, mpid)["attributes"]["n"]["value"] == 97


def test_an_mpid_is_followed_as_text(server: Served, between: Witness) -> None:
    """JavaScript has no 64-bit numbers, so its users send an MPID as text; the batch is that profile's."""
    mpid = server.ask("login", {"customerid": "named"}).json()["mpid"]
    told = send(between, {"members": {"mpid": mpid, "user_attributes": {"n": 1}}})
    assert told["error"] is None
    assert receipts(server, between.last())[0]["mpid"] == mpid


@pytest.mark.parametrize(
    ("given", "members", "status", "reason"),
    [
        ({"secret": "wrong"}, {}, 403, "wrong_secret"),
        ({}, {"source_request_id": "x" * 257}, 400, "invalid_source_request_id"),
    ],
)
def test_a_refusal_reaches_the_callback(
    given: dict[str, str], members: dict[str, Any], status: int, reason: str, between: Witness
) -> None:
    """The callback is told the status, and a body that it can read and that names the reason."""
    told = send(between, {"customer": "refused", "members": members}, **given)
    assert told["error"]
    assert (told["status"], told["body"]["errors"][0]["reason"]) == (status, reason)
