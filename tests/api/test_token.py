"""The token endpoint: what it takes, what it refuses and how it says so (platform §1.4)."""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from knownas.api import token as token_module
from knownas.api.telemetry import Telemetry
from knownas.api.token import (
    DISCOVERY_PATH,
    FIELD_CHARACTERS_MAX,
    KEYS_PATH,
    ROUTES,
    TOKEN_PATH,
    TokenEndpoint,
)
from knownas.config.values import Configuration, Credential, Secret
from knownas.service.security import failures
from knownas.service.security.failures import FAILURES_IN_A_ROW_MAX, SECONDS_A_FAILURE
from knownas.service.security.tokens import AUDIENCE, Tokens, open_tokens
from knownas.store.memory.store import MemoryStore
from tests.api.surface_app import app_of
from tests.store.world import START_MS

SECRET = "s3cret-of-personalisation"
APP = Credential("personalisation", Secret(SECRET), workspaces=())
BODY = {
    "client_id": "personalisation",
    "client_secret": SECRET,
    "audience": AUDIENCE,
    "grant_type": "client_credentials",
}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Clock:
    """Stands still until it is told to go on, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which failures are counted."""
    stopped = Clock()
    monkeypatch.setattr(token_module, "monotonic", stopped)
    return stopped


@pytest.fixture
async def tokens() -> Tokens:
    """The tokens of one client."""
    return await open_tokens(Configuration(credentials=(APP,)), MemoryStore(), lambda: START_MS)


@pytest.fixture
async def client(tokens: Tokens) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the endpoint."""
    endpoint = TokenEndpoint(tokens, Telemetry())
    transport = httpx.ASGITransport(app_of(endpoint, ROUTES), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="https://id.example.com:8443") as asking:
        yield asking


def body(**changed: Any) -> dict[str, Any]:
    """Return the body of a good request with some members changed; None leaves one out."""
    return {name: value for name, value in {**BODY, **changed}.items() if value is not None}


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, OAuth's code and our reason of a refusal."""
    said = answer.json()
    assert said["error_description"]
    assert answer.headers["x-refusal-reason"] == said["reason"]
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, said["error"], said["reason"]


async def test_a_client_gets_a_token(client: httpx.AsyncClient, tokens: Tokens) -> None:
    """The right secret is answered with a bearer token for eight hours that nobody may store."""
    answer = await client.post(TOKEN_PATH, json=BODY)

    assert answer.status_code == 200
    assert list(answer.json()) == ["access_token", "expires_in", "token_type"]
    assert answer.json()["expires_in"] == 28_800
    assert answer.json()["token_type"] == "Bearer"
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert tokens.verify(answer.json()["access_token"], START_MS) is APP


async def test_a_form_does_as_well(client: httpx.AsyncClient, tokens: Tokens) -> None:
    """OAuth's own encoding is taken too, with further fields passed over."""
    answer = await client.post(TOKEN_PATH, content=urlencode({**BODY, "scope": ""}), headers=FORM)

    assert answer.status_code == 200
    assert tokens.verify(answer.json()["access_token"], START_MS) is APP


@pytest.mark.parametrize(
    "audience",
    [
        "https://api.mparticle.com",
        "https://api.mparticle.com/",
        "https://id.example.com:8443",
        "http://id.example.com:8443/",
        "https://ID.example.com:8443",
    ],
)
async def test_the_audience_is_the_vendors_or_ours(client: httpx.AsyncClient, audience: str) -> None:
    """A client may name the vendor's audience or the address at which it asks."""
    assert (await client.post(TOKEN_PATH, json=body(audience=audience))).status_code == 200


@pytest.mark.parametrize("audience", ["https://elsewhere.example.com", "api.mparticle.com", "https://", "/"])
async def test_another_audience_is_refused(client: httpx.AsyncClient, audience: str) -> None:
    """Who asks for a token for somebody else is told so."""
    answer = await client.post(TOKEN_PATH, json=body(audience=audience))

    assert refusal(answer) == (400, "invalid_target", "unknown_audience")


