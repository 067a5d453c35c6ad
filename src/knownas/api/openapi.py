"""Describes every path of the server as an OpenAPI document, from the same types that decode the requests."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final

import knownas
from knownas.api.credentials import PREFIX, Denied
from knownas.api.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX, REQUEST_ID_CHARACTERS_MAX
from knownas.api.own import OPERATIONS, Operation
from knownas.api.refusals import WIRE_CODE
from knownas.api.schemas import CURSOR, DECISION_ID, Schema, component_schemas, ref, with_codes
from knownas.core.identity.decision import Refusal
from knownas.core.identity.document import Document
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import MAX_AGE_SECONDS_MAX
from knownas.core.profile.alias import ALIAS_ID_CHARACTERS_MAX
from knownas.service.limits import PAGE_DEFAULT, PAGE_MAX
from knownas.store.errors import StoreError, StoreUnavailable

_DESCRIPTION: Final = f"""\
An open, self-hosted identity resolution server. IDSync keeps the vendor's paths, with and without the prefix that SDKs
add behind a custom domain; our own API is below `/api`.

Every refusal names its reason by a stable code: IDSync in the header `X-Refusal-Reason`, our own API in `error.code`.
Every GET is answered to HEAD too. A method that a path does not have is answered 405 with `Allow`, a path that nothing
is at 404. A request whose headers are longer than {HEADER_BYTES_MAX:,} bytes in all is answered 431. What is not HTTP
is answered 400 in plain text, before any of this.

A body is JSON in UTF-8, whatever its Content-Type says, and has {BODY_BYTES_MAX:,} bytes at most. One that names a
member twice is refused.
"""

_COMMON_REASONS: Final = {
    413: ("body_too_long",),
    431: ("headers_too_long",),
    500: ("internal_error",),
    503: ("overloaded", "not_started"),
}
"""The reasons that any request with a body can meet, by status; those of the store join them."""

IDENTITY_REASONS: Final[Mapping[int, tuple[str, ...]]] = {
    **_COMMON_REASONS,
    400: (
        "malformed_gzip",
        "malformed_json",
        "too_deep",
        "invalid_member",
        "duplicate_key",
        "unknown_identity_type",
        "invalid_identity",
    ),
    401: tuple(one.value for one in Denied),
    415: ("unknown_encoding",),
    429: ("rate_limited",),
}
"""Why IDSync refuses a request, whatever it asks for."""

REQUEST_REASONS: Final = ("invalid_parameter", "identity_type_twice", "invalid_previous_mpid")
"""Why identify, login, logout and search are refused besides: answered 400."""

MODIFY_REASONS: Final = ("too_many_changes", "device_application_stamp")
"""Why modify is refused besides: answered 400."""

OWN_REASONS: Final[Mapping[str, Mapping[int, tuple[str, ...]]]] = {
    "showProfile": {400: ("malformed_mpid",), 404: ("unknown_profile", "unknown_path")},
    "showHistory": {
        400: ("malformed_mpid", "invalid_limit", "malformed_next"),
        404: ("unknown_profile", "unknown_path"),
    },
    "seedProfile": {400: ("malformed_mpid", "too_many_values"), 404: ("unknown_scope", "unknown_path")},
    "explain": {
        400: ("malformed_mpid", "identity_type_twice", "endpoint_not_explained"),
        404: ("unknown_scope", "unknown_path"),
    },
    "showDecision": {400: ("malformed_decision_id",), 404: ("unknown_decision", "unknown_path")},
    "showSections": {400: ("malformed_mpid",), 404: ("unknown_profile", "unknown_path")},
    "showEvents": {
        400: ("malformed_mpid", "invalid_environment", "invalid_workspace", "invalid_limit", "malformed_next"),
        404: ("unknown_profile", "unknown_path"),
    },
    "showBatch": {400: ("malformed_receipt_id",), 404: ("unknown_batch", "unknown_path")},
    "findBatches": {400: ("invalid_source_request_id",), 404: ("unknown_path",)},
    "showAlias": {400: ("malformed_request_id",), 404: ("unknown_alias", "unknown_path")},
    "showRetention": {404: ("unknown_path",)},
}
"""Why our own operations refuse a request, by operation and status, beside what all of them or all bodies can meet."""

OWN_BODY_REASONS: Final = (
    "malformed_json",
    "too_deep",
    "invalid_member",
    "duplicate_key",
    "unknown_identity_type",
    "invalid_identity",
    "disconnected",
)
"""Why a body of our own API is refused: answered 400."""

_SEEDED_REFUSALS: Final = frozenset(
    {Refusal.IMMUTABLE_CHANGE, Refusal.RECORD_FULL, Refusal.MPID_TAKEN, Refusal.UNIQUE_TAKEN}
)
_MODIFY_REFUSALS: Final = frozenset(
    {
        Refusal.UNKNOWN_MPID,
        Refusal.IMMUTABLE_CHANGE,
        Refusal.IMMUTABLE_REMOVAL,
        Refusal.IMMUTABLE_TAKEN,
        Refusal.UNIQUE_MOVE_NOT_ALLOWED,
        Refusal.UNIQUE_CROWDED,
        Refusal.RECORD_FULL,
    }
)
_RESOLVING_REFUSALS: Final = frozenset(
    {
        Refusal.NO_IDENTITIES,
        Refusal.LOGIN_WITHOUT_LOGIN_ID,
        Refusal.NO_LOGIN_IN_BEST_MATCH,
        Refusal.EMPTY_RECORD,
    }
)

_SENTENCES: Final = {
    Endpoint.IDENTIFY: "Say who is there at the start of a session, making a profile if there is none.",
    Endpoint.LOGIN: "Say who has logged in.",
    Endpoint.LOGOUT: "Say who is there after a logout; the identities are those of the user to switch to.",
    Endpoint.SEARCH: "Find the profile of a user without making or changing any.",
    Endpoint.MODIFY: "Add, change and remove identities of one profile: all of the changes or none.",
}
_MEANINGS: Final = {
    400: "The request can't be understood, or the rules refuse it.",
    401: "It can't be told who asks. Without a body for IDSync.",
    403: "Who asks may not do this.",
    404: "There is nothing to answer with.",
    409: "It contradicts what is there.",
    413: f"The body is longer than {BODY_BYTES_MAX:,} bytes, compressed or not.",
    415: "The body is encoded in another way than gzip.",
    429: "The input, or one identity, is asked for too often. Without a body.",
    431: f"The headers have more than {HEADER_BYTES_MAX:,} bytes.",
    500: "A fault of the server; nothing was changed.",
    503: "The server can't answer now.",
}


def openapi_document() -> Document:
    """Return the document that is served at /api/openapi.json."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "knownas",
            "version": knownas.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "identity", "description": "IDSync, the way the official SDKs speak it."},
            {"name": "own", "description": "Profiles, their history, receipts and explanations."},
            {"name": "operations", "description": "What operators ask."},
        ],
        "paths": {**_identity_paths(), **_own_paths(), **_operation_paths()},
        "components": {"schemas": component_schemas(), "securitySchemes": _security_schemes()},
    }


