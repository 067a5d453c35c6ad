"""IDSync against a started server: the written-down exchanges, and the switches of scopes and inputs (idsync §4)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.api.settings import with_inputs, with_scope
from tests.conformance.scenarios import document
from tests.served import KEY, SECRET, WEB_KEY, Served, served

EXCHANGES: list[dict[str, Any]] = document()["http_scenarios"]
ELSEWHERE = {"hmac-test-vector", "hmac-gzip-body", "rate-limited"}
"""Exchanges that are told in words, or as a vector: they are played in `test_credentials` and `test_throttle`."""

NO_SEARCH, NO_MODIFY, NO_MOVES, UPDATES_ONLY = "no-search", "no-modify", "no-moves", "updates-only"
DOCUMENTED, STAMPED, STRICT = "documented", "stamped", "strict"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with an input for each switch of inputs, and a scope for each setting of the answers."""
    inputs = {
        NO_SEARCH: {"allow_search": False},
        NO_MODIFY: {"allow_modify": False},
        NO_MOVES: {"allow_unique_moves": False},
        UPDATES_ONLY: {"protection_level": "only_update_profiles"},
    }
    settings = with_inputs(inputs, {"strategy": "profile_conversion"})
    plain = {"strategy": "profile_conversion"}
    with_scope(settings, DOCUMENTED, {"key": DOCUMENTED}, **plain, settings={"error_body": "documented_only"})
    with_scope(settings, STAMPED, {"key": STAMPED}, **plain, settings={"modify_device_application_stamp": True})
    strict = {"max_age_seconds": 7, "empty_record": "refuse", "is_ephemeral_policy": "never"}
    with_scope(settings, STRICT, {"key": STRICT}, strategy="profile_isolation", settings=strict)
    with served(tmp_path_factory.mktemp("idsync"), settings) as running:
        yield running


def post(
    server: Served, path: str, identities: Mapping[str, Any] | None = None, key: str = KEY, **members: Any
) -> httpx.Response:
    """Ask with Basic credentials; without identities the members are the whole body."""
    body: dict[str, Any] = {"environment": "production", **members}
    if identities is not None:
        body["known_identities"] = identities
    return httpx.post(f"{server.url}{path}", json=body, auth=(key, SECRET), timeout=30)


def modify(server: Served, mpid: str, *changes: tuple[str, str | None, str | None], key: str = KEY) -> httpx.Response:
    """Change identities of a profile: each change a type, an old and a new value."""
    lines = [{"identity_type": kind, "old_value": old, "new_value": new} for kind, old, new in changes]
    return post(server, f"/v1/{mpid}/modify", key=key, identity_changes=lines)


def held(server: Served, mpid: str) -> dict[str, list[str]]:
    """Return the identity record of a profile."""
    with server.api as api:
        return api.get(f"/api/profiles/{mpid}").json()["identities"]


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, vendor's code and reason of a refusal that has a body."""
    error = answer.json()["errors"][0]
    assert answer.headers["x-refusal-reason"] == error["reason"]
    return answer.status_code, error["code"], error["reason"]


def play(server: Served, exchange: Mapping[str, Any]) -> tuple[httpx.Response, str]:
    """Send the request of a written-down exchange. Also return the MPID that stands for its label."""
    request = exchange["request"]
    mpid = post(server, "/v1/identify", {"other": exchange["id"]}, environment="development").json()["mpid"]
    key = WEB_KEY if exchange.get("input", {}).get("allow_key_only") else KEY
    headers = {name: str(value).replace("KEY", key) for name, value in request.get("headers", {}).items()}
    auth = (KEY, SECRET) if request.get("auth") == "basic" else None
    if request.get("auth") == "key_only":
        headers["x-mp-key"] = WEB_KEY
    content: dict[str, Any] = {"content": request["raw_body"]} if "raw_body" in request else {}
    if "body" in request:
        content = {"json": request["body"]}
    path = request["path"].replace("MPID", mpid)
    answer = httpx.request(request["method"], f"{server.url}{path}", headers=headers, auth=auth, timeout=30, **content)
    return answer, mpid


def check_header(given: str, wanted: str | list[str]) -> None:
    """Check a header against the words of the file."""
    if isinstance(wanted, list):
        assert given in wanted
    elif wanted == "any non-negative integer":
        assert int(given) >= 0
    else:
        words = wanted.removeprefix("contains ").split(" and ")
        assert wanted.startswith("contains ")
        assert all(word.lower() in given.lower() for word in words)


