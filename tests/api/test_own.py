"""Our own API against a started server: profiles, seeding, history, decisions, explanations (design of the API)."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.settings import with_scope
from tests.served import KEY, SECRET, TOKEN, Served, configuration, served

LINKED, SHARED = "linked", "shared"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UNKNOWN_ID = "0" * 32


def _settings() -> dict[str, Any]:
    settings = with_scope(configuration(), LINKED, {"key": LINKED}, strategy="profile_link")
    shared = {"environment_pools": "shared"}
    return with_scope(settings, SHARED, {"key": SHARED}, strategy="profile_conversion", settings=shared)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a scope that links profiles and one whose environments share them."""
    with served(tmp_path_factory.mktemp("own"), _settings()) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    """A client with the admin token."""
    with server.api as client:
        yield client


def login(
    server: Served, identities: dict[str, str], key: str = KEY, environment: str = "production"
) -> httpx.Response:
    """Log a user in over IDSync."""
    body = {"environment": environment, "known_identities": identities}
    return httpx.post(f"{server.url}/v1/login", json=body, auth=(key, SECRET), timeout=30)


def modify(server: Served, mpid: str, *changes: tuple[str, str | None, str | None]) -> httpx.Response:
    """Change identities of a profile over IDSync."""
    lines = [{"identity_type": kind, "old_value": old, "new_value": new} for kind, old, new in changes]
    body = {"environment": "production", "identity_changes": lines}
    return httpx.post(f"{server.url}/v1/{mpid}/modify", json=body, auth=(KEY, SECRET), timeout=30)


def seed(api: httpx.Client, identities: dict[str, list[str]], scope: str = "shop", **members: Any) -> httpx.Response:
    """Bring a profile over."""
    body = {"environment": "production", "identities": identities, **members}
    return api.post(f"/api/scopes/{scope}/profiles", json=body)


