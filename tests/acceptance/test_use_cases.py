"""The acceptance lines of the use cases A to E (platform §16.1), each over HTTP against a started server."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.served import TOKEN, configuration, served
from tests.waiting import wait_until

DAY_MS = 86_400_000
SETTLED_WITHIN_SECONDS = 15
STRATEGIES = ("default", "profile_conversion", "profile_link", "profile_isolation")
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
ALIAS = {"settings": {"alias": {"provisioned": True, "delay_hours": 0}}}


def workspace(number: int, scope: str, **members: Any) -> dict[str, Any]:
    """Return a workspace with a web app, a television app, a phone app and a CRM feed; keys begin with its number."""
    inputs: list[dict[str, Any]] = [
        {"name": name, "platform": name, "key": f"{number}-{name}", "secret": f"{number}-{name}-secret"}
        for name in ("web", "roku", "ios")
    ]
    inputs[0]["allow_key_only"] = True
    inputs.append({"name": "crm", "feed": "custom", "key": f"{number}-crm", "secret": f"{number}-crm-secret"})
    name = f"Workspace {number}"
    pair = {"key": f"{number}-own", "secret": f"{number}-own-secret"}
    return {"id": number, "name": name, "scope": scope, **pair, "inputs": inputs, **members}


def company(scopes: list[Mapping[str, Any]], workspaces: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a configuration of one account, and a client that may read the first workspace's profiles."""
    client = {"client_id": "app", "client_secret": "app-secret", "role": "read_only", "workspaces": [1]}
    organization = {"id": 1, "name": "Acme", "accounts": [{"id": 10, "name": "Retail", "workspaces": workspaces}]}
    return configuration(scopes=scopes, organization=organization, credentials=[client])