def _security_schemes() -> Schema:
    signature = (
        "The HMAC-SHA-256, in hex, of method, LF, the text of `Date`, LF, path and plain body, with the input's secret."
    )
    return {
        "basic": {"type": "http", "scheme": "basic", "description": "The key and secret of an input."},
        "key": {"type": "apiKey", "in": "header", "name": "x-mp-key", "description": "The key of an input."},
        "signature": {"type": "apiKey", "in": "header", "name": "x-mp-signature", "description": signature},
        "date": {"type": "apiKey", "in": "header", "name": "Date", "description": "Signed as its literal text."},
        "admin": {"type": "http", "scheme": "bearer", "description": "The admin token of the configuration."},
    }


def _identity_paths() -> Schema:
    """Return the paths of IDSync: each with and without the prefix of a custom domain."""
    paths: Schema = {}
    for prefix, suffix in (("", ""), (PREFIX.decode(), "BehindPrefix")):
        for endpoint in _SENTENCES:
            modify = endpoint is Endpoint.MODIFY
            path = f"{prefix}/v1/{'{mpid}/modify' if modify else endpoint.value}"
            paths[path] = {
                "post": _identity_operation(endpoint, suffix),
                "options": {
                    "operationId": f"preflight_{endpoint.value}{suffix}",
                    "summary": "Answer a browser's preflight.",
                    "tags": ["identity"],
                    "parameters": [_mpid_parameter("Any text.", {"type": "string"})] if modify else [],
                    "responses": _preflight_responses(named_in_path=modify),
                },
            }
    return paths


