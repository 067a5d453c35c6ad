"""Serves the Events API: one batch, many, and history (platform §2).

A batch is answered with 202 once it is durable, or once it is durably refused: its receipt says which, by the id in
`X-Receipt-Id` (of several batches: their ids in their order) or by the sender's own `source_request_id`.
"""

import logging
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import msgspec

from knownas.api.batch_wire import bulk, event_batch
from knownas.api.credentials import Denied, authenticate
from knownas.api.exchange import JSON, BodyRefused, Disconnected, Header, Receive, Scope, Send, read_body, reply
from knownas.api.limits import BATCH_BYTES_MAX, BATCHES_A_REQUEST_MAX
from knownas.api.refusals import BAD_REQUEST, INTERNAL_ERROR
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Exceeded, Throttle
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed
from knownas.core.identity.observation import Environment
from knownas.core.profile.event import Channel, EventBatch
from knownas.service.batch_receipts import Kept, Rejected, Repeated
from knownas.service.directory import Door
from knownas.service.ingest import Arrival, Ingest, Receipted
from knownas.service.resolver import Overloaded
from knownas.service.server import Service
from knownas.store.errors import StoreError

log: Final = logging.getLogger(__name__)

PREFIX: Final = "/s2s"
CUSTOM_FEED: Final = "custom"
RECEIPT_HEADER: Final = b"x-receipt-id"
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a path of the Events API takes: one batch or an array of them, of now or of long ago."""

    name: str
    many: bool
    historical: bool = False


_KINDS: Final = {
    "/v2/events": Kind("events", many=False),
    "/v2/bulkevents": Kind("bulkevents", many=True),
    "/v2/bulkevents/historical": Kind("historical", many=True, historical=True),
}
EVENT_PATHS: Final = {prefix + path: kind for path, kind in _KINDS.items() for prefix in ("", PREFIX)}


class EventsRefused(Exception):
    """Ends a request with a status, a stable reason and a sentence; nothing of it was taken."""

    def __init__(self, status: int, reason: str, sentence: str, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason
        self.sentence = sentence
        self.headers = headers


def events_error(refusal: EventsRefused) -> bytes:
    """Write the error body of the events surfaces: the vendor's envelope, with our stable reason; platform §1.6."""
    code = INTERNAL_ERROR if refusal.status >= 500 else BAD_REQUEST  # noqa: PLR2004 - the class of faults of ours
    return _ENCODER.encode({"errors": [{"code": code, "message": refusal.sentence, "reason": refusal.reason}]})