class Caller:
    """Asks a server the way the inputs of its workspaces do."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def ask(self, call: str, number: int = 1, source: str = "ios", **identities: str) -> httpx.Response:
        body = {"environment": "production", "known_identities": identities}
        key = f"{number}-{source}"
        return self.client.post(f"/v1/{call}", json=body, auth=(key, f"{key}-secret"))

    def mpid(self, call: str, number: int = 1, source: str = "ios", **identities: str) -> str:
        answer = self.ask(call, number, source, **identities)
        assert answer.status_code == 200, answer.text
        return answer.json()["mpid"]

    def send(self, batch: Mapping[str, Any], number: int = 1, source: str = "ios") -> dict[str, Any]:
        key = f"{number}-{source}"
        answer = self.client.post("/v2/events", json=batch, auth=(key, f"{key}-secret"))
        assert answer.status_code == 202, answer.text
        return self.get(f"/api/batches/{answer.headers['x-receipt-id']}")

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def attributes(self, mpid: str, number: int = 1) -> dict[str, Any]:
        sections = self.get(f"/api/profiles/{mpid}/sections")["items"]
        own = [one["attributes"] for one in sections if one["workspace"] == number]
        return {name: held["value"] for one in own for name, held in one.items()}

    def names(self, mpid: str) -> list[str]:
        found = self.get(f"/api/profiles/{mpid}/events", workspace=1)["items"]
        return [event["data"]["event_name"] for batch in found for event in batch["events"]]

    def alias(self, request_id: str, **data: Any) -> httpx.Response:
        body = {"request_id": request_id, "request_type": "alias", "environment": "production", "data": data}
        return self.client.post("/v1/identity/1-web/Alias", json=body)

    def settled(self, request_id: str) -> dict[str, Any]:
        def found() -> dict[str, Any]:
            return self.get(f"/api/aliases/{request_id}")

        wait_until(lambda: found()["state"] != "queued", SETTLED_WITHIN_SECONDS, found)
        return found()


@contextmanager
def called(folder: Path, configuration: Mapping[str, Any]) -> Iterator[Caller]:
    """Run a server, and ask it."""
    with served(folder, configuration) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield Caller(client)


def seen(name: str, at_ms: int) -> dict[str, Any]:
    data = {"event_name": name, "custom_event_type": "other", "timestamp_unixtime_ms": at_ms}
    return {"event_type": "custom_event", "data": data}


@pytest.fixture(params=STRATEGIES)
def caller(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Caller]]:
    """A server under each strategy with login and logout."""
    strategy: str = request.param
    with called(tmp_path, company([{"name": "shop", "strategy": strategy}], [workspace(1, "shop", **ALIAS)])) as shop:
        yield strategy, shop


def test_a_a_visitor_signs_up(caller: tuple[str, Caller]) -> None:
    """A: one script under each strategy: the history of the visitor is kept, linked, or kept apart, as documented."""
    strategy, shop = caller
    visitor = shop.mpid("identify", device_application_stamp="d")
    shop.send({"mpid": visitor, "user_attributes": {"basket": 3}, "events": [seen("looked", int(time.time() * 1000))]})
    known = shop.mpid("login", device_application_stamp="d", customerid="ann")
    keeps = strategy in ("default", "profile_conversion")
    assert (known == visitor) is keeps
    assert (shop.names(known), shop.attributes(known)) == ((["looked"], {"basket": 3}) if keeps else ([], {}))
    profile = shop.get(f"/api/profiles/{known}")
    assert profile["source_mpid"] == (visitor if strategy == "profile_link" else None)
    after = shop.mpid("logout", device_application_stamp="d")
    assert after != known
    assert (after == visitor) is (strategy == "profile_isolation")
    assert shop.mpid("login", device_application_stamp="d", customerid="ann") == known


def test_a_alias_moves_the_windows_events_only(tmp_path: Path) -> None:
    """A: after a login under link, an alias copies the window's events and first seen; a second that overlaps is told why not."""
    document = company([{"name": "shop", "strategy": "profile_link"}], [workspace(1, "shop", **ALIAS)])
    with called(tmp_path, document) as shop:
        now = int(time.time() * 1000)
        visitor = shop.mpid("identify", device_application_stamp="d")
        old, fresh = seen("long ago", now - 20 * DAY_MS), seen("lately", now - DAY_MS)
        shop.send({"mpid": visitor, "user_attributes": {"basket": 3}, "events": [old, fresh]})
        known = shop.mpid("login", device_application_stamp="d", customerid="ann")
        window = {"start_unixtime_ms": now - 10 * DAY_MS, "end_unixtime_ms": now, "scope": "mpid"}
        assert shop.alias("first", source_mpid=visitor, destination_mpid=known, **window).status_code == 202
        assert shop.settled("first")["state"] == "done"
        assert shop.names(known) == ["lately"]
        assert shop.attributes(known) == {}
        assert sorted(shop.names(visitor)) == ["lately", "long ago"]
        other = shop.mpid("login", customerid="bob")
        window["start_unixtime_ms"] = now - 5 * DAY_MS
        assert shop.alias("second", source_mpid=visitor, destination_mpid=other, **window).status_code == 202
        rejected = shop.settled("second")
        assert rejected["state"] == "rejected"
        assert rejected["reason"]
        assert shop.names(other) == []


def test_b_devices_meet_after_login(tmp_path: Path) -> None:
    """B: a browser, a television and a phone meet on one profile after login; a device alone never opens it."""
    with called(tmp_path, company([{"name": "shop"}], [workspace(1, "shop")])) as shop:
        devices = {
            "web": {"device_application_stamp": "browser"},
            "roku": {"roku_aid": "11111111-1111-4111-8111-111111111111"},
            "ios": {"ios_idfv": "22222222-2222-4222-8222-222222222222"},
        }
        alone = {source: shop.mpid("identify", 1, source, **ids) for source, ids in devices.items()}
        together = {source: shop.mpid("login", 1, source, customerid="ann", **ids) for source, ids in devices.items()}
        assert len(set(alone.values())) == 3
        assert len(set(together.values())) == 1
        known = together["web"]
        for source, ids in devices.items():
            answer = shop.ask("identify", 1, source, **ids).json()
            assert answer["mpid"] != known
            assert not answer["is_logged_in"]


