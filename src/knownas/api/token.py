"""Serves the token endpoint, and reads the tokens that come back (platform §1.4).

Secrets must not be guessed: failures are counted per client id, whether or not there is such a client, and beyond a
limit nothing is compared for a while. So whoever knows a client id can hold up its next token; those that it has
already are not touched.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from time import monotonic
from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec

from knownas.api.answering import HttpSurface
from knownas.api.credentials import repeats_authorization
from knownas.api.duplicate_keys import has_repeated_keys
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.routes import Routes, literal
from knownas.api.telemetry import Telemetry
from knownas.config.values import Credential
from knownas.service.security.failures import Failures
from knownas.service.security.tokens import AUDIENCE, ISSUER, Issued, TokenFault, TokenRefused, Tokens

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path, not a secret
KEYS_PATH: Final = "/.well-known/jwks.json"
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
ROUTES: Final = Routes(
    literal(TOKEN_PATH, ("POST",), TOKEN_PATH),
    literal(KEYS_PATH, ("GET",), KEYS_PATH),
    literal(DISCOVERY_PATH, ("GET",), DISCOVERY_PATH),
)

FIELD_CHARACTERS_MAX: Final = 1_024
"""Characters of each member of a request for a token."""

FIELDS_MAX: Final = 16
"""Members of a form; more than the four that are needed are passed over."""

KEYS_AGE_SECONDS: Final = 300
"""How long others may keep the key set."""

CLIENT_CREDENTIALS: Final = "client_credentials"
_FORM: Final = b"application/x-www-form-urlencoded"
_BEARER: Final = b"bearer"
_NO_STORE: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))
_ENCODER: Final = msgspec.json.Encoder()

_Field = Annotated[str, msgspec.Meta(min_length=1, max_length=FIELD_CHARACTERS_MAX)]


class TokenRequest(msgspec.Struct, frozen=True):
    """The body of `POST /oauth/token`; all four members are needed. Others are passed over."""

    client_id: _Field
    client_secret: _Field
    audience: _Field
    grant_type: _Field

    def __repr__(self) -> str:
        return "TokenRequest(***)"


_REQUEST: Final = msgspec.json.Decoder(TokenRequest)


def bearer_credential(
    headers: Sequence[Header], given: Mapping[bytes, bytes], tokens: Tokens, now_ms: int
) -> Credential | TokenRefused:
    """Return the credential whose token a request carries. `given` are its headers by their names."""
    header = given.get(b"authorization")
    if header is None:
        return _MISSING
    if repeats_authorization(headers, given):
        return _MALFORMED
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != _BEARER:
        return _MALFORMED
    return tokens.verify(token.strip().decode("latin-1"), now_ms)


def challenge(refused: TokenRefused) -> Header:
    """Return the header that tells a client what is wrong with its token; RFC 6750 §3."""
    if refused.fault is TokenFault.MISSING:
        return (b"www-authenticate", b"Bearer")
    said = f'Bearer error="invalid_token", error_description="{refused.sentence}"'
    return (b"www-authenticate", said.encode())


_MISSING: Final = TokenRefused(TokenFault.MISSING)
_MALFORMED: Final = TokenRefused(TokenFault.MALFORMED)


class TokenEndpoint(HttpSurface[str]):
    """Gives tokens to clients that know their secret, and the key set to whoever wants to check one, and says where."""

    name = "token"
    headers = _NO_STORE

    def __init__(self, tokens: Tokens, telemetry: Telemetry) -> None:
        super().__init__(telemetry)
        self._tokens = tokens
        self._failures: Failures[str] = Failures()

    async def answer(self, target: str, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Give a token, the key set, or where to find both."""
        if target == DISCOVERY_PATH:
            return 200, _ENCODER.encode(_discovery(scope))
        if target == KEYS_PATH:
            headers[:] = [(b"cache-control", b"public, max-age=%d" % KEYS_AGE_SECONDS)]
            return 200, _ENCODER.encode(self._tokens.public_keys())
        return 200, await self._token(scope, receive)

    def error(self, refusal: RequestRefused) -> bytes:
        """Write OAuth's error body, with our stable reason; RFC 6749 §5.2."""
        usual = "server_error" if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"
        said = {"error": refusal.code or usual, "error_description": refusal.sentence, "reason": refusal.reason}
        return _ENCODER.encode(said)

    async def _token(self, scope: Scope, receive: Receive) -> bytes:
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        request = _request(body, given.get(b"content-type", b""))
        if request.grant_type != CLIENT_CREDENTIALS:
            sentence = f"The one grant_type is {CLIENT_CREDENTIALS}."
            raise RequestRefused(400, "unsupported_grant_type", sentence, code="unsupported_grant_type")
        if not _is_ours(request.audience, given):
            sentence = f"The audience is {AUDIENCE}, or the address of this server."
            raise RequestRefused(400, "unknown_audience", sentence, code="invalid_target")
        issued = self._issue(request)
        return _ENCODER.encode(
            {"access_token": issued.access_token, "expires_in": issued.expires_in, "token_type": "Bearer"}
        )

    def _issue(self, request: TokenRequest) -> Issued:
        client, now = request.client_id, monotonic()
        wait = self._failures.wait(client, now)
        if wait:
            sentence = "Too many wrong secrets for this client; wait."
            headers = ((b"retry-after", b"%d" % ceil(wait)),)
            raise RequestRefused(429, "too_many_failures", sentence, headers, "too_many_attempts")
        issued = self._tokens.issue(client, request.client_secret)
        if isinstance(issued, Issued):
            self._failures.succeeded(client)
            return issued
        self._failures.failed(client, now)
        raise RequestRefused(401, issued.fault.value, issued.sentence, code="invalid_client")