class Events:
    """The Events API of a service."""

    def __init__(self, service: Service, throttle: Throttle, telemetry: Telemetry) -> None:
        self._directory = service.directory
        self._clock = service.clock
        self._ingest = service.ingest
        self._throttle = throttle
        self._telemetry = telemetry

    async def serve(self, kind: Kind, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: list[Header] = []
        try:
            await self._answer(kind, scope, receive, headers)
        except Disconnected:
            return
        except EventsRefused as refusal:
            self._telemetry.refused("events", refusal.reason)
            headers += [JSON, (b"x-refusal-reason", refusal.reason.encode()), *refusal.headers]
            await reply(send, refusal.status, headers, events_error(refusal))
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            self._telemetry.refused("events", "internal_error")
            refusal = EventsRefused(500, "internal_error", "An unknown error was encountered.")
            await reply(send, 500, [JSON], events_error(refusal))
        else:
            await reply(send, 202, headers, b"")

    async def _answer(self, kind: Kind, scope: Scope, receive: Receive, headers: list[Header]) -> None:
        if scope["method"] != "POST":
            raise EventsRefused(405, "method_not_allowed", "Events are sent with POST.", ((b"allow", b"POST"),))
        body, door = await self._admit(scope, receive, headers)
        now = perf_counter()
        at_ms = self._clock()
        channel = channel_of(door)
        if kind.many:
            arrivals = self._arrivals(door, channel, body, at_ms, historical=kind.historical)
        else:
            if len(body) > BATCH_BYTES_MAX:
                raise EventsRefused(413, "batch_too_long", f"A batch may have {BATCH_BYTES_MAX} bytes.")
            try:
                arrivals = [Arrival(door, event_batch(body, at_ms, door.input.name, channel))]
            except Malformed as malformed:
                raise EventsRefused(400, malformed.reason, malformed.sentence) from malformed
        receipts = await take(self._ingest, arrivals)
        headers.append((RECEIPT_HEADER, b", ".join(one.receipt_id.encode() for one in receipts)))
        seconds = perf_counter() - now
        for receipt in receipts:
            self._telemetry.decided(kind.name, door.rules.scope, outcome_name(receipt), seconds)

    async def _admit(self, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[bytes, Door]:
        """Read the body and find out who sends it; platform §2.1 for 401 and 403."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        try:
            body = await read_body(receive, scope["headers"], given)
        except BodyRefused as refused:
            raise EventsRefused(refused.status, refused.reason, refused.sentence) from refused
        if b"authorization" not in given and b"x-mp-signature" not in given:
            raise EventsRefused(
                401, Denied.NO_CREDENTIALS.value, "Send the input's key and secret: Authorization: Basic."
            )
        door = authenticate(scope, body, given, self._directory)
        if isinstance(door, Denied):
            status = 401 if door in (Denied.MALFORMED, Denied.NO_CREDENTIALS) else 403
            raise EventsRefused(status, door.value, "These are not the key and secret of an input.")
        if door.limited:
            admit(self._throttle, door, headers)
        return body, door

    def _arrivals(self, door: Door, channel: Channel, body: bytes, at_ms: int, *, historical: bool) -> list[Arrival]:
        """Decode the batches of a bulk request, each by itself: one that can't be taken does not keep others out."""
        try:
            parts = bulk(body)
        except Malformed as malformed:
            raise EventsRefused(400, malformed.reason, malformed.sentence) from malformed
        if len(parts) > BATCHES_A_REQUEST_MAX:
            raise EventsRefused(400, "too_many_batches", f"A request may have {BATCHES_A_REQUEST_MAX} batches.")
        return [arrival_of(door, channel, part, at_ms, historical=historical) for part in parts]


def channel_of(door: Door) -> Channel:
    """Return how batches of an input come in, when they come from a server."""
    if not door.input.is_feed:
        return Channel.SERVER
    return Channel.FEED if door.input.feed == CUSTOM_FEED else Channel.PARTNER


def arrival_of(door: Door, channel: Channel, body: bytes, at_ms: int, *, historical: bool = False) -> Arrival:
    """Decode a batch whose sender is told 202 in any case: what can't be taken is kept as refused."""
    name = door.input.name
    if len(body) > BATCH_BYTES_MAX:
        refusal = Rejected("batch_too_long", f"A batch may have {BATCH_BYTES_MAX} bytes.")
    else:
        try:
            return Arrival(door, event_batch(body, at_ms, name, channel, historical=historical))
        except Malformed as malformed:
            refusal = Rejected(malformed.reason, malformed.sentence)
    return Arrival(door, EventBatch(Environment.PRODUCTION, at_ms, name, channel), refusal)


async def take(ingest: Ingest, arrivals: list[Arrival]) -> list[Receipted]:
    """Hand batches over and wait until they are durable.

    Raises:
        EventsRefused: the server is busy, or the store does not keep them; nothing may be taken for granted.
    """
    try:
        waiting = [ingest.submit(one) for one in arrivals]
        return [await one for one in waiting]
    except (Overloaded, StoreError) as error:
        raise EventsRefused(*unavailable(error, "The store could not keep the batch; send it again.")) from error


def admit(throttle: Throttle, door: Door, headers: list[Header]) -> None:
    """Count a request against its input's limit.

    Raises:
        EventsRefused: it is over the limit.
    """
    admitted = throttle.admit(door.input, perf_counter(), door.lasting_key)
    if isinstance(admitted, Exceeded):
        limits = (
            (b"x-mp-rate-limit-exceeded", admitted.source.encode()),
            (b"retry-after", b"%d" % admitted.retry_after_seconds),
        )
        raise EventsRefused(429, "rate_limited", "The input sends too much; wait and try again.", limits)
    if admitted.percentage_used is not None:
        headers.append((b"x-mp-rate-limit-percentage-used", b"%d" % admitted.percentage_used))


def outcome_name(receipt: Receipted) -> str:
    """Return the name under which an outcome is counted."""
    match receipt.outcome:
        case Kept():
            return "kept"
        case Rejected():
            return "refused"
        case Repeated():
            return "repeated"
