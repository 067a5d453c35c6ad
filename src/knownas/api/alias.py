"""Serves alias requests, the way the web SDK and the native SDKs send them (idsync §4.7, platform §3.5).

The key in the path says which input asks. The native SDKs also sign, as they do for IDSync, and what is signed is
checked; a browser can't. The MPIDs that a request must name are unguessable.
"""

from time import perf_counter
from typing import Final, assert_never

import msgspec

from knownas.api.alias_wire import alias_request
from knownas.api.answering import DOOR, HttpSurface
from knownas.api.credentials import Denied, authenticate
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.idsync import CORS, PREFLIGHT
from knownas.api.refusals import vendor_code
from knownas.api.routes import Route, Routes
from knownas.api.sources import SentBy, source_of
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle, admit
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed
from knownas.core.health.tally import NOWHERE
from knownas.core.profile.alias import AliasRefused
from knownas.service.identity.aliasing import Aliasing, Queued, Repeated
from knownas.service.live.feed import Feed
from knownas.service.live.line import Outcome
from knownas.service.security.directory import Directory, Door
from knownas.store.errors import StoreError

INVALID_DATA: Final = "INVALID_DATA"
ALIAS_ERROR: Final = "ALIAS_ERROR"
_CODES: Final = {400: INVALID_DATA, 403: ALIAS_ERROR}
"""The vendor's words that other surfaces do not know."""

PREFIXES: Final = ("/webevents", "/nativeevents")
"""What custom domains put before the path. The native SDKs sign the path without it."""

_SIGNING: Final = (b"x-mp-signature", b"authorization")
_ENCODER: Final = msgspec.json.Encoder()


ROUTES: Final = Routes(
    *(Route(f"{prefix}/v1/identity/{{key}}/alias", ("POST",), str, any_case=True) for prefix in ("", *PREFIXES))
)
"""The last part of the path is `alias` to some SDKs and `Alias` to others."""


class AliasSurface(HttpSurface[str]):
    """The alias surface of a service. What is asked for is the key in the path."""

    name = "alias"
    headers = CORS
    preflight = PREFLIGHT

    def __init__(
        self,
        aliasing: Aliasing,
        directory: Directory,
        throttle: Throttle,
        telemetry: Telemetry,
        live: Feed | None = None,
    ) -> None:
        super().__init__(telemetry, live)
        self._aliasing = aliasing
        self._directory = directory
        self._throttle = throttle

    def error(self, refusal: RequestRefused) -> bytes:
        """Write the error body of idsync §4.7, with our reason beside the vendor's members."""
        code = refusal.code or _CODES.get(refusal.status) or vendor_code(refusal.status)
        return _ENCODER.encode({"message": refusal.sentence, "code": code, "reason": refusal.reason})

    async def answer(self, target: str, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Take an alias request."""
        body = await read_body(receive, dict(scope["headers"]))
        door = _door(target, scope, body, self._directory)
        if isinstance(door, Denied):
            claimed = self._directory.door(target)
            raise RequestRefused(401, door.value, source=NOWHERE if claimed is None else source_of(claimed))
        scope[DOOR] = door
        with SentBy(source_of(door)):
            return await self._answer_door(door, body, headers)

    async def _answer_door(self, door: Door, body: bytes, headers: list[Header]) -> tuple[int, bytes]:
        now = perf_counter()
        if door.limited:
            admit(self._throttle, door, now, headers)
        try:
            outcome = await self._aliasing.request(door, alias_request(body))
        except Malformed as malformed:
            raise RequestRefused(400, malformed.reason, malformed.sentence) from malformed
        except StoreError as error:
            raise unavailable(error, "The store could not keep the request; send it again.") from error
        match outcome:
            case Queued(row) | Repeated(row):
                became = Outcome.QUEUED if isinstance(outcome, Queued) else Outcome.REPEATED
                if self._live is not None:
                    self._live.aliased(door, row, became, perf_counter() - now)
                return 202, b""
            case AliasRefused(reason, sentence):
                raise RequestRefused(403 if reason.is_forbidden else 400, reason.value, sentence)
            case _:
                assert_never(outcome)


def _door(key: str, scope: Scope, body: bytes, directory: Directory) -> Door | Denied:
    """Return the input that asks: the one whose key is in the path, by whose secret it is signed if at all."""
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
    bare = next((path.removeprefix(one.encode()) for one in PREFIXES if scope["path"].startswith(one)), None)
    return (path,) if bare is None else (bare, path)
