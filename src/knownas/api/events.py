"""Serves the Events API: one batch, many, and history (platform §2).

A batch is answered with 202 once it is durable, or once it is durably refused: its receipt says which, by the id in
`X-Receipt-Id` (of several batches: their ids in their order) or by the sender's own `source_request_id`.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Final

from knownas.api.answering import DOOR, HttpSurface
from knownas.api.batch_wire import bulk, event_batch, refused_batch
from knownas.api.credentials import Denied, authenticate
from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.limits import BATCH_BYTES_MAX, BATCHES_A_REQUEST_MAX
from knownas.api.routes import Routes, literal
from knownas.api.sources import SentBy, claimed_source, source_of
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle, admit
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed
from knownas.core.profile.event import Channel
from knownas.service.health.tallying import Tallying
from knownas.service.identity.resolver import Overloaded
from knownas.service.profile.batch_receipts import Kept, Rejected, Repeated
from knownas.service.profile.ingest import Arrival, Ingest, Receipted
from knownas.service.security.directory import Door
from knownas.service.server import Service
from knownas.store.errors import StoreError

PREFIX: Final = "/s2s"
CUSTOM_FEED: Final = "custom"
RECEIPT_HEADER: Final = b"x-receipt-id"
TOO_MUCH: Final = "The input sends too much; wait and try again."


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
ROUTES: Final = Routes(
    *(literal(prefix + path, ("POST",), kind) for path, kind in _KINDS.items() for prefix in ("", PREFIX))
)


class Events(HttpSurface[Kind]):
    """The Events API of a service."""

    name = "events"

    def __init__(self, service: Service, throttle: Throttle, telemetry: Telemetry) -> None:
        super().__init__(telemetry, service.live)
        self._directory = service.directory
        self._clock = service.clock
        self._ingest = service.ingest
        self._tallying = service.tallying
        self._feed = service.live
        self._throttle = throttle

    async def answer(self, target: Kind, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Take the batches of a request."""
        body, door = await self._admit(scope, receive)
        with SentBy(source_of(door)):
            return await self._take(target, door, body, headers)

    async def _take(self, target: Kind, door: Door, body: bytes, headers: list[Header]) -> tuple[int, bytes]:
        if door.limited:
            admit(self._throttle, door, perf_counter(), headers, TOO_MUCH)
        now = perf_counter()
        at_ms = self._clock()
        channel = channel_of(door)
        if target.many:
            arrivals = self._arrivals(door, channel, body, at_ms, historical=target.historical)
        else:
            if len(body) > BATCH_BYTES_MAX:
                raise RequestRefused(413, "batch_too_long", f"A batch may have {BATCH_BYTES_MAX} bytes.")
            try:
                arrivals = [Arrival(door, event_batch(body, at_ms, door.input.name, channel))]
            except Malformed as malformed:
                raise RequestRefused(400, malformed.reason, malformed.sentence) from malformed
        receipts = await take(self._ingest, arrivals)
        headers.append((RECEIPT_HEADER, b", ".join(one.receipt_id.encode() for one in receipts)))
        seconds = perf_counter() - now
        for arrival, receipt in zip(arrivals, receipts, strict=True):
            outcome = outcome_name(receipt)
            self._telemetry.decided(target.name, door.rules.scope, outcome, seconds)
            self._feed.took(arrival, receipt, target.name, outcome, seconds)
        note_rejected(self._tallying, self.name, arrivals, receipts)
        return 202, b""

    def called(self, target: Kind) -> str:
        """Return the last part of the path."""
        return target.name

    async def _admit(self, scope: Scope, receive: Receive) -> tuple[bytes, Door]:
        """Read the body and find out who sends it; platform §2.1 for 401 and 403."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        if b"authorization" not in given and b"x-mp-signature" not in given:
            raise RequestRefused(
                401, Denied.NO_CREDENTIALS.value, "Send the input's key and secret: Authorization: Basic."
            )
        door = authenticate(scope, body, given, self._directory)
        if isinstance(door, Denied):
            status = 401 if door in (Denied.MALFORMED, Denied.NO_CREDENTIALS) else 403
            sentence, claimed = "These are not the key and secret of an input.", claimed_source(given, self._directory)
            raise RequestRefused(status, door.value, sentence, source=claimed)
        scope[DOOR] = door
        return body, door

    def _arrivals(self, door: Door, channel: Channel, body: bytes, at_ms: int, *, historical: bool) -> list[Arrival]:
        """Decode the batches of a bulk request, each by itself: one that can't be taken does not keep others out."""
        try:
            parts = bulk(body)
        except Malformed as malformed:
            raise RequestRefused(400, malformed.reason, malformed.sentence) from malformed
        if len(parts) > BATCHES_A_REQUEST_MAX:
            raise RequestRefused(400, "too_many_batches", f"A request may have {BATCHES_A_REQUEST_MAX} batches.")
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
    return Arrival(door, refused_batch(body, at_ms, name, channel), refusal)


async def take(ingest: Ingest, arrivals: list[Arrival]) -> list[Receipted]:
    """Hand batches over and wait until they are durable.

    Raises:
        RequestRefused: the server is busy, or the store does not keep them; nothing may be taken for granted.
    """
    try:
        waiting = [ingest.submit(one) for one in arrivals]
        return [await one for one in waiting]
    except (Overloaded, StoreError) as error:
        raise unavailable(error, "The store could not keep the batch; send it again.") from error


def note_rejected(tallying: Tallying, surface: str, arrivals: list[Arrival], receipts: list[Receipted]) -> None:
    """Note which batches were refused after all: their senders were told 202."""
    for arrival, receipt in zip(arrivals, receipts, strict=True):
        if isinstance(receipt.outcome, Rejected):
            source = source_of(arrival.door, arrival.batch.environment)
            tallying.refused(source, surface, receipt.outcome.reason)


def outcome_name(receipt: Receipted) -> str:
    """Return the name under which an outcome is counted."""
    match receipt.outcome:
        case Kept():
            return "kept"
        case Rejected():
            return "refused"
        case Repeated():
            return "repeated"
