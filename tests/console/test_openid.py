"""A provider of OpenID Connect says who somebody is, and is believed only where it must be."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from knownas.config.console_access import ConsoleRole, OpenIdConnect
from knownas.config.values import Secret
from knownas.console import openid as module
from tests.console.provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.console.stage import Stage, running, with_users

BASE = "https://id.example.com"
ROLES = {"crew": ConsoleRole.OPERATOR, "privacy": ConsoleRole.PRIVACY_OFFICER, "boss": ConsoleRole.ADMIN}
VERIFIED = {"email": "ann@example.com", "email_verified": True, "groups": ["crew", "others"]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that knows Ann of the crew."""
    with running_provider() as found:
        found.claims = dict(VERIFIED)
        yield found


@asynccontextmanager
async def console(provider: Provider, **settings: Any) -> AsyncIterator[Stage]:
    """Run the application with the provider."""
    given: dict[str, Any] = {"roles": ROLES, **settings}
    oidc = OpenIdConnect(provider.issuer, CLIENT_ID, Secret(CLIENT_SECRET), **given)
    async with running(with_users(oidc=oidc, base_url=BASE)) as stage:
        yield stage


async def go(stage: Stage, provider: Provider, to: str = "/") -> tuple[httpx.AsyncClient, httpx.Response]:
    """Go to the provider, agree, and come back."""
    browser = stage.browser(BASE)
    sent = await browser.get("/sign-in/openid", params={"to": to})
    if sent.status_code != 303:
        return browser, sent
    back = provider.agree(sent.headers["location"])
    return browser, await browser.get(back, headers={"sec-fetch-site": "cross-site"})


async def test_somebody_signs_in_and_is_what_the_groups_say(provider: Provider) -> None:
    """By the verified address, with the roles of the groups; the audit says that a provider has vouched."""
    async with console(provider) as stage:
        assert "Sign in with your organization" in (await stage.browser(BASE).get("/sign-in")).text
        browser, answer = await go(stage, provider, "/?a=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/?a=1")
        home = await browser.get("/")
        assert "Signed in as ann@example.com, operator." in home.text
        assert "__Host-knownas_attempt" not in browser.cookies
        assert await stage.audited() == [(0, "console:openid:ann@example.com", "signIn", 200)]


async def test_what_is_asked_of_the_provider_is_what_the_protocol_wants(provider: Provider) -> None:
    """Its own address with ours beside, PKCE, and a state and nonce that are different each time."""
    async with console(provider, scopes=("openid", "groups")) as stage:
        sent = [(await stage.browser(BASE).get("/sign-in/openid")).headers["location"] for _ in range(2)]
    asked = [parse_qs(urlsplit(one).query) for one in sent]
    assert asked[0]["tenant"] == ["1"]
    assert asked[0]["scope"] == ["openid groups"]
    assert asked[0]["redirect_uri"] == [f"{BASE}/sign-in/openid/back"]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ("boss", "admin"),
        (["privacy", "crew"], "operator and privacy officer"),
        (["crew", 7, None], "operator"),
    ],
)
async def test_roles_come_from_a_text_or_a_list(provider: Provider, groups: Any, roles: str) -> None:
    """Somebody may be several things, and has the rights of all of them."""
    provider.claims["groups"] = groups
    async with console(provider) as stage:
        browser, _ = await go(stage, provider)
        assert f"Signed in as ann@example.com, {roles}." in (await browser.get("/")).text


@pytest.mark.parametrize("groups", [None, [], "none", ["others"], {"crew": True}, 7, ["Crew"]])
async def test_whoever_is_nothing_here_does_not_come_in(provider: Provider, groups: Any) -> None:
    """Though the provider knows them."""
    provider.claims["groups"] = groups
    async with console(provider) as stage:
        browser, answer = await go(stage, provider)
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (403, "role_missing")
        assert (await browser.get("/")).status_code == 303


@pytest.mark.parametrize(
    ("claims", "claim", "name"),
    [
        ({"email_verified": False}, "email", "subject-1"),
        ({"email_verified": None}, "email", "subject-1"),
        ({"email_verified": "true"}, "email", "ann@example.com"),
        ({"email": 7}, "email", "subject-1"),
        ({"preferred_username": "ann"}, "preferred_username", "ann"),
        ({}, "preferred_username", "subject-1"),
    ],
)
async def test_the_name_is_one_that_the_provider_stands_for(
    provider: Provider, claims: dict[str, Any], claim: str, name: str
) -> None:
    """An address that nobody has verified is not a name: the subject is."""
    provider.claims |= claims
    async with console(provider, name_claim=claim) as stage:
        browser, _ = await go(stage, provider)
        assert f"Signed in as {name}, operator." in (await browser.get("/")).text


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://127.0.0.1:1/other"},
        {"iss": None},
        {"aud": "somebody else"},
        {"aud": None},
        {"aud": [CLIENT_ID, "somebody else"]},
        {"aud": [CLIENT_ID, "somebody else"], "azp": "somebody else"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": int(time.time()) + 3_600},
        {"iat": None},
        {"nbf": int(time.time()) + 3_600},
        {"sub": None},
        {"sub": "", "email": None},
        {"sub": "x" * 300, "email": None},
        {"email": "two\nlines"},
    ],
    ids=itertools.count(),  # some of them tell the time
)
async def test_a_token_that_is_not_for_us_now_is_not_believed(provider: Provider, claims: dict[str, Any]) -> None:
    """Of another issuer, for somebody else, of another attempt, too old, or about nobody."""
    provider.claims |= claims
    async with console(provider) as stage:
        browser, answer = await go(stage, provider)
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (502, "provider_not_believed")
        assert (await browser.get("/")).status_code == 303


