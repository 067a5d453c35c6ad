"""Serves our own API: profiles and their history, receipts, explanations, seeding (design §7)."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from knownas.api.deadline import Deadline
from knownas.api.exchange import JSON, App, Receive, Scope, Send, reply
from knownas.api.limits import SEED_VALUES_MAX
from knownas.api.own_audiences import AUDIENCE_OPERATIONS
from knownas.api.own_audit import AUDIT_OPERATIONS, LIST_AUDIT
from knownas.api.own_download import DOWNLOAD_OPERATIONS
from knownas.api.own_evidence import EVIDENCE_OPERATIONS
from knownas.api.own_forwarding import FORWARDING_OPERATIONS
from knownas.api.own_groups import GROUP_OPERATIONS
from knownas.api.own_health import HEALTH_OPERATIONS
from knownas.api.own_identity_changes import CHANGES_OPERATIONS
from knownas.api.own_jobs import JOB_OPERATIONS
from knownas.api.own_letting_in import LETTING_IN_OPERATIONS
from knownas.api.own_live import FOLLOW_LIVE, LIVE_OPERATIONS
from knownas.api.own_operation import (
    File,
    Operation,
    Refusal,
    folded,
    json_body,
    own_identity,
    page_cursor,
    page_limit,
    path_decision,
    path_mpid,
    path_rules,
    query_as_of,
    refuse_erased,
    unknown_profile,
    write_cursor,
)
from knownas.api.own_outputs import OUTPUT_OPERATIONS
from knownas.api.own_policy import POLICY_OPERATIONS
from knownas.api.own_privacy import PRIVACY_OPERATIONS
from knownas.api.own_self_check import SELF_CHECK_OPERATIONS
from knownas.api.own_toxic import TOXIC_OPERATIONS
from knownas.api.own_undo import UNDO_OPERATIONS
from knownas.api.own_user_data import USER_DATA_OPERATIONS
from knownas.api.refusals import WIRE_CODE, own_error
from knownas.api.telemetry import Telemetry
from knownas.api.unavailable import LATE, NOT_SAID, PASSING, RETRY_AFTER, late
from knownas.api.wire import (
    Malformed,
    optional_mpid,
)
from knownas.core.identity.decision import Refused, Seeded
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Surface, identities, types_named_on
from knownas.core.identity.observation import RESOLVING, Endpoint, Environment, IdentityRequest, SeedRequest
from knownas.core.identity.record import parse_mpid, valid_mpid
from knownas.service.identity.resolver import Overloaded
from knownas.service.limits import LONG_REQUEST_SECONDS
from knownas.service.live.line import Outcome
from knownas.service.security.auditing import ADMIN, persons_in
from knownas.service.server import Service
from knownas.store.errors import StoreError, UnknownOutcome

API_INPUT: Final = "api"
"""The input name under which observations of our own API are logged."""


class SeedBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile of another system that comes over; several values of a type are allowed."""

    environment: Environment
    identities: dict[str, list[str]]
    mpid: str | int | None = None


class ExplainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to explain without asking for it to be done."""

    endpoint: Endpoint
    environment: Environment
    known_identities: dict[str, str | None]
    previous_mpid: str | int | None = None


_ENCODER: Final = msgspec.json.Encoder()
_SEED: Final = msgspec.json.Decoder(SeedBody)
_EXPLAIN: Final = msgspec.json.Decoder(ExplainBody)
_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": RETRY_AFTER},
}
_NAMES: Final = types_named_on(Surface.IDSYNC)


async def show_profile(service: Service, request: Request) -> tuple[int, Document]:
    """Return a profile by its MPID. With `as_of`, as it was at that time."""
    mpid = path_mpid(request)
    at_ms = query_as_of(request)
    await refuse_erased(service, mpid)
    if at_ms is None:
        profile = await service.profiles.show(mpid)
    else:
        profile = await folded(service.profiles.show_as_of(mpid, at_ms))
    if profile is None:
        raise unknown_profile(mpid)
    return 200, profile


async def show_history(service: Service, request: Request) -> tuple[int, Document]:
    """Return every identity added, removed or moved, with its decision, oldest first."""
    mpid = path_mpid(request)
    await refuse_erased(service, mpid)
    page = await service.profiles.history(mpid, page_cursor(request), page_limit(request))
    if not page.items and await service.profiles.show(mpid) is None:
        raise unknown_profile(mpid)
    return 200, {"items": page.items, "next": None if page.next_seq is None else write_cursor(page.next_seq)}


async def seed_profile(service: Service, request: Request) -> tuple[int, Document]:
    """Bring a profile of another system over, its MPID kept if one is given."""
    body = await json_body(request, _SEED)
    held = tuple(own_identity(name, value) for name, values in body.identities.items() for value in values)
    if len(held) > SEED_VALUES_MAX:
        raise Refusal(400, "too_many_values", f"A profile can come over with {SEED_VALUES_MAX} values.")
    mpid = _seeded_mpid(body.mpid)
    seed = SeedRequest(service.clock(), body.environment, API_INPUT, mpid, held)
    scope, now = path_rules(service, request).scope, perf_counter()
    answer = await service.profiles.seed(scope, seed)
    if answer is None:
        raise AssertionError("a scope that has rules can be seeded")
    outcome = answer.decision.outcome
    became = Outcome.SEEDED if isinstance(outcome, Seeded) else Outcome.REFUSED
    service.live.decided(scope, answer, became, perf_counter() - now)
    match outcome:
        case Seeded(made):
            profile = await service.profiles.show(made)
            if profile is None:
                raise AssertionError("a profile can be read as soon as it is durable")
            return 201, profile
        case Refused(reason, message):
            raise Refusal(WIRE_CODE[reason][0], reason.value, message)
        case other:
            raise AssertionError(f"seeding never answers {other}")


async def show_decision(service: Service, request: Request) -> tuple[int, Document]:
    """Return the receipt of a decision."""
    decision_id = path_decision(request)
    receipt = await service.decisions.show(decision_id)
    if receipt is None:
        sentence = "No decision has this id. One that changed nothing is kept for a while only."
        raise Refusal(404, "unknown_decision", sentence)
    return 200, receipt


async def explain(service: Service, request: Request) -> tuple[int, Document]:
    """Return what the answer to a request would be, with its receipt. Writes nothing.

    With `as_of`, what it would have been at that time, under the policy of then; the endpoint `search` asks who held
    identities.
    """
    body = await json_body(request, _EXPLAIN)
    if body.endpoint not in RESOLVING:
        allowed = sorted(endpoint.value for endpoint in RESOLVING)
        raise Refusal(400, "endpoint_not_explained", "Only requests for identities are explained.", allowed=allowed)
    rules = path_rules(service, request)
    given = [
        own_identity(name, value or "") for name, value in body.known_identities.items() if value or name not in _NAMES
    ]
    if len({one.type for one in given}) < len(given):
        raise Refusal(400, "identity_type_twice", "Two spellings name the same identity type.")
    as_of = query_as_of(request)
    observation = IdentityRequest(
        body.endpoint,
        service.clock() if as_of is None else as_of,
        body.environment,
        API_INPUT,
        identities(dict(given)),
        optional_mpid(body.previous_mpid, "malformed_mpid", "previous_mpid must be a 64-bit integer other than 0."),
    )
    if as_of is None:
        return 200, await service.decisions.explain(rules, observation)
    explained = await folded(service.decisions.explain_as_of(rules, observation))
    if explained is None:
        raise Refusal(404, "no_policy_then", "The scope had no policy at that time.")
    return 200, explained


OPERATIONS: Final = (
    Operation("GET", "/api/profiles/{mpid}", "showProfile", show_profile),
    Operation("GET", "/api/profiles/{mpid}/history", "showHistory", show_history),
    Operation("POST", "/api/scopes/{scope}/profiles", "seedProfile", seed_profile, SeedBody),
    Operation("POST", "/api/scopes/{scope}/explain", "explain", explain, ExplainBody),
    Operation("GET", "/api/decisions/{id}", "showDecision", show_decision),
    *CHANGES_OPERATIONS,
    *LIVE_OPERATIONS,
    *USER_DATA_OPERATIONS,
    *UNDO_OPERATIONS,
    *JOB_OPERATIONS,
    *POLICY_OPERATIONS,
    *TOXIC_OPERATIONS,
    *LETTING_IN_OPERATIONS,
    *SELF_CHECK_OPERATIONS,
    *HEALTH_OPERATIONS,
    *PRIVACY_OPERATIONS,
    *AUDIT_OPERATIONS,
    *EVIDENCE_OPERATIONS,
    *AUDIENCE_OPERATIONS,
    *DOWNLOAD_OPERATIONS,
    *GROUP_OPERATIONS,
    *OUTPUT_OPERATIONS,
    *FORWARDING_OPERATIONS,
)
LONG_PATHS: Final = re.compile(r"/api/retention|/api/workspaces/[^/]+/(privacy/preview|audience-preview)")
"""What looks through everything that is kept, and may take `LONG_REQUEST_SECONDS` for it."""

_READING: Final = frozenset({"GET", "HEAD"})
OPENAPI_PATH: Final = "/api/openapi.json"
ROUTES: Final = (("GET", OPENAPI_PATH), *((one.method, one.path) for one in OPERATIONS))
"""Every route of this surface: method and path. What is read with GET can be asked for with HEAD too."""


def own_api(service: Service, telemetry: Telemetry, openapi: Callable[[], bytes]) -> Starlette:
    """Build the application that serves our own API below /api."""

    async def show_openapi(_request: Request) -> Response:
        return Response(await asyncio.to_thread(openapi), media_type="application/json")

    async def refuse(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            telemetry.refused("own", "internal_error")
            body = own_error("internal_error", "An unknown error was encountered.")
            return Response(body, 500, media_type="application/json")
        code = {404: "unknown_path", 405: "method_not_allowed"}.get(error.status_code, "refused")
        telemetry.refused("own", code)
        sentence = "There is nothing at this path." if code == "unknown_path" else str(error.detail)
        body = own_error(code, sentence, see="/api/openapi.json")
        # An SDK in a browser that sends to a path which is not served yet must be able to read that it is not.
        headers = {**(error.headers or {}), "Access-Control-Allow-Origin": "*"}
        return Response(body, error.status_code, headers, "application/json")

    paths: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = one
    # One route a path, so that a wrong method is told all that there are.
    routes = [Route(path, _endpoint(service, telemetry, of), methods=list(of)) for path, of in paths.items()]
    routes.append(Route(OPENAPI_PATH, show_openapi, methods=["GET"]))
    api = Starlette(routes=routes, exception_handlers={HTTPException: refuse, Exception: refuse})
    # A path with a slash too many is another path.
    api.router.redirect_slashes = False
    return api


def punctual(api: App, telemetry: Telemetry) -> App:
    """Let our own API answer in time that its answer does not come in time."""

    async def refuse(scope: Scope, send: Send) -> None:
        refusal = late(may_have_changed=scope["method"] not in _READING)
        telemetry.refused("own", refusal.reason)
        await reply(send, refusal.status, [JSON, *refusal.headers], own_error(refusal.reason, refusal.sentence))

    usual, long = Deadline(refuse), Deadline(refuse, LONG_REQUEST_SECONDS)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await (long if LONG_PATHS.fullmatch(scope["path"]) else usual).serve(api, scope, receive, send)

    return serve


def _endpoint(
    service: Service, telemetry: Telemetry, operations: Mapping[str, Operation]
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        operation = operations["GET" if request.method == "HEAD" else request.method]
        is_admin = False
        try:
            _authorise(service, request)
            is_admin = True
            status, document = await _served(service, operation, request)
        except Refusal as refusal:
            telemetry.refused("own", refusal.code)
            if is_admin:
                _note(service, operation, request, refusal.status, {})
            body = own_error(refusal.code, refusal.sentence, **refusal.details)
            return Response(body, refusal.status, _HEADERS.get(refusal.status), "application/json")
        _note(service, operation, request, status, document)
        if isinstance(document, File):
            return _sent(document, status)
        return Response(_ENCODER.encode(document), status, media_type="application/json")

    return serve


def _sent(file: File, status: int) -> Response:
    if isinstance(file.body, bytes):
        return Response(file.body, status, file.headers, file.media_type)
    return StreamingResponse(file.body, status, file.headers, file.media_type)


def _note(service: Service, operation: Operation, request: Request, status: int, answered: Document | File) -> None:
    """Note whose data was read or changed: the profile of the path, or those that the answer names."""
    if operation.name in (LIST_AUDIT, FOLLOW_LIVE):
        return
    named = parse_mpid(request.path_params.get("mpid", ""))
    if named is not None:
        persons: Sequence[int] = (named,)
    else:
        persons = () if isinstance(answered, File) else persons_in(answered)
    for mpid in persons:
        service.auditing.note(mpid, ADMIN, operation.name, status)


async def _served(service: Service, operation: Operation, request: Request) -> tuple[int, Document | File]:
    try:
        return await operation.serve(service, request)
    except Malformed as malformed:
        raise Refusal(400, malformed.reason, malformed.sentence) from malformed
    except Overloaded as error:
        raise Refusal(503, "overloaded", LATE) from error
    except PASSING as error:
        raise Refusal(503, error.code, NOT_SAID if isinstance(error, UnknownOutcome) else LATE) from error
    except StoreError as error:
        raise Refusal(500, error.code, "The store could not do it; nothing was changed.") from error
    except ClientDisconnect as error:
        raise Refusal(400, "disconnected", "The request ended early.") from error


def _authorise(service: Service, request: Request) -> None:
    token = service.configuration.admin_token
    if token is None:
        raise Refusal(403, "admin_api_off", "The configuration has no admin_token; set one to use this API.")
    headers = request.headers.getlist("authorization")
    scheme, _, given = (headers[0] if len(headers) == 1 else "").partition(" ")
    if not token.matches(given.strip()) or scheme.lower() != "bearer":
        raise Refusal(401, "unauthorised", "Send Authorization: Bearer with the admin_token of the configuration.")


def _seeded_mpid(given: str | int | None) -> int | None:
    if given is None:
        return None
    mpid = parse_mpid(given) if isinstance(given, str) else valid_mpid(given)
    if mpid is None:
        raise Refusal(400, "malformed_mpid", "mpid must be a 64-bit integer other than 0.")
    return mpid
