"""IDSync over the wire: credentials, headers and bodies as the official SDKs need them (idsync §4)."""

import gzip
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.scenarios import document
from tests.served import KEY, SECRET, WEB_KEY, Served, configuration, served

VECTOR = next(one for one in document()["http_scenarios"] if one["id"] == "hmac-test-vector")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose app signs, whose web app has its key only, and one input with a rate limit."""
    settings = configuration()
    inputs = settings["organization"]["accounts"][0]["workspaces"][0]["inputs"]
    inputs.append(
        {
            "name": "slow",
            "platform": "web",
            "key": "slow-key",
            "secret": "slow-secret",
            "allow_key_only": True,
            "limits": {"requests_per_second": 0.01, "burst_seconds": 100},
        }
    )
    with served(tmp_path_factory.mktemp("wire"), settings) as running:
        yield running


def sign(method: str, date: str, path: str, body: bytes) -> str:
    return hmac.new(SECRET.encode(), f"{method}\n{date}\n{path}".encode() + body, "sha256").hexdigest()


def post(server: Served, path: str, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(server.url + path, content=body, headers=headers, timeout=30)


def test_the_documented_signature_is_accepted(server: Served) -> None:
    """The test vector's signature opens the door, in lower and upper case; another one does not."""
    body = VECTOR["body"].encode()
    assert sign("POST", VECTOR["date"], VECTOR["path"], body) == VECTOR["signature"]
    for signature in (VECTOR["signature"], VECTOR["signature"].upper()):
        headers = {"x-mp-key": KEY, "Date": VECTOR["date"], "x-mp-signature": signature}
        assert post(server, VECTOR["path"], body, **headers).status_code == 200
    refused = post(server, VECTOR["path"], body, **{"x-mp-key": KEY, "Date": VECTOR["date"], "x-mp-signature": "00"})
    assert (refused.status_code, refused.content) == (401, b"")
    assert refused.headers["x-refusal-reason"] == "wrong_signature"


@pytest.mark.parametrize("path", ["/v1/identify", "/identity/v1/identify", "/v1/identify?cb=1"])
@pytest.mark.parametrize("signed_query", [False, True])
def test_sdks_sign_the_default_path(server: Served, path: str, *, signed_query: bool) -> None:
    """Behind a custom domain the default path is signed; with a query, both spellings are accepted."""
    date = "Tue, 02 Jan 2024 03:04:05 GMT"
    plain = path.removeprefix("/identity")
    signed = plain if signed_query else plain.partition("?")[0]
    body = VECTOR["body"].encode()
    headers = {"x-mp-key": KEY, "Date": date, "x-mp-signature": sign("POST", date, signed, body)}
    assert post(server, path, body, **headers).status_code == 200


def test_a_compressed_body_is_signed_uncompressed(server: Served) -> None:
    """Android compresses the body and signs the plain JSON."""
    body = VECTOR["body"].encode()
    headers = {
        "x-mp-key": KEY,
        "Date": VECTOR["date"],
        "x-mp-signature": VECTOR["signature"],
        "Content-Encoding": "gzip",
    }
    assert post(server, VECTOR["path"], gzip.compress(body), **headers).status_code == 200


def test_a_key_alone_is_enough_only_where_allowed(server: Served) -> None:
    """The web app's key is accepted alone; the app's is not, and neither is an unknown one."""
    body = VECTOR["body"].encode()
    assert post(server, "/v1/identify", body, **{"x-mp-key": WEB_KEY}).status_code == 200
    for key, reason in ((KEY, "key_only_not_allowed"), ("nobody", "unknown_key")):
        refused = post(server, "/v1/identify", body, **{"x-mp-key": key})
        assert (refused.status_code, refused.headers["x-refusal-reason"]) == (401, reason)
        assert refused.headers["access-control-allow-origin"] == "*"


