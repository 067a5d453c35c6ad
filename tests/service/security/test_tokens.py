"""Tokens are signed by the store's key, last eight hours, and stand for a credential that is still there."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from knownas.config.values import Configuration, Credential, Role, Secret
from knownas.service.security.sealing import SecretKeys, Unopenable, is_sealed
from knownas.service.security.tokens import (
    AUDIENCE,
    CHECKED_MS,
    LIFETIME_SECONDS,
    SEALED_KEY_NAME,
    SIGNING_KEY_NAME,
    TOKEN_CHARACTERS_MAX,
    Issued,
    TokenFault,
    TokenRefused,
    Tokens,
    open_tokens,
)
from knownas.store.errors import StoreDamaged
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from tests.store.world import START_MS

APP = Credential("app", Secret("a-secret-of-the-app"))
ADMIN = Credential("admin", Secret("a-secret-of-the-admin"), Role.ADMIN)
KEY = ECKey.generate_key("P-256", private=True, auto_kid=True)
LIFETIME_MS = LIFETIME_SECONDS * 1_000


def configured(*credentials: Credential) -> Configuration:
    """Return a configuration with credentials and nothing else."""
    return Configuration(credentials=credentials)


async def opened(store: Store, *, publish: bool = True, keys: SecretKeys | None = None) -> Tokens:
    """Open the tokens of a server that has just started."""
    return await open_tokens(configured(APP, ADMIN), store, lambda: START_MS, publish=publish, keys=keys)


def tokens(*credentials: Credential) -> Tokens:
    """Return the tokens of credentials, signed with the key of these tests."""
    return Tokens(credentials or (APP, ADMIN), KEY, lambda: START_MS)


def issued(of: Tokens, credential: Credential = APP) -> str:
    """Return a fresh token."""
    answer = of.issue(credential.client_id, credential.client_secret.reveal())
    assert isinstance(answer, Issued)
    assert answer.expires_in == 28_800
    return answer.access_token


def signed(key: ECKey | OctKey = KEY, algorithm: str = "ES256", **changed: Any) -> str:
    """Return a token like ours with other claims; None leaves one out."""
    now = START_MS // 1_000
    claims = {"iss": "knownas", "aud": AUDIENCE, "sub": "app", "iat": now, "exp": now + LIFETIME_SECONDS, **changed}
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": algorithm}, present, key, algorithms=[algorithm])


def fault(of: Tokens, bearer: str, now_ms: int = START_MS) -> TokenFault:
    """Return why a token is not taken."""
    answer = of.verify(bearer, now_ms)
    assert isinstance(answer, TokenRefused), answer
    return answer.fault


def part(document: object) -> str:
    """Write a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_a_client_that_knows_its_secret_gets_a_token_that_names_it() -> None:
    """A token leads back to the credential that it was issued for."""
    of = tokens()

    for credential in (APP, ADMIN):
        assert of.verify(issued(of, credential), START_MS) is credential


def test_two_tokens_differ() -> None:
    """Even two tokens of the same second are not the same."""
    of = tokens()

    assert issued(of) != issued(of)


@pytest.mark.parametrize(
    ("client", "secret"),
    [("app", "wrong"), ("app", ""), ("nobody", "a-secret-of-the-app"), ("", ""), ("app", "\ud800")],
)
def test_a_wrong_secret_and_an_unknown_client_are_refused_alike(client: str, secret: str) -> None:
    """The refusal does not tell whether there is such a client."""
    assert tokens().issue(client, secret) == TokenRefused(TokenFault.WRONG_CLIENT)


def test_a_token_lasts_eight_hours() -> None:
    """A token is good until its last second and not a moment longer, remembered or not."""
    of = tokens()
    token = issued(of)

    assert of.verify(token, START_MS + LIFETIME_MS - 1_000) is APP
    assert fault(of, token, START_MS + LIFETIME_MS) is TokenFault.EXPIRED
    assert fault(tokens(), token, START_MS + LIFETIME_MS) is TokenFault.EXPIRED


def test_a_checked_token_is_remembered_for_a_while_only() -> None:
    """What was checked once is looked at again after a minute."""
    of = tokens()
    token = issued(of)
    assert of.verify(token, START_MS) is APP
    of._credentials.clear()

    assert of.verify(token, START_MS + CHECKED_MS - 1) is APP
    assert fault(of, token, START_MS + CHECKED_MS) is TokenFault.REVOKED