def explain(api: httpx.Client, identities: dict[str, Any], scope: str = "shop", **members: Any) -> httpx.Response:
    """Ask what the answer would be."""
    body = {"endpoint": "identify", "environment": "production", "known_identities": identities, **members}
    return api.post(f"/api/scopes/{scope}/explain", json=body)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal, which also has a sentence."""
    error = answer.json()["error"]
    assert error["message"]
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, error["code"]


def test_a_profile_shows_what_it_is(server: Served, api: httpx.Client) -> None:
    """The profile has the members of its description, times in UTC, and MPIDs as strings."""
    given = {"customerid": "shown", "other5": "carried"}
    mpid = login(server, given).json()["mpid"]
    profile = api.get(f"/api/profiles/{mpid}").json()
    times = [profile.pop("created_at"), profile.pop("last_active_at")]
    assert all(TIME.fullmatch(time) for time in times)
    assert profile == {
        "mpid": mpid,
        "scope": "shop",
        "environment": "production",
        "known": True,
        "orphan": False,
        "leads_to": None,
        "source_mpid": None,
        "identities": {"customerid": ["shown"]},
        "carried_identities": {"other5": ["carried"]},
    }


def test_a_visit_moves_the_last_activity(server: Served, api: httpx.Client) -> None:
    """A return that changes nothing is seen on the profile at once."""
    mpid = login(server, {"customerid": "active"}).json()["mpid"]
    first = api.get(f"/api/profiles/{mpid}").json()
    login(server, {"customerid": "active"})
    second = api.get(f"/api/profiles/{mpid}").json()
    assert second["created_at"] == first["created_at"]
    assert datetime.fromisoformat(second["last_active_at"]) >= datetime.fromisoformat(first["last_active_at"])
    assert datetime.fromisoformat(second["last_active_at"]) > datetime.fromisoformat(second["created_at"])


def test_a_linked_profile_names_its_source(server: Served, api: httpx.Client) -> None:
    """Under profile link a new known profile names the anonymous one it comes from."""
    stamp = {"device_application_stamp": "linked"}
    anonymous = login(server, stamp, LINKED).json()["mpid"]
    known = login(server, {**stamp, "customerid": "linked"}, LINKED).json()["mpid"]
    assert known != anonymous
    assert api.get(f"/api/profiles/{known}").json()["source_mpid"] == anonymous
    assert api.get(f"/api/profiles/{known}").json()["scope"] == LINKED
    assert api.get(f"/api/profiles/{anonymous}").json()["known"] is False


def test_shared_environments_are_called_shared(server: Served, api: httpx.Client) -> None:
    """Where the environments share their profiles, a profile is of both."""
    one = login(server, {"customerid": "both"}, SHARED).json()["mpid"]
    other = login(server, {"customerid": "both"}, SHARED, "development").json()["mpid"]
    assert one == other
    assert api.get(f"/api/profiles/{one}").json()["environment"] == "shared"


def test_an_orphan_is_still_there(server: Served, api: httpx.Client) -> None:
    """A profile whose last value moved away is kept: empty, and called an orphan."""
    donor = login(server, {"customerid": "moving"}).json()["mpid"]
    taker = login(server, {"other": "taker"}).json()["mpid"]
    modify(server, taker, ("customerid", None, "moving"))
    orphan = api.get(f"/api/profiles/{donor}").json()
    assert (orphan["orphan"], orphan["known"], orphan["identities"]) == (True, False, {})


def test_seeding_brings_a_profile_over(server: Served, api: httpx.Client) -> None:
    """A profile comes with its MPID and all its values; IDSync finds it by them."""
    held = {"customerid": ["seeded"], "email": ["a@example.com", "b@example.com"]}
    made = seed(api, held, mpid="-123456789012345678")
    assert made.status_code == 201
    assert made.json()["identities"] == held
    assert made.json() == api.get("/api/profiles/-123456789012345678").json()
    answer = login(server, {"customerid": "seeded"}).json()
    assert (answer["mpid"], answer["is_logged_in"]) == ("-123456789012345678", True)


@pytest.mark.parametrize("mpid", [77_001, "77002"])
def test_an_mpid_may_be_a_number_or_a_string(mpid: int | str, api: httpx.Client) -> None:
    """Other systems write MPIDs either way; they are answered as strings."""
    assert seed(api, {"other": [f"mpid {mpid}"]}, mpid=mpid).json()["mpid"] == str(mpid)


def test_seeding_without_an_mpid_gives_one(api: httpx.Client) -> None:
    """A profile that brings none gets a new MPID: positive, and another one each time."""
    made = [seed(api, {"other": ["no mpid"]}).json()["mpid"] for _ in range(2)]
    assert len(set(made)) == 2
    assert all(int(mpid) > 0 for mpid in made)


def test_seeding_never_replaces(server: Served, api: httpx.Client) -> None:
    """An MPID or a unique value that somebody has is refused with 409, in whatever scope, and nothing is changed."""
    taken = login(server, {"customerid": "taken"}).json()["mpid"]
    before = api.get(f"/api/profiles/{taken}").json()
    assert refusal(seed(api, {"other": ["x"]}, mpid=taken)) == (409, "mpid_taken")
    assert refusal(seed(api, {"other": ["x"]}, mpid=taken, environment="development")) == (409, "mpid_taken")
    assert refusal(seed(api, {"other": ["x"]}, scope=LINKED, mpid=taken)) == (409, "mpid_taken")
    assert refusal(seed(api, {"customerid": ["taken"], "email": ["new@example.com"]})) == (409, "unique_taken")
    assert api.get(f"/api/profiles/{taken}").json() == before
    assert explain(api, {"email": "new@example.com"}).json()["outcome"]["kind"] == "created"
    assert seed(api, {"customerid": ["taken"]}, environment="development").status_code == 201
    assert seed(api, {"customerid": ["taken"]}, scope=LINKED).status_code == 201


def test_the_history_tells_every_move(server: Served, api: httpx.Client) -> None:
    """Each identity added, removed or moved stands there with its time, its decision and the other profile."""
    first = login(server, {"other": "history-1"})
    mpid = first.json()["mpid"]
    owner = login(server, {"customerid": "history"}).json()["mpid"]
    moved = modify(server, mpid, ("customerid", None, "history"))
    removed = modify(server, mpid, ("other", "history-1", None))
    items = api.get(f"/api/profiles/{mpid}/history").json()["items"]
    assert [(one["change"], one["type"], one["value"], one["from_mpid"], one["to_mpid"]) for one in items] == [
        ("added", "other", "history-1", None, None),
        ("moved", "customerid", "history", owner, mpid),
        ("removed", "other", "history-1", None, None),
    ]
    assert [one["decision_id"] for one in items] == [
        answer.headers["x-decision-id"] for answer in (first, moved, removed)
    ]
    assert all(TIME.fullmatch(one["at"]) for one in items)
    lost = api.get(f"/api/profiles/{owner}/history").json()["items"][-1]
    assert (lost["change"], lost["from_mpid"], lost["to_mpid"]) == ("moved", owner, mpid)


def test_the_history_comes_in_pages(server: Served, api: httpx.Client) -> None:
    """Following `next` gives every item once and in order, whatever the size of a page; the last page has no next."""
    mpid = login(server, {"other": "pages"}).json()["mpid"]
    for number in range(7):
        modify(server, mpid, ("email", None, f"pages-{number}@example.com"))
    whole = api.get(f"/api/profiles/{mpid}/history").json()
    assert whole["next"] is None
    assert len(whole["items"]) == 8
    for limit in (1, 3, 8, 1000):
        items: list[Any] = []
        parameters: dict[str, Any] = {"limit": limit}
        for _ in range(9):
            page = api.get(f"/api/profiles/{mpid}/history", params=parameters).json()
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next"] is None:
                break
            parameters["next"] = page["next"]
        assert items == whole["items"]


def test_identity_changes_are_followed_for_ever(server: Served, api: httpx.Client) -> None:
    """The `next` of any page, the newest too, asks for what came since, of the scope and environment alone."""
    path = "/api/scopes/shop/identity-changes"
    after: dict[str, str] = {}
    for _ in range(1000):
        page = api.get(path, params=after).json()
        after = {"after": page["next"]}
        if not page["more"]:
            break
    assert api.get(path, params=after).json() == {"items": [], "next": after["after"], "more": False}
    login(server, {"other": "follow-dev"}, environment="development")
    made = login(server, {"other": "follow-1"})
    mpid = made.json()["mpid"]
    replaced = modify(server, mpid, ("other", "follow-1", "follow-2"))
    page = api.get(path, params={**after, "environment": "production"}).json()
    sides = [(one["decision_id"], one["data"]["old"], one["data"]["new"]) for one in page["items"]]
    told = [(decision, old["identity"], new["identity"]) for decision, old, new in sides]
    decisions = [answer.headers["x-decision-id"] for answer in (made, replaced)]
    assert told == [(decisions[0], None, "follow-1"), (decisions[1], "follow-1", "follow-2")]
    assert all(TIME.fullmatch(one["at"]) and one["mpid"] == mpid for one in page["items"])
    assert api.get(f"/api/profiles/{mpid}/identity-changes").json()["items"] == page["items"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/scopes/nowhere/identity-changes", 404, "unknown_scope"),
        ("/api/scopes/shop/identity-changes?environment=test", 400, "invalid_environment"),
        ("/api/scopes/shop/identity-changes?after=yesterday", 400, "malformed_after"),
        ("/api/scopes/shop/identity-changes?limit=0", 400, "invalid_limit"),
        ("/api/profiles/me/identity-changes", 400, "malformed_mpid"),
        ("/api/profiles/77/identity-changes", 404, "unknown_profile"),
    ],
)
def test_a_bad_question_for_changes_is_refused(api: httpx.Client, path: str, status: int, code: str) -> None:
    """What can't be followed is refused with its reason."""
    answer = api.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_decision_that_changed_something_is_kept(tmp_path: Path) -> None:
    """The receipt of a change is the same after the server was killed; that of a mere visit was kept for a while."""
    with served(tmp_path) as running:
        changed = running.ask("login", {"customerid": "kept"})
        visited = running.ask("login", {"customerid": "kept"})
        ids = [answer.headers["x-decision-id"] for answer in (changed, visited)]
        with running.api as api:
            receipts = [api.get(f"/api/decisions/{one}").json() for one in ids]
        running.kill()
    assert [receipt["changed"] for receipt in receipts] == [True, False]
    assert [receipt["outcome"]["kind"] for receipt in receipts] == ["created", "returned"]
    with served(tmp_path) as running, running.api as api:
        assert api.get(f"/api/decisions/{ids[0]}").json() == receipts[0]
        assert refusal(api.get(f"/api/decisions/{ids[1]}")) == (404, "unknown_decision")