@pytest.mark.parametrize(
    "changed",
    [{"client_secret": "wrong"}, {"client_id": "nobody"}, {"client_id": "personalisation "}, {"client_secret": "é"}],
)
async def test_a_wrong_client_is_refused(client: httpx.AsyncClient, changed: dict[str, str]) -> None:
    """A wrong secret and an unknown client get the same answer, byte for byte."""
    answer = await client.post(TOKEN_PATH, json=body(**changed))
    other = await client.post(TOKEN_PATH, json=body(client_id="somebody", client_secret="else"))

    assert refusal(answer) == (401, "invalid_client", "wrong_client")
    assert answer.content == other.content


@pytest.mark.parametrize("grant", ["authorization_code", "password", "CLIENT_CREDENTIALS"])
async def test_the_one_grant_is_client_credentials(client: httpx.AsyncClient, grant: str) -> None:
    """No other way to a token is offered."""
    answer = await client.post(TOKEN_PATH, json=body(grant_type=grant))

    assert refusal(answer) == (400, "unsupported_grant_type", "unsupported_grant_type")


@pytest.mark.parametrize("member", list(BODY))
@pytest.mark.parametrize("value", [None, "", 7, "x" * (FIELD_CHARACTERS_MAX + 1)])
async def test_each_member_is_needed(client: httpx.AsyncClient, member: str, value: Any) -> None:
    """A member that is missing, empty, no text or too long is named."""
    answer = await client.post(TOKEN_PATH, json=body(**{member: value}))

    assert refusal(answer) == (400, "invalid_request", "invalid_member")
    assert member in answer.json()["error_description"]


@pytest.mark.parametrize("member", list(BODY))
async def test_each_field_of_a_form_is_needed(client: httpx.AsyncClient, member: str) -> None:
    """A form has to be as whole as a JSON body."""
    answer = await client.post(TOKEN_PATH, content=urlencode(body(**{member: None})), headers=FORM)

    assert refusal(answer) == (400, "invalid_request", "invalid_member")


@pytest.mark.parametrize(
    ("content", "headers", "reason"),
    [
        (b"", {}, "malformed_body"),
        (b"{", {}, "malformed_body"),
        (b"[]", {}, "invalid_member"),
        (b'"\xff"', {}, "malformed_body"),
        (b'{"x":' * 20_000, {}, "malformed_body"),
        (urlencode(BODY).encode(), {}, "malformed_body"),
        (json.dumps(BODY).encode()[:-1] + b',"grant_type":"client_credentials"}', {}, "duplicate_key"),
        (json.dumps(BODY).encode(), FORM, "invalid_member"),
        (b"", FORM, "invalid_member"),
        (urlencode([*BODY.items(), ("client_id", "x")]).encode(), FORM, "duplicate_key"),
        (b"client_id=%ff", FORM, "malformed_body"),
        ("client_id=é".encode(), FORM, "malformed_body"),
        (b"a=1&" * 20, FORM, "malformed_body"),
    ],
)
async def test_a_body_that_cant_be_read_is_refused(
    client: httpx.AsyncClient, content: bytes, headers: Mapping[str, str], reason: str
) -> None:
    """What is neither JSON nor a form, or says a thing twice, is refused with its reason."""
    answer = await client.post(TOKEN_PATH, content=content, headers=headers)

    assert refusal(answer) == (400, "invalid_request", reason)