def _identity_operation(endpoint: Endpoint, suffix: str) -> Schema:
    modify = endpoint is Endpoint.MODIFY
    body = ref("ModifyBody" if modify else "IdentifyBody")
    parameters = [_mpid_parameter("The profile to change.", ref("Mpid"))] if modify else _flags()
    return {
        "operationId": f"{endpoint.value}{suffix}",
        "summary": _SENTENCES[endpoint],
        "tags": ["identity"],
        "security": [{"basic": []}, {"key": [], "signature": [], "date": []}, {"key": []}],
        "parameters": parameters,
        "requestBody": _request_body(body, "Plain, or compressed with `Content-Encoding: gzip`."),
        "responses": _identity_responses(endpoint, suffix),
    }


def _mpid_parameter(description: str, schema: Schema) -> Schema:
    return {"name": "mpid", "in": "path", "required": True, "description": description, "schema": schema}


def _flags() -> list[Schema]:
    meanings = {
        "read_only": "Answer the same and write nothing; an unknown user is answered 404.",
        "return_matches": "Return all identities of the request that are on the profile, those of devices too.",
    }
    flag: Schema = {"type": "string", "pattern": "^(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|1|0|)$", "default": "false"}
    return [{"name": name, "in": "query", "description": text, "schema": flag} for name, text in meanings.items()]


def _identity_responses(endpoint: Endpoint, suffix: str) -> Schema:
    modify = endpoint is Endpoint.MODIFY
    headers = _identity_headers()
    decided: Schema = {"X-Decision-Id": _header(DECISION_ID, required=True), "X-MP-Trace-Id": _header(DECISION_ID)}
    success: Schema = {**headers, **decided}
    if endpoint in (Endpoint.IDENTIFY, Endpoint.LOGIN):
        age: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_AGE_SECONDS_MAX}
        success["X-MP-Max-Age"] = _header(age, "Seconds for which a client may reuse the answer.", required=True)
    responses: Schema = {
        "200": {
            **_json("The answer.", ref("ModifyAnswer" if modify else "IdentityAnswer"), success),
            "links": _links_of_answer(suffix),
        }
    }
    for status, reasons in sorted(_identity_reasons(endpoint).items()):
        told: Schema = {**headers, "X-Refusal-Reason": _header({"enum": sorted(reasons)}, required=status < _FAULT)}
        match status:
            case 401:
                responses["401"] = {"description": _MEANINGS[401], "headers": told}
            case 429:
                responses["429"] = {"description": _MEANINGS[429], "headers": {**told, **_throttle_headers()}}
            case _:
                schema = with_codes("IdentityError", ("errors", "[]", "reason"), reasons)
                if status in _SENT_OUTSIDE:
                    schema = {"anyOf": [schema, with_codes("Error", ("error", "code"), reasons)]}
                if status == _UNAVAILABLE:
                    told["Retry-After"] = _header({"type": "integer", "minimum": 1})
                responses[str(status)] = _json(_MEANINGS[status], schema, told)
    if modify:
        unknown = with_codes("Error", ("error", "code"), ("unknown_path",))
        responses["404"] = _json("The MPID holds a slash, and so nothing is at this path.", unknown)
    return responses


_FAULT: Final = 500
_UNAVAILABLE: Final = 503
_SENT_OUTSIDE: Final = frozenset({_UNAVAILABLE})
"""Statuses that are also answered outside IDSync, while the server starts or stops."""


def _identity_reasons(endpoint: Endpoint) -> dict[int, set[str]]:
    """Return why an endpoint refuses a request, by status."""
    modify = endpoint is Endpoint.MODIFY
    reasons: dict[int, set[str]] = {status: set(codes) for status, codes in IDENTITY_REASONS.items()}
    reasons[400] |= set(MODIFY_REASONS if modify else REQUEST_REASONS)
    if modify:
        reasons[403] = {"modify_not_allowed"}
    else:
        reasons[404] = {"not_found"}
    if endpoint is Endpoint.SEARCH:
        reasons[403] = {"search_not_allowed"}
    _add_store_reasons(reasons)
    _add_refusals(reasons, _MODIFY_REFUSALS if modify else _RESOLVING_REFUSALS)
    return reasons


def _add_refusals(reasons: dict[int, set[str]], refusals: Iterable[Refusal]) -> None:
    for refusal in refusals:
        reasons.setdefault(WIRE_CODE[refusal][0], set()).add(refusal.value)


