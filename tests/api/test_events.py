"""The Events API keeps each batch once, on the right profile, and tells what became of it."""

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import FEED_KEY, FEED_SECRET, KEY, SECRET, TOKEN, WEB_KEY, Served, configuration, served

HOUR_MS = 3_600_000
UPDATE_ONLY = {
    "name": "cohorts",
    "feed": "partner",
    "key": "cohort-key",
    "secret": "cohort-secret",
    "protection_level": "only_update_profiles",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with an app, a web app, a feed, and a partner's feed that only updates."""
    document = configuration()
    document["organization"]["accounts"][0]["workspaces"][0]["inputs"].append(UPDATE_ONLY)
    with served(tmp_path_factory.mktemp("events"), document) as running:
        yield running


def send(
    server: Served, batch: Any, path: str = "/v2/events", auth: tuple[str, str] | None = (KEY, SECRET)
) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=batch, auth=auth, timeout=30)


def receipt(server: Served, answer: httpx.Response) -> dict[str, Any]:
    with server.api as api:
        return api.get(f"/api/batches/{answer.headers['x-receipt-id']}").raise_for_status().json()


def sections(server: Served, mpid: str) -> list[dict[str, Any]]:
    with server.api as api:
        return api.get(f"/api/profiles/{mpid}/sections").raise_for_status().json()["items"]


def event(name: str = "Bought", **data: Any) -> dict[str, Any]:
    return {"event_type": "custom_event", "data": {"event_name": name, "custom_event_type": "transaction", **data}}


def test_a_batch_lands_on_the_profile_that_identify_finds(server: Served) -> None:
    """A batch is resolved as an identify, keeps its attributes and events there, and is answered 202 without a body."""
    mpid = server.ask("login", {"customerid": "ann"}).json()["mpid"]
    batch = {
        "user_identities": {"customer_id": "ann", "email": "ann@example.com"},
        "user_attributes": {"tier": "gold", "visits": 3, "likes": ["a", "b"], "vip": True},
        "events": [event(), event("Left")],
    }
    answer = send(server, batch)
    assert (answer.status_code, answer.content) == (202, b"")
    kept = receipt(server, answer)
    assert (kept["outcome"], kept["mpid"], kept["profile"], kept["events"]) == ("kept", mpid, "found", 2)
    section = sections(server, mpid)[0]
    values = {name: one["value"] for name, one in section["attributes"].items()}
    assert values == {"tier": "gold", "visits": 3, "likes": ["a", "b"], "vip": True}
    assert server.ask("search", {"email": "ann@example.com", "customerid": "ann"}).json()["mpid"] == mpid


def test_an_unknown_user_gets_a_profile_that_a_later_login_finds(server: Served) -> None:
    """A feed's batch about somebody unknown makes a profile, and the login by the same id comes to it."""
    answer = send(server, {"user_identities": {"customerid": "crm-1"}}, auth=(FEED_KEY, FEED_SECRET))
    kept = receipt(server, answer)
    assert kept["profile"] == "created"
    assert server.ask("login", {"customerid": "crm-1"}).json()["mpid"] == kept["mpid"]


def test_a_repeat_is_accepted_and_changes_nothing(server: Served) -> None:
    """The same `source_request_id` of one input counts once, another input's same id is its own."""
    batch = {"source_request_id": "r-1", "user_identities": {"customer_id": "C1"}, "user_attributes": {"n": 1}}
    first = receipt(server, send(server, batch))
    again = send(server, {**batch, "user_attributes": {"n": 2}})
    assert again.status_code == 202
    assert sections(server, first["mpid"])[0]["attributes"]["n"]["value"] == 1
    send(server, {**batch, "user_attributes": {"n": 3}}, auth=(FEED_KEY, FEED_SECRET))
    assert sections(server, first["mpid"])[0]["attributes"]["n"]["value"] == 3
    with server.api as api:
        found = api.get("/api/batches", params={"source_request_id": "r-1"}).json()["items"]
    assert sorted(one["input"] for one in found) == ["app", "crm"]


