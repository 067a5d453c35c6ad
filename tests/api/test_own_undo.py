"""Taking decisions back over our own API, against a started server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from knownas.cli.main import main
from tests.served import KEY, SECRET, Served, configuration, served

STRANGERS = iter(range(1_000_000))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server under profile conversion."""
    with served(tmp_path_factory.mktemp("undo"), configuration()) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    with server.api as client:
        yield client


def ask(server: Served, endpoint: str, **identities: str) -> httpx.Response:
    """Ask IDSync, and look that it was answered."""
    body = {"environment": "production", "known_identities": identities}
    answer = httpx.post(f"{server.url}/v1/{endpoint}", json=body, auth=(KEY, SECRET), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def decision_of(answer: httpx.Response) -> str:
    """Return the id of the decision behind an answer."""
    return answer.headers["x-decision-id"]


def undo(api: httpx.Client, decision_id: str, body: dict[str, Any] | None = None, query: str = "") -> httpx.Response:
    """Take a decision back."""
    return api.post(f"/api/decisions/{decision_id}/undo{query}", **({} if body is None else {"json": body}))


def profile(api: httpx.Client, mpid: str) -> dict[str, Any]:
    """Return a profile."""
    found: dict[str, Any] = api.get(f"/api/profiles/{mpid}").json()
    return found


def somebody() -> tuple[str, str]:
    """Return a device stamp and a customer ID that nobody else has."""
    number = next(STRANGERS)
    return f"device-{number}", f"c-{number}"


def test_a_login_that_converted_is_taken_back(server: Served, api: httpx.Client) -> None:
    """The profile is what it was, the customer ID is nobody's; taken back in turn, it is the user's again."""
    device, customer = somebody()
    visitor = ask(server, "identify", device_application_stamp=device).json()["mpid"]
    login = ask(server, "login", device_application_stamp=device, customerid=customer)
    assert login.json()["mpid"] == visitor
    before = profile(api, visitor)
    undone = undo(api, decision_of(login))
    assert undone.status_code == 200, undone.text
    assert undone.json()["changed"] == [visitor]
    now = profile(api, visitor)
    assert (now["known"], now["identities"]) == (False, {"device_application_stamp": [device]})
    again = undo(api, undone.json()["decision_id"])
    assert again.json()["changed"] == [visitor]
    assert profile(api, visitor)["identities"] == before["identities"]


def test_one_identity_is_taken_back(server: Served, api: httpx.Client) -> None:
    """Of a login with a wrong e-mail only that goes; whoever has come because of it gets a profile of their own."""
    device, customer = somebody()
    wrong = f"{customer}@example.com"
    login = ask(server, "login", device_application_stamp=device, customerid=customer, email=wrong)
    mpid = login.json()["mpid"]
    undone = undo(api, decision_of(login), {"identity": {"type": "email", "value": wrong}})
    assert undone.json()["changed"] == [mpid]
    assert profile(api, mpid)["identities"] == {"customerid": [customer], "device_application_stamp": [device]}
    other = undo(api, decision_of(login), {"identity": {"type": "email", "value": "nobody@example.com"}})
    assert (other.status_code, other.json()["error"]["code"]) == (400, "identity_not_in_decision")


def test_a_profile_that_goes_leads_to_who_answers_now(server: Served, api: httpx.Client) -> None:
    """Its MPID still answers, names its successor, and a modify that names it changes the successor."""
    device, customer = somebody()
    visitor = ask(server, "identify", device_application_stamp=device).json()["mpid"]
    ask(server, "login", device_application_stamp=device, customerid=customer)
    logout = ask(server, "logout", device_application_stamp=device)
    gone = logout.json()["mpid"]
    assert gone != visitor
    later = ask(server, "identify", device_application_stamp=device, ios_idfv=f"idfv-{device}")
    assert later.json()["mpid"] == gone
    preview = undo(api, decision_of(logout), query="?preview=true").json()
    assert preview["decision_id"] is None
    assert profile(api, gone)["identities"] != {}
    undone = undo(api, decision_of(logout)).json()
    assert undone["changed"] == preview["changed"]
    assert gone in undone["changed"]
    # The device alone does not open the known profile, so the visit afterwards makes the profile itself, and keeps its name.
    now = profile(api, gone)
    assert (now["known"], now["leads_to"]) == (False, None)
    assert now["identities"] == {"device_application_stamp": [device], "ios_idfv": [f"idfv-{device}"]}
    everything = undo(api, decision_of(later)).json()
    assert gone in everything["changed"]
    left = profile(api, gone)
    assert (left["identities"], left["orphan"], left["leads_to"]) == ({}, True, None)


def test_what_can_not_be_taken_back_says_why(server: Served, api: httpx.Client) -> None:
    """A decision that nobody knows, one that changed nothing, and one that is taken back already are refused."""
    device, customer = somebody()
    login = ask(server, "login", device_application_stamp=device, customerid=customer)
    unknown = undo(api, "0" * 32)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_decision")
    visit = ask(server, "identify", device_application_stamp=device, customerid=customer)
    assert undo(api, decision_of(visit)).json()["error"]["code"] == "unknown_decision"
    assert undo(api, decision_of(login)).status_code == 200
    twice = undo(api, decision_of(login))
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "already_undone")
    assert undo(api, decision_of(login), query="?preview=maybe").json()["error"]["code"] == "invalid_preview"
    assert undo(api, "non,sense").json()["error"]["code"] == "malformed_decision_id"
    assert undo(api, decision_of(login), {"identity": None, "more": 1}).status_code == 400