def _add_store_reasons(reasons: dict[int, set[str]]) -> None:
    """Add the codes of the store's errors: 503 for those that waiting may help, 500 for the others."""
    kinds = [StoreError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        reasons.setdefault(503 if issubclass(kind, StoreUnavailable) else 500, set()).add(kind.code)


def _links_of_answer(suffix: str) -> Schema:
    mpid = {"mpid": "$response.body#/mpid"}
    return {
        "profile": {"operationId": "showProfile", "parameters": mpid},
        "history": {"operationId": "showHistory", "parameters": mpid},
        "modify": {"operationId": f"modify{suffix}", "parameters": mpid},
        "receipt": {"operationId": "showDecision", "parameters": {"id": "$response.header.X-Decision-Id"}},
    }


def _identity_headers() -> Schema:
    percentage: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
    return {
        "Access-Control-Allow-Origin": _header({"const": "*"}),
        "Access-Control-Expose-Headers": _header({"type": "string"}),
        "X-mp-rate-limit-percentage-used": _header(
            percentage, "How much of the input's limit is used up, if it has one."
        ),
    }


def _throttle_headers() -> Schema:
    sources = ["app", "feed", "system"]
    return {
        "X-mp-rate-limit-exceeded": _header(
            {"enum": sources}, "Whose limit it is: the input's, or (`system`) that of one identity.", required=True
        ),
        "Retry-After": _header({"type": "integer", "minimum": 1}, "Seconds to wait.", required=True),
    }


def _preflight_responses(*, named_in_path: bool) -> Schema:
    names = (
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Methods",
        "Access-Control-Allow-Headers",
        "Access-Control-Max-Age",
        "Vary",
    )
    headers = {name: _header({"type": "string"}, required=True) for name in names}
    responses: Schema = {"204": {"description": "What a page may send.", "headers": headers}, **_outside(503)}
    if named_in_path:
        unknown = with_codes("Error", ("error", "code"), ("unknown_path", "method_not_allowed"))
        responses["404"] = _json("The MPID holds a slash, and so nothing is at this path.", unknown)
    return responses


def _outside(*statuses: int) -> Schema:
    """Return the answers that any path can give before it is served."""
    codes = {431: ("headers_too_long",), 503: ("not_started",)}
    return {
        str(status): _json(_MEANINGS[status], with_codes("Error", ("error", "code"), codes[status]))
        for status in statuses
    }


def _own_paths() -> Schema:
    paths: Schema = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _own_operation(operation)
    document: Schema = {
        "operationId": "showOpenApi",
        "summary": "Return this document.",
        "tags": ["own"],
        "responses": {"200": _json("The document.", {"type": "object"}), **_outside(431, 503)},
    }
    paths["/api/openapi.json"] = {"get": document}
    return paths


_OWN_ANSWERS: Final[Mapping[str, tuple[int, str]]] = {
    "showProfile": (200, "Profile"),
    "showHistory": (200, "History"),
    "seedProfile": (201, "Profile"),
    "explain": (200, "Receipt"),
    "showDecision": (200, "Receipt"),
    "showSections": (200, "Sections"),
    "showEvents": (200, "Events"),
    "showBatch": (200, "BatchReceipt"),
    "findBatches": (200, "BatchReceipts"),
    "showAlias": (200, "Alias"),
    "showRetention": (200, "Retention"),
}
_PATH_PARAMETERS: Final[Mapping[str, Schema]] = {
    "mpid": ref("Mpid"),
    "scope": {"type": "string", "minLength": 1},
    "id": DECISION_ID,
    "request_id": {"type": "string", "minLength": 1, "maxLength": ALIAS_ID_CHARACTERS_MAX},
}


_EVENTS_PARAMETERS: Final[list[Schema]] = [
    {
        "name": "workspace",
        "in": "query",
        "required": True,
        "description": "The workspace's id.",
        "schema": {"type": "integer", "minimum": 0},
    },
    {
        "name": "environment",
        "in": "query",
        "description": "production if it is not given.",
        "schema": {"enum": ["development", "production"]},
    },
]

_REQUEST_ID_PARAMETER: Final[Schema] = {
    "name": "source_request_id",
    "in": "query",
    "required": True,
    "description": "The id that the sender gave the batch.",
    "schema": {"type": "string", "minLength": 1, "maxLength": REQUEST_ID_CHARACTERS_MAX},
}


def _own_operation(operation: Operation) -> Schema:
    summary, _, description = (inspect.getdoc(operation.serve) or "").partition(". ")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in _PATH_PARAMETERS.items()
        if f"{{{name}}}" in operation.path
    ]
    if operation.name in ("showHistory", "showEvents"):
        parameters += _page_parameters()
    if operation.name == "showEvents":
        parameters += _EVENTS_PARAMETERS
    if operation.name == "findBatches":
        parameters.append(_REQUEST_ID_PARAMETER)
    made: Schema = {
        "operationId": operation.name,
        "summary": f"{summary.removesuffix('.')}.",
        "tags": ["own"],
        "security": [{"admin": []}],
        "parameters": parameters,
        "responses": _own_responses(operation),
    }
    if description:
        made["description"] = description
    if operation.body is not None:
        made["requestBody"] = _request_body(ref(operation.body.__name__), inspect.getdoc(operation.body) or "")
    return made


