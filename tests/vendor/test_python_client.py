"""The vendor's Python client, as published, sends to a started server, and what it sends arrives."""

import base64
import json
import time
import warnings
from typing import Any

import pytest

from tests.served import KEY, SECRET, Served
from tests.vendor.conftest import events, identities, receipts, section
from tests.vendor.witness import Witness

with warnings.catch_warnings():
    # Its sources have escapes that newer Pythons warn of while they compile them.
    warnings.simplefilter("ignore")
    import mparticle
    from mparticle.models.user_attribute_change_event import UserAttributeChangeEvent
    from mparticle.rest import ApiException

NOW_MS = int(time.time() * 1000)
STAMP = "59780f39-d7a0-4ebe-9950-280f937c29e2"


def client(between: Witness, path: str = "/v2", key: str = KEY, secret: str = SECRET) -> Any:
    """The client, with the host that its users would set."""
    configuration = mparticle.Configuration()
    configuration.host = between.url + path
    configuration.api_key, configuration.api_secret = key, secret
    return mparticle.EventsApi(configuration)


def batch(customer: str, *given: Any, **members: Any) -> Any:
    """A batch of the client's own class about one customer."""
    made = mparticle.Batch(environment="production", **members)
    made.user_identities = mparticle.UserIdentities(customerid=customer, email=f"{customer}@example.com")
    made.events = list(given)
    return made


def visit() -> list[Any]:
    """The events of one visit, each of another class of the client."""
    product = mparticle.Product(id="sku", name="Example", price=19.99, quantity=2, total_product_amount=39.98)
    action = mparticle.ProductAction("purchase", transaction_id="t-1", total_amount=41.48, products=[product])
    return [
        mparticle.SessionStartEvent(session_uuid="s-1", timestamp_unixtime_ms=NOW_MS - 4_000),
        mparticle.ScreenViewEvent(screen_name="Home", timestamp_unixtime_ms=NOW_MS - 3_000),
        mparticle.AppEvent(
            "Searched", "search", NOW_MS - 2_000, source_message_id="m-1", custom_attributes={"for": "tea", "n": None}
        ),
        mparticle.CommerceEvent(action, timestamp_unixtime_ms=NOW_MS - 1_000, currency_code="EUR"),
        UserAttributeChangeEvent(
            timestamp_unixtime_ms=NOW_MS - 500, user_attribute_name="mood", new="good", old=None, deleted=False
        ),
        mparticle.SessionEndEvent(session_uuid="s-1", session_duration_ms=4_000, timestamp_unixtime_ms=NOW_MS - 100),
    ]


def consents() -> Any:
    """A consent of each regulation."""
    state = mparticle.ConsentState()
    state.gdpr = {
        "marketing": mparticle.GDPRConsentState(
            "v4", consented=True, timestamp_unixtime_ms=NOW_MS - 9_000, location="shop", hardware_id="device"
        )
    }
    state.ccpa = {
        "data_sale_opt_out": mparticle.CCPAConsentState(
            "v1", consented=False, timestamp_unixtime_ms=NOW_MS - 9_000, location="shop", hardware_id="device"
        )
    }
    return state


