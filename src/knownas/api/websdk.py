"""Serves what the official web SDK asks beside IDSync: configuration, events, forwarding statistics, audiences (platform §3).

The key in the path is public, so nothing that comes here is trusted to say who a user is: a batch names the MPID
that IDSync gave out. The SDK repeats a batch without end when it is answered 400, and drops its whole queue for
401 to 499; so whatever can be told apart is answered 202, and what can't be taken is kept as refused.
"""

import logging
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never
from urllib.parse import parse_qs

import msgspec

from knownas.api.events import EventsRefused, admit, arrival_of, events_error, outcome_name, take
from knownas.api.exchange import JSON, BodyRefused, Disconnected, Header, Receive, Scope, Send, read_body, reply
from knownas.api.idsync import CORS, PREFLIGHT
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle
from knownas.api.wire import INVALID_MPID
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.core.profile.event import Channel, EventBatch
from knownas.service.batch_receipts import Rejected
from knownas.service.directory import Door
from knownas.service.ingest import Arrival
from knownas.service.server import Service

log: Final = logging.getLogger(__name__)

WEB_PREFIX: Final = "/webevents"
TAGS_PREFIX: Final = "/tags"
BAD_BODY: Final = 400
BATCHING_INTERVAL_MS: Final = 1_000
"""How long the SDK gathers events before it sends them."""

_ENCODER: Final = msgspec.json.Encoder()
_TEXT: Final[Header] = (b"content-type", b"application/json; charset=utf-8")


class Call(StrEnum):
    """What a path of the web SDK asks for."""

    EVENTS = "events"
    CONFIG = "config"
    FORWARDING = "forwarding"
    AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class Target:
    """A call, and the key that stands in its path."""

    call: Call
    key: str


def target_of(path: str) -> Target | None:
    """Return what a path asks for, with or without the prefixes of a custom domain; None if it is not the SDK's."""
    parts = path.removeprefix(WEB_PREFIX).removeprefix(TAGS_PREFIX).split("/")
    match parts:
        case ["", "v1" | "v2" | "v3", "JS", key, "events"]:
            return Target(Call.EVENTS, key)
        case ["", "JS", "v2", key, "config"]:
            return Target(Call.CONFIG, key)
        case ["", "v1" | "v2", "JS", key, "Forwarding"]:
            return Target(Call.FORWARDING, key)
        case ["", "v1", key, "audience"]:
            return Target(Call.AUDIENCE, key)
        case _:
            return None


class WebSdk:
    """The web SDK's surface of a service."""

    def __init__(self, service: Service, throttle: Throttle, telemetry: Telemetry) -> None:
        self._directory = service.directory
        self._clock = service.clock
        self._ingest = service.ingest
        self._throttle = throttle
        self._telemetry = telemetry

    async def serve(self, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS":
            await reply(send, 204, [*_PREFLIGHT], b"")
            return
        headers: list[Header] = [*CORS]
        try:
            status, body = await self._answer(target, scope, receive, headers)
        except Disconnected:
            return
        except EventsRefused as refusal:
            self._telemetry.refused("websdk", refusal.reason)
            headers += [JSON, (b"x-refusal-reason", refusal.reason.encode()), *refusal.headers]
            await reply(send, refusal.status, headers, events_error(refusal))
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            self._telemetry.refused("websdk", "internal_error")
            refusal = EventsRefused(500, "internal_error", "An unknown error was encountered.")
            await reply(send, 500, [*CORS, JSON], events_error(refusal))
        else:
            if body:
                headers.append(_TEXT)
            await reply(send, status, headers, body)

    async def _answer(self, target: Target, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        wanted = "GET" if target.call in (Call.CONFIG, Call.AUDIENCE) else "POST"
        if scope["method"] != wanted:
            raise EventsRefused(405, "method_not_allowed", f"Ask with {wanted}.", ((b"allow", wanted.encode()),))
        door = self._directory.door(target.key)
        if door is None:
            raise EventsRefused(401, "unknown_key", "No input has this key.")
        if door.limited:
            admit(self._throttle, door, headers)
        match target.call:
            case Call.CONFIG:
                return 200, _config(door)
            case Call.AUDIENCE:
                return 200, self._audiences(scope["query_string"])
            case Call.EVENTS:
                await self._events(door, scope, receive, headers)
                return 202, b""
            case Call.FORWARDING:
                await _body_of(scope, receive)
                return 202, b""
            case _:
                assert_never(target.call)

    async def _events(self, door: Door, scope: Scope, receive: Receive, headers: list[Header]) -> None:
        body = await _body_of(scope, receive)
        arrival = self._arrival(door, body)
        if arrival.refusal is None and arrival.batch.mpid is None and not door.input.allow_key_only:
            sentence = "A batch of the web SDK names its user by the mpid; this input lets no key alone say who it is."
            arrival = Arrival(door, arrival.batch, Rejected("mpid_missing", sentence))
        receipt = (await take(self._ingest, [arrival]))[0]
        headers.append((b"x-receipt-id", receipt.receipt_id.encode()))
        self._telemetry.decided("websdk_events", door.rules.scope, outcome_name(receipt), 0.0)

    def _arrival(self, door: Door, body: bytes | Rejected) -> Arrival:
        at_ms = self._clock()
        if isinstance(body, bytes):
            return arrival_of(door, Channel.JAVASCRIPT, body, at_ms)
        return Arrival(door, EventBatch(Environment.PRODUCTION, at_ms, door.input.name, Channel.JAVASCRIPT), body)

    def _audiences(self, query: bytes) -> bytes:
        given = parse_qs(query.decode("latin-1")).get("mpid", [""])[-1]
        mpid = parse_mpid(given)
        if mpid is None:
            raise EventsRefused(400, "invalid_mpid", INVALID_MPID)
        return _ENCODER.encode({"dt": "cam", "ct": self._clock(), "id": f"{mpid}", "audience_memberships": []})


_PREFLIGHT: Final = tuple(
    (name, b"GET, POST, OPTIONS" if name == b"access-control-allow-methods" else value) for name, value in PREFLIGHT
)


async def _body_of(scope: Scope, receive: Receive) -> bytes | Rejected:
    """Return the body, or why it can't be read when a 400 would make the SDK send it again and again."""
    try:
        return await read_body(receive, scope["headers"], dict(scope["headers"]))
    except BodyRefused as refused:
        if refused.status == BAD_BODY:
            return Rejected(refused.reason, refused.sentence)
        raise EventsRefused(refused.status, refused.reason, refused.sentence) from refused


def _config(door: Door) -> bytes:
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
                "eventBatchingIntervalMillis": f"{BATCHING_INTERVAL_MS}",
                "reportBatching": True,
                "offlineStorage": "100",
                "directURLRouting": "False",
                "cacheIdentity": "True",
                "audienceAPI": "False",
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
