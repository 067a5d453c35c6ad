"""Serves IDSync: identify, login, logout, search and modify, the way the official SDKs expect (idsync §4).

Everything here is on the hot path, and so plain ASGI.
"""

import logging
from dataclasses import dataclass
from time import perf_counter
from typing import Final, assert_never
from urllib.parse import parse_qs

import msgspec

from knownas.api.answering import DOOR, HttpSurface
from knownas.api.credentials import PREFIX, Denied, authenticate
from knownas.api.exchange import HEADERS_TOO_LONG, Header, Receive, RequestRefused, Scope, header_bytes, read_body
from knownas.api.limits import HEADER_BYTES_MAX
from knownas.api.refusals import (
    BAD_REQUEST,
    NOT_FOUND_ERROR,
    VALIDATION_ERROR,
    WIRE_CODE,
    identity_error,
    vendor_code,
)
from knownas.api.routes import Route, Routes, literal
from knownas.api.sources import claimed_source, source_of
from knownas.api.telemetry import Telemetry
from knownas.api.throttle import Throttle, admit
from knownas.api.unavailable import unavailable
from knownas.api.wire import IdentityAnswer, Malformed, ModifyAnswer, ModifyResult, identity_request, modify_request
from knownas.core.health.tally import Came
from knownas.core.identity.decision import Corrected, Created, Erased, Modified, NotFound, Refused, Returned, Seeded
from knownas.core.identity.kinds import DEVICE_TYPES
from knownas.core.identity.observation import Endpoint, IdentityRequest
from knownas.core.identity.policy import EphemeralPolicy, ErrorBody, Policy
from knownas.core.identity.record import Record, parse_mpid
from knownas.service.arrivals import Kind
from knownas.service.identity.question import Answer, Question
from knownas.service.identity.resolver import Overloaded
from knownas.service.security.directory import Door
from knownas.service.server import Service
from knownas.store.errors import StoreError

log: Final = logging.getLogger(__name__)

_ENCODER: Final = msgspec.json.Encoder()
_ENDPOINTS: Final = {
    "/v1/identify": Endpoint.IDENTIFY,
    "/v1/login": Endpoint.LOGIN,
    "/v1/logout": Endpoint.LOGOUT,
    "/v1/search": Endpoint.SEARCH,
}
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0", ""})

CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        (
            b"X-MP-Max-Age, X-MP-Trace-Id, X-Decision-Id, X-Receipt-Id, X-Refusal-Reason, Retry-After, "
            b"X-mp-rate-limit-exceeded, X-mp-rate-limit-percentage-used"
        ),
    ),
)
PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"content-type, x-mp-key, accept, authorization, x-mp-signature"),
    (b"access-control-max-age", b"86400"),
    (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """What an IDSync path asks for: an endpoint, and for modify a profile (0 if the path names none)."""

    endpoint: Endpoint
    mpid: int = 0


def _modify(mpid: str) -> Target:
    return Target(Endpoint.MODIFY, parse_mpid(mpid) or 0)


_PREFIXES: Final = ("", PREFIX.decode())
ROUTES: Final = Routes(
    *(literal(prefix + path, ("POST",), Target(one)) for path, one in _ENDPOINTS.items() for prefix in _PREFIXES),
    *(Route(prefix + "/v1/{mpid}/modify", ("POST",), _modify) for prefix in _PREFIXES),
)
"""What is asked for, with and without the prefix of a custom domain."""


@dataclass(slots=True, eq=False)
class _Refusal(RequestRefused):
    """A refusal whose body is written as the scope has it; idsync §4.4."""

    spelling: ErrorBody = ErrorBody.BOTH_SPELLINGS


class IdSync(HttpSurface[Target]):
    """The IDSync surface of a service."""

    name = "idsync"
    headers = CORS
    preflight = PREFLIGHT

    def __init__(self, service: Service, throttle: Throttle, telemetry: Telemetry) -> None:
        super().__init__(telemetry, service.live)
        self._service = service
        self._directory = service.directory
        self._resolver = service.resolver
        self._arrivals = service.arrivals
        self._tallying = service.tallying
        self._clock = service.clock
        self._throttle = throttle

    def error(self, refusal: RequestRefused) -> bytes:
        """Write an error the way the SDKs read it, a fault of ours too; idsync §4.4."""
        code = refusal.code or vendor_code(refusal.status)
        told = (refusal.status, code, refusal.reason, refusal.sentence)
        if isinstance(refusal, _Refusal):
            return identity_error(*told, refusal.decision_id, refusal.spelling)
        return identity_error(*told)

    def called(self, target: Target) -> str:
        """Return the endpoint."""
        return target.endpoint.value

    async def answer(self, target: Target, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Resolve the identities of a request, or change those of a profile."""
        if header_bytes(scope["headers"]) > HEADER_BYTES_MAX:
            raise RequestRefused(431, "headers_too_long", HEADERS_TOO_LONG)
        given: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(receive, given)
        door = authenticate(scope, body, given, self._directory)
        if isinstance(door, Denied):
            raise RequestRefused(401, door.value, source=claimed_source(given, self._directory))
        scope[DOOR] = door
        now = perf_counter()
        environment = ""
        try:
            if door.limited:
                admit(self._throttle, door, now, headers)
            question, all_matches = self._question(target, door, scope["query_string"], body)
            environment, at_ms = question.observation.environment, question.observation.at_ms
            if door.limited and isinstance(question.observation, IdentityRequest):
                identities = question.observation.identities
                exceeded = self._throttle.admit_identities(door.input, identities, now, door.lasting_key)
                if exceeded is not None:
                    raise exceeded.refusal()
            answer = await self._decided(question)
            decision_id = answer.decision_id.encode()
            headers += ((b"x-decision-id", decision_id), (b"x-mp-trace-id", decision_id))
            scope_name = question.rules.scope
            self._arrivals.note(door.lasting_key, Kind.IDENTITY, at_ms, answer.decision_id)
            came = self._tallying.decided(scope_name, environment, door.lasting_key, answer.decision, at_ms)
            if came is Came.CREATED_WITHOUT_IDENTITIES:
                log.warning("decision %s made a profile that nothing leads to", answer.decision_id)
            # Of the metrics, a new profile is one kind of outcome, known or not.
            outcome = Came.CREATED if came is Came.CREATED_KNOWN else came
            seconds = perf_counter() - now
            self._telemetry.decided(target.endpoint, scope_name, outcome, seconds)
            self._service.live.decided(door, answer, outcome, seconds)
            return 200, self._encode(answer, headers, all_matches=all_matches)
        except RequestRefused as refusal:
            refusal.source = source_of(door, environment)
            raise

    async def _decided(self, question: Question) -> Answer:
        try:
            return await self._resolver.submit(question)
        except (Overloaded, StoreError) as error:
            told = unavailable(error, "The store could not keep the change; nothing was changed.")
            spelling = question.policy.settings.error_body
            raise _Refusal(told.status, told.reason, told.sentence, told.headers, spelling=spelling) from error

    def _question(self, target: Target, door: Door, query: bytes, body: bytes) -> tuple[Question, bool]:
        """Decode a request. Also returns whether it asked for all its matches."""
        settings = door.rules.policy.settings
        spelling = settings.error_body
        read_only = all_matches = False
        try:
            if target.endpoint is Endpoint.MODIFY:
                return self._modify_question(target, door, body), False
            if query:
                read_only, all_matches = _flag(query, "read_only"), _flag(query, "return_matches")
            request = identity_request(target.endpoint, body, self._clock(), door.input.name)
        except Malformed as malformed:
            raise _malformed(malformed, spelling) from malformed
        if target.endpoint is Endpoint.SEARCH and not door.input.allow_search:
            raise RequestRefused(403, "search_not_allowed")
        may_create = door.may_create and not read_only
        return door.rules.ask(request, may_create=may_create, writes=not read_only), all_matches

    def _modify_question(self, target: Target, door: Door, body: bytes) -> Question:
        if not door.input.allow_modify:
            raise RequestRefused(403, "modify_not_allowed")
        stamp = door.rules.policy.settings.modify_device_application_stamp
        moves = door.input.allow_unique_moves
        request = modify_request(target.mpid, body, self._clock(), door.input.name, stamp=stamp, moves=moves)
        return door.rules.ask(request)

    def _encode(self, answer: Answer, headers: list[Header], *, all_matches: bool) -> bytes:
        policy = answer.question.policy
        outcome = answer.decision.outcome
        match outcome:
            case Returned() | Created():
                if answer.question.observation.endpoint in (Endpoint.IDENTIFY, Endpoint.LOGIN):
                    headers.append((b"x-mp-max-age", b"%d" % policy.settings.max_age_seconds))
                return _ENCODER.encode(_identity_answer(answer, outcome, policy, all_matches=all_matches))
            case NotFound():
                sentence = "No profile can be returned for these identities; GET /api/decisions/{id} says why."
                spelling = policy.settings.error_body
                raise _Refusal(
                    404, "not_found", sentence, (), NOT_FOUND_ERROR, spelling=spelling, decision_id=answer.decision_id
                )
            case Refused(reason, message):
                status, code = WIRE_CODE[reason]
                spelling = policy.settings.error_body
                raise _Refusal(
                    status, reason.value, message, (), code, spelling=spelling, decision_id=answer.decision_id
                )
            case Modified(mpid, known, results):
                changed = [ModifyResult(kind.value, str(whose)) for kind, whose in results]
                return _ENCODER.encode(ModifyAnswer(changed, str(mpid), known))
            case Seeded() | Corrected() | Erased():
                raise AssertionError("IDSync neither seeds nor corrects nor erases")
            case _:
                assert_never(outcome)


def _identity_answer(
    answer: Answer, outcome: Returned | Created, policy: Policy, *, all_matches: bool
) -> IdentityAnswer:
    record, request = answer.decision.record, answer.question.observation
    if record is None or not isinstance(request, IdentityRequest):
        raise AssertionError("only a request that was answered with a profile comes here")
    ephemeral = (
        not outcome.known
        and policy.logout_makes_a_profile
        and policy.settings.is_ephemeral_policy is EphemeralPolicy.ANONYMOUS
    )
    matched = _matched_identities(request, record, all_matches=all_matches)
    return IdentityAnswer(None, matched, ephemeral, str(outcome.mpid), outcome.known)


def _matched_identities(request: IdentityRequest, record: Record, *, all_matches: bool) -> dict[str, str]:
    """Return the request's identities that are on the profile: devices only if nothing else is; idsync §4.2."""
    held = record.identities
    users: dict[str, str] = {}
    devices: dict[str, str] = {}
    for kind, value in request.identities:
        if kind in held and value in held[kind]:
            (devices if kind in DEVICE_TYPES else users)[kind] = value
    return {**users, **devices} if all_matches or not users else users


def _flag(query: bytes, name: str) -> bool:
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, ["false"])[-1].lower()
    if given in _TRUE:
        return True
    if given in _FALSE:
        return False
    raise Malformed("invalid_parameter", f"{name} is true or false.")


def _malformed(malformed: Malformed, spelling: ErrorBody) -> _Refusal:
    code = BAD_REQUEST if malformed.reason in ("malformed_json", "too_deep") else VALIDATION_ERROR
    return _Refusal(400, malformed.reason, malformed.sentence, (), code, spelling=spelling)