def test_the_answer_has_the_members_that_sdks_read(server: Served) -> None:
    """The members stand in the recorded order, the MPID is a string, and the cache header is exposed."""
    answer = post(server, "/v1/identify", VECTOR["body"].encode(), **{"x-mp-key": WEB_KEY})
    assert list(answer.json()) == ["context", "matched_identities", "is_ephemeral", "mpid", "is_logged_in"]
    assert isinstance(answer.json()["mpid"], str)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert int(answer.headers["x-mp-max-age"]) >= 0
    assert "X-MP-Max-Age" in answer.headers["access-control-expose-headers"]
    assert len(answer.headers["x-decision-id"]) == 32


def test_a_preflight_is_answered(server: Served) -> None:
    """Browsers may send the headers that the web SDK needs, and caches keep preflights apart."""
    answer = httpx.options(server.url + "/v1/identify", headers={"Origin": "https://shop.example"})
    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
    for name in ("content-type", "x-mp-key", "accept"):
        assert name in answer.headers["access-control-allow-headers"]
    assert "Access-Control-Request-Headers" in answer.headers["vary"]


def test_read_only_writes_nothing(server: Served) -> None:
    """For a known user the answer is the same; for an unknown one there is none, however often it is asked."""
    known = server.ask("login", {"customerid": "read-only"}).json()["mpid"]
    body: dict[str, Any] = {"environment": "production", "known_identities": {"customerid": "read-only"}}
    url = server.url + "/v1/identify?read_only=true"
    assert httpx.post(url, json=body, auth=(KEY, SECRET)).json()["mpid"] == known
    body["known_identities"] = {"customerid": "nobody-yet"}
    for _ in range(2):
        answer = httpx.post(url, json=body, auth=(KEY, SECRET))
        assert (answer.status_code, answer.json()["ErrorCode"]) == (404, "NOT_FOUND_ERROR")


def test_return_matches_includes_devices(server: Served) -> None:
    """Devices are among the matches only if nothing else is, or if all are asked for."""
    given = {"customerid": "matches", "device_application_stamp": "d-matches"}
    assert server.ask("login", given).json()["matched_identities"] == {"customerid": "matches"}
    body = json.dumps({"environment": "production", "known_identities": given})
    answer = post(server, "/v1/login?return_matches=true", body.encode(), **{"x-mp-key": WEB_KEY})
    assert answer.json()["matched_identities"] == given


def test_errors_are_spelled_both_ways(server: Served) -> None:
    """The documented spelling and the one that SDKs read stand in one object, with a stable reason."""
    refused = server.ask("identify", {"shoe_size": "44"})
    body = refused.json()
    assert refused.status_code == body["StatusCode"] == 400
    assert body["errors"] == body["Errors"]
    assert body["errors"][0]["reason"] == "unknown_identity_type"


def test_too_many_requests_are_told_to_wait(server: Served) -> None:
    """Over its limit, an input gets 429 with the vendor's headers, and 200s carry the share that is used."""
    body = VECTOR["body"].encode()
    first = post(server, "/v1/identify", body, **{"x-mp-key": "slow-key"})
    assert (first.status_code, first.headers["x-mp-rate-limit-percentage-used"]) == (200, "100")
    second = post(server, "/v1/identify", body, **{"x-mp-key": "slow-key"})
    assert (second.status_code, second.content) == (429, b"")
    assert second.headers["x-mp-rate-limit-exceeded"] == "app"
    assert int(second.headers["retry-after"]) > 0


def test_a_modify_answers_what_changed(server: Served) -> None:
    """The answer names each change, and keeps the client on its profile."""
    mpid = server.ask("login", {"customerid": "modify"}).json()["mpid"]
    changes = [{"identity_type": "email", "old_value": None, "new_value": "modify@example.com"}]
    body = {"environment": "production", "identity_changes": changes}
    answer = httpx.post(f"{server.url}/v1/{mpid}/modify", json=body, auth=(KEY, SECRET)).json()
    assert answer["change_results"] == [{"identity_type": "email", "modified_mpid": mpid}]
    assert answer["mpid"] == mpid


def test_operators_are_answered(server: Served) -> None:
    """The server says that it lives, that it is ready, and what it has counted."""
    assert httpx.get(server.url + "/healthz").status_code == 200
    assert httpx.get(server.url + "/readyz").status_code == 200
    assert "knownas_decisions_total" in httpx.get(server.url + "/metrics").text