def test_a_correction_has_a_receipt(server: Served, api: httpx.Client) -> None:
    """What took a decision back can be looked up like every decision, in both forms."""
    device, customer = somebody()
    login = ask(server, "login", device_application_stamp=device, customerid=customer)
    undone = undo(api, decision_of(login)).json()
    receipt = api.get(f"/api/decisions/{undone['decision_id']}").json()
    assert receipt["endpoint"] == "correct"
    assert receipt["outcome"] == {"kind": "corrected", "mpids": undone["changed"]}
    assert decision_of(login) in receipt["story"]["headline"]
    assert {one["change"] for one in receipt["changes"]} == {"removed"}


def test_a_profile_is_told_as_of_a_time(server: Served, api: httpx.Client) -> None:
    """Before the login it was anonymous, before it was made there was none; what was taken back later was there then."""
    device, customer = somebody()
    visitor = ask(server, "identify", device_application_stamp=device).json()["mpid"]
    made_at = profile(api, visitor)["created_at"]
    time.sleep(0.01)
    login = ask(server, "login", device_application_stamp=device, customerid=customer)
    logged_in_at = api.get(f"/api/decisions/{decision_of(login)}").json()["at"]
    time.sleep(0.01)
    assert undo(api, decision_of(login)).status_code == 200

    def as_of(at: str) -> httpx.Response:
        return api.get(f"/api/profiles/{visitor}", params={"as_of": at})

    assert as_of(made_at).json()["identities"] == {"device_application_stamp": [device]}
    then = as_of(logged_in_at).json()
    assert (then["known"], then["identities"]["customerid"]) == (True, [customer])
    assert as_of("2999-01-01T00:00:00+01:00").json()["known"] is False
    assert as_of("2001-01-01T00:00:00Z").status_code == 404
    for nonsense in ("yesterday", "2026-05-03", "2026-05-03T12:00:00", "2026-13-03T12:00:00Z"):
        assert as_of(nonsense).json()["error"]["code"] == "invalid_as_of"


def test_a_request_is_explained_as_of_a_time(server: Served, api: httpx.Client) -> None:
    """Who would have answered then: the profile that held the identity, before it moved; nobody, before it was there."""
    device, customer = somebody()
    visitor = ask(server, "identify", device_application_stamp=device).json()["mpid"]
    made_at = profile(api, visitor)["created_at"]
    time.sleep(0.01)
    ask(server, "login", device_application_stamp=device, customerid=customer)

    def explained(at: str) -> httpx.Response:
        asked = {"endpoint": "search", "environment": "production", "known_identities": {"customerid": customer}}
        return api.post("/api/scopes/shop/explain", params={"as_of": at}, json=asked)

    assert explained(made_at).json()["outcome"] == {"kind": "not_found"}
    now = explained("2999-01-01T00:00:00Z").json()
    assert (now["outcome"]["mpid"], now["at"]) == (visitor, "2999-01-01T00:00:00.000Z")
    assert explained("2001-01-01T00:00:00Z").json()["error"]["code"] == "no_policy_then"