def test_a_receipt_shows_how_the_answer_came_about(server: Served, api: httpx.Client) -> None:
    """It names what was asked, each lookup with its candidates and guards, the rule that decided, and what changed."""
    stamp = {"device_application_stamp": "receipt"}
    known = login(server, {"customerid": "receipt", **stamp}).json()["mpid"]
    answer = login(server, {"email": "receipt@example.com", **stamp})
    receipt = api.get(f"/api/decisions/{answer.headers['x-decision-id']}").json()
    assert receipt["decision_id"] == answer.headers["x-decision-id"]
    assert (receipt["scope"], receipt["environment"], receipt["input"]) == ("shop", "production", "app")
    assert (receipt["endpoint"], receipt["policy_version"], receipt["changed"]) == ("login", 1, True)
    assert receipt["observation"]["identities"] == {"email": "receipt@example.com", **stamp}
    lookup = next(step for step in receipt["receipt"]["steps"] if step["type"] == "device_application_stamp")
    assert lookup["rejected"] == [{"mpid": known, "guard": "login_id_required"}]
    assert receipt["receipt"]["decided_by"] == "no_profile_can_be_returned"
    assert (receipt["outcome"]["kind"], receipt["outcome"]["mpid"]) == ("created", answer.json()["mpid"])
    assert {change["type"] for change in receipt["changes"]} == {"email", "device_application_stamp"}
    assert receipt["story"]["headline"]
    assert receipt["story"]["sentences"]