async def test_a_token_for_several_that_we_have_asked_for_counts(provider: Provider) -> None:
    """The authorized party says so; and clocks may differ by a minute."""
    now = int(time.time())
    provider.claims |= {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID, "exp": now - 30, "iat": now + 30}
    async with console(provider) as stage:
        assert (await go(stage, provider))[1].status_code == 303


def unpadded(raw: bytes) -> str:
    """Write bytes as tokens have them."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged(provider: Provider, kind: str) -> str:
    """Return a token that says the right things and is signed by nobody who may."""
    now = int(time.time())
    claims = {"iss": provider.issuer, "aud": CLIENT_ID, "sub": "s", "iat": now, "exp": now + 300, "groups": "boss"}
    if kind == "none":
        return jwt.encode({"alg": "none"}, claims, OctKey.import_key("x"), algorithms=["none"])
    if kind == "hmac":
        # By hand: the library knows this old trick, and does not make such a token.
        header = {"alg": "HS256", "kid": provider.key.kid}
        signed = ".".join(unpadded(json.dumps(part).encode()) for part in (header, claims))
        made = hmac.new(provider.key.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{unpadded(made)}"
    if kind == "client secret":
        key = OctKey.import_key(CLIENT_SECRET)
        return jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])
    other = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "kid": provider.key.kid}, claims, other, algorithms=["RS256"])


@pytest.mark.parametrize("kind", ["none", "hmac", "client secret", "another key"])
@pytest.mark.filterwarnings("ignore")
async def test_only_the_provider_can_sign(provider: Provider, kind: str) -> None:
    """Not nobody, not with what is public, not with what we share, and not with another key of the same name."""
    provider.id_token = forged(provider, kind)
    async with console(provider) as stage:
        _, answer = await go(stage, provider)
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (502, "provider_not_believed")


@pytest.mark.parametrize(
    ("path", "status", "body", "code"),
    [
        ("/realm/.well-known/openid-configuration", 500, b"{}", "provider_not_believed"),
        ("/realm/.well-known/openid-configuration", 200, b"<html>", "provider_not_believed"),
        ("/realm/.well-known/openid-configuration", 200, b"{}", "provider_not_believed"),
        ("/realm/.well-known/openid-configuration", 302, b"", "provider_not_believed"),
        ("/realm/.well-known/openid-configuration", 200, b" " * 600_000, "provider_not_believed"),
        ("/realm/token", 400, b'{"error":"invalid_grant"}', "provider_not_believed"),
        ("/realm/token", 200, b'{"id_token":7}', "provider_not_believed"),
        ("/realm/token", 200, b'{"id_token":"x"}', "provider_not_believed"),
        ("/realm/token", 200, b'{"id_token":"e30.e30.e30"}', "provider_not_believed"),
        ("/realm/keys", 200, b'{"keys":7}', "provider_not_believed"),
        ("/realm/keys", 200, b'{"keys":[7]}', "provider_not_believed"),
        ("/realm/keys", 200, b'{"keys":[]}', "provider_not_believed"),
        ("/realm/keys", 200, b"[]", "provider_not_believed"),
    ],
)
async def test_what_a_provider_should_not_answer_is_told(
    provider: Provider, path: str, status: int, body: bytes, code: str
) -> None:
    """To the person without what it was; nobody comes in, and no fault of ours is made of it."""
    provider.answers[path] = (status, body)
    async with console(provider) as stage:
        _, answer = await go(stage, provider)
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (502, code)


@pytest.mark.parametrize(
    "metadata", [{"issuer": "http://127.0.0.1:1/realm"}, {"token_endpoint": 7}, {"jwks_uri": "x" * 2_000}]
)
async def test_a_provider_that_is_another_is_not_believed(provider: Provider, metadata: dict[str, Any]) -> None:
    """It has to call itself as the configuration does."""
    provider.metadata = metadata
    async with console(provider) as stage:
        _, answer = await go(stage, provider)
        assert answer.headers["x-refusal-reason"] == "provider_not_believed"


async def test_a_provider_by_https_names_no_plain_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a token is fetched from, and what it is checked by, is as safe as the provider itself."""
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    document = {
        "issuer": "https://a.example",
        **dict.fromkeys(names, "https://a.example/x"),
        "token_endpoint": "http://a.example",
    }

    async def fetched(*_: object) -> bytes:
        return json.dumps(document).encode()

    monkeypatch.setattr(module, "_fetched", fetched)
    oidc = OpenIdConnect("https://a.example", CLIENT_ID, Secret("s"), ROLES)
    async with running(with_users(oidc=oidc, base_url=BASE)) as stage:
        answer = await stage.browser(BASE).get("/sign-in/openid")
        assert answer.headers["x-refusal-reason"] == "provider_not_believed"


