"""Answers the requests of OpenDSR the one way that all of them share: signed, and with the errors that it has (platform §5.2).

Each answer, also one that refuses, names the processor's domain and carries the signature of its raw body. An answer that
could not be signed because the store does not answer is a refusal that says so, and comes without a signature.
"""

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import msgspec

from knownas.api.answering import HttpSurface
from knownas.api.credentials import NOBODY, Denied, basic_pair, repeats_authorization
from knownas.api.exchange import Header, Message, Receive, RequestRefused, Scope, Send
from knownas.api.routes import Asked, Target
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Allowances
from knownas.config.values import RateLimits
from knownas.service.lately import Lately
from knownas.service.privacy.callbacks import DOMAIN_HEADER, SIGNATURE_HEADER
from knownas.service.privacy.processor import Processor
from knownas.service.privacy.signing import Signing
from knownas.service.security.directory import Directory, Place
from knownas.store.errors import StoreError

REQUESTS_A_MINUTE_MAX: Final = 1_000
"""Privacy requests of a workspace, of all sorts, that are answered in a minute, unless its limits say otherwise; platform §14."""

SIGNATURES_REMEMBERED_MAX: Final = 256
"""Signatures of answers that are given again and again: discovery, and what is refused."""

SIGNED_BYTES_REMEMBERED_MAX: Final = 16_384
"""Bytes of an answer of which the signature is remembered."""

CHUNK_BYTES: Final = 64 * 1024
"""Bytes of a file that are sent at once."""

IN_MEMORY_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of results that are held in memory while they are gathered; of more, a file without a name is made."""

FILE: Final = "knownas.file"
"""Where a surface leaves the file that is to be sent as the body of its answer, in the connection's scope."""

SAME: Final = "knownas.same"
"""Says in the connection's scope that everybody is answered the same, so that its signature is remembered."""

_LIMITS: Final = RateLimits(REQUESTS_A_MINUTE_MAX / 60, burst_seconds=60)
_ENCODER: Final = msgspec.json.Encoder()
_NO_STORE: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"),)
_DOMAINS: Final[Mapping[int, str]] = {
    400: "Validation",
    401: "Authentication",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "RateLimit",
}


class SpooledFile:
    """A body that is gathered before it is sent, since its signature stands before it."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile[bytes](max_size=IN_MEMORY_BYTES_MAX)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, part: bytes) -> None:
        """Take the next part."""
        self._file.write(part)
        self._hash.update(part)
        self.size += len(part)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was taken."""
        return self._hash.digest()

    def rewind(self) -> None:
        """Begin to read."""
        self._file.seek(0)

    def read(self) -> bytes:
        """Return the next part; empty at the end."""
        return self._file.read(CHUNK_BYTES)

    def close(self) -> None:
        """Let it go."""
        self._file.close()


