"""Serves alias requests, the way the web SDK and the native SDKs send them (idsync §4.7, platform §3.5).

The key in the path says which input asks. The native SDKs also sign, as they do for IDSync, and what is signed is
checked; a browser can't. The MPIDs that a request must name are unguessable.
"""

import logging
from dataclasses import dataclass
from time import perf_counter
from typing import Final, assert_never

import msgspec

from knownas.api.alias_wire import alias_request
from knownas.api.credentials import Denied, authenticate
from knownas.api.exchange import JSON, BodyRefused, Disconnected, Header, Receive, Scope, Send, read_body, reply
from knownas.api.idsync import CORS, PREFLIGHT
from knownas.api.refusals import BAD_REQUEST, INTERNAL_ERROR
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Exceeded, Throttle
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed
from knownas.core.profile.alias import AliasRefused
from knownas.service.aliasing import Aliasing, Queued, Repeated
from knownas.service.directory import Directory, Door
from knownas.store.errors import StoreError

log: Final = logging.getLogger(__name__)

INVALID_DATA: Final = "INVALID_DATA"
ALIAS_ERROR: Final = "ALIAS_ERROR"
PREFIXES: Final = ("/webevents", "/nativeevents")
"""What custom domains put before the path. The native SDKs sign the path without it."""

SURFACE: Final = "alias"
_SIGNING: Final = (b"x-mp-signature", b"authorization")
_ENCODER: Final = msgspec.json.Encoder()


def is_alias(path: str) -> bool:
    """Whether a path is that of alias requests, with or without the prefix of a custom domain."""
    return _key_of(path) is not None


def _key_of(path: str) -> str | None:
    """Return the key in a path of ours; its last part is `alias` to some SDKs and `Alias` to others."""
    _, bare = _without_prefix(path)
    match bare.split("/"):
        case ["", "v1", "identity", key, last] if key and last.lower() == "alias":
            return key
        case _:
            return None


def _without_prefix(path: str) -> tuple[str, str]:
    for prefix in PREFIXES:
        if path.startswith(prefix + "/"):
            return prefix, path.removeprefix(prefix)
    return "", path


@dataclass(slots=True, eq=False)
class _Refusal(Exception):
    """Ends a request with an answer that is not 202. Without a code the answer has no body."""

    status: int
    reason: str
    code: str | None = None
    sentence: str = ""
    headers: tuple[Header, ...] = ()


class AliasSurface:
    """The alias surface of a service."""

    def __init__(self, aliasing: Aliasing, directory: Directory, throttle: Throttle, telemetry: Telemetry) -> None:
        self._aliasing = aliasing
        self._directory = directory
        self._throttle = throttle
        self._telemetry = telemetry

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose path `is_alias`."""
        if scope["method"] == "OPTIONS":
            await reply(send, 204, list(PREFLIGHT), b"")
            return
        headers: list[Header] = list(CORS)
        try:
            await self._take(scope, receive, headers)
        except Disconnected:
            return
        except _Refusal as refusal:
            await self._refuse(refusal, headers, send)
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            refusal = _Refusal(500, "internal_error", INTERNAL_ERROR, "An unknown error was encountered.")
            await self._refuse(refusal, headers, send)
        else:
            await reply(send, 202, headers, b"")

    async def _refuse(self, refusal: _Refusal, headers: list[Header], send: Send) -> None:
        self._telemetry.refused(SURFACE, refusal.reason)
        headers += [(b"x-refusal-reason", refusal.reason.encode()), *refusal.headers]
        body = b""
        if refusal.code is not None:
            headers.append(JSON)
            body = _ENCODER.encode({"message": refusal.sentence, "code": refusal.code, "reason": refusal.reason})
        await reply(send, refusal.status, headers, body)

    async def _take(self, scope: Scope, receive: Receive, headers: list[Header]) -> None:
        if scope["method"] != "POST":
            allow = ((b"allow", b"POST, OPTIONS"),)
            raise _Refusal(405, "method_not_allowed", BAD_REQUEST, "An alias is asked for with POST.", allow)
        try:
            body = await read_body(receive, scope["headers"], dict(scope["headers"]))
        except BodyRefused as refused:
            code = INVALID_DATA if refused.status == 400 else BAD_REQUEST  # noqa: PLR2004 - an HTTP status
            raise _Refusal(refused.status, refused.reason, code, refused.sentence) from refused
        door = _door(scope, body, self._directory)
        if isinstance(door, Denied):
            raise _Refusal(401, door.value)
        if door.limited:
            self._admit(door, headers)
        try:
            request = alias_request(body)
        except Malformed as malformed:
            raise _Refusal(400, malformed.reason, INVALID_DATA, malformed.sentence) from malformed
        try:
            outcome = await self._aliasing.request(door, request)
        except StoreError as error:
            fault = "The store could not keep the request; send it again."
            status, reason, sentence, wait = unavailable(error, fault)
            raise _Refusal(status, reason, INTERNAL_ERROR, sentence, wait) from error
        match outcome:
            case Queued() | Repeated():
                return
            case AliasRefused(reason, sentence):
                status, code = (403, ALIAS_ERROR) if reason.is_forbidden else (400, INVALID_DATA)
                raise _Refusal(status, reason.value, code, sentence)
            case _:
                assert_never(outcome)

    def _admit(self, door: Door, headers: list[Header]) -> None:
        admitted = self._throttle.admit(door.input, perf_counter(), door.lasting_key)
        if isinstance(admitted, Exceeded):
            limit = (b"x-mp-rate-limit-exceeded", admitted.source.encode())
            raise _Refusal(429, "rate_limited", headers=(limit, (b"retry-after", b"%d" % admitted.retry_after_seconds)))
        if admitted.percentage_used is not None:
            headers.append((b"x-mp-rate-limit-percentage-used", b"%d" % admitted.percentage_used))


def _door(scope: Scope, body: bytes, directory: Directory) -> Door | Denied:
    """Return the input that asks: the one whose key is in the path, by whose secret it is signed if at all."""
    key = _key_of(scope["path"]) or ""
    door = directory.door(key)
    headers: list[Header] = scope["headers"]
    if not any(name in _SIGNING for name, _ in headers):
        return Denied.UNKNOWN_KEY if door is None else door
    if any(name == b"x-mp-key" and value.strip() != key.encode() for name, value in headers):
        return Denied.MALFORMED
    # Who signs need not repeat the key in a header.
    keyed = [*(one for one in headers if one[0] != b"x-mp-key"), (b"x-mp-key", key.encode())]
    denied = Denied.WRONG_SIGNATURE
    for path in _signed_paths(scope):
        signer = authenticate({**scope, "headers": keyed, "raw_path": path}, body, dict(keyed), directory)
        if not isinstance(signer, Denied):
            return signer if signer is door else Denied.MALFORMED
        denied = signer
    return denied


def _signed_paths(scope: Scope) -> tuple[bytes, ...]:
    """Return what a client may have signed: the path, and the one without the prefix of a custom domain."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    prefix, _ = _without_prefix(scope["path"])
    return (path.removeprefix(prefix.encode()), path) if prefix else (path,)