async def test_a_provider_that_does_not_answer_is_told() -> None:
    """The token opens the console meanwhile."""
    with running_provider() as provider:
        pass
    async with console(provider) as stage:
        _, answer = await go(stage, provider)
        assert (answer.status_code, answer.headers["x-refusal-reason"]) == (502, "provider_unavailable")
        assert "Admin token" in (await stage.browser(BASE).get("/sign-in")).text


async def test_nobody_comes_back_who_was_not_sent(provider: Provider) -> None:
    """Neither with another state, nor without the cookie, nor twice, nor from another provider, nor without a code."""
    async with console(provider) as stage:
        browser = stage.browser(BASE)
        back = provider.agree((await browser.get("/sign-in/openid")).headers["location"])
        state = parse_qs(urlsplit(back).query)["state"][0]
        path = "/sign-in/openid/back"
        told = [
            await stage.browser(BASE).get(back),
            await browser.get(path, params={"code": "code-0", "state": "x"}),
            await browser.get(path, params={"code": "code-0"}),
            await browser.get(path, params={"code": "code-0", "state": "é"}),
            await browser.get(path, params={"error": "access_denied", "state": state}),
            await browser.get(path, params={"code": "code-0", "state": state, "iss": "https://evil.example"}),
        ]
        assert [one.headers["x-refusal-reason"] for one in told] == ["foreign_form"] * 4 + ["provider_refused"] * 2
        assert (await browser.get(f"{back}&iss={provider.issuer}")).status_code == 303
        assert (await browser.get(back)).headers["x-refusal-reason"] == "foreign_form"
        stage.clock.ahead_ms = 0
        late = stage.browser(BASE)
        back = provider.agree((await late.get("/sign-in/openid")).headers["location"])
        stage.clock.ahead_ms = 600_000
        assert (await late.get(back)).headers["x-refusal-reason"] == "foreign_form"


async def test_the_secret_goes_as_the_provider_takes_it(provider: Provider) -> None:
    """In the form, where it says that it takes no other way."""
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"]}
    async with console(provider) as stage:
        assert (await go(stage, provider))[1].status_code == 303


async def test_the_provider_is_asked_for_itself_and_its_keys_once(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a token names a key that is new; then it is asked again, at most once a minute. Other keys are passed over."""
    provider.keys = [
        {"kty": "oct", "k": "eA"},
        {"kty": "RSA", "use": "enc"},
        {"kty": "what"},
        RSAKey.generate_key(2048, auto_kid=True).as_dict(private=False),
    ]
    async with console(provider) as stage:
        for _ in range(2):
            assert (await go(stage, provider))[1].status_code == 303
        once = ["/realm/.well-known/openid-configuration", "/realm/token", "/realm/keys", "/realm/token"]
        assert provider.asked == once
        provider.key, provider.algorithm = ECKey.generate_key("P-256", auto_kid=True), "ES256"
        assert (await go(stage, provider))[1].status_code == 502
        assert provider.asked == [*once, "/realm/token"]
        monkeypatch.setattr(module, "monotonic", lambda: time.monotonic() + 61)
        assert (await go(stage, provider))[1].status_code == 303
        assert provider.asked == [*once, "/realm/token", "/realm/token", "/realm/keys"]


async def test_without_a_provider_there_is_no_way_to_one() -> None:
    """Both addresses are told to be nothing."""
    async with running() as stage:
        for path in ("/sign-in/openid", "/sign-in/openid/back"):
            answer = await stage.browser().get(path)
            assert (answer.status_code, answer.headers["x-refusal-reason"]) == (404, "unknown_path")


async def test_another_provider_or_other_roles_count_at_once(provider: Provider) -> None:
    """What somebody was when they signed in is looked up anew: a group that counts no more lets nobody in."""
    async with console(provider) as stage:
        browser, _ = await go(stage, provider)
        sealed = browser.cookies["__Host-knownas_session"].strip('"')
        session = stage.service.sessions.open(sealed)
        assert session is not None
        assert session.claimed == ("crew",)
        again = stage.service.sessions
    for roles, found in (({"crew": ConsoleRole.READER}, "reader"), ({"boss": ConsoleRole.ADMIN}, None)):
        async with console(provider, roles=roles) as stage:
            browser = stage.browser(BASE)
            assert again is not stage.service.sessions
            browser.cookies.set("__Host-knownas_session", stage.service.sessions.seal(session))
            home = await browser.get("/")
            assert (home.status_code, f">{found}<" in home.text) == (200 if found else 303, found is not None)