def test_an_explanation_is_what_the_answer_will_be(server: Served, api: httpx.Client) -> None:
    """Asked before, it says what the request is then answered, step by step; only names and times differ."""
    login(server, {"customerid": "explained", "device_application_stamp": "explained"})
    given = {"customerid": "explained", "email": "explained@example.com"}
    said = explain(api, given, endpoint="login").json()
    answer = login(server, given)
    done = api.get(f"/api/decisions/{answer.headers['x-decision-id']}").json()
    assert said["decision_id"] is None
    assert said["input"] == "api"
    for member in ("scope", "environment", "endpoint", "policy_version", "outcome", "receipt", "changes", "changed"):
        assert said[member] == done[member]


@pytest.mark.parametrize("endpoint", ["identify", "login", "logout", "search"])
def test_an_explanation_writes_nothing(endpoint: str, server: Served, api: httpx.Client) -> None:
    """However often it is asked, nobody is made, nothing is learnt, and no decision is remembered."""
    mpid = login(server, {"customerid": f"untouched-{endpoint}"}).json()["mpid"]
    before = [api.get(f"/api/profiles/{mpid}{part}").json() for part in ("", "/history")]
    for _ in range(3):
        known = explain(api, {"customerid": f"untouched-{endpoint}", "email": f"{endpoint}@x"}, endpoint=endpoint)
        assert known.status_code == 200
        unknown = explain(api, {"other": f"unheard-of-{endpoint}"}, endpoint=endpoint).json()
        assert unknown["outcome"]["kind"] == ("not_found" if endpoint == "search" else "created")
        # A profile that is not made has no name yet.
        assert unknown["outcome"].get("mpid") is None
    assert [api.get(f"/api/profiles/{mpid}{part}").json() for part in ("", "/history")] == before
    assert server.ask("search", {"other": f"unheard-of-{endpoint}"}).status_code == 404


