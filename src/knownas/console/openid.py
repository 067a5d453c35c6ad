"""Has a provider of OpenID Connect say who somebody is: the authorization code flow with PKCE.

Where the provider's endpoints and keys are it says itself (OpenID Connect Discovery 1.0). What comes back counts only if it is
signed by one of these keys, meant for this server, and about this very attempt to sign in (OpenID Connect Core 1.0 §3.1.3.7).
"""

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Annotated, Any, Final, cast
from urllib.parse import urlencode

import httpx
import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from knownas.config.console_access import OpenIdConnect
from knownas.console.limits import (
    CLAIMED_ROLES_MAX,
    CLOCK_LEEWAY_SECONDS,
    FIELD_CHARACTERS_MAX,
    PROVIDER_BYTES_MAX,
    PROVIDER_KEYS_AGAIN_SECONDS,
    PROVIDER_KNOWN_SECONDS,
    PROVIDER_SECONDS,
)
from knownas.console.refusal import Refusal
from knownas.service.security.sessions import Attempt

log: Final = logging.getLogger(__name__)

CALLBACK_PATH: Final = "/sign-in/openid/back"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""How a token may be signed: by a private key, so that whoever checks it could not have made it."""

_DISCOVERY: Final = "/.well-known/openid-configuration"
_NAME_CHARACTERS_MAX: Final = 200
_EMAIL: Final = "email"
_POST: Final = "client_secret_post"

_Address = Annotated[str, msgspec.Meta(max_length=FIELD_CHARACTERS_MAX)]


class _Metadata(msgspec.Struct, frozen=True):
    """What a provider says of itself."""

    issuer: _Address
    authorization_endpoint: _Address
    token_endpoint: _Address
    jwks_uri: _Address
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    """What a provider gives for a code."""

    id_token: str


_METADATA: Final = msgspec.json.Decoder(_Metadata)
_TOKENS: Final = msgspec.json.Decoder(_Tokens)
_KEYS: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom a provider vouches for: a name, and the values of the claim of roles that count here."""

    name: str
    claimed: tuple[str, ...]