def _page_parameters() -> list[Schema]:
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}
    return [
        {"name": "limit", "in": "query", "description": "How many items a page covers.", "schema": limit},
        {"name": "next", "in": "query", "description": "What the page before answered as `next`.", "schema": CURSOR},
    ]


def _own_responses(operation: Operation) -> Schema:
    status, name = _OWN_ANSWERS[operation.name]
    answer = _json("The answer.", ref(name))
    if name in ("Profile", "Receipt") and operation.body is not None:
        answer["links"] = _links_of(operation)
    responses: Schema = {str(status): answer}
    for refused, codes in sorted(_own_reasons(operation).items()):
        response = _json(_MEANINGS[refused], with_codes("Error", ("error", "code"), codes))
        if refused == _UNAUTHORISED:
            response["headers"] = {"WWW-Authenticate": _header({"const": "Bearer"}, required=True)}
        responses[str(refused)] = response
    return responses


_UNAUTHORISED: Final = 401


def _links_of(operation: Operation) -> Schema:
    if operation.name != "seedProfile":
        return {}
    mpid = {"mpid": "$response.body#/mpid"}
    return {
        name: {"operationId": operation_id, "parameters": mpid}
        for name, operation_id in (("profile", "showProfile"), ("history", "showHistory"), ("modify", "modify"))
    }


def _own_reasons(operation: Operation) -> dict[int, set[str]]:
    reasons: dict[int, set[str]] = {status: set(codes) for status, codes in _COMMON_REASONS.items()}
    reasons |= {401: {"unauthorised"}, 403: {"admin_api_off"}}
    for status, codes in OWN_REASONS[operation.name].items():
        reasons.setdefault(status, set()).update(codes)
    if operation.body is None:
        del reasons[413]
    else:
        reasons[400] |= set(OWN_BODY_REASONS)
    if operation.name == "seedProfile":
        _add_refusals(reasons, _SEEDED_REFUSALS)
    _add_store_reasons(reasons)
    return reasons


def _operation_paths() -> Schema:
    ready = _json("The store reads and writes.", {"properties": {"status": {"const": "ready"}}, "required": ["status"]})
    alive = _json("The process answers.", {"properties": {"status": {"const": "alive"}}, "required": ["status"]})
    metrics = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    not_ready: dict[int, set[str]] = {503: {"not_started"}}
    _add_store_reasons(not_ready)
    codes = {code for reasons in not_ready.values() for code in reasons}
    refused = _json("The store does not answer.", with_codes("Error", ("error", "code"), codes))
    return {
        "/": _get("welcome", "Say what this server is.", {"200": _json("The way on.", {"type": "object"})}),
        "/healthz": _get("showHealth", "Say that the process answers.", {"200": alive}),
        "/readyz": _get("showReadiness", "Say whether the store can be used.", {"200": ready, "503": refused}),
        "/metrics": _get("showMetrics", "Return counters and latencies.", {"200": metrics}),
    }


def _get(name: str, summary: str, responses: Schema) -> Schema:
    answers = {**_outside(431, 503), **responses}
    return {"get": {"operationId": name, "summary": summary, "tags": ["operations"], "responses": answers}}


def _request_body(schema: Schema, description: str) -> Schema:
    return {"required": True, "description": description, "content": {"application/json": {"schema": schema}}}


def _json(description: str, schema: Schema, headers: Schema | None = None) -> Schema:
    response: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    return response | {"headers": headers} if headers else response


def _header(schema: Schema, description: str = "", *, required: bool = False) -> Schema:
    header: dict[str, Any] = {"schema": schema, "required": required}
    return header | {"description": description} if description else header
