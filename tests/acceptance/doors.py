"""Leaves what people are called at every door that a server has, as senders of every kind do."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from knownas.core.identity.kinds import KIND_OF, IdentityType
from tests.acceptance.canaries import Person, value_of
from tests.served import FEED_KEY, FEED_SECRET, KEY, SECRET, TOKEN, WEB_KEY, configuration
from tests.waiting import wait_until

HOUR_MS = 3_600_000
WITHIN_SECONDS = 60
APP, FEED, WORKSPACE = (KEY, SECRET), (FEED_KEY, FEED_SECRET), ("ws-key-for-tests", "ws-secret-for-tests")
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
USERS_A_LOGIN = 10
"""Types that a login of this world names at once, beside the customer."""

CUTOFF = "2020-01-01"
OTHERS = 6
SIGNING_SECRET = "whsec_c2lnbmluZyBzZWNyZXQgb2YgdGhlIGNhbmFyaWVzIQ=="
LEFT = (
    *("a", "alias", "attribute", "document", "event", "hardware", "list", "location", "message", "mistaken", "model"),
    *("plan", "publisher", "request", "single", "text", "value", "visitor"),
)
"""What people leave beside identities."""


def shop(database: str, **settings: Any) -> dict[str, Any]:
    """Return the configuration of a server that keeps all it is told, and carries requests out at once."""
    scope: dict[str, Any] = {
        "strategy": "profile_conversion",
        "priority": [kind.value for kind in IdentityType],
        "settings": {"capture": "all", "toxic": {"mode": "quarantine"}},
    }
    document = configuration(scope, database=database)
    workspace = document["organization"]["accounts"][0]["workspaces"][0]
    workspace["settings"] = {"alias": {"provisioned": True, "delay_hours": 0}, "privacy": {"waiting_days": 0}}
    workspace["settings"]["privacy"] |= settings
    seeding = {"data_point": {"type": "session_start"}, "seeding": {"cutoff_date": CUTOFF}}
    workspace["calculated_attributes"] = [{"name": "visits", "calculation_type": "count", **seeding}]
    return document


def now_ms() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def imported(folder: Path, desk: Path, people: list[Person]) -> None:
    """Import a file of customers by the command line, from a folder of the operator's, and take the file away."""
    file = desk / "people.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["customer_id", "email", "mobile_number", "plan"])
        for person in people:
            named = (IdentityType.CUSTOMER_ID, IdentityType.EMAIL, IdentityType.MOBILE_NUMBER)
            writer.writerow([*(person.of(kind) for kind in named), person.say("plan")])
    command = [sys.executable, "-m", "knownas", "import", str(file), "--input", "crm"]
    ran = subprocess.run(
        [*command, "--config", str(folder / "knownas.yaml")], cwd=desk, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    file.unlink()


class Doors:
    """A server from outside."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)

    def post(self, path: str, body: Any, auth: tuple[str, str] | None = APP, status: int = 200) -> httpx.Response:
        """Send something that is taken."""
        answer = self.client.post(path, json=body, auth=auth or httpx.USE_CLIENT_DEFAULT)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer

    def own(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """Ask our own API."""
        answer = self.client.request(method, path, headers=ADMIN, **more)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def ask(self, call: str, identities: Mapping[Any, str], **members: Any) -> dict[str, Any]:
        """Ask who somebody is, and read the receipt of the answer."""
        body = {"environment": "production", "known_identities": identities, **members}
        answer = self.post(f"/v1/{call}", body)
        self.own("GET", f"/api/decisions/{answer.headers['x-decision-id']}")
        return answer.json() | {"decision": answer.headers["x-decision-id"]}

    def batch(self, path: str, body: Any, auth: tuple[str, str] | None = APP) -> None:
        """Send events, and look that they were kept."""
        answer = self.post(path, body, auth, 202)
        receipt = self.own("GET", f"/api/batches/{answer.headers['x-receipt-id']}")
        assert receipt["outcome"] == "kept", receipt

    def activated(self, url: str) -> None:
        """Define an audience of everybody, and tell a webhook of its members under all that they are called."""
        everybody = {"schema_version": "1", "audience": {"operator": "exists", "operand": {"model": "user"}}}
        at = "/api/workspaces/100"
        audience = self.own("POST", f"{at}/audiences", 201, json={"name": "all", "definition": everybody})["id"]
        settings = {"url": f"{url}/canaries", "plain_http": True, "signing_secret": SIGNING_SECRET}
        output = self.own("POST", f"{at}/outputs", 201, json={"name": "all", "type": "webhook", "settings": settings})[
            "id"
        ]
        named = {"output": output, "identities": ["customer_id", "email", "ios_idfv", "device_application_stamp"]}
        self.own("POST", f"{at}/audiences/{audience}/connections", 201, json=named)

    def seeded(self, person: Person) -> None:
        """Bring somebody over from another system, with all that they are called there."""
        body = {"environment": "production", "identities": person.values}
        self.own("POST", "/api/scopes/shop/profiles", 201, json=body)

    def comes(self, person: Person, *, is_known: bool) -> None:
        """Let somebody come: unless they are known, a browser first; then a login, with more and more of what they are called."""
        devices, users = person.first(device=True), person.first(device=False)
        customer = {IdentityType.CUSTOMER_ID: users[IdentityType.CUSTOMER_ID]}
        if not is_known:
            self.ask("identify", devices)
        person.mpid = self.ask("login", {**devices, **customer})["mpid"]
        left = list(users.items())
        while left:
            self.ask("login", {**customer, **dict(left[:USERS_A_LOGIN])})
            left = left[USERS_A_LOGIN:]
        for kind, values in person.values.items():
            for old, new in pairwise(values):
                change = {"identity_type": kind, "old_value": old, "new_value": new}
                self.post(f"/v1/{person.mpid}/modify", {"environment": "production", "identity_changes": [change]})
        found = self.ask("search", customer)
        assert found["mpid"] == person.mpid
        self.own("GET", f"/api/profiles/{person.mpid}/history")

    def writes(self, person: Person) -> None:
        """Let somebody leave events by every path there is."""
        named = {KIND_OF[kind].events: value for kind, value in person.first(device=False).items()}
        devices = {KIND_OF[kind].events: value for kind, value in person.first(device=True).items()}
        stamp = devices.pop("mp_deviceid")
        whole = {
            **self._batch(person),
            "user_identities": named,
            "device_info": {**devices, "device_model": person.say("model")},
            "mp_deviceid": stamp,
            "user_attributes": {person.say("a"): person.say("value"), "$FirstName": [person.say("list")]},
            "consent_state": {"gdpr": {"marketing": _consent(person)}},
            "attribution_info": {"service_provider": "p", "publisher": person.say("publisher"), "campaign": "c"},
        }
        self.batch("/v2/events", whole)
        self.batch("/v2/events", {**self._batch(person), "user_identities": named}, FEED)
        self.batch(
            "/v2/events", {**self._batch(person), "events": [], "mpid": person.mpid, "user_attributes": {"a": 1}}
        )
        bulk = [{**self._batch(person), "mpid": person.mpid} for _ in range(3)]
        self.post("/v2/bulkevents", bulk, APP, 202)
        self.post("/v2/bulkevents/historical", [self._batch(person, 100 * HOUR_MS) | {"mpid": person.mpid}], APP, 202)
        web = {**self._batch(person), "mpid": person.mpid, "mp_deviceid": stamp}
        self.batch(f"/v3/JS/{WEB_KEY}/events", web, None)
        single = {"dt": 4, "n": person.say("single"), "et": 1, "attrs": {"a": person.say("attribute")}}
        self.batch(f"/v2/JS/{WEB_KEY}/Events", {**single, "mpid": person.mpid, "das": stamp}, None)
        seed = {"attribute_name": "visits", "calculation_type": "count", "cutoff_date": CUTOFF, "seed": {"value": 5}}
        who = {"environment": "production", "identities": {"customer_id": person.of(IdentityType.CUSTOMER_ID)}}
        self.post("/v2/calculatedattributes", {**who, "calculated_attributes": {"workspace": [seed]}}, WORKSPACE, 202)

    def _batch(self, person: Person, age_ms: int = 0) -> dict[str, Any]:
        at_ms = now_ms() - age_ms
        data = {
            "event_name": person.say("event"),
            "custom_event_type": "other",
            "timestamp_unixtime_ms": at_ms,
            "source_message_id": person.say("message"),
            "custom_attributes": {"to": person.of(IdentityType.EMAIL), "text": person.say("text")},
        }
        request = {"source_request_id": person.say("request")}
        return {"environment": "production", **request, "events": [{"event_type": "custom_event", "data": data}]}

    def visits(self, person: Person) -> str:
        """Let an unknown visitor's events be copied to somebody; returns the visitor's MPID."""
        stamp = person.say("visitor")
        visitor = self.ask("identify", {"device_application_stamp": stamp})["mpid"]
        self.batch("/v2/events", {**self._batch(person), "mpid": visitor})
        window = {"start_unixtime_ms": now_ms() - HOUR_MS, "end_unixtime_ms": now_ms(), "scope": "mpid"}
        data = {"source_mpid": visitor, "destination_mpid": person.mpid, "device_application_stamp": stamp, **window}
        request_id = person.say("alias")
        body = {"request_id": request_id, "request_type": "alias", "environment": "production", "data": data}
        self.post(f"/v1/identity/{WEB_KEY}/Alias", body, None, 202)

        def settled() -> bool:
            return self.own("GET", f"/api/aliases/{request_id}")["state"] == "done"

        wait_until(settled, WITHIN_SECONDS)
        return visitor

    def mistakes(self, person: Person, other: Person) -> None:
        """Let senders err in every way that is answered with a reason, and an operator take a mistake back."""
        named = {
            "user_identities": {
                "customer_id": other.of(IdentityType.CUSTOMER_ID),
                "no_such_type": person.of(IdentityType.EMAIL),
            }
        }
        self.post("/v2/events", {"environment": "production", **named}, APP, 202)
        twice = {"customer_id": person.of(IdentityType.CUSTOMER_ID), "customerid": person.of(IdentityType.EMAIL)}
        self.post("/v2/events", {"environment": "production", "user_identities": twice}, APP, 400)
        self.client.post("/v1/login", content=json.dumps({"x": person.of(IdentityType.EMAIL)})[:-1], auth=APP)
        self.client.get(f"/api/decisions/{person.of(IdentityType.OTHER8)}", headers=ADMIN)
        body = {"endpoint": "login", "environment": "production", "known_identities": person.first(device=False)}
        self.own("POST", "/api/scopes/shop/explain", json=body)
        mistaken = value_of(0, person.say("mistaken").partition("-")[2])
        change = {"identity_type": "other2", "old_value": person.of(IdentityType.OTHER2), "new_value": mistaken}
        answer = self.post(f"/v1/{person.mpid}/modify", {"environment": "production", "identity_changes": [change]})
        self.own("POST", f"/api/decisions/{answer.headers['x-decision-id']}/undo", json={})

    def watched(self, person: Person) -> None:
        """List values of somebody as toxic and let them go again."""
        for kind in (IdentityType.OTHER3, IdentityType.EMAIL, IdentityType.GOOGLE):
            one = {"type": kind, "value": person.values[kind][-1]}
            self.own("POST", "/api/scopes/shop/toxic/block", json=one)
            self.own("POST", "/api/scopes/shop/toxic/release", json=one)

    def rehearsed(self) -> Any:
        """Rehearse other rules and have the history checked; returns the rehearsal's report."""
        policy = {
            "strategy": "profile_conversion",
            "priority": ["email"],
            "login_ids": ["email"],
            "unique_ids": ["email"],
        }
        job = self.own("POST", "/api/scopes/shop/rehearsals", 202, json={"policy": policy})["id"]

        def report() -> Any:
            return self.own("GET", f"/api/scopes/shop/rehearsals/{job}")

        wait_until(lambda: report()["state"] == "done", WITHIN_SECONDS, report)
        self.own("POST", "/api/self-check", 202)
        wait_until(lambda: self.own("GET", "/api/self-check")["last"], WITHIN_SECONDS)
        return report()


def _consent(person: Person) -> dict[str, Any]:
    return {
        "consented": True,
        "timestamp_unixtime_ms": now_ms(),
        "document": person.say("document"),
        "location": person.say("location"),
        "hardware_id": person.say("hardware"),
    }