class SignedSurface(HttpSurface[Target]):
    """A surface of OpenDSR."""

    headers = _NO_STORE

    def __init__(self, signing: Signing, directory: Directory, telemetry: Telemetry) -> None:
        super().__init__(telemetry)
        self._signing = signing
        self._directory = directory
        self._allowances: Allowances[int] = Allowances("workspace", "The workspace asks too much; wait and try again.")
        self._signatures: Lately[bytes, str] = Lately(SIGNATURES_REMEMBERED_MAX)

    async def serve(self, asked: Asked[Target], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, signed."""
        try:
            await super().serve(asked, scope, receive, self._signed(send, scope))
        finally:
            file: SpooledFile | None = scope.pop(FILE, None)
            if file is not None:
                file.close()

    async def refuse_late(self, scope: Scope, send: Send) -> None:
        """Answer a request that its time is up, signed."""
        await super().refuse_late(scope, self._signed(send, {}))

    def error(self, refusal: RequestRefused) -> bytes:
        """Write the body of a refusal; platform §1.6."""
        domain = _DOMAINS.get(refusal.status, HTTPStatus(refusal.status).phrase)
        told = {"domain": domain, "reason": refusal.reason, "message": refusal.sentence}
        return _ENCODER.encode({"code": refusal.status, "message": refusal.sentence, "errors": [told]})

    def _place(self, headers: Sequence[Header], given: Mapping[bytes, bytes]) -> Place:
        """Find out whose workspace it is.

        Raises:
            RequestRefused: it can't be told who asks.
        """
        pair = None if repeats_authorization(headers, given) else basic_pair(given.get(b"authorization", b""))
        if pair is None:
            raise _denied(Denied.MALFORMED if b"authorization" in given else Denied.NO_CREDENTIALS)
        key, secret = pair
        place = self._directory.workspace(key)
        matches = (NOBODY if place is None else place.workspace.secret).matches(secret)
        if place is None or not matches:
            raise _denied(Denied.UNKNOWN_KEY if place is None else Denied.WRONG_SECRET)
        return place

    def _admit(self, place: Place, headers: list[Header]) -> None:
        """Count a request against what its workspace may ask.

        Raises:
            RequestRefused: it is over the limit.
        """
        given = place.workspace.limits
        limits = _LIMITS if given.requests_per_second is None else given
        self._allowances.admit(place.workspace.id, limits, headers)

    def _signed(self, send: Send, scope: Scope) -> Send:
        """Send answers with the domain and the signature of their body; of the file in the scope, if there is one."""
        started: list[Message] = []

        async def signed(message: Message) -> None:
            if message["type"] != "http.response.body":
                started.append(message)
                return
            file: SpooledFile | None = scope.get(FILE)
            start: dict[str, Any] = dict(started[0])
            is_same = start["status"] >= HTTPStatus.BAD_REQUEST or scope.get(SAME, False)
            signature = await self._signature(message["body"] if file is None else file, remember=is_same)
            headers = [*start["headers"], *signature]
            if file is None:
                await send({**start, "headers": headers})
                await send(message)
            else:
                length = (b"content-length", b"%d" % file.size)
                kept = [one for one in headers if one[0] != length[0]]
                await send({**start, "headers": [*kept, length]})
                await _send_file(send, file)

        return signed

    async def _signature(self, body: bytes | SpooledFile, *, remember: bool) -> list[Header]:
        try:
            processor = await self._signing.processor()
        except StoreError:
            return []
        if isinstance(body, SpooledFile):
            signature = processor.sign_digest(body.digest)
        elif remember and len(body) <= SIGNED_BYTES_REMEMBERED_MAX:
            signature = self._remembered(processor, body)
        else:
            signature = processor.sign(body)
        return [
            (DOMAIN_HEADER.lower().encode(), processor.domain.encode()),
            (SIGNATURE_HEADER.lower().encode(), signature.encode()),
        ]

    def _remembered(self, processor: Processor, body: bytes) -> str:
        signature = self._signatures.find(body)
        if signature is None:
            signature = processor.sign(body)
            self._signatures.note(body, signature)
        return signature


async def _send_file(send: Send, file: SpooledFile) -> None:
    file.rewind()
    sent = 0
    while part := file.read():
        sent += len(part)
        await send({"type": "http.response.body", "body": part, "more_body": sent < file.size})
    if not file.size:
        await send({"type": "http.response.body", "body": b""})


def _denied(denied: Denied) -> RequestRefused:
    sentence = "Send the workspace's own key and secret, not an input's: Authorization: Basic."
    return RequestRefused(401, denied.value, sentence)


def base_url_of(configured: str, scope: Scope) -> str:
    """Return where controllers reach the server: as it is configured, else as this request has reached it."""
    if configured:
        return configured
    host = dict[bytes, bytes](scope["headers"]).get(b"host", b"")
    named = host.decode("latin-1") if 0 < len(host) <= _HOST_BYTES_MAX else "localhost"
    return f"{scope.get('scheme', 'http')}://{named}"


_HOST_BYTES_MAX: Final = 260
"""Bytes of a host's name with its port."""