@pytest.mark.parametrize("batch_id", [7_000_000_000_000_000_001, "-5"])
def test_a_replayed_batch_counts_once(server: Served, batch_id: int | str) -> None:
    """A batch with the `batch_id` of an earlier one of the input changes nothing, whatever else it is called."""
    batch = {"batch_id": batch_id, "user_identities": {"customer_id": f"replayed {batch_id}"}}
    first = receipt(server, send(server, {**batch, "source_request_id": f"a {batch_id}", "events": [event()]}))
    again = {**batch, "source_request_id": f"b {batch_id}", "events": [event()]}
    assert receipt(server, send(server, again))["outcome"] == "repeated"
    assert receipt(server, send(server, {**again, "batch_id": None}))["outcome"] == "kept"
    assert receipt(server, send(server, batch, auth=(FEED_KEY, FEED_SECRET)))["outcome"] == "kept"
    assert (first["outcome"], first["notes"]) == ("kept", [])


def test_replays_of_one_request_count_once(server: Served) -> None:
    """Of batches that come together under one `batch_id` the first that can be kept is, and it alone."""
    refused = {"batch_id": 77, "mpid": 999}
    kept = {"batch_id": 77, "user_identities": {"customer_id": "together"}}
    answer = send(server, [refused, kept, kept], "/v2/bulkevents")
    with server.api as api:
        found = [api.get(f"/api/batches/{one}").json() for one in answer.headers["x-receipt-id"].split(", ")]
    assert [one["outcome"] for one in found] == ["refused", "kept", "repeated"]


@pytest.mark.parametrize("batch_id", [True, 1.5, "x", 2**63, [], {}])
def test_a_batch_id_that_is_none_names_nothing(server: Served, batch_id: Any) -> None:
    """The batch is kept each time, and its receipt says that the id was passed over."""
    batch = {"batch_id": batch_id, "user_identities": {"customer_id": "misnamed"}}
    for _ in range(2):
        told = receipt(server, send(server, batch))
        assert (told["outcome"], told["notes"][0].partition(":")[0]) == ("kept", "batch_id")


def events_of(server: Served, mpid: str) -> list[dict[str, Any]]:
    with server.api as api:
        found = api.get(f"/api/profiles/{mpid}/events", params={"workspace": 100}).raise_for_status().json()
    return [one["data"] for batch in found["items"] for one in batch["events"]]


@pytest.mark.parametrize(
    ("auth", "feed"), [((FEED_KEY, FEED_SECRET), "crm"), (("cohort-key", "cohort-secret"), "cohorts")]
)
def test_events_of_a_feed_name_it(server: Served, auth: tuple[str, str], feed: str) -> None:
    """Each event of a feed has the attribute `mParticle Source Feed`, beside those that it was sent with."""
    server.ask("login", {"customerid": feed})
    sent = [event(), event(custom_attributes={"a": "1", "mParticle Source Feed": "another"})]
    told = receipt(server, send(server, {"user_identities": {"customer_id": feed}, "events": sent}, auth=auth))
    attributes = [one["custom_attributes"] for one in events_of(server, told["mpid"])]
    assert attributes == [{"mParticle Source Feed": feed}, {"a": "1", "mParticle Source Feed": feed}]


def test_events_of_an_app_are_kept_as_sent(server: Served) -> None:
    """Nothing is added to what a platform's input sends."""
    told = receipt(server, send(server, {"user_identities": {"customer_id": "plain"}, "events": [event()]}))
    assert events_of(server, told["mpid"]) == [event()["data"]]


