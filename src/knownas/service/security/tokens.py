"""Issues and checks the signed, short-lived access tokens of the Profile and Platform APIs (platform §1.4).

A token is a JWT, signed with ES256 by a key that is kept in the store: it survives a restart, and every process over
the same store takes it. It says who the client is and nothing of what the client may do: that is looked up in the
configuration at each check, so that a credential that was taken out or given another role changes at once.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, KeySet

from knownas.config.values import Configuration, Credential, Secret
from knownas.service.lately import Lately
from knownas.service.security.kept_secret import kept_secret, sealed_name
from knownas.service.security.sealing import SecretKeys
from knownas.store.errors import StoreDamaged
from knownas.store.port import Store

LIFETIME_SECONDS: Final = 28_800
"""How long a token is good for: eight hours; platform §1.4."""

ISSUER: Final = "knownas"
"""Who issues all tokens: any server over the store."""

AUDIENCE: Final = "https://api.mparticle.com"
"""The audience that clients of the vendor ask for, and the one that every token of ours is bound to."""

SIGNING_KEY_NAME: Final = "token_signing_key"
SEALED_KEY_NAME: Final = sealed_name(SIGNING_KEY_NAME)
"""The names under which the store keeps the key, plain or sealed."""

TOKEN_CHARACTERS_MAX: Final = 4_096
"""Characters of a token that is looked at; ours have at most 1,000."""

CHECKED_MS: Final = 60_000
CHECKED_MAX: Final = 4_096
"""How long, and how many, checked tokens are remembered: a signature takes longer to check than a profile to read."""

_ALGORITHM: Final = "ES256"
_CURVE: Final = "P-256"
_TYPE: Final = "at+jwt"
_ID_BYTES: Final = 16
_NOBODY: Final = Secret("compared with when the client is unknown, so that the answer takes as long")
_KEY_DECODER: Final = msgspec.json.Decoder(dict[str, str | list[str]])


class TokenFault(StrEnum):
    """Why there is no token, or why one is not taken. The value is the stable reason code."""

    WRONG_CLIENT = "wrong_client"
    MISSING = "no_token"
    MALFORMED = "malformed_token"
    EXPIRED = "token_expired"
    WRONG_SIGNATURE = "wrong_token_signature"
    WRONG_AUDIENCE = "wrong_token_audience"
    REVOKED = "credential_revoked"


_SENTENCES: Final[Mapping[TokenFault, str]] = {
    TokenFault.WRONG_CLIENT: "There is no client with this id and secret.",
    TokenFault.MISSING: "Send a token of POST /oauth/token as Authorization: Bearer.",
    TokenFault.MALFORMED: "This is not an access token of this server.",
    TokenFault.EXPIRED: "The token has expired; ask for a new one.",
    TokenFault.WRONG_SIGNATURE: "The token was not signed by this server.",
    TokenFault.WRONG_AUDIENCE: "The token is meant for somebody else.",
    TokenFault.REVOKED: "The credential that the token was issued for is no longer there.",
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and for how many seconds it is good."""

    access_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """No token was issued, or the one that came is not taken."""

    fault: TokenFault

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, for the caller's eyes. Never says which clients there are."""
        return _SENTENCES[self.fault]