def test_events_for_a_profile_that_went_reach_who_answers_now(server: Served, api: httpx.Client) -> None:
    """Whoever still sends events under the old MPID, or modifies it, is understood to mean its successor."""
    device, _ = somebody()
    first = ask(server, "identify", device_application_stamp=device).json()["mpid"]
    logout = ask(server, "logout", device_application_stamp=device)
    second = ask(server, "identify", device_application_stamp=device).json()["mpid"]
    assert second == logout.json()["mpid"] != first
    third = ask(server, "identify", device_application_stamp=device, ios_idfv=f"idfv-{device}").json()["mpid"]
    assert third == second
    assert undo(api, decision_of(logout)).status_code == 200
    # The last visit brought something new, so it is in the log: without the logout it meets the first profile.
    assert profile(api, second)["leads_to"] == first
    assert profile(api, first)["identities"]["ios_idfv"] == [f"idfv-{device}"]
    batch = {"environment": "production", "mpid": second, "user_attributes": {"size": "m"}, "events": []}
    sent = httpx.post(f"{server.url}/v2/events", json=batch, auth=(KEY, SECRET), timeout=30)
    assert sent.status_code == 202, sent.text
    sections = api.get(f"/api/profiles/{first}/sections").json()["items"]
    assert sections[0]["attributes"]["size"]["value"] == "m"
    change = {"identity_type": "email", "old_value": None, "new_value": f"{device}@example.com"}
    body = {"environment": "production", "identity_changes": [change]}
    changed = httpx.post(f"{server.url}/v1/{second}/modify", json=body, auth=(KEY, SECRET), timeout=30)
    assert changed.status_code == 200, changed.text
    assert profile(api, first)["identities"]["email"] == [f"{device}@example.com"]


def test_what_came_goes_with_the_profiles(server: Served, api: httpx.Client) -> None:
    """Events and attributes of a visit that a login took over go back when it is taken back, and come again with it."""
    device, customer = somebody()
    login = ask(server, "login", device_application_stamp=device, customerid=customer)
    mpid = login.json()["mpid"]
    event = {"event_type": "custom_event", "data": {"event_name": "Bought", "custom_event_type": "transaction"}}
    batch = {
        "environment": "production",
        "user_identities": {"customer_id": customer},
        "user_attributes": {"size": "m"},
        "events": [event],
    }
    other = ask(server, "login", customerid=f"{customer}-other").json()["mpid"]
    batches = [batch, {**batch, "mpid": other, "user_identities": {}, "user_attributes": {"size": "xl"}}]
    for one in batches:
        sent = httpx.post(f"{server.url}/v2/events", json=one, auth=(KEY, SECRET), timeout=30)
        assert sent.status_code == 202, sent.text
    before = known_of(api, mpid)
    assert before["attributes"]["size"]["value"] == "m"
    undone = undo(api, decision_of(login)).json()
    assert (undone["left"], undone["more"]) == ([], False)
    assert known_of(api, other)["attributes"]["size"]["value"] == "xl"
    again = undo(api, undone["decision_id"]).json()
    assert again["decision_id"] is not None
    assert known_of(api, mpid) == before


def known_of(api: httpx.Client, mpid: str) -> dict[str, Any]:
    """Return the only section of a profile."""
    (section,) = api.get(f"/api/profiles/{mpid}/sections").json()["items"]
    found: dict[str, Any] = section
    return found


def test_the_command_line_takes_decisions_back(server: Served, api: httpx.Client) -> None:
    """`knownas undo` says what would change, changes it, and says why not; on a running server."""
    device, customer = somebody()
    login = ask(server, "login", device_application_stamp=device, customerid=customer)
    mpid, decision = login.json()["mpid"], decision_of(login)
    asked = ["undo", decision, "--server", server.url, "--token", api.headers["authorization"].removeprefix("Bearer ")]
    runner = CliRunner()
    preview = runner.invoke(main, [*asked, "--preview"])
    assert preview.exit_code == 0, preview.output
    assert mpid in preview.output
    assert profile(api, mpid)["identities"] != {}
    one = runner.invoke(main, [*asked, "--identity", f"customerid={customer}", "--json"])
    assert json.loads(one.output)["changed"] == [mpid]
    assert profile(api, mpid)["identities"] == {"device_application_stamp": [device]}
    twice = runner.invoke(main, [*asked, "--identity", f"customerid={customer}"])
    assert twice.exit_code == 1
    assert "already" in twice.output