async def test_a_body_has_a_limit(client: httpx.AsyncClient) -> None:
    """A body beyond the limit of all bodies is refused before it is read."""
    answer = await client.post(TOKEN_PATH, content=b" " * 300_000)

    assert refusal(answer) == (413, "invalid_request", "body_too_long")


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", TOKEN_PATH, "POST"), ("PUT", TOKEN_PATH, "POST"), ("POST", KEYS_PATH, "GET")]
)
async def test_another_method_is_refused(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    """The method that is allowed is named."""
    answer = await client.request(method, path)

    assert refusal(answer) == (405, "invalid_request", "method_not_allowed")
    assert answer.headers["allow"] == allow


async def guess(client: httpx.AsyncClient, name: str = "personalisation") -> int:
    """Try a wrong secret."""
    return (await client.post(TOKEN_PATH, json=body(client_id=name, client_secret="guess"))).status_code


@pytest.mark.parametrize("name", ["personalisation", "nobody"])
async def test_secrets_cant_be_guessed_quickly(client: httpx.AsyncClient, clock: Clock, name: str) -> None:
    """After some failures nothing is compared for a while, whether or not there is such a client."""
    answers = [await guess(client, name) for _ in range(FAILURES_IN_A_ROW_MAX + 2)]
    assert answers == [401] * FAILURES_IN_A_ROW_MAX + [429, 429]

    held_up = await client.post(TOKEN_PATH, json=body(client_id=name))
    assert refusal(held_up) == (429, "too_many_attempts", "too_many_failures")
    assert 1 <= int(held_up.headers["retry-after"]) <= SECONDS_A_FAILURE

    clock.now += SECONDS_A_FAILURE
    assert [await guess(client, name), await guess(client, name)] == [401, 429]


async def test_the_right_secret_ends_the_count(client: httpx.AsyncClient, clock: Clock) -> None:
    """A client that mistypes now and then is not held up for it, nor by what others fail at."""
    for _ in range(FAILURES_IN_A_ROW_MAX + 1):
        await guess(client, "nobody")
    for _ in range(3):
        assert [await guess(client) for _ in range(FAILURES_IN_A_ROW_MAX - 1)] == [401] * (FAILURES_IN_A_ROW_MAX - 1)
        assert (await client.post(TOKEN_PATH, json=BODY)).status_code == 200
    assert clock.now == 1_000.0


async def test_failures_remembered_have_a_limit(
    client: httpx.AsyncClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many names are tried, only so many are remembered, the latest ones."""
    monkeypatch.setattr(failures, "FAILING_MAX", 2)
    for name in ("one", "two", "one", "three"):
        assert await guess(client, name) == 401
    remaining = [await guess(client, "one") for _ in range(FAILURES_IN_A_ROW_MAX - 1)]

    assert remaining == [401] * (FAILURES_IN_A_ROW_MAX - 2) + [429]
    assert await guess(client, "two") == 401
    assert clock.now == 1_000.0


async def test_the_key_set_is_public(client: httpx.AsyncClient) -> None:
    """Others check a token with the published keys, which they may keep for a while; no private key is shown."""
    token = (await client.post(TOKEN_PATH, json=BODY)).json()["access_token"]
    answer = await client.get(KEYS_PATH)

    assert answer.status_code == 200
    assert answer.headers.get_list("cache-control") == ["public, max-age=300"]
    assert "pragma" not in answer.headers
    assert all("d" not in key for key in answer.json()["keys"])
    assert jwt.decode(token, KeySet.import_key_set(answer.json()), algorithms=["ES256"]).claims["sub"] == APP.client_id


async def test_a_client_can_find_everything_by_itself(client: httpx.AsyncClient) -> None:
    """The configuration names the endpoint and the keys where the client asked, and the issuer of every token."""
    told = (await client.get(DISCOVERY_PATH)).json()
    token = (await client.post(told["token_endpoint"], json=BODY)).json()["access_token"]
    keys = KeySet.import_key_set((await client.get(told["jwks_uri"])).json())
    algorithms = told["id_token_signing_alg_values_supported"]
    assert jwt.decode(token, keys, algorithms=algorithms).claims["iss"] == told["issuer"]
    assert told["grant_types_supported"] == [BODY["grant_type"]]
    assert told["token_endpoint"] == str(client.base_url).rstrip("/") + TOKEN_PATH


async def test_a_fault_of_ours_tells_and_logs_no_secret(
    tokens: Tokens, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens, neither secret nor token stands in the log or in a refusal."""

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.DEBUG):
        good = await client.post(TOKEN_PATH, json=BODY)
        refused = [
            await client.post(TOKEN_PATH, json=body(client_secret=f"{SECRET}!")),
            await client.post(TOKEN_PATH, json=body(audience="x")),
            await client.post(TOKEN_PATH, content=json.dumps(BODY)[:-1].encode()),
            await client.post(TOKEN_PATH, content=urlencode(body(client_id=None)), headers=FORM),
        ]
        monkeypatch.setattr(tokens, "issue", broken)
        refused.append(await client.post(TOKEN_PATH, json=BODY))

    assert refusal(refused[-1]) == (500, "server_error", "internal_error")
    shown = caplog.text + "".join(answer.text for answer in refused)
    assert SECRET not in shown
    assert good.json()["access_token"] not in shown
    assert SECRET not in repr(token_module.TokenRequest(**BODY))
