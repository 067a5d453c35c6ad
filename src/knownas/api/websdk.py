"""Serves what the official web SDK asks beside IDSync: configuration, events, forwarding statistics, audiences (platform §3).

The key in the path is public, so nothing that comes here is trusted to say who a user is: a batch names the MPID
that IDSync gave out. The SDK repeats a batch without end when it is answered 400, and drops its whole queue for
401 to 499; so whatever can be told apart is answered 202, and what can't be taken is kept as refused, a body that is
too long or oddly encoded too.
"""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from time import perf_counter
from typing import Final, assert_never
from urllib.parse import parse_qs

import msgspec

from knownas.api.answering import DOOR, HttpSurface
from knownas.api.events import TOO_MUCH, arrival_of, note_rejected, outcome_name, take
from knownas.api.exchange import BodyRefused, Header, PassingOver, Receive, RequestRefused, Scope, read_body
from knownas.api.idsync import CORS, PREFLIGHT
from knownas.api.routes import Route, Routes
from knownas.api.sources import SentBy, source_of
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle, admit
from knownas.api.unavailable import unavailable
from knownas.api.websdk_single import batch_of_single_event
from knownas.api.wire import INVALID_MPID, Malformed
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.core.profile.event import NO_ATTRIBUTES, Channel, EventBatch
from knownas.service.profile.batch_receipts import Rejected
from knownas.service.profile.ingest import Arrival
from knownas.service.security.directory import Door
from knownas.service.server import Service
from knownas.store.errors import StoreError
from knownas.store.user_data import SectionKey

WEB_PREFIX: Final = "/webevents"
TAGS_PREFIX: Final = "/tags"
BATCHING_INTERVAL_MS: Final = 1_000
"""How long the SDK gathers events before it sends them."""

_ENCODER: Final = msgspec.json.Encoder()


class Call(StrEnum):
    """What a path of the web SDK asks for."""

    EVENTS = "events"
    SINGLE_EVENTS = "single_events"
    CONFIG = "config"
    FORWARDING = "forwarding"
    AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class Target:
    """A call, and the key that stands in its path."""

    call: Call
    key: str


_GET: Final = ("GET",)
_POST: Final = ("POST",)
ROUTES: Final = Routes(
    *(
        Route(prefix + path, methods, partial(Target, call), any_case=call is Call.SINGLE_EVENTS)
        for path, methods, call, prefixes in (
            ("/v3/JS/{key}/events", _POST, Call.EVENTS, ("", WEB_PREFIX)),
            ("/v2/JS/{key}/events", _POST, Call.SINGLE_EVENTS, ("", WEB_PREFIX)),
            ("/v1/JS/{key}/events", _POST, Call.SINGLE_EVENTS, ("", WEB_PREFIX)),
            ("/JS/v2/{key}/config", _GET, Call.CONFIG, ("", TAGS_PREFIX, WEB_PREFIX)),
            ("/v2/JS/{key}/Forwarding", _POST, Call.FORWARDING, ("", WEB_PREFIX)),
            ("/v1/JS/{key}/Forwarding", _POST, Call.FORWARDING, ("", WEB_PREFIX)),
            ("/v1/{key}/audience", _GET, Call.AUDIENCE, ("", WEB_PREFIX)),
        )
        for prefix in prefixes
    )
)
"""What the SDK asks for, with and without the prefixes of a custom domain. Older SDKs write `Events`."""