def test_repeated_events_count_once(server: Served) -> None:
    """An event with the `source_message_id` of an earlier one of the profile is left out, the others are kept."""
    who = {"user_identities": {"customer_id": "messages"}}
    first = receipt(server, send(server, {**who, "events": [event(source_message_id="m-1")]}))
    second = send(server, {**who, "events": [event(source_message_id="m-1"), event(source_message_id="m-2")] * 2})
    assert (first["events"], first["repeated_events"]) == (1, 0)
    assert (receipt(server, second)["events"], receipt(server, second)["repeated_events"]) == (1, 3)


@pytest.mark.parametrize(
    ("kind", "name"), [("custom_event", "event_name"), ("screen_view", "screen_name"), ("custom_event", "screen_name")]
)
def test_a_long_name_is_cut(server: Served, kind: str, name: str) -> None:
    """A name of 256 characters is kept whole, of a longer one so much is kept, and the receipt says so."""
    who = {"user_identities": {"customer_id": f"long-{kind}-{name}"}}
    events = [{"event_type": kind, "data": {name: "x" * length}} for length in (256, 257)]
    told = receipt(server, send(server, {**who, "events": events}))
    assert told["notes"] == [f"{name}: cut to 256 characters"]
    with server.api as api:
        found = api.get(f"/api/profiles/{told['mpid']}/events", params={"workspace": 100, "environment": "production"})
    assert [one["data"][name] for one in found.json()["items"][0]["events"]] == ["x" * 256] * 2


def test_a_named_profile_is_used_whatever_the_identities(server: Served) -> None:
    """With an mpid the batch is that profile's; a login ID of somebody else neither moves nor finds anybody."""
    mine = server.ask("login", {"customerid": "mine"}).json()["mpid"]
    theirs = server.ask("login", {"customerid": "theirs"}).json()["mpid"]
    batch = {"mpid": int(mine), "user_identities": {"customer_id": "theirs", "email": "new@example.com"}}
    kept = receipt(server, send(server, batch))
    assert (kept["mpid"], kept["profile"]) == (mine, "named")
    assert server.ask("login", {"customerid": "theirs"}).json()["mpid"] == theirs
    with server.api as api:
        assert api.get(f"/api/profiles/{mine}").json()["identities"] == {
            "customerid": ["mine"],
            "email": ["new@example.com"],
        }


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ({"mpid": 999, "events": [event()]}, "unknown_mpid"),
        ({"events": [event()]}, "no_identities"),
    ],
)
def test_what_finds_no_profile_is_kept_as_refused(server: Served, batch: dict[str, Any], reason: str) -> None:
    """A batch that can't be attributed is accepted, and its receipt says why nothing came of it."""
    answer = send(server, batch)
    assert answer.status_code == 202
    kept = receipt(server, answer)
    assert (kept["outcome"], kept["reason"]) == ("refused", reason)


def test_an_update_only_input_makes_no_profile(server: Served) -> None:
    """An input that only updates profiles has its batch about a stranger accepted and refused."""
    answer = send(server, {"user_identities": {"email": "nobody@example.com"}}, auth=("cohort-key", "cohort-secret"))
    assert answer.status_code == 202
    assert receipt(server, answer)["reason"] == "not_found"
    assert server.ask("search", {"email": "nobody@example.com"}).status_code == 404


def test_a_bulk_request_takes_each_batch_by_itself(server: Served) -> None:
    """Batches are taken in array order; one that can't be taken does not keep the others out."""
    batches = [
        {"source_request_id": "bulk-1", "user_identities": {"customer_id": "bulk"}, "user_attributes": {"n": 1}},
        {"source_request_id": "bulk-2", "events": [{"data": {}}]},
        {"source_request_id": "bulk-3", "user_identities": {"customer_id": "bulk"}, "user_attributes": {"n": 2}},
    ]
    assert send(server, batches, "/s2s/v2/bulkevents").status_code == 202
    mpid = server.ask("login", {"customerid": "bulk"}).json()["mpid"]
    assert sections(server, mpid)[0]["attributes"]["n"]["value"] == 2