@pytest.mark.parametrize(
    "exchange", [one for one in EXCHANGES if one["id"] not in ELSEWHERE], ids=lambda one: one["id"]
)
def test_each_written_down_exchange_comes_out(exchange: dict[str, Any], server: Served) -> None:
    """Every exchange of the conformance file that is a request and its answer comes out as it is written down."""
    answer, mpid = play(server, exchange)
    expect = exchange["expect"]
    if expect.get("writes") == "none":
        assert refusal(answer) == (404, "NOT_FOUND_ERROR", "not_found")
        assert refusal(play(server, exchange)[0])[0] == 404
        return
    wanted = expect["status"]
    assert answer.status_code in (wanted if isinstance(wanted, list) else [wanted])
    for name, value in expect.get("headers", {}).items():
        check_header(answer.headers[name], value)
    if "content_type" in expect:
        assert answer.headers["content-type"].startswith(expect["content_type"])
    if "body_keys" in expect:
        assert list(answer.json()) == expect["body_keys"]
    if "mpid_json_type" in expect:
        assert isinstance(answer.json()["mpid"], str)
    if "body_has" in expect:
        assert answer.json()[expect["body_has"]]
    if "body" in expect:
        [change] = expect["body"]["change_results"]
        assert answer.json()["change_results"] == [{**change, "modified_mpid": mpid}]


def test_every_exchange_is_played_somewhere() -> None:
    """An exchange that is added to the file without a request is noticed here."""
    assert {one["id"] for one in EXCHANGES if "request" not in one} == ELSEWHERE


@pytest.mark.parametrize("prefix", ["", "/identity"])
@pytest.mark.parametrize("endpoint", ["identify", "login", "logout", "search", "1/modify"])
def test_a_browser_may_ask(endpoint: str, prefix: str, server: Served) -> None:
    """The preflight of every path allows what the web SDK sends, and caches keep preflights apart."""
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-mp-key,accept",
    }
    answer = httpx.options(f"{server.url}{prefix}/v1/{endpoint}", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"content-type", "x-mp-key", "accept"} <= set(allowed)
    vary = answer.headers["vary"].split(", ")
    assert {"Origin", "Access-Control-Request-Headers"} <= set(vary)
    assert int(answer.headers["access-control-max-age"]) > 0


def test_a_page_may_read_every_answer(server: Served) -> None:
    """Refusals carry the CORS headers too, or a browser would report a lost network; so do the headers they expose."""
    unauthorised = httpx.post(f"{server.url}/v1/identify", content=b"{}")
    answers = [
        post(server, "/v1/identify", {"other": "cors"}),
        post(server, "/v1/identify", {}),
        post(server, "/v1/search", {"other": "nobody"}),
        post(server, "/v1/search", {"other": "cors"}, NO_SEARCH),
        httpx.post(f"{server.url}/v1/identify", content=b" " * 300_000, auth=(KEY, SECRET)),
        httpx.post(f"{server.url}/v1/identify", headers={"Content-Encoding": "br"}, content=b"x", auth=(KEY, SECRET)),
        httpx.get(f"{server.url}/v1/identify"),
        unauthorised,
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 404, 403, 413, 415, 405, 401]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "*"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"X-MP-Max-Age", "X-Decision-Id", "X-Refusal-Reason", "Retry-After"} <= set(exposed)
        assert {"X-mp-rate-limit-exceeded", "X-mp-rate-limit-percentage-used"} <= set(exposed)


def test_every_answer_names_its_decision(server: Served) -> None:
    """Each answer that was decided, refusals too, has an id under which the decision is found, and a trace id."""
    answers = [
        post(server, "/v1/identify", {"other": "decided"}),
        post(server, "/v1/search", {"other": "nobody-decided"}),
        modify(server, "1", ("email", None, "a@example.com")),
    ]
    with server.api as api:
        for answer in answers:
            decision = answer.headers["x-decision-id"]
            assert re.fullmatch("[0-9a-f]{32}", decision)
            assert answer.headers["x-mp-trace-id"] == decision
            assert api.get(f"/api/decisions/{decision}").status_code == 200
    assert [answer.json().get("RequestId") for answer in answers[1:]] == [
        answer.headers["x-decision-id"] for answer in answers[1:]
    ]
    undecided = post(server, "/v1/identify", {"shoe_size": "44"})
    assert undecided.json()["RequestId"] is None
    assert "x-decision-id" not in undecided.headers