class Provider:
    """The provider of a configuration. `base_url` is where people reach this console, `clock` the time in Unix milliseconds."""

    def __init__(self, settings: OpenIdConnect, base_url: str, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._callback = base_url + CALLBACK_PATH
        self._clock = clock
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None
        self._known_until = 0.0
        self._keys_again_at = 0.0

    async def address(self, attempt: Attempt) -> str:
        """Return where to send somebody who wants to sign in.

        Raises:
            Refusal: the provider does not answer, or not as it should.
        """
        async with _client() as client:
            metadata = await self._discovered(client)
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._callback,
            "scope": " ".join(self._settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": _challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        joined = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joined}{urlencode(asked)}"

    async def vouched(self, attempt: Attempt, code: str) -> Vouched:
        """Return whom the provider vouches for, by the code with which somebody came back.

        Raises:
            Refusal: the provider does not answer, or not as it should, or what it says is not about this attempt.
        """
        async with _client() as client:
            metadata = await self._discovered(client)
            token = await self._token(client, metadata, attempt, code)
            claims = await self._claims(client, metadata, token)
        return self._vouched(claims, attempt)

    async def _discovered(self, client: httpx.AsyncClient) -> _Metadata:
        if self._metadata is None or monotonic() >= self._known_until:
            body = await _fetched(client, "GET", self._settings.issuer.rstrip("/") + _DISCOVERY)
            metadata = _decoded(_METADATA, body, "what it says of itself")
            if metadata.issuer != self._settings.issuer:
                raise _strange(f"it calls itself {metadata.issuer[:_NAME_CHARACTERS_MAX]!r}")
            if not all(
                map(self._is_safe, (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri))
            ):
                raise _strange("it names an endpoint without HTTPS")
            self._metadata, self._keys = metadata, None
            self._known_until = monotonic() + PROVIDER_KNOWN_SECONDS
            return metadata
        return self._metadata

    def _is_safe(self, address: str) -> bool:
        """Whether an endpoint is spoken to as safely as the provider itself."""
        return address.startswith("https://") or self._settings.issuer.startswith("http://")

    async def _token(self, client: httpx.AsyncClient, metadata: _Metadata, attempt: Attempt, code: str) -> str:
        """Return the token that the provider gives for a code."""
        secret = self._settings.client_secret.reveal()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": attempt.verifier,
        }
        methods = metadata.token_endpoint_auth_methods_supported
        if _POST in methods and "client_secret_basic" not in methods:
            form |= {"client_id": self._settings.client_id, "client_secret": secret}
            auth = None
        else:
            auth = httpx.BasicAuth(_form_encoded(self._settings.client_id), _form_encoded(secret))
        body = await _fetched(client, "POST", metadata.token_endpoint, form, auth)
        return _decoded(_TOKENS, body, "what it gives for a code").id_token

    async def _claims(self, client: httpx.AsyncClient, metadata: _Metadata, token: str) -> dict[str, Any]:
        """Return what a token says, if the provider has signed it."""
        try:
            key_id = jws.extract_compact(token.encode()).headers().get("kid")
            keys = await self._signing_keys(client, metadata, key_id)
            return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise _strange(f"its token can't be trusted: {type(error).__name__}") from error

    async def _signing_keys(self, client: httpx.AsyncClient, metadata: _Metadata, key_id: object) -> KeySet:
        """Return the provider's keys; asked for anew where a token names one that is not known."""
        is_known = self._keys is not None and (key_id is None or any(key.kid == key_id for key in self._keys.keys))
        if self._keys is None or (not is_known and monotonic() >= self._keys_again_at):
            body = await _fetched(client, "GET", metadata.jwks_uri)
            document = _decoded(_KEYS, body, "its keys")
            self._keys = KeySet.import_key_set({"keys": _usable(document.get("keys"))})
            self._keys_again_at = monotonic() + PROVIDER_KEYS_AGAIN_SECONDS
        return self._keys

    def _vouched(self, claims: dict[str, Any], attempt: Attempt) -> Vouched:
        expected = jwt.JWTClaimsRegistry(
            now=self._clock() // 1_000,
            leeway=CLOCK_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": attempt.nonce},
        )
        try:
            expected.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise _strange(f"its token is not for us now: {error}") from error
        if len(_listed(claims["aud"])) > 1 and claims.get("azp") != self._settings.client_id:
            raise _strange("its token is for several, and was not asked for by us")
        return Vouched(self._name(claims), self._claimed(claims.get(self._settings.role_claim)))

    def _name(self, claims: Mapping[str, Any]) -> str:
        """Return who it is: what the claim says, as far as the provider stands for it; the subject otherwise."""
        claim = self._settings.name_claim
        name = claims.get(claim)
        is_vouched = claim != _EMAIL or claims.get("email_verified") in (True, "true")
        chosen = name if isinstance(name, str) and name and is_vouched else claims["sub"]
        if not isinstance(chosen, str) or not chosen.isprintable() or not 0 < len(chosen) <= _NAME_CHARACTERS_MAX:
            raise _strange("its token names nobody")
        return chosen

    def _claimed(self, given: object) -> tuple[str, ...]:
        """Return the values of the claim of roles that the configuration names, in its order."""
        values = _listed(given)
        return tuple(one for one in self._settings.roles if one in values)[:CLAIMED_ROLES_MAX]


def _listed(given: object) -> Sequence[object]:
    """Return the values of a claim that may be one or a list of them."""
    return cast("list[object]", given) if isinstance(given, list) else [given]


def _usable(keys: object) -> list[dict[str, Any]]:
    """Return the keys that sign and that we can read: providers publish others beside them."""
    if not isinstance(keys, list):
        raise _strange("its keys can't be read")
    usable: list[dict[str, Any]] = []
    for one in msgspec.convert(keys, list[dict[str, Any]]):
        if one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        try:
            KeySet.import_key_set({"keys": [one]})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        usable.append(one)
    return usable


def _client() -> httpx.AsyncClient:
    # No proxy and no certificates of the surroundings but those of the system, and no redirect is followed.
    return httpx.AsyncClient(timeout=PROVIDER_SECONDS, follow_redirects=False, trust_env=False)


async def _fetched(
    client: httpx.AsyncClient,
    method: str,
    address: str,
    form: Mapping[str, str] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> bytes:
    """Return what the provider answers with 200."""
    body = b""
    try:
        async with client.stream(
            method, address, data=form, auth=auth, headers={"Accept": "application/json"}
        ) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > PROVIDER_BYTES_MAX:
                    raise _strange("its answer is too long")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("console: the provider of OpenID Connect does not answer: %s", error)
        raise Refusal(
            HTTPStatus.BAD_GATEWAY,
            "provider_unavailable",
            "The provider by which you sign in does not answer.",
            "Try again in a moment. Meanwhile the admin token opens the console.",
        ) from error
    if answer.status_code != HTTPStatus.OK:
        raise _strange(f"it answers {answer.status_code}")
    return body


def _decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes, what: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _strange(f"{what} can't be read") from error


def _strange(what: str) -> Refusal:
    """Return the refusal of something that a provider should not say. What it was stands in the log only."""
    log.warning("console: the provider of OpenID Connect is not believed: %s", what)
    return Refusal(
        HTTPStatus.BAD_GATEWAY,
        "provider_not_believed",
        "What the provider says of you can't be relied on, so you are not signed in.",
        "Try again. If it stays like this, the server's log says what is wrong.",
    )


def _challenge(verifier: str) -> str:
    """Return what the provider is told of the verifier beforehand; RFC 7636 §4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _form_encoded(text: str) -> str:
    """Write a client id or secret as RFC 6749 §2.3.1 wants it in a Basic header."""
    return urlencode({"": text})[1:]
