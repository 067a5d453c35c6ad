"""Serves OpenDSR, the protocol of data subjects' requests: its third version, and the second where that differs (platform §5).

A request comes with the key and secret of a workspace, and is about what that workspace knows. Only what anybody may know, what
can be asked for and the certificate, is told to anybody.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from functools import partial
from typing import Final, NamedTuple, assert_never
from urllib.parse import parse_qsl

import msgspec

from knownas.api.exchange import Header, Receive, RequestRefused, Scope, read_body
from knownas.api.opendsr_answers import SAME, SignedSurface, base_url_of
from knownas.api.opendsr_wire import GROUP_CHARACTERS_MAX, UUID4, cancelled, discovery, received, request_of
from knownas.api.routes import Route, Routes, literal
from knownas.api.telemetry import Telemetry
from knownas.api.unavailable import unavailable
from knownas.api.wire import Malformed
from knownas.core.identity.document import Document
from knownas.service.privacy.assembly import Privacy
from knownas.service.privacy.subject_requests import (
    AlreadyExists,
    Cancelled,
    InProgress,
    NotCalled,
    NotPending,
    Taken,
    Unknown,
)
from knownas.service.privacy.subject_status import status_document
from knownas.service.security.directory import Directory, Place
from knownas.service.server import Clock
from knownas.store.errors import StoreError

VERSIONS: Final[Mapping[str, str]] = {"v3": "3.0", "v2": "2.0"}
"""The versions that are served: the beginning of their paths, and what they call themselves."""

CERTIFICATE: Final = "opendsr_cert.pem"
QUERY_BYTES_MAX: Final = 4_096
"""Bytes of a query, in which a group can be named."""

_PEM: Final[Header] = (b"content-type", b"application/x-pem-file")
_UNKNOWN: Final = "The workspace has no request with this id."
_ENCODER: Final = msgspec.json.Encoder()


class Part(Enum):
    """What a path asks for."""

    REQUESTS = auto()
    REQUEST = auto()
    DISCOVERY = auto()
    CERTIFICATE = auto()


class Wanted(NamedTuple):
    """A part in a version; of one request with its id."""

    part: Part
    version: str
    request_id: str = ""


ROUTES: Final = Routes(
    *(literal(f"/{one}/requests", ("POST", "GET"), Wanted(Part.REQUESTS, one)) for one in VERSIONS),
    *(
        Route(f"/{one}/requests/{{request_id}}", ("GET", "DELETE"), partial(Wanted, Part.REQUEST, one))
        for one in VERSIONS
    ),
    *(literal(f"/{one}/discovery", ("GET",), Wanted(Part.DISCOVERY, one)) for one in VERSIONS),
    *(literal(f"/{one}/{CERTIFICATE}", ("GET",), Wanted(Part.CERTIFICATE, one)) for one in VERSIONS),
)


class OpenDsr(SignedSurface[Wanted]):
    """The requests of data subjects of a service."""

    name = "opendsr"

    def __init__(self, privacy: Privacy, directory: Directory, clock: Clock, telemetry: Telemetry) -> None:
        super().__init__(privacy.signing, directory, telemetry)
        self._privacy = privacy
        self._clock = clock

    async def answer(self, target: Wanted, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Take a request, show it or take it back, or say what anybody may know."""
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        try:
            return await self._answer(target, scope, body, headers)
        except Malformed as malformed:
            raise RequestRefused(400, malformed.reason, malformed.sentence) from malformed
        except StoreError as error:
            raise unavailable(error, "The store could not do it.") from error

    async def _answer(self, target: Wanted, scope: Scope, body: bytes, headers: list[Header]) -> tuple[int, bytes]:
        # Nothing is taken that could not be answered for.
        processor = await self._privacy.signing.processor()
        scope[SAME] = target.part in (Part.CERTIFICATE, Part.DISCOVERY)
        if target.part is Part.CERTIFICATE:
            headers[:] = [_PEM]
            return 200, processor.certificates
        base_url = base_url_of(self._privacy.base_url, scope)
        if target.part is Part.DISCOVERY:
            told = discovery(f"{base_url}/{target.version}/{CERTIFICATE}", VERSIONS[target.version])
            return 200, _ENCODER.encode(told)
        place = self._place(scope["headers"], dict(scope["headers"]))
        self._admit(place, headers)
        method: str = scope["method"]
        if target.part is Part.REQUESTS:
            if method == "POST":
                return 201, await self._take(place, body, target.version, base_url)
            return 200, await self._group(place, scope["query_string"], base_url)
        if UUID4.fullmatch(target.request_id) is None:
            raise RequestRefused(404, "unknown_request", _UNKNOWN)
        if method == "DELETE":
            return 202, await self._cancel(place, target.request_id)
        return 200, await self._status(place, target.request_id, base_url)

    async def _take(self, place: Place, body: bytes, version: str, base_url: str) -> bytes:
        given = request_of(body, VERSIONS[version], base_url)
        outcome = await self._privacy.requests.take(place, given, self._clock())
        match outcome:
            case Taken(request):
                told = received(request.workspace, request.request_id, request.received_ms, request.expected_ms, body)
                return _ENCODER.encode(told)
            case AlreadyExists():
                raise RequestRefused(400, "request_exists", "Subject request already exists.")
            case InProgress():
                sentence = "A request with the same identities, extensions and type is in progress."
                raise RequestRefused(409, "request_in_progress", sentence)
            case NotCalled():
                sentence = "One of the status_callback_urls is not called by this server: its operator says which are."
                raise RequestRefused(400, "callback_not_allowed", sentence)
            case _:
                assert_never(outcome)

    async def _group(self, place: Place, query: bytes, base_url: str) -> bytes:
        group = _group_of(query)
        now_ms = self._clock()
        found = await self._privacy.requests.group(place, group)
        told: list[Document] = [status_document(one.request, base_url, now_ms) for one in found]
        return _ENCODER.encode(told)

    async def _status(self, place: Place, request_id: str, base_url: str) -> bytes:
        kept = await self._privacy.requests.find(place, request_id)
        if kept is None:
            raise RequestRefused(404, "unknown_request", _UNKNOWN)
        return _ENCODER.encode(status_document(kept.request, base_url, self._clock()))

    async def _cancel(self, place: Place, request_id: str) -> bytes:
        outcome = await self._privacy.requests.cancel(place, request_id, self._clock())
        match outcome:
            case Cancelled(request):
                return _ENCODER.encode(cancelled(request.workspace, request.request_id, request.received_ms))
            case NotPending(state):
                sentence = f"Only a pending request can be cancelled; this one is {state.value}."
                raise RequestRefused(400, "request_not_pending", sentence)
            case Unknown():
                raise RequestRefused(404, "unknown_request", _UNKNOWN)
            case _:
                assert_never(outcome)


def _group_of(query: bytes) -> str:
    """Read the group that is asked for.

    Raises:
        RequestRefused: none is named, or several.
    """
    groups: list[str] = []
    if len(query) <= QUERY_BYTES_MAX and _ASCII.fullmatch(query):
        try:
            pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
            groups = [value for name, value in pairs if name == "group_id"]
        except ValueError:
            pass
    if len(groups) != 1 or not 0 < len(groups[0]) <= GROUP_CHARACTERS_MAX or "\0" in groups[0]:
        sentence = f"Ask for one group: ?group_id= with 1 to {GROUP_CHARACTERS_MAX} characters."
        raise RequestRefused(400, "invalid_group", sentence)
    return groups[0]


_ASCII: Final = re.compile(rb"[\x20-\x7e]*")
_FIELDS_MAX: Final = 20
"""Members of a query that are read."""