def test_only_identify_and_login_may_be_cached(server: Served) -> None:
    """The age for which a client may reuse an answer is the scope's, and stands on no other endpoint."""
    ages = {
        endpoint: post(server, f"/v1/{endpoint}", {"other": "cached"}).headers.get("x-mp-max-age")
        for endpoint in ("identify", "login", "logout", "search")
    }
    assert ages == {"identify": "86400", "login": "86400", "logout": None, "search": None}
    assert post(server, "/v1/identify", {"other": "cached"}, STRICT).headers["x-mp-max-age"] == "7"


def test_the_answer_has_the_recorded_members(server: Served) -> None:
    """Order and types of the members are those that the SDKs were recorded with."""
    answer = post(server, "/v1/login", {"customerid": "members"})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.text == (
        '{"context":null,"matched_identities":{"customerid":"members"},"is_ephemeral":false,'
        f'"mpid":"{answer.json()["mpid"]}","is_logged_in":true}}'
    )
    assert re.fullmatch("[1-9][0-9]{0,18}", answer.json()["mpid"])


def test_an_anonymous_profile_may_be_forgotten(server: Served) -> None:
    """Clients are told so where a logout makes a profile of its own, and nowhere else."""
    given = {"device_application_stamp": "ephemeral"}
    assert post(server, "/v1/identify", given).json()["is_ephemeral"] is True
    assert post(server, "/v1/identify", given, STRICT).json()["is_ephemeral"] is False
    assert post(server, "/v1/login", {"customerid": "ephemeral"}).json()["is_ephemeral"] is False


def test_read_only_answers_the_same_and_writes_nothing(server: Served) -> None:
    """A known user is answered as usual without learning anything; an unknown one is not found."""
    mpid = post(server, "/v1/login", {"customerid": "reader"}).json()["mpid"]
    answer = post(server, "/v1/login?read_only=true", {"customerid": "reader", "email": "reader@example.com"})
    assert answer.json()["mpid"] == mpid
    assert held(server, mpid) == {"customerid": ["reader"]}
    for endpoint in ("identify", "login", "logout"):
        unknown = post(server, f"/v1/{endpoint}?read_only=true", {"other": "never seen"})
        assert refusal(unknown) == (404, "NOT_FOUND_ERROR", "not_found")
    assert post(server, "/v1/search", {"other": "never seen"}).status_code == 404
    with server.api as api:
        assert len(api.get(f"/api/profiles/{mpid}/history").json()["items"]) == 1


@pytest.mark.parametrize(("flag", "writes"), [("1", False), ("TRUE", False), ("0", True), ("false", True), ("", True)])
def test_read_only_is_spelled_in_several_ways(flag: str, *, writes: bool, server: Served) -> None:
    """Upper and lower case, digits and nothing at all are understood; anything else is refused."""
    answer = post(server, f"/v1/identify?read_only={flag}", {"other": f"flag {flag}"})
    assert (answer.status_code == 200) is writes
    assert refusal(post(server, "/v1/identify?read_only=yes", {"other": "x"}))[2] == "invalid_parameter"


def test_matches_are_those_of_the_request(server: Served) -> None:
    """An answer never shows what the request didn't know; devices are shown if nothing else is, or if all are asked for."""
    device = {"device_application_stamp": "matches"}
    known = {"customerid": "matches", "email": "matches@example.com"}
    assert post(server, "/v1/login", {**known, **device}).json()["matched_identities"] == known
    assert post(server, "/v1/login", {"customerid": "matches"}).json()["matched_identities"] == {
        "customerid": "matches"
    }
    wrong = {"customerid": "matches", "other3": "outside the priority"}
    assert post(server, "/v1/login", wrong).json()["matched_identities"] == {"customerid": "matches"}
    everything = post(server, "/v1/login?return_matches=true", {**known, **device}).json()
    assert everything["matched_identities"] == {**known, **device}
    anonymous = post(server, "/v1/logout", device).json()
    assert anonymous["matched_identities"] == device


def test_a_refusal_is_spelled_both_ways(server: Served) -> None:
    """One object has the documented members and those that the SDKs were seen to read."""
    body = post(server, "/v1/identify", {}).json()
    assert list(body) == ["errors", "Errors", "ErrorCode", "StatusCode", "RequestId"]
    assert body["errors"] == body["Errors"]
    assert body["errors"][0]["message"]
    assert (body["ErrorCode"], body["StatusCode"]) == ("LOOKUP_ERROR", 400)