def test_history_is_old_and_says_when(server: Served) -> None:
    """A historical batch needs events with times of 72 hours ago or more; it shows when the user was first seen."""
    now = int(time.time() * 1000)
    old = [event(timestamp_unixtime_ms=now - 100 * HOUR_MS)]
    batches = [
        {"user_identities": {"customer_id": "old"}, "events": old},
        {"user_identities": {"customer_id": "young"}, "events": [event(timestamp_unixtime_ms=now - HOUR_MS)]},
        {"user_identities": {"customer_id": "silent"}, "events": []},
    ]
    assert send(server, batches, "/v2/bulkevents/historical").status_code == 202
    mpid = server.ask("search", {"customerid": "old"}).json()["mpid"]
    assert sections(server, mpid)[0]["first_seen_at"] <= sections(server, mpid)[0]["last_seen_at"]
    assert server.ask("search", {"customerid": "young"}).status_code == 404
    assert server.ask("search", {"customerid": "silent"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "malformed_json"),
        (b"[]", 400, "invalid_member"),
        (b'{"events": [{}]}', 400, "event_type_missing"),
        (b'{"mpid": "x"}', 400, "invalid_mpid"),
        (b'{"environment": "staging"}', 400, "invalid_environment"),
        (b'{"user_identities": {"customer_id": "a", "customerid": "b"}}', 400, "identity_type_twice"),
        (b'{"x": "' + b"x" * (128 * 1024) + b'"}', 413, "batch_too_long"),
        (b'{"x": "' + b"x" * (256 * 1024) + b'"}', 413, "body_too_long"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(server: Served, body: bytes, status: int, reason: str) -> None:
    """A body that can't be understood is a 4xx in the vendor's envelope, with our stable reason."""
    answer = httpx.post(f"{server.url}/v2/events", content=body, auth=(KEY, SECRET), timeout=30)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (status, reason)
    assert answer.headers["x-refusal-reason"] == reason


@pytest.mark.parametrize(
    ("auth", "status"), [(None, 401), (("nobody", "x"), 403), ((KEY, "wrong"), 403), ((WEB_KEY, ""), 403)]
)
def test_nobody_sends_without_the_secret(server: Served, auth: tuple[str, str] | None, status: int) -> None:
    """No credentials are a 401, wrong ones a 403; a key alone is never enough here."""
    assert send(server, {"user_identities": {"customer_id": "x"}}, auth=auth).status_code == status


def test_a_batch_may_be_compressed(server: Served) -> None:
    """A gzip body is taken like any other."""
    body = gzip.compress(json.dumps({"user_identities": {"customer_id": "zipped"}}).encode())
    headers = {"content-encoding": "gzip"}
    answer = httpx.post(f"{server.url}/v2/events", content=body, headers=headers, auth=(KEY, SECRET), timeout=30)
    assert receipt(server, answer)["profile"] == "created"


def test_everything_survives_the_death_of_the_server(tmp_path: Any) -> None:
    """What was answered 202 is there after a kill -9: attributes, events, the memory of what was sent."""
    batch = {"source_request_id": "once", "user_identities": {"customer_id": "ann"}, "user_attributes": {"n": 1}}
    with served(tmp_path, configuration()) as running:
        mpid = receipt(running, send(running, batch))["mpid"]
        running.kill()
    with served(tmp_path, configuration()) as running:
        send(running, {**batch, "user_attributes": {"n": 2}})
        assert sections(running, mpid)[0]["attributes"]["n"]["value"] == 1


def test_our_own_operations_need_the_admin_token(server: Served) -> None:
    """Receipts and sections are for the administrator only."""
    for path in ("/api/batches/" + "0" * 32, "/api/batches?source_request_id=r-1", "/api/profiles/1/sections"):
        assert httpx.get(f"{server.url}{path}").status_code == 401
        assert httpx.get(f"{server.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"}).status_code in (200, 404)
