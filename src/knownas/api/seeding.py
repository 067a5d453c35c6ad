"""Serves the seeding of calculated attributes, with a workspace's own key and secret (platform §8).

An accepted request is answered with 202 and no body once it is durable. A refused one has kept nothing, and names
every fault as `<name>: <reason>`.
"""

import base64
import binascii
import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Final

import msgspec

from knownas.api.credentials import Denied
from knownas.api.exchange import JSON, BodyRefused, Disconnected, Header, Receive, Scope, Send, read_body, reply
from knownas.api.refusals import BAD_REQUEST, INTERNAL_ERROR
from knownas.api.seeding_wire import seeding_request
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Bucket
from knownas.api.unavailable import unavailable
from knownas.api.wire import NAME_CHARACTERS_SHOWN, Malformed
from knownas.config.values import Secret
from knownas.service.directory import Directory, Place
from knownas.service.resolver import Overloaded
from knownas.service.seeding import SeedFault, Seeding
from knownas.store.errors import StoreError

log: Final = logging.getLogger(__name__)

SURFACE: Final = "seeding"
_PATHS: Final[Mapping[str, bool]] = {
    f"{prefix}/v2/{name}{slash}": many
    for name, many in (("calculatedattributes", False), ("bulkcalculatedattributes", True))
    for prefix in ("", "/s2s")
    for slash in ("", "/")
}
_SERVER_ERROR: Final = 500
_UNAUTHORISED: Final = 401
_WAIT: Final = ((b"retry-after", b"1"),)
_NOBODY: Final = Secret("compared with when the key is unknown, so that the answer takes as long")
_ENCODER: Final = msgspec.json.Encoder()


def takes_many(path: str) -> bool | None:
    """Return whether a path takes the seeds of many users (True) or of one (False); None if it is not ours.

    The vendor's examples end with a slash, its text does not.
    """
    return _PATHS.get(path)


class SeedingRefused(Exception):
    """Ends a request with a status, a stable reason and a sentence; nothing of it was kept."""

    def __init__(self, status: int, reason: str, sentence: str, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason
        self.sentences = [(reason, sentence)]
        self.headers = headers


class SeedingSurface:
    """The seeding API of a service."""

    def __init__(self, seeding: Seeding, directory: Directory, telemetry: Telemetry) -> None:
        self._seeding = seeding
        self._directory = directory
        self._telemetry = telemetry
        self._buckets: dict[int, Bucket] = {}

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a path of ours."""
        headers: list[Header] = []
        try:
            await self._answer(scope, receive, headers)
        except Disconnected:
            return
        except SeedingRefused as refusal:
            self._telemetry.refused(SURFACE, refusal.reason)
            headers += [JSON, (b"x-refusal-reason", refusal.reason.encode()), *refusal.headers]
            await reply(send, refusal.status, headers, _error(refusal))
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            self._telemetry.refused(SURFACE, "internal_error")
            refusal = SeedingRefused(500, "internal_error", "An unknown error was encountered.")
            await reply(send, 500, [JSON], _error(refusal))
        else:
            await reply(send, 202, headers, b"")

    async def _answer(self, scope: Scope, receive: Receive, headers: list[Header]) -> None:
        if scope["method"] != "POST":
            raise SeedingRefused(405, "method_not_allowed", "Seeds are sent with POST.", ((b"allow", b"POST"),))
        given: dict[bytes, bytes] = dict(scope["headers"])
        try:
            body = await read_body(receive, scope["headers"], given)
        except BodyRefused as refused:
            raise SeedingRefused(refused.status, refused.reason, refused.sentence) from refused
        place = self._place(scope["headers"], given)
        self._admit(place, headers)
        try:
            users = seeding_request(body, many=takes_many(scope["path"]) is True)
        except Malformed as malformed:
            raise SeedingRefused(400, malformed.reason, malformed.sentence) from malformed
        try:
            faults = await self._seeding.seed(place, users)
        except (Overloaded, StoreError) as error:
            refusal = unavailable(error, "The store could not keep the seeds; nothing was kept.")
            raise SeedingRefused(*refusal) from error
        if faults:
            raise _refused(faults)

    def _place(self, headers: Sequence[Header], given: Mapping[bytes, bytes]) -> Place:
        """Find out whose workspace it is; platform §2.1 for 401 and 403."""
        if sum(name == b"authorization" for name, _ in headers) > 1:
            # Whatever is in between may have looked at the other one.
            raise _denied(_UNAUTHORISED, Denied.MALFORMED)
        if b"authorization" not in given:
            raise _denied(_UNAUTHORISED, Denied.NO_CREDENTIALS)
        scheme, _, encoded = given[b"authorization"].partition(b" ")
        try:
            key, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _denied(_UNAUTHORISED, Denied.MALFORMED) from None
        if scheme.lower() != b"basic" or not colon:
            raise _denied(_UNAUTHORISED, Denied.MALFORMED)
        place = self._directory.workspace(key)
        matches = (_NOBODY if place is None else place.workspace.secret).matches(secret)
        if place is None:
            raise _denied(403, Denied.UNKNOWN_KEY)
        if not matches:
            raise _denied(403, Denied.WRONG_SECRET)
        return place

    def _admit(self, place: Place, headers: list[Header]) -> None:
        limits = place.workspace.limits
        if limits.requests_per_second is None:
            return
        now = perf_counter()
        bucket = self._buckets.get(place.workspace.id)
        if bucket is None:
            bucket = Bucket(limits.requests_per_second, limits.burst_seconds, now)
            self._buckets[place.workspace.id] = bucket
        wait = bucket.take(now)
        if wait:
            over = ((b"x-mp-rate-limit-exceeded", b"workspace"), (b"retry-after", b"%d" % (int(wait) + 1)))
            raise SeedingRefused(429, "rate_limited", "The workspace sends too much; wait and try again.", over)
        headers.append((b"x-mp-rate-limit-percentage-used", b"%d" % bucket.percentage_used))


def _denied(status: int, denied: Denied) -> SeedingRefused:
    sentence = "Send the workspace's own key and secret, not an input's: Authorization: Basic."
    return SeedingRefused(status, denied.value, sentence)


def _refused(faults: Sequence[SeedFault]) -> SeedingRefused:
    refusal = SeedingRefused(400, faults[0].code, "")
    refusal.sentences = [(one.code, f"{one.name[:NAME_CHARACTERS_SHOWN]}: {one.reason}") for one in faults]
    return refusal


def _error(refusal: SeedingRefused) -> bytes:
    """Write the vendor's envelope, with our stable reasons; platform §1.6, §8."""
    code = INTERNAL_ERROR if refusal.status >= _SERVER_ERROR else BAD_REQUEST
    errors = [{"code": code, "message": sentence, "reason": reason} for reason, sentence in refusal.sentences]
    return _ENCODER.encode({"errors": errors})