def _discovery(scope: Scope) -> Mapping[str, object]:
    """Return where tokens and their keys are found, as OpenID Connect Discovery 1.0 §3 writes it.

    The addresses are those by which the server was asked.
    """
    host = dict[bytes, bytes](scope["headers"]).get(b"host", b"localhost").decode("latin-1")
    base = f"{scope.get('scheme', 'http')}://{host}"
    return {
        "issuer": ISSUER,
        "token_endpoint": base + TOKEN_PATH,
        "jwks_uri": base + KEYS_PATH,
        "grant_types_supported": [CLIENT_CREDENTIALS],
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }


def _request(body: bytes, content_type: bytes) -> TokenRequest:
    try:
        if content_type.partition(b";")[0].strip().lower() == _FORM:
            return _form(body)
        body.decode()  # The decoder does not look into the strings that it passes over.
        request = _REQUEST.decode(body)
        if has_repeated_keys(body):
            raise RequestRefused(400, "duplicate_key", "An object of the body has the same key twice.")
    except msgspec.ValidationError as error:
        raise RequestRefused(400, "invalid_member", f"{error}.") from None
    except (ValueError, RecursionError):
        # What can't be read may hold a secret, so it is not quoted.
        raise RequestRefused(400, "malformed_body", "The body is neither JSON nor a form.") from None
    return request


def _form(body: bytes) -> TokenRequest:
    pairs = parse_qsl(
        body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=FIELDS_MAX
    )
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise RequestRefused(400, "duplicate_key", "The form has the same field twice.")
    return msgspec.convert(fields, TokenRequest)


def _is_ours(audience: str, given: Mapping[bytes, bytes]) -> bool:
    """Whether a client means this server.

    Clients of the vendor send its literal audience, and a client written for this server the address at which it
    asks. Nothing rests on it, since every token is bound to this server all the same: it only tells a client that
    asks the wrong server. Whether a proxy ends TLS is not ours to know, so both schemes are taken.
    """
    wanted = audience.rstrip("/").lower()
    host = given.get(b"host", b"").decode("latin-1").lower()
    return wanted == AUDIENCE or (host != "" and wanted in (f"https://{host}", f"http://{host}"))