def test_a_refused_token_is_not_remembered() -> None:
    """Being asked again with a bad token does not make it good."""
    of = tokens()
    token = signed(ECKey.generate_key("P-256"))

    assert [fault(of, token) for _ in range(3)] == [TokenFault.WRONG_SIGNATURE] * 3


def test_a_credential_that_was_taken_out_is_revoked() -> None:
    """A token of a client that is no longer configured is refused."""
    assert fault(tokens(ADMIN), issued(tokens())) is TokenFault.REVOKED


def test_a_changed_role_counts_at_once() -> None:
    """What a client may do stands in the configuration, not in its token."""
    token = issued(tokens())
    now = Credential("app", APP.client_secret, Role.USER, (100,))

    assert Tokens([now], KEY, lambda: START_MS).verify(token, START_MS) is now


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", TokenFault.MISSING),
        ("nonsense", TokenFault.MALFORMED),
        ("a.b.c", TokenFault.MALFORMED),
        ("..", TokenFault.MALFORMED),
        ("é.é.é", TokenFault.MALFORMED),
        ("x" * (TOKEN_CHARACTERS_MAX + 1), TokenFault.MALFORMED),
        (signed(ECKey.generate_key("P-256")), TokenFault.WRONG_SIGNATURE),
        (signed(OctKey.import_key("x" * 32), "HS256"), TokenFault.WRONG_SIGNATURE),
        (f"{part({'alg': 'none'})}.{part({'sub': 'app', 'aud': AUDIENCE})}.", TokenFault.WRONG_SIGNATURE),
        (f"{part({'typ': 'JWT'})}.{part({'sub': 'app'})}.AAAA", TokenFault.MALFORMED),
        (signed(aud="https://elsewhere.example.com"), TokenFault.WRONG_AUDIENCE),
        (signed(aud=["https://elsewhere.example.com"]), TokenFault.WRONG_AUDIENCE),
        (signed(aud=7), TokenFault.WRONG_AUDIENCE),
        (signed(aud=None), TokenFault.MALFORMED),
        (signed(exp=None), TokenFault.MALFORMED),
        (signed(exp="tomorrow"), TokenFault.MALFORMED),
        (signed(exp=1), TokenFault.EXPIRED),
        (signed(sub=None), TokenFault.MALFORMED),
        (signed(sub=7), TokenFault.MALFORMED),
        (signed(iss="somebody"), TokenFault.MALFORMED),
        (signed(sub="nobody"), TokenFault.REVOKED),
    ],
    # What is signed is another text in each process, and all must name a test alike.
    ids=lambda one: one.value if isinstance(one, TokenFault) else f"{len(one)}-characters",
)
def test_each_refusal_has_its_reason(token: str, why: TokenFault) -> None:
    """Whatever is wrong with a token, the reason says it, with a sentence."""
    answer = tokens().verify(token, START_MS)

    assert answer == TokenRefused(why)
    assert isinstance(answer, TokenRefused)
    assert answer.sentence.endswith(".")


def test_the_public_key_is_no_secret_for_hmac() -> None:
    """Who signs with our public key as if it were a shared secret is refused."""
    public = OctKey.import_key(KEY.as_pem(private=False).hex())

    assert fault(tokens(), signed(public, "HS256")) is TokenFault.WRONG_SIGNATURE


def test_a_key_in_the_header_is_not_believed() -> None:
    """A token that brings the key along with which it was signed is refused."""
    other = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": other.as_dict(private=False)}
    token = jwt.encode(header, {"sub": "app", "aud": AUDIENCE}, other, algorithms=["ES256"])

    assert fault(tokens(), token) is TokenFault.WRONG_SIGNATURE


@pytest.mark.parametrize("place", [0, 1])
def test_no_character_of_a_token_can_be_changed(place: int) -> None:
    """Each change of a token's header or claims makes it useless."""
    of = tokens()
    parts = issued(of).split(".")
    for index, letter in enumerate(parts[place]):
        changed = parts[place][:index] + ("A" if letter != "A" else "B") + parts[place][index + 1 :]
        bearer = ".".join([*parts[:place], changed, *parts[place + 1 :]])
        assert fault(of, bearer) in (TokenFault.WRONG_SIGNATURE, TokenFault.MALFORMED)


def _written(parts: tuple[bytes, ...]) -> str:
    return ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)


THREE_PARTS = st.tuples(*[st.binary(max_size=100)] * 3).map(_written)


