"""Serves the token endpoint, and reads the tokens that come back (platform §1.4).

Secrets must not be guessed: failures are counted per client id, whether or not there is such a client, and beyond a
limit nothing is compared for a while. So whoever knows a client id can hold up its next token; those that it has
already are not touched.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec

from knownas.api.duplicate_keys import has_repeated_keys
from knownas.api.exchange import JSON, BodyRefused, Disconnected, Header, Receive, Scope, Send, read_body, reply
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Bucket
from knownas.config.values import Credential
from knownas.service.tokens import AUDIENCE, Issued, TokenFault, TokenRefused, Tokens

log: Final = logging.getLogger(__name__)

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path, not a secret
KEYS_PATH: Final = "/.well-known/jwks.json"
PATHS: Final = frozenset({TOKEN_PATH, KEYS_PATH})

FIELD_CHARACTERS_MAX: Final = 1_024
"""Characters of each member of a request for a token."""

FIELDS_MAX: Final = 16
"""Members of a form; more than the four that are needed are passed over."""

FAILURES_IN_A_ROW_MAX: Final = 10
SECONDS_A_FAILURE: Final = 10.0
"""Wrong secrets that a client id may send at once, and the time after which it may send one more."""

FAILING_CLIENTS_MAX: Final = 10_000
"""Client ids whose failures are remembered; the longest unused are forgotten first."""

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


@dataclass(slots=True, eq=False)
class _Refusal(Exception):
    """Ends a request without a token: OAuth's error code, our stable reason, and a sentence; RFC 6749 §5.2."""

    status: int
    error: str
    reason: str
    sentence: str
    headers: tuple[Header, ...] = ()


def bearer_credential(
    headers: Sequence[Header], given: Mapping[bytes, bytes], tokens: Tokens, now_ms: int
) -> Credential | TokenRefused:
    """Return the credential whose token a request carries. `given` are its headers by their names."""
    header = given.get(b"authorization")
    if header is None:
        return _MISSING
    if len(given) < len(headers) and sum(name == b"authorization" for name, _ in headers) > 1:
        # Whatever is in between may have looked at the other one.
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


class TokenEndpoint:
    """Gives tokens to clients that know their secret, and the key set to whoever wants to check one."""

    def __init__(self, tokens: Tokens, telemetry: Telemetry) -> None:
        self._tokens = tokens
        self._telemetry = telemetry
        self._failures: OrderedDict[str, Bucket] = OrderedDict()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a path of `PATHS`."""
        headers = [JSON, *_NO_STORE]
        try:
            if scope["path"] == KEYS_PATH:
                body = self._keys(scope, headers)
            else:
                body = await self._token(scope, receive)
        except Disconnected:
            return
        except _Refusal as refusal:
            await self._refuse(refusal, headers, send)
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            fault = _Refusal(500, "server_error", "internal_error", "An unknown error was encountered.")
            await self._refuse(fault, headers, send)
        else:
            await reply(send, 200, headers, body)

    async def _refuse(self, refusal: _Refusal, headers: list[Header], send: Send) -> None:
        self._telemetry.refused("token", refusal.reason)
        headers += [(b"x-refusal-reason", refusal.reason.encode()), *refusal.headers]
        said = {"error": refusal.error, "error_description": refusal.sentence, "reason": refusal.reason}
        await reply(send, refusal.status, headers, _ENCODER.encode(said))

    def _keys(self, scope: Scope, headers: list[Header]) -> bytes:
        if scope["method"] != "GET":
            raise _wrong_method("GET", "The key set is read with GET.")
        headers[1:] = [(b"cache-control", b"public, max-age=%d" % KEYS_AGE_SECONDS)]
        return _ENCODER.encode(self._tokens.public_keys())

    async def _token(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise _wrong_method("POST", "A token is asked for with POST.")
        given: dict[bytes, bytes] = dict(scope["headers"])
        try:
            body = await read_body(receive, scope["headers"], given)
        except BodyRefused as refused:
            raise _Refusal(refused.status, "invalid_request", refused.reason, refused.sentence) from refused
        request = _request(body, given.get(b"content-type", b""))
        if request.grant_type != CLIENT_CREDENTIALS:
            sentence = f"The one grant_type is {CLIENT_CREDENTIALS}."
            raise _Refusal(400, "unsupported_grant_type", "unsupported_grant_type", sentence)
        if not _is_ours(request.audience, given):
            sentence = f"The audience is {AUDIENCE}, or the address of this server."
            raise _Refusal(400, "invalid_target", "unknown_audience", sentence)
        issued = self._issue(request)
        return _ENCODER.encode(
            {"access_token": issued.access_token, "expires_in": issued.expires_in, "token_type": "Bearer"}
        )

    def _issue(self, request: TokenRequest) -> Issued:
        failures, client, now = self._failures, request.client_id, monotonic()
        bucket = failures.get(client)
        if bucket is not None:
            wait = bucket.take(now)
            if wait:
                sentence = "Too many wrong secrets for this client; wait."
                headers = ((b"retry-after", b"%d" % ceil(wait)),)
                raise _Refusal(429, "too_many_attempts", "too_many_failures", sentence, headers)
        issued = self._tokens.issue(client, request.client_secret)
        if isinstance(issued, Issued):
            failures.pop(client, None)
            return issued
        if bucket is None:
            bucket = failures[client] = Bucket(1 / SECONDS_A_FAILURE, FAILURES_IN_A_ROW_MAX * SECONDS_A_FAILURE, now)
            bucket.take(now)
            if len(failures) > FAILING_CLIENTS_MAX:
                failures.popitem(last=False)
        failures.move_to_end(client)
        raise _Refusal(401, "invalid_client", issued.fault.value, issued.sentence)


def _request(body: bytes, content_type: bytes) -> TokenRequest:
    try:
        if content_type.partition(b";")[0].strip().lower() == _FORM:
            return _form(body)
        body.decode()  # The decoder does not look into the strings that it passes over.
        request = _REQUEST.decode(body)
        if has_repeated_keys(body):
            raise _Refusal(400, "invalid_request", "duplicate_key", "An object of the body has the same key twice.")
    except msgspec.ValidationError as error:
        raise _Refusal(400, "invalid_request", "invalid_member", f"{error}.") from None
    except (ValueError, RecursionError):
        # What can't be read may hold a secret, so it is not quoted.
        raise _Refusal(400, "invalid_request", "malformed_body", "The body is neither JSON nor a form.") from None
    return request


def _form(body: bytes) -> TokenRequest:
    pairs = parse_qsl(
        body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=FIELDS_MAX
    )
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _Refusal(400, "invalid_request", "duplicate_key", "The form has the same field twice.")
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


def _wrong_method(allowed: str, sentence: str) -> _Refusal:
    return _Refusal(405, "invalid_request", "method_not_allowed", sentence, ((b"allow", allowed.encode()),))