def test_a_batch_arrives_whole(server: Served, between: Witness) -> None:
    """Everything of a batch of the client's own classes stands on the profile afterwards, in the types it was sent."""
    device = mparticle.DeviceInformation(platform="iOS", ios_advertising_id="07d2ebaa-e956-407e-a1e6-f05f871bf4e2")
    device.os_version = "17.1"
    sent = batch(
        "python",
        *visit(),
        device_info=device,
        mp_deviceid=STAMP,
        user_attributes={"tier": "gold", "visits": 3, "likes": ["a", "b"], "vip": True},
        consent_state=consents(),
    )
    assert client(between).upload_events(sent)[:2] == (None, 202)

    (kept,) = receipts(server, between.last())
    assert (kept["outcome"], kept["profile"], kept["events"], kept["notes"]) == ("kept", "created", 6, [])
    mpid = server.ask("login", {"customerid": "python"}).json()["mpid"]
    assert kept["mpid"] == mpid
    assert identities(server, mpid) == {
        "customerid": ["python"],
        "email": ["python@example.com"],
        "device_application_stamp": [STAMP],
        "ios_idfa": ["07d2ebaa-e956-407e-a1e6-f05f871bf4e2"],
    }
    known = section(server, mpid)
    values = {name: one["value"] for name, one in known["attributes"].items()}
    assert values == {"tier": "gold", "visits": 3, "likes": ["a", "b"], "vip": True, "mood": "good"}
    said = {(one["regulation"], one["purpose"]): (one["consented"], one["document"]) for one in known["consents"]}
    assert said == {("gdpr", "marketing"): (True, "v4"), ("ccpa", "data_sale_opt_out"): (False, "v1")}
    (seen,) = known["devices"]
    assert (seen["platform"], seen["facts"]) == ("iOS", {"os_version": "17.1"})

    found = {one["type"]: one for one in events(server, mpid)}
    assert list(found) == [
        "session_start",
        "screen_view",
        "custom_event",
        "commerce_event",
        "user_attribute_change",
        "session_end",
    ]
    assert found["custom_event"]["data"]["custom_attributes"] == {"for": "tea", "n": None}
    assert found["custom_event"]["message_id"] == "m-1"
    action = found["commerce_event"]["data"]["product_action"]
    assert (action["action"], action["products"][0]["price"]) == ("purchase", 19.99)
    assert found["session_start"]["at_ms"] == NOW_MS - 4_000


def test_what_the_client_says_on_the_wire(between: Witness) -> None:
    """It signs in with Basic, sends plain JSON and asks for JSON; the answer is a 202 with nothing in it."""
    client(between).upload_events(batch("wire"))
    said = between.last()
    assert said.path == "/v2/events"
    assert said.headers["authorization"] == "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert (said.headers["content-type"], said.headers["accept"]) == ("application/json", "application/json")
    assert "content-encoding" not in said.headers
    assert json.loads(said.body)["user_identities"] == {"customerid": "wire", "email": "wire@example.com"}
    assert (said.status, said.answer, said.answered["content-length"]) == (202, b"", "0")


def test_many_batches_arrive_in_their_order(server: Served, between: Witness) -> None:
    """A hundred batches in one request are each kept, in the order of the list."""
    given = [batch(f"bulk-{number % 10}", user_attributes={"n": number}) for number in range(100)]
    assert client(between).bulk_upload_events(given)[:2] == (None, 202)
    assert between.last().path == "/v2/bulkevents"
    assert [one["outcome"] for one in receipts(server, between.last())] == ["kept"] * 100
    mpid = server.ask("search", {"customerid": "bulk-7"}).json()["mpid"]
    assert section(server, mpid)["attributes"]["n"]["value"] == 97


def test_an_mpid_is_followed(server: Served, between: Witness) -> None:
    """The client sends an MPID as a number of 64 bits; the batch is that profile's."""
    mpid = server.ask("login", {"customerid": "named"}).json()["mpid"]
    sent = mparticle.Batch(environment="production", mpid=int(mpid), user_attributes={"n": 1})
    client(between, "/s2s/v2").upload_events(sent)
    assert receipts(server, between.last())[0]["mpid"] == mpid
    assert section(server, mpid)["attributes"]["n"]["value"] == 1


@pytest.mark.parametrize(
    ("secret", "members", "status", "reason"),
    [
        ("wrong", {}, 403, "wrong_secret"),
        (SECRET, {"source_request_id": "x" * 257}, 400, "invalid_source_request_id"),
    ],
)
def test_a_refusal_reaches_the_caller(
    secret: str, members: dict[str, Any], status: int, reason: str, between: Witness
) -> None:
    """The client raises its own exception, with the status and a body that names the reason."""
    with pytest.raises(ApiException) as raised:
        client(between, secret=secret).upload_events(batch("refused", **members))
    assert raised.value.status == status
    assert json.loads(raised.value.body)["errors"][0]["reason"] == reason