class WebSdk(HttpSurface[Target]):
    """The web SDK's surface of a service."""

    name = "websdk"
    headers = CORS
    preflight = tuple(
        (name, b"GET, POST, OPTIONS" if name == b"access-control-allow-methods" else value) for name, value in PREFLIGHT
    )

    def __init__(self, service: Service, throttle: Throttle, telemetry: Telemetry) -> None:
        super().__init__(telemetry, service.live)
        self._directory = service.directory
        self._clock = service.clock
        self._ingest = service.ingest
        self._audiences = service.activation.audiences
        self._tallying = service.tallying
        self._feed = service.live
        self._throttle = throttle

    async def answer(self, target: Target, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Answer a call in the name of the input whose key is in the path."""
        door = self._directory.door(target.key)
        if door is None:
            raise RequestRefused(401, "unknown_key", "No input has this key.")
        scope[DOOR] = door
        with SentBy(source_of(door)):
            return await self._answer_door(door, target, scope, receive, headers)

    async def _answer_door(
        self, door: Door, target: Target, scope: Scope, receive: Receive, headers: list[Header]
    ) -> tuple[int, bytes]:
        if door.limited:
            admit(self._throttle, door, perf_counter(), headers, TOO_MUCH)
        match target.call:
            case Call.CONFIG:
                return 200, _config(door, has_audiences=bool(self._audiences.known(door.workspace.id)))
            case Call.AUDIENCE:
                return 200, await self._memberships(door, scope["query_string"])
            case Call.EVENTS | Call.SINGLE_EVENTS:
                body = await _body_of(scope, receive)
                single = False
                if target.call is Call.SINGLE_EVENTS and isinstance(body, bytes):
                    sent, body = body, _as_batch(body)
                    single = body is not sent
                await self._events(self._arrival(door, body, single=single), headers)
                return 202, b""
            case Call.FORWARDING:
                await _body_of(scope, receive)
                return 202, b""
            case _:
                assert_never(target.call)

    def called(self, target: Target) -> str:
        """Return the call."""
        return target.call.value

    async def _events(self, arrival: Arrival, headers: list[Header]) -> None:
        door, now = arrival.door, perf_counter()
        if arrival.refusal is None and arrival.batch.mpid is None and not door.input.allow_key_only:
            sentence = "A batch of the web SDK names its user by the mpid; this input lets no key alone say who it is."
            arrival = Arrival(door, arrival.batch, Rejected("mpid_missing", sentence))
        receipt = (await take(self._ingest, [arrival]))[0]
        note_rejected(self._tallying, self.name, [arrival], [receipt])
        headers.append((b"x-receipt-id", receipt.receipt_id.encode()))
        outcome = outcome_name(receipt)
        self._telemetry.decided("websdk_events", door.rules.scope, outcome, 0.0)
        self._feed.took(arrival, receipt, Call.EVENTS.value, outcome, perf_counter() - now)

    def _arrival(self, door: Door, body: bytes | Rejected, *, single: bool) -> Arrival:
        at_ms = self._clock()
        if isinstance(body, bytes):
            arrival = arrival_of(door, Channel.JAVASCRIPT, body, at_ms)
            return arrival._replace(batch=_repeating(arrival.batch)) if single else arrival
        return Arrival(door, EventBatch(Environment.PRODUCTION, at_ms, door.input.name, Channel.JAVASCRIPT), body)

    async def _memberships(self, door: Door, query: bytes) -> bytes:
        """Return the audiences of the input's workspace that a user is in, in whichever environment that user lives; platform §3.6."""
        given = parse_qs(query.decode("latin-1")).get("mpid", [""])[-1]
        mpid = parse_mpid(given)
        if mpid is None:
            raise RequestRefused(400, "invalid_mpid", INVALID_MPID)
        keys = [SectionKey(door.workspace.id, one.value, mpid) for one in Environment]
        try:
            found = [one.audience.id for key in keys for one in await self._audiences.memberships(key)]
        except StoreError as error:
            raise unavailable(error, "The store can't be read.") from error
        listed = [{"audience_id": one} for one in sorted(set(found))]
        return _ENCODER.encode({"dt": "cam", "ct": self._clock(), "id": f"{mpid}", "audience_memberships": listed})


async def _body_of(scope: Scope, receive: Receive) -> bytes | Rejected:
    """Return the body, or why it can't be read: a 4xx would make the SDK send it again and again, or drop its queue."""
    body = PassingOver(receive)
    try:
        return await read_body(body, dict(scope["headers"]))
    except BodyRefused as refused:
        if await body.is_passed_over():
            return Rejected(refused.reason, refused.sentence)
        raise


def _repeating(batch: EventBatch) -> EventBatch:
    """Return the batch of a single event as one whose attributes are all that its device knows of them."""
    told = {name: value for name, value in batch.attributes.items() if value is not None}
    return batch._replace(attributes=NO_ATTRIBUTES, repeated=told)


def _as_batch(body: bytes) -> bytes | Rejected:
    """Return the batch that an older SDK's single event stands for, or why it stands for none."""
    try:
        return batch_of_single_event(body)
    except Malformed as malformed:
        return Rejected(malformed.reason, malformed.sentence)


def _config(door: Door, *, has_audiences: bool) -> bytes:
    """Write the configuration of an input; platform §3.3. Without kits, the SDK sends everything here alone."""
    workspace = door.workspace
    return _ENCODER.encode(
        {
            "appName": workspace.name,
            "minWebviewBridgeVersion": 2,
            "workspaceToken": workspace_token(workspace.id),
            "kitConfigs": [],
            "pixelConfigs": [],
            "flags": {
                # SDKs before 2.21.2 gather events into batches, and tell of changed attributes, only if this says so.
                "eventsV3": "100",
                "eventBatchingIntervalMillis": f"{BATCHING_INTERVAL_MS}",
                "reportBatching": True,
                "offlineStorage": "100",
                "directURLRouting": "False",
                "cacheIdentity": "True",
                "audienceAPI": str(has_audiences),
                "captureIntegrationSpecificIds": "False",
                "captureIntegrationSpecificIds.V2": "none",
                "astBackgroundEvents": "False",
            },
            "dataPlanResult": {"dtpn": {"vers": {}, "blok": {"ev": False, "ea": False, "ua": False, "id": False}}},
        }
    )


def workspace_token(workspace_id: int) -> str:
    """Return what the SDK names a workspace's local storage by: stable, and the same for all its inputs."""
    return f"{zlib.crc32(b'workspace %d' % workspace_id):08x}"
