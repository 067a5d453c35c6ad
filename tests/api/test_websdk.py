"""What web SDKs of every age send, against a started server (platform §3)."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.served import WEB_KEY, Served, served

PAGE_VIEW = {"n": "home", "dt": 3, "et": 0, "attrs": {"from": "mail"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the web app of every test."""
    with served(tmp_path_factory.mktemp("websdk")) as running:
        yield running


def user(server: Served, stamp: str, environment: str = "production") -> str:
    """Return the MPID that IDSync gives a device."""
    body = {"environment": environment, "known_identities": {"device_application_stamp": stamp}}
    return httpx.post(f"{server.url}/v1/identify", json=body, headers={"x-mp-key": WEB_KEY}).json()["mpid"]


def send(server: Served, event: Any, path: str = f"/v2/JS/{WEB_KEY}/Events") -> dict[str, Any]:
    """Send what an older SDK sends, the way it does, and return the receipt."""
    answer = httpx.post(f"{server.url}{path}", content=json.dumps(event), headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    with server.api as api:
        return api.get(f"/api/batches/{answer.headers['x-receipt-id']}").json()


def kept(server: Served, event: dict[str, Any], stamp: str, environment: str = "production") -> dict[str, Any]:
    """Send an event of a user, and return it as it was kept."""
    mpid = user(server, stamp, environment)
    receipt = send(server, {**event, "mpid": mpid, "das": stamp, "dbg": environment == "development"})
    assert (receipt["outcome"], receipt["events"]) == ("kept", 1)
    assert (receipt["mpid"], receipt["environment"], receipt["device"]) == (mpid, environment, True)
    with server.api as api:
        found = api.get(f"/api/profiles/{mpid}/events", params={"workspace": 100, "environment": environment})
    return found.json()["items"][-1]["events"][0]


def test_older_sdks_are_told_to_send_batches(server: Served) -> None:
    """The configuration turns on `eventsV3`, without which SDKs before 2.21.2 tell of no changed attribute."""
    flags = httpx.get(f"{server.url}/JS/v2/{WEB_KEY}/config", params={"env": 0}).json()["flags"]
    assert flags["eventsV3"] == "100"


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("prefix", ["", "/webevents"])
def test_a_single_event_of_an_older_sdk_is_kept(server: Served, prefix: str, version: str) -> None:
    """Its path is served as it spells it, below every prefix, and the event is on the profile."""
    mpid = user(server, "single")
    receipt = send(server, {**PAGE_VIEW, "mpid": mpid, "das": "single"}, f"{prefix}/{version}/JS/{WEB_KEY}/Events")
    assert (receipt["outcome"], receipt["mpid"], receipt["events"]) == ("kept", mpid, 1)


@pytest.mark.parametrize(
    ("event", "kind", "data"),
    [
        ({"dt": 1, "sid": "S1", "ssd": 1}, "session_start", {"session_uuid": "S1", "session_start_unixtime_ms": 1}),
        ({"dt": 2, "sl": 5}, "session_end", {"session_duration_ms": 5}),
        (PAGE_VIEW, "screen_view", {"screen_name": "home", "custom_attributes": {"from": "mail"}}),
        (
            {"dt": 4, "n": "hit", "et": 1, "flags": {"a": ["b"]}, "lc": {"lat": 1, "lng": 2}},
            "custom_event",
            {
                "event_name": "hit",
                "custom_event_type": "navigation",
                "custom_flags": {"a": ["b"]},
                "location": {"latitude": 1, "longitude": 2},
            },
        ),
        ({"dt": 5, "n": "broke"}, "crash_report", {"message": "broke"}),
        (
            {"dt": 10, "n": 10, "fr": True, "iu": False, "lr": "https://shop.example", "attrs": None},
            "application_state_transition",
            {
                "is_first_run": True,
                "is_upgrade": False,
                "launch_referral": "https://shop.example",
                "application_transition_type": "application_initialized",
            },
        ),
        ({"dt": 14, "pet": 3}, "profile", {"profile_event_type": "logout"}),
        (
            {"dt": 16, "cu": "USD", "pd": {"an": 7, "ti": "T1", "tr": 3, "pl": [{"id": "P", "nm": "Pen", "pr": 3}]}},
            "commerce_event",
            {
                "currency_code": "USD",
                "product_action": {
                    "action": "purchase",
                    "transaction_id": "T1",
                    "total_amount": 3,
                    "products": [{"id": "P", "name": "Pen", "price": 3}],
                },
            },
        ),
        (
            {"dt": 16, "pm": {"an": 2, "pl": [{"id": "X", "ps": 0}]}, "sc": {"pl": [{"id": "P"}]}},
            "commerce_event",
            {
                "promotion_action": {"action": "click", "promotions": [{"id": "X", "position": 0}]},
                "shopping_cart": {"products": [{"id": "P"}]},
            },
        ),
        (
            {"dt": 16, "pi": [{"pil": "top", "pl": [{"id": "P"}]}]},
            "commerce_event",
            {"product_impressions": [{"product_impression_list": "top", "products": [{"id": "P"}]}]},
        ),
    ],
)
def test_every_single_event_reads_as_in_a_batch(
    server: Served, event: dict[str, Any], kind: str, data: dict[str, Any]
) -> None:
    """What an older SDK writes with short names and numbers is kept as later SDKs write it."""
    found = kept(server, {**event, "ct": 1_600_000_000_000}, f"reads-{kind}")
    assert found["type"] == kind
    assert found["data"] == {**data, "timestamp_unixtime_ms": 1_600_000_000_000}


def test_a_single_event_of_development_stays_there(server: Served) -> None:
    """A page in development mode says so in each event."""
    assert kept(server, PAGE_VIEW, "developer", "development")["data"]["screen_name"] == "home"


def test_consent_comes_with_a_single_event(server: Served) -> None:
    """An older SDK repeats the user's consent in each event, with short names."""
    mpid = user(server, "consenting")
    said = {"gdpr": {"ads": {"c": True, "ts": 1_600_000_000_000, "d": "v1"}}}
    said["ccpa"] = {"data_sale_opt_out": {"c": False, "ts": 1_600_000_000_000}}
    receipt = send(server, {**PAGE_VIEW, "mpid": mpid, "con": said})
    assert sorted(receipt["consents"]) == ["ccpa/data_sale_opt_out", "gdpr/ads"]


def attributes(server: Served, mpid: str) -> dict[str, Any]:
    with server.api as api:
        (section,) = api.get(f"/api/profiles/{mpid}/sections").json()["items"]
    return {name: one["value"] for name, one in section["attributes"].items()}


def test_attributes_come_with_single_events(server: Served) -> None:
    """What an older SDK has of attributes is set, changed and deleted as its events show it."""
    mpid = user(server, "attributed")
    event = {**PAGE_VIEW, "mpid": mpid, "das": "attributed"}
    assert send(server, {**event, "ct": 1, "ua": {"tier": "gold", "likes": ["a"], "tag": None}})["outcome"] == "kept"
    assert attributes(server, mpid) == {"tier": "gold", "likes": ["a"]}
    send(server, {**event, "ct": 2, "ua": {"tier": "silver"}})
    assert attributes(server, mpid) == {"tier": "silver", "likes": None}


def test_attributes_of_a_batch_are_context(server: Served) -> None:
    """An SDK that sends batches tells of changed attributes by events; what else it repeats changes nothing."""
    mpid = user(server, "batching")
    send(server, {"mpid": mpid, "user_attributes": {"tier": "gold"}, "events": [{"event_type": "session_start"}]})
    assert attributes(server, mpid) == {}


def test_identities_come_with_single_events(server: Served) -> None:
    """Without an MPID, a single event's identities say who it is about, by the numbers of their types."""
    asked = {"environment": "production", "known_identities": {"customerid": "numbered", "other2": "o"}}
    mpid = httpx.post(f"{server.url}/v1/login", json=asked, headers={"x-mp-key": WEB_KEY}).json()["mpid"]
    said = [{"Identity": "numbered", "Type": 1}, {"Identity": "o", "Type": 10}, {"Identity": "x", "Type": 99}, 3]
    assert send(server, {**PAGE_VIEW, "ui": said})["mpid"] == mpid


@pytest.mark.parametrize("path", ["/v3/JS/{key}/events", "/v2/JS/{key}/Events", "/webevents/v3/JS/{key}/events"])
@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"x" * 300_000, {}, "body_too_long"),
        (b"x" * 140_000, {}, "batch_too_long"),
        (b"x", {"content-encoding": "br"}, "unknown_encoding"),
    ],
)
def test_what_the_sdk_can_not_send_is_kept_as_refused(
    server: Served, path: str, body: bytes, headers: dict[str, str], reason: str
) -> None:
    """For a 4xx the SDK would drop all that it has, so a body that can't be taken is a 202 whose receipt tells why."""
    answer = httpx.post(f"{server.url}{path.format(key=WEB_KEY)}", content=body, headers=headers)
    assert (answer.status_code, answer.content) == (202, b"")
    with server.api as api:
        told = api.get(f"/api/batches/{answer.headers['x-receipt-id']}").json()
    assert (told["outcome"], told["reason"]) == ("refused", reason)


def test_a_body_without_end_is_not_passed_over(server: Served) -> None:
    """What is much longer than any page can hold is refused as too long."""
    parts = (b" " * 1_000_000 for _ in range(20))
    assert httpx.post(f"{server.url}/v3/JS/{WEB_KEY}/events", content=parts).status_code == 413


@pytest.mark.parametrize("dt", [0, 17, 99, "3", None, [], 3.5])
def test_a_single_event_of_no_type_is_kept_as_refused(server: Served, dt: Any) -> None:
    """It is answered like any other, and its receipt says why nothing became of it."""
    receipt = send(server, {**PAGE_VIEW, "dt": dt, "mpid": user(server, "odd")})
    assert (receipt["outcome"], receipt["reason"]) == ("refused", "invalid_member")


def test_the_paths_of_single_events_take_batches_too(server: Served) -> None:
    """What has events is a batch, and is read as one."""
    batch = {"mpid": user(server, "batches"), "events": [{"event_type": "session_start"}], "dt": 3}
    assert send(server, batch)["events"] == 1
