"""Who is asking: Basic, signatures and keys alone, against a started server (idsync §4.1)."""

import base64
import gzip
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from tests.conformance.scenarios import document
from tests.served import KEY, SECRET, WEB_KEY, WEB_SECRET, Served, served

VECTOR: dict[str, Any] = next(one for one in document()["http_scenarios"] if one["id"] == "hmac-test-vector")
BODY = VECTOR["body"].encode()
ISO, RFC_1123 = "20240102T030405Z", "Tue, 02 Jan 2024 03:04:05 GMT"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with an input that signs and one that may send its key alone."""
    with served(tmp_path_factory.mktemp("credentials")) as running:
        yield running


def signature(path: str, body: bytes = BODY, *, date: str = ISO, secret: str = SECRET, method: str = "POST") -> str:
    """Sign a request the way the SDKs do: nothing stands between path and body."""
    text = f"{method}\n{date}\n{path}".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def send(
    server: Served, path: str, signed: str, body: bytes = BODY, *, date: str = ISO, key: str = KEY, **headers: str
) -> httpx.Response:
    """Send a signed request."""
    given = {"x-mp-key": key, "Date": date, "x-mp-signature": signed, **headers}
    return httpx.post(f"{server.url}{path}", content=body, headers=given, timeout=30)


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    """Return an answer's status and the reason of its refusal; a 401 never has a body."""
    if answer.status_code == 401:
        assert answer.content == b""
    return answer.status_code, answer.headers.get("x-refusal-reason")


def test_the_test_vector_is_accepted(server: Served) -> None:
    """The published key, secret, date, path and body give the published signature, and the server takes it."""
    assert (VECTOR["key"], VECTOR["secret"]) == (KEY, SECRET)
    assert f"POST\n{VECTOR['date']}\n{VECTOR['path']}{VECTOR['body']}" == VECTOR["string_to_sign"]
    assert signature(VECTOR["path"], date=VECTOR["date"]) == VECTOR["signature"]
    answer = send(server, VECTOR["path"], VECTOR["signature"], date=VECTOR["date"])
    assert outcome(answer) == (VECTOR["expect"]["status"], None)


@pytest.mark.parametrize(
    "wrong",
    [
        "00",
        "0" * 64,
        signature("/v1/identify", secret="another"),
        signature("/v1/login"),
        signature("/v1/identify", date=RFC_1123),
        signature("/v1/identify", method="GET"),
        signature("/v1/identify", BODY + b" "),
        signature("/v1/identify\n"),
        signature("/identity/v1/identify"),
        signature("/v1/identify?"),
        signature("/v1/identify")[:-1],
        signature("/v1/identify") + "0",
        signature("/v1/identify")[:-1] + "g",
    ],
)
def test_a_signature_of_anything_else_is_refused(wrong: str, server: Served) -> None:
    """Another secret, path, date, method or body, or a signature that is none, opens nothing."""
    assert outcome(send(server, "/v1/identify", wrong)) == (401, "wrong_signature")


def test_another_inputs_signature_is_refused(server: Served) -> None:
    """A signature counts for the key that it comes with, not for any key that the signer knows."""
    signed = signature("/v1/identify", secret=WEB_SECRET)
    assert outcome(send(server, "/v1/identify", signed)) == (401, "wrong_signature")
    assert outcome(send(server, "/v1/identify", signed, key=WEB_KEY)) == (200, None)


def test_a_wrong_signature_is_never_taken_for_a_key_alone(server: Served) -> None:
    """Where the key alone would do, a signature that is there is checked nevertheless."""
    assert outcome(send(server, "/v1/identify", "0" * 64, key=WEB_KEY)) == (401, "wrong_signature")


def test_a_compressed_body_is_signed_as_it_was(server: Served) -> None:
    """Android signs the plain JSON and sends it compressed; a signature of the compressed bytes is a wrong one."""
    packed = gzip.compress(BODY)
    signed = signature("/v1/identify")
    assert outcome(send(server, "/v1/identify", signed, packed, **{"Content-Encoding": "gzip"})) == (200, None)
    other = signature("/v1/identify", packed)
    answer = send(server, "/v1/identify", other, packed, **{"Content-Encoding": "gzip"})
    assert outcome(answer) == (401, "wrong_signature")


@pytest.mark.parametrize("signed", ["/v1/identify", "/identity/v1/identify"])
def test_behind_the_prefix_either_path_may_be_signed(signed: str, server: Served) -> None:
    """SDKs sign the default path although a custom domain puts a prefix before it."""
    assert outcome(send(server, "/identity/v1/identify", signature(signed))) == (200, None)