class Tokens:
    """The tokens of a server's credentials. `clock` returns the time in Unix milliseconds."""

    def __init__(self, credentials: Iterable[Credential], signing_key: ECKey, clock: Callable[[], int]) -> None:
        self._credentials = {one.client_id: one for one in credentials}
        self._key = signing_key
        self._clock = clock
        self._header = {"alg": _ALGORITHM, "kid": signing_key.kid, "typ": _TYPE}
        self._checked: Lately[str, tuple[Credential, int]] = Lately(CHECKED_MAX)

    def issue(self, client_id: str, client_secret: str) -> Issued | TokenRefused:
        """Issue a token to a client that knows its secret. An unknown client is found out no faster than a wrong one."""
        credential = self._credentials.get(client_id)
        matches = (_NOBODY if credential is None else credential.client_secret).matches(client_secret)
        if credential is None or not matches:
            return TokenRefused(TokenFault.WRONG_CLIENT)
        now = self._clock() // 1_000
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": client_id,
            "client_id": client_id,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": secrets.token_urlsafe(_ID_BYTES),
        }
        return Issued(jwt.encode(self._header, claims, self._key, algorithms=[_ALGORITHM]), LIFETIME_SECONDS)

    def verify(self, bearer: str, now_ms: int) -> Credential | TokenRefused:
        """Return the credential that a token was issued for, or why the token is not taken."""
        checked = self._checked.find(bearer)
        if checked is not None and now_ms < checked[1]:
            return checked[0]
        if not bearer:
            return TokenRefused(TokenFault.MISSING)
        claims = self._claims(bearer, now_ms)
        if isinstance(claims, TokenFault):
            return TokenRefused(claims)
        credential = self._credentials.get(claims["sub"])
        if credential is None:
            return TokenRefused(TokenFault.REVOKED)
        self._checked.note(bearer, (credential, min(claims["exp"] * 1_000, now_ms + CHECKED_MS)))
        return credential

    def public_keys(self) -> Mapping[str, Any]:
        """Return the key set (JWKS) with which others can check a token's signature."""
        return KeySet([self._key]).as_dict(private=False)

    def _claims(self, bearer: str, now_ms: int) -> Mapping[str, Any] | TokenFault:
        if len(bearer) > TOKEN_CHARACTERS_MAX or not bearer.isascii():
            return TokenFault.MALFORMED
        expected = jwt.JWTClaimsRegistry(
            now=now_ms // 1_000,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            # The algorithm is ours to name: whatever the token says of itself, "none" and HMAC are not among them.
            claims = jwt.decode(bearer, self._key, algorithms=[_ALGORITHM]).claims
            expected.validate(claims)
        except (BadSignatureError, UnsupportedAlgorithmError):
            return TokenFault.WRONG_SIGNATURE
        except ExpiredTokenError:
            return TokenFault.EXPIRED
        except InvalidClaimError as error:
            return TokenFault.WRONG_AUDIENCE if error.claim == "aud" else TokenFault.MALFORMED
        except (JoseError, ValueError, TypeError, RecursionError):
            # The library lets what the parsers under it make of nonsense through as it is.
            return TokenFault.MALFORMED
        return claims


async def open_tokens(
    configuration: Configuration,
    store: Store,
    clock: Callable[[], int],
    *,
    publish: bool = True,
    keys: SecretKeys | None = None,
) -> Tokens:
    """Return the tokens of a configuration's credentials, signed with the store's key, made when there is none.

    `publish` False keeps no new key: for those who only want to look. With secret `keys` the signing key lies sealed
    in the store, under a name of its own: one that lay plain there before they were set signs nothing any more.

    Raises:
        StoreError: the store does not answer, or what it keeps is no key (StoreDamaged).
        Unopenable: the signing key was sealed with a secret key that is not among `keys`.
    """
    kept = await kept_secret(store, SIGNING_KEY_NAME, _made, keys=keys, publish=publish)
    return Tokens(configuration.credentials, _read(kept), clock)


def _made() -> bytes:
    return msgspec.json.encode(ECKey.generate_key(_CURVE, private=True, auto_kid=True).as_dict(private=True))


def _read(kept: bytes) -> ECKey:
    try:
        key = ECKey.import_key(_KEY_DECODER.decode(kept))
    except (JoseError, ValueError, TypeError, msgspec.MsgspecError):
        # What went wrong could quote the key.
        raise StoreDamaged(f"the store's {SIGNING_KEY_NAME} is no key") from None
    if not key.is_private or key.curve_name != _CURVE or key.kid is None:
        raise StoreDamaged(f"the store's {SIGNING_KEY_NAME} is not a private {_CURVE} key with a name")
    return key