@given(st.text(max_size=300) | THREE_PARTS)
def test_nonsense_is_refused(bearer: str) -> None:
    """Whatever comes as a token, there is an answer to it."""
    assert fault(tokens(), bearer) in (TokenFault.MALFORMED, TokenFault.MISSING, TokenFault.WRONG_SIGNATURE)


def test_a_deeply_nested_header_is_refused() -> None:
    """A header that no parser can follow is malformed."""
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 2_900).rstrip(b"=").decode()

    assert fault(tokens(), f"{deep}.e30.AAAA") is TokenFault.MALFORMED


async def test_tokens_survive_a_restart() -> None:
    """A token is taken by a later process over the same store, and not over another."""
    store = MemoryStore()
    token = issued(await opened(store))

    assert (await opened(store)).verify(token, START_MS) is APP
    assert fault(await opened(MemoryStore()), token) is TokenFault.WRONG_SIGNATURE


async def test_who_only_looks_keeps_no_key() -> None:
    """Without publishing nothing is written to the store, and a key that is there is used."""
    store = MemoryStore()
    await opened(store, publish=False)
    assert await store.kept(SIGNING_KEY_NAME) is None

    token = issued(await opened(store))

    assert (await opened(store, publish=False)).verify(token, START_MS) is APP


class Slower(MemoryStore):
    """A store to which another process brings its key at the last moment."""

    async def keep(self, name: str, document: bytes) -> bool:
        await super().keep(name, json.dumps(KEY.as_dict(private=True)).encode())
        return await super().keep(name, document)


async def test_of_two_first_starts_one_key_counts() -> None:
    """Who comes second to a new store signs with the key of who came first."""
    of = await opened(Slower())

    assert tokens().verify(issued(of), START_MS) is APP


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"not a key",
        b"{}",
        b'{"kty":"oct","k":"c2VjcmV0"}',
        json.dumps(KEY.as_dict(private=False)).encode(),
        json.dumps(ECKey.generate_key("P-384", auto_kid=True).as_dict(private=True)).encode(),
    ],
    ids=["empty", "no key", "no members", "no elliptic curve", "public only", "another curve"],
)
async def test_a_damaged_key_stops_the_start(kept: bytes) -> None:
    """A store that keeps something else than a key is damaged, and the error does not quote it."""
    store = MemoryStore()
    await store.keep(SIGNING_KEY_NAME, kept)

    with pytest.raises(StoreDamaged) as raised:
        await opened(store)

    assert len(kept) < 4 or kept.decode() not in str(raised.value)


async def test_with_secret_keys_the_signing_key_is_sealed() -> None:
    """A server with secret keys keeps no plain signing key, and takes no token of one that lay plain in its store."""
    store, keys = MemoryStore(), SecretKeys([b"k" * 32])
    plain = issued(await opened(store))
    of = await opened(store, keys=keys)
    token = issued(of)

    assert fault(of, plain) is TokenFault.WRONG_SIGNATURE
    assert (await opened(store, keys=keys)).verify(token, START_MS) is APP
    kept = await store.kept(SEALED_KEY_NAME)
    assert kept is not None
    assert is_sealed(kept.decode())


async def test_a_signing_key_sealed_with_another_key_stops_the_start() -> None:
    """A server that can't open its signing key says so and does not sign with a new one."""
    store = MemoryStore()
    await opened(store, keys=SecretKeys([b"k" * 32]))

    with pytest.raises(Unopenable):
        await opened(store, keys=SecretKeys([b"x" * 32]))


def test_the_key_set_checks_tokens_and_tells_nothing_private() -> None:
    """Others can check a token with the published key set; the private half is not in it."""
    of = tokens()
    published: Any = of.public_keys()

    token = jwt.decode(issued(of), KeySet.import_key_set(published), algorithms=["ES256"])

    assert token.claims["sub"] == token.claims["client_id"] == "app"
    assert token.claims["aud"] == "https://api.mparticle.com"
    assert token.header["kid"] == published["keys"][0]["kid"]
    assert all("d" not in one for one in published["keys"])


def test_a_remembered_token_is_cheap() -> None:
    """Checking a token again costs a small part of what it cost first."""
    of = tokens()
    fresh = [issued(of) for _ in range(20)]
    started = time.perf_counter()
    for token in fresh:
        of.verify(token, START_MS)
    first = time.perf_counter() - started
    started = time.perf_counter()
    for token in fresh:
        of.verify(token, START_MS)

    assert time.perf_counter() - started < first / 5