@pytest.mark.parametrize("prefix", ["", "/identity"])
@pytest.mark.parametrize("signed", ["/v1/identify", "/v1/identify?cb=1&read_only=false"])
def test_a_query_may_be_signed_or_not(signed: str, prefix: str, server: Served) -> None:
    """Some SDKs sign the path with its query, others without."""
    path = f"{prefix}/v1/identify?cb=1&read_only=false"
    assert outcome(send(server, path, signature(signed))) == (200, None)
    assert outcome(send(server, path, signature("/v1/identify?cb=2"))) == (401, "wrong_signature")


def test_a_modify_is_signed_with_its_mpid(server: Served) -> None:
    """The path of a modify names the profile; a signature for one profile is none for another."""
    mpid = send(server, "/v1/identify", signature("/v1/identify")).json()["mpid"]
    body = b'{"environment":"development","identity_changes":[]}'
    assert outcome(send(server, f"/v1/{mpid}/modify", signature(f"/v1/{mpid}/modify", body), body)) == (200, None)
    assert outcome(send(server, f"/v1/{mpid}/modify", signature("/v1/1/modify", body), body))[0] == 401


@pytest.mark.parametrize(
    "date",
    [
        ISO,
        RFC_1123,
        format_datetime(datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        "2024-01-02T03:04:05.678Z",
        "Tue, 02 Jan 2024 05:04:05 GMT+02:00",
        "yesterday",
    ],
)
def test_the_date_is_signed_as_its_text(date: str, server: Served) -> None:
    """Each SDK writes dates in its own way: the text counts, not what it means."""
    assert outcome(send(server, "/v1/identify", signature("/v1/identify", date=date), date=date)) == (200, None)


def test_hex_may_be_written_in_capitals(server: Served) -> None:
    """A signature is compared without regard to case."""
    assert outcome(send(server, "/v1/identify", signature("/v1/identify").upper())) == (200, None)


@pytest.mark.parametrize("endpoint", ["identify", "login", "logout", "search"])
def test_a_signature_is_for_one_endpoint(endpoint: str, server: Served) -> None:
    """What was signed for one endpoint is refused by the others."""
    path = f"/v1/{endpoint}"
    assert send(server, path, signature(path)).status_code in {200, 404}
    for other in {"/v1/identify", "/v1/login", "/v1/logout", "/v1/search"} - {path}:
        assert outcome(send(server, path, signature(other))) == (401, "wrong_signature")


def basic(credentials: str) -> dict[str, str]:
    """Write the header of Basic credentials."""
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


def ask(server: Served, headers: dict[str, str], path: str = "/v1/identify") -> tuple[int, str | None]:
    """Send the usual body with some headers."""
    return outcome(httpx.post(f"{server.url}{path}", content=BODY, headers=headers, timeout=30))


def test_basic_takes_key_and_secret(server: Served) -> None:
    """Key and secret of an input do, on every path; anything else does not."""
    assert basic(f"{KEY}:{SECRET}")["Authorization"] == "Basic ZXhhbXBsZS1hcGkta2V5OmV4YW1wbGUtYXBpLXNlY3JldA=="
    for path in ("/v1/identify", "/identity/v1/identify"):
        assert ask(server, basic(f"{KEY}:{SECRET}"), path) == (200, None)
    assert ask(server, basic(f"{KEY}:{SECRET} ")) == (401, "wrong_secret")
    assert ask(server, basic(f"{KEY}:{WEB_SECRET}")) == (401, "wrong_secret")
    assert ask(server, basic(f"nobody:{SECRET}")) == (401, "unknown_key")
    assert ask(server, basic("ws-key-for-tests:ws-secret-for-tests")) == (401, "unknown_key")


def test_a_key_alone_counts_only_where_it_is_allowed(server: Served) -> None:
    """The key of a web app does alone; that of an app that signs does not."""
    assert ask(server, {"x-mp-key": WEB_KEY}) == (200, None)
    assert ask(server, {"x-mp-key": KEY}) == (401, "key_only_not_allowed")
    assert ask(server, {"x-mp-key": "nobody"}) == (401, "unknown_key")
    assert ask(server, {}) == (401, "no_credentials")


def test_a_refusal_writes_nothing(server: Served) -> None:
    """Who is refused at the door leaves no profile behind."""
    body = b'{"environment":"production","known_identities":{"email":"refused@example.com"}}'
    refused = httpx.post(f"{server.url}/v1/identify", content=body, headers={"x-mp-key": KEY})
    assert refused.status_code == 401
    assert httpx.post(f"{server.url}/v1/search", content=body, auth=(KEY, SECRET)).status_code == 404