def test_a_refusal_is_explained_too(api: httpx.Client) -> None:
    """What the rules would refuse is no error here: the explanation says that it would be, and why."""
    said = explain(api, {"email": None}).json()
    assert (said["outcome"]["kind"], said["outcome"]["reason"]) == ("refused", "no_identities")


def test_an_explanation_may_name_the_previous_profile(api: httpx.Client) -> None:
    """The previous MPID settles a tie in an explanation as it does in an answer."""
    held = [seed(api, {"email": ["tie@example.com"], "other": [name]}).json()["mpid"] for name in ("tie-1", "tie-2")]
    for mpid in held:
        said = explain(api, {"email": "tie@example.com"}, previous_mpid=mpid).json()
        assert (said["outcome"]["mpid"], said["receipt"]["decided_by"]) == (mpid, "previous_mpid")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/profiles/1", 404, "unknown_profile"),
        ("/api/profiles/1/history", 404, "unknown_profile"),
        (f"/api/decisions/{UNKNOWN_ID}", 404, "unknown_decision"),
        ("/api/scopes/shop", 404, "unknown_path"),
        ("/api/nothing", 404, "unknown_path"),
    ],
)
def test_what_is_not_there_is_said_to_be_not_there(path: str, status: int, code: str, api: httpx.Client) -> None:
    """An unknown name is 404, and the code tells which name it was."""
    assert refusal(api.get(path)) == (status, code)


def test_an_unknown_scope_names_the_known_ones(api: httpx.Client) -> None:
    """Who misspells a scope is told which there are."""
    for answer in (seed(api, {}, scope="nowhere"), explain(api, {"other": "x"}, scope="nowhere")):
        assert refusal(answer) == (404, "unknown_scope")
        assert answer.json()["error"]["allowed"] == [LINKED, SHARED, "shop"]


CALLS = [
    ("GET", "/api/profiles/1"),
    ("GET", "/api/profiles/1/history"),
    ("POST", "/api/scopes/shop/profiles"),
    ("POST", "/api/scopes/shop/explain"),
    ("GET", f"/api/decisions/{UNKNOWN_ID}"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_asks_for_the_token(method: str, path: str, server: Served) -> None:
    """Without the admin token nothing is shown and nothing is written, whatever else is sent."""
    headers: list[dict[str, str]] = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}]
    for given in headers:
        answer = httpx.request(method, server.url + path, headers=given, content=b"{")
        assert refusal(answer) == (401, "unauthorised")
        assert answer.headers["www-authenticate"] == "Bearer"
    answer = httpx.request(method, server.url + path, auth=(KEY, SECRET), content=b"{")
    assert refusal(answer) == (401, "unauthorised")


def test_without_a_token_in_the_configuration_the_api_is_off(tmp_path: Path) -> None:
    """No token opens an API that nobody has set one for; its description is still there."""
    settings = configuration()
    del settings["admin_token"]
    with served(tmp_path, settings) as running:
        for method, path in CALLS:
            for token in (TOKEN, "None"):
                given = {"Authorization": f"Bearer {token}"}
                answer = httpx.request(method, running.url + path, headers=given, content=b"{}")
                assert refusal(answer) == (403, "admin_api_off")
        assert httpx.get(f"{running.url}/api/openapi.json").status_code == 200


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_other_methods_are_refused(method: str, path: str, server: Served) -> None:
    """A call that exists under another method is 405, and says under which."""
    for other in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - {method}:
        answer = httpx.request(other, server.url + path)
        assert refusal(answer) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == {method}
