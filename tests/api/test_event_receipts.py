"""Whatever became of a batch can be looked up: by our id, whichever request it came in."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import KEY, SECRET, Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of its own."""
    with served(tmp_path_factory.mktemp("receipts")) as running:
        yield running


def receipts(server: Served, body: Any, path: str = "/v2/events") -> list[dict[str, Any]]:
    """Send a body; return the receipts of its batches, in their order."""
    answer = httpx.post(f"{server.url}{path}", json=body, auth=(KEY, SECRET), timeout=30)
    assert answer.status_code == 202, answer.text
    with server.api as api:
        ids = answer.headers["x-receipt-id"].split(", ")
        return [api.get(f"/api/batches/{one}").raise_for_status().json() for one in ids]


def someone(customer: str, *data: dict[str, Any], event_type: str = "custom_event", **members: Any) -> dict[str, Any]:
    """A batch about a customer, with an event for each document."""
    events = [{"event_type": event_type, "data": one} for one in data]
    return {"user_identities": {"customer_id": customer}, "events": events, **members}


def test_each_batch_of_many_has_its_receipt(server: Served) -> None:
    """The header names a receipt for each batch in its place, for those that can't be taken too."""
    found = receipts(server, [someone("a"), {"environment": "x"}, someone("b")], "/v2/bulkevents")
    assert [(one["outcome"], one.get("reason")) for one in found] == [
        ("kept", None),
        ("refused", "invalid_environment"),
        ("kept", None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"source_request_id": "part", "environment": "development", "events": [{"data": {}}]},
        {"source_request_id": "part", "environment": "development", "mpid": "x"},
        {"source_request_id": "part", "environment": "development", "x": "x" * 128 * 1024},
    ],
)
def test_a_refused_part_is_found_by_its_senders_id(server: Served, body: dict[str, Any]) -> None:
    """What can't be taken of a bulk request still has the id and the environment that its sender gave it."""
    (refused,) = receipts(server, [body], "/v2/bulkevents")
    assert (refused["outcome"], refused["environment"]) == ("refused", "development")
    with server.api as api:
        named = api.get("/api/batches?source_request_id=part").json()["items"]
    assert [one["receipt_id"] for one in named] == [refused["receipt_id"]]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"user_attributes": {"a": None}}, "user_attributes.a: null"),
        ({"deleted_user_attributes": ["a", 1]}, "deleted_user_attributes.1: a text is wanted"),
        ({"mp_deviceid": True}, "mp_deviceid: a text is wanted"),
        ({"attribution_info": {"publisher": "p", "campaign": "c"}}, "attribution_info: service_provider"),
        ({"user_identities": [{"identity_type": "other"}, 1, {"identity": "x"}]}, "user_identities.None: no such"),
    ],
)
def test_what_can_not_be_used_is_noted(server: Served, members: dict[str, Any], said: str) -> None:
    """A batch that is otherwise sound is kept, and its receipt says what of it was left out."""
    (kept,) = receipts(server, {**someone("noted"), "mp_deviceid": "known", **members})
    assert kept["outcome"] == "kept"
    assert [one for one in kept["notes"] if one.startswith(said)]


def test_a_number_may_stand_where_a_text_is_meant(server: Served) -> None:
    """A device stamp that comes as a number is that number's text, as it is with identities."""
    (number,) = receipts(server, {"mp_deviceid": 12345})
    (text,) = receipts(server, {"mp_deviceid": "12345"})
    assert (number["mpid"], number["notes"]) == (text["mpid"], [])


def test_a_batch_that_was_handed_out_can_be_sent_again(server: Served) -> None:
    """Its identities are a list there, and mean the same."""
    listed = [{"identity_type": "customer_id", "identity": "handed out", "timestamp_unixtime_ms": 1}]
    (first,) = receipts(server, someone("handed out"))
    (again,) = receipts(server, {"user_identities": listed})
    assert (again["mpid"], again["notes"]) == (first["mpid"], [])


def test_a_repeat_has_a_receipt_of_its_own(server: Served) -> None:
    """A repeat is told as one, by our id; under the sender's id the first receipt stands alone."""
    (first,) = receipts(server, someone("c", source_request_id="once"))
    (second,) = receipts(server, someone("c", source_request_id="once"))
    assert (first["outcome"], second["outcome"]) == ("kept", "repeated")
    with server.api as api:
        named = api.get("/api/batches?source_request_id=once").json()["items"]
    assert [one["receipt_id"] for one in named] == [first["receipt_id"]]


def test_events_without_a_name_of_their_own_are_all_kept(server: Served) -> None:
    """An empty message id names nothing: two events that have it are two."""
    (kept,) = receipts(server, someone("d", {"source_message_id": ""}, {"source_message_id": ""}))
    assert (kept["events"], kept["repeated_events"]) == (2, 0)


@pytest.mark.parametrize(
    ("data", "word"),
    [({"user_attribute_name": "a", "new": {}}, "scalar"), ({"user_attribute_name": "", "deleted": True}, "empty")],
)
def test_a_change_that_changes_nothing_is_noted(data: dict[str, Any], word: str, server: Served) -> None:
    """The receipt says why an attribute was not changed by an event that was to change it."""
    (kept,) = receipts(server, someone("e", data, event_type="user_attribute_change"))
    assert word in kept["notes"][0]