def test_a_scope_may_ask_for_the_documented_spelling_alone(server: Served) -> None:
    """With `documented_only` every refusal of its inputs has `errors` and nothing else."""
    answers = [
        post(server, "/v1/identify", {}, DOCUMENTED),
        post(server, "/v1/identify", {"shoe_size": "44"}, DOCUMENTED),
        post(server, "/v1/search", {"other": "nobody"}, DOCUMENTED),
        modify(server, "1", key=DOCUMENTED),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 404, 400]
    assert [list(answer.json()) for answer in answers] == [["errors"]] * 4


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/v1/identify", "/identity/v1/search", "/v1/1/modify"])
def test_other_methods_are_refused(path: str, method: str, server: Served) -> None:
    """IDSync is asked with POST; whoever asks otherwise is told so."""
    answer = httpx.request(method, f"{server.url}{path}", auth=(KEY, SECRET))
    assert (answer.status_code, answer.headers["x-refusal-reason"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST, OPTIONS"


def test_search_finds_and_changes_nothing(server: Served) -> None:
    """A search answers with the profile and teaches it nothing; without a match it is 404."""
    mpid = post(server, "/v1/login", {"customerid": "searched"}).json()["mpid"]
    found = post(server, "/v1/search?cb=1", {"customerid": "searched", "email": "searched@example.com"})
    assert (found.json()["mpid"], found.json()["is_logged_in"]) == (mpid, True)
    assert held(server, mpid) == {"customerid": ["searched"]}
    assert refusal(post(server, "/v1/search", {"other": "nobody"})) == (404, "NOT_FOUND_ERROR", "not_found")


def test_an_input_may_be_kept_from_searching(server: Served) -> None:
    """With `allow_search` off a search is 403, whatever it asks for; the other endpoints go on."""
    answer = post(server, "/v1/search", {"other": "no-search"}, NO_SEARCH)
    assert (answer.status_code, answer.content) == (403, b"")
    assert answer.headers["x-refusal-reason"] == "search_not_allowed"
    assert post(server, "/v1/identify", {"other": "no-search"}, NO_SEARCH).status_code == 200


def test_an_input_may_be_kept_from_modifying(server: Served) -> None:
    """With `allow_modify` off a modify is 403 and changes nothing; the other endpoints go on."""
    mpid = post(server, "/v1/identify", {"other": "no-modify"}, NO_MODIFY).json()["mpid"]
    answer = modify(server, mpid, ("email", None, "a@example.com"), key=NO_MODIFY)
    assert (answer.status_code, answer.content) == (403, b"")
    assert answer.headers["x-refusal-reason"] == "modify_not_allowed"
    assert held(server, mpid) == {"other": ["no-modify"]}


def test_an_input_may_be_kept_from_taking_unique_values(server: Served) -> None:
    """With `allow_unique_moves` off, a modify that would take a value from somebody else is refused as a whole."""
    owner = post(server, "/v1/login", {"customerid": "owned"}).json()["mpid"]
    taker = post(server, "/v1/identify", {"other": "taker"}).json()["mpid"]
    changes = (("email", None, "taker@example.com"), ("customerid", None, "owned"))
    refused = modify(server, taker, *changes, key=NO_MOVES)
    assert refusal(refused) == (403, "VALIDATION_ERROR", "unique_move_not_allowed")
    assert (held(server, owner), held(server, taker)) == ({"customerid": ["owned"]}, {"other": ["taker"]})
    assert modify(server, taker, ("customerid", None, "free"), key=NO_MOVES).status_code == 200
    moved = modify(server, taker, *changes).json()["change_results"]
    assert {(one["identity_type"], one["modified_mpid"]) for one in moved} == {
        ("email", taker),
        ("customerid", taker),
        ("customerid", owner),
    }


def test_an_input_may_be_kept_from_making_profiles(server: Served) -> None:
    """An input that only updates answers 404 where it would have to make a profile, and updates those that are there."""
    for endpoint in ("identify", "login", "logout"):
        unknown = post(server, f"/v1/{endpoint}", {"other": "update-only"}, UPDATES_ONLY)
        assert refusal(unknown) == (404, "NOT_FOUND_ERROR", "not_found")
    mpid = post(server, "/v1/identify", {"other": "update-only"}).json()["mpid"]
    learnt = post(server, "/v1/identify", {"other": "update-only", "email": "u@example.com"}, UPDATES_ONLY)
    assert learnt.json()["mpid"] == mpid
    assert held(server, mpid) == {"other": ["update-only"], "email": ["u@example.com"]}


def test_modify_keeps_the_client_where_it_is(server: Served) -> None:
    """The answer names the profile and whether it is known now, so that no client logs itself out."""
    mpid = post(server, "/v1/identify", {"other": "modified"}).json()["mpid"]
    for changes, known, changed in (
        ([("email", None, "m@example.com")], False, ["email"]),
        ([("customerid", None, "modified")], True, ["customerid"]),
        ([("email", "m@example.com", None), ("other", "stale", "new")], True, ["email", "other"]),
        ([], True, []),
        ([("customerid", "modified", None)], False, ["customerid"]),
    ):
        body = modify(server, mpid, *changes).json()
        assert list(body) == ["change_results", "mpid", "is_logged_in"]
        assert (body["mpid"], body["is_logged_in"]) == (mpid, known)
        assert [(one["identity_type"], one["modified_mpid"]) for one in body["change_results"]] == [
            (kind, mpid) for kind in changed
        ]
    assert held(server, mpid) == {"other": ["modified", "new"]}


def test_modify_of_an_unknown_profile_is_refused(server: Served) -> None:
    """A modify never makes a profile: not for an MPID that nobody has, nor for one of another scope or environment."""
    mpid = post(server, "/v1/identify", {"other": "elsewhere"}).json()["mpid"]
    unknown = (400, "LOOKUP_ERROR", "unknown_mpid")
    assert refusal(modify(server, "1", ("email", None, "a@example.com"))) == unknown
    assert refusal(modify(server, mpid, ("email", None, "a@example.com"), key=STRICT)) == unknown
    changes = [{"identity_type": "email", "new_value": "a@example.com"}]
    other = post(server, f"/v1/{mpid}/modify", environment="development", identity_changes=changes)
    assert refusal(other) == unknown
    assert held(server, mpid) == {"other": ["elsewhere"]}


def test_the_query_of_a_modify_means_nothing(server: Served) -> None:
    """The flags of the other endpoints are unknown parameters here, and those are passed over."""
    mpid = post(server, "/v1/identify", {"other": "query"}).json()["mpid"]
    assert post(server, f"/v1/{mpid}/modify?return_matches=maybe", identity_changes=[]).status_code == 200


def test_the_stamp_may_be_modified_where_the_scope_says_so(server: Served) -> None:
    """By default a device application stamp can't be changed by hand; a scope may allow it."""
    for key, status in ((KEY, 400), (STAMPED, 200)):
        mpid = post(server, "/v1/identify", {"other": "stamp"}, key).json()["mpid"]
        assert modify(server, mpid, ("device_application_stamp", None, "s"), key=key).status_code == status


def test_what_the_rules_refuse_has_its_reason(server: Served) -> None:
    """No identity, a login without a login ID, and a record that nothing could lead to are told apart."""
    assert refusal(post(server, "/v1/identify", {"email": None})) == (400, "LOOKUP_ERROR", "no_identities")
    answer = post(server, "/v1/login", {"other": "strict"}, STRICT)
    assert refusal(answer) == (400, "LOOKUP_ERROR", "login_without_login_id")
    answer = post(server, "/v1/identify", {"other9": "outside the priority"}, STRICT)
    assert refusal(answer) == (400, "LOOKUP_ERROR", "empty_record")


def test_environments_and_scopes_are_kept_apart(server: Served) -> None:
    """The same identity is another person in another environment or scope."""
    given = {"customerid": "apart"}
    answers = [
        post(server, "/v1/login", given),
        post(server, "/v1/login", given, environment="development"),
        post(server, "/v1/login", given, STRICT),
        post(server, "/v1/login", given, DOCUMENTED),
    ]
    assert len({answer.json()["mpid"] for answer in answers}) == 4
    assert post(server, "/identity/v1/login", given).json()["mpid"] == answers[0].json()["mpid"]


@pytest.mark.parametrize("previous", [None, "", "0", 0, "1", 1, -1, "9223372036854775807"])
def test_previous_mpid_is_a_string_or_a_number(previous: Any, server: Served) -> None:
    """SDKs send it either way, and nothing, zero or an empty string for none; it never opens a profile."""
    known = post(server, "/v1/login", {"customerid": "previous"}).json()["mpid"]
    answer = post(server, "/v1/identify", {"other": "after"}, previous_mpid=previous)
    assert answer.status_code == 200
    assert answer.json()["mpid"] != known
    assert post(server, "/v1/identify", {"other": "after"}, previous_mpid=known).json()["mpid"] != known