def test_c_one_person_in_two_workspaces(tmp_path: Path) -> None:
    """C: workspaces of one scope share the MPID and keep attributes apart; another scope has a person of its own."""
    workspaces = [workspace(1, "shop"), workspace(2, "shop"), workspace(3, "club")]
    with called(tmp_path, company([{"name": "shop"}, {"name": "club"}], workspaces)) as shop:
        mpids = [shop.mpid("login", number, customerid="ann") for number in (1, 2, 3)]
        assert mpids[0] == mpids[1] != mpids[2]
        for number in (1, 2, 3):
            batch = {"user_identities": {"customer_id": "ann"}, "user_attributes": {"of": number}}
            assert shop.send(batch, number)["mpid"] == mpids[number - 1]
        assert [shop.attributes(mpids[0], number) for number in (1, 2, 3)] == [{"of": 1}, {"of": 2}, {}]
        assert shop.attributes(mpids[2], 3) == {"of": 3}
        assert shop.send({"mpid": mpids[2], "events": []}, 1)["reason"] == "unknown_mpid"


@pytest.mark.parametrize("strategy", ["profile_conversion", "profile_link"])
def test_d_the_crm_meets_the_app(strategy: str, tmp_path: Path) -> None:
    """D: the CRM adds to the app's profile; whom it knows first, a login joins; a replay changes nothing."""
    scope = {"name": "shop", "strategy": strategy}
    with called(tmp_path, company([scope], [workspace(1, "shop")])) as shop:
        app = shop.mpid("login", customerid="ann", email="ann@example.com")
        batch = {
            "source_request_id": "crm-1",
            "user_identities": {"customer_id": "ann"},
            "user_attributes": {"segment": "loyal"},
        }
        assert shop.send(batch, source="crm")["mpid"] == app
        key = ("1-crm", "1-crm-secret")
        again = shop.client.post("/v2/events", json={**batch, "user_attributes": {"segment": "lost"}}, auth=key)
        assert again.status_code == 202
        assert shop.attributes(app) == {"segment": "loyal"}
        stranger = shop.send({"user_identities": {"email": "bob@example.com"}}, source="crm")
        assert stranger["profile"] == "created"
        joined = shop.mpid("login", customerid="bob", email="bob@example.com")
        # Conversion makes the stranger known; under link the e-mail is a login ID, so the stranger was known already.
        assert joined == stranger["mpid"]


def test_e_an_app_personalises(tmp_path: Path) -> None:
    """E: search by e-mail, then one read: attributes just written are there; only an immutable type resolves."""
    scope = {
        "name": "shop",
        "strategy": "profile_conversion",
        "login_ids": ["customerid", "email"],
        "unique_ids": ["customerid", "email"],
        "immutable_ids": ["customerid"],
    }
    with called(tmp_path, company([scope], [workspace(1, "shop")])) as shop:
        shop.mpid("login", customerid="ann", email="ann@example.com")
        asked = {"client_id": "app", "client_secret": "app-secret", "grant_type": "client_credentials"}
        told = shop.client.post("/oauth/token", json={**asked, "audience": "https://api.mparticle.com"})
        bearer = {"Authorization": f"Bearer {told.json()['access_token']}"}
        mpid = shop.mpid("search", customerid="ann", email="ann@example.com")
        for count in range(3):
            shop.send({"mpid": mpid, "user_attributes": {"visits": count}})
            path = f"/userprofile/v1/1/10/1/{mpid}"
            read = shop.client.get(path, params={"fields": "user_attributes,user_identities"}, headers=bearer)
            assert read.json()["user_attributes"] == {"visits": str(count)}
            assert read.json()["mpid"] == int(mpid)
        resolve = "/userprofile/v1/resolve/1/10/1?fields=user_identities"
        by = {
            kind: shop.client.post(
                resolve,
                json={"environment_type": "production", "identity": {"type": kind, "value": value}},
                headers=bearer,
            )
            for kind, value in (("customer_id", "ann"), ("email", "ann@example.com"))
        }
        assert (by["customer_id"].status_code, by["email"].status_code) == (200, 400)
        assert by["customer_id"].json()["mpid"] == int(mpid)
