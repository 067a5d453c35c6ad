"""Holds the pieces that the descriptions of operations are made of: answers, headers, and who refuses what."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from knownas.api.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX
from knownas.api.refusals import WIRE_CODE
from knownas.api.schema_parts import Schema, with_codes
from knownas.api.unavailable import PASSING
from knownas.core.identity.decision import Refusal
from knownas.store.errors import StoreError

COMMON_REASONS: Final = {
    413: ("body_too_long",),
    431: ("headers_too_long",),
    500: ("internal_error",),
    503: ("overloaded", "not_started"),
}
"""The reasons that any request with a body can meet, by status; those of the store join them."""

MEANINGS: Final = {
    400: "The request can't be understood, or the rules refuse it.",
    401: "It can't be told who asks. Without a body for IDSync.",
    403: "Who asks may not do this.",
    404: "There is nothing to answer with.",
    409: "It contradicts what is there.",
    410: "It was there, and was erased; `request_id` names the request.",
    413: f"The body is longer than {BODY_BYTES_MAX:,} bytes, compressed or not.",
    414: "The query is too long.",
    415: "The body is encoded in another way than gzip.",
    429: "The input, or one identity, is asked for too often. Without a body.",
    431: f"The headers have more than {HEADER_BYTES_MAX:,} bytes.",
    500: "A fault of the server; nothing was changed.",
    503: "The server can't answer now.",
}


def add_refusals(reasons: dict[int, set[str]], refusals: Iterable[Refusal]) -> None:
    """Add decisions' refusals to reasons by status."""
    for refusal in refusals:
        reasons.setdefault(WIRE_CODE[refusal][0], set()).add(refusal.value)


def add_store_reasons(reasons: dict[int, set[str]]) -> None:
    """Add the codes of the store's errors: 503 for those that waiting may help, 500 for the others."""
    kinds = [StoreError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        reasons.setdefault(503 if issubclass(kind, PASSING) else 500, set()).add(kind.code)


def reason_header(status: int, reasons: Iterable[str]) -> Schema:
    """Return the header that names the reason of a refusal; a fault of the server may come without it."""
    required = status < HTTPStatus.INTERNAL_SERVER_ERROR
    return {"X-Refusal-Reason": header_of({"enum": sorted(reasons)}, required=required)}


def page_headers() -> Schema:
    """Return the headers of answers that a page may read."""
    percentage: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
    return {
        "Access-Control-Allow-Origin": header_of({"const": "*"}),
        "Access-Control-Expose-Headers": header_of({"type": "string"}),
        "X-mp-rate-limit-percentage-used": header_of(
            percentage, "How much of the input's limit is used up, if it has one."
        ),
    }


def throttle_headers() -> Schema:
    """Return the headers of an answer 429."""
    sources = ["app", "feed", "org", "system", "workspace"]
    whose = "Whose limit it is: the input's, the workspace's, the client's (`org`), or (`system`) that of one identity."
    return {
        "X-mp-rate-limit-exceeded": header_of({"enum": sources}, whose, required=True),
        "Retry-After": header_of({"type": "integer", "minimum": 1}, "Seconds to wait.", required=True),
    }


def outside(*statuses: int) -> Schema:
    """Return the answers that any path can give before it is served."""
    codes = {431: ("headers_too_long",), 503: ("not_started",)}
    return {
        str(status): answer_of(MEANINGS[status], with_codes("Error", ("error", "code"), codes[status]))
        for status in statuses
    }


def mpid_parameter(description: str, schema: Schema) -> Schema:
    """Return the parameter of a path with an MPID in it."""
    return {"name": "mpid", "in": "path", "required": True, "description": description, "schema": schema}


def request_body(schema: Schema, description: str) -> Schema:
    """Return the description of a JSON body that is needed."""
    return {"required": True, "description": description, "content": {"application/json": {"schema": schema}}}


def answer_of(description: str, schema: Schema, headers: Schema | None = None) -> Schema:
    """Return the description of an answer in JSON."""
    response: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    return response | {"headers": headers} if headers else response


def header_of(schema: Schema, description: str = "", *, required: bool = False) -> Schema:
    """Return the description of a header."""
    header: dict[str, Any] = {"schema": schema, "required": required}
    return header | {"description": description} if description else header


def preflight_responses(*, named_in_path: bool) -> Schema:
    """Return the answers to a browser's preflight; `named_in_path` says that an MPID stands in the path."""
    names = (
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Methods",
        "Access-Control-Allow-Headers",
        "Access-Control-Max-Age",
        "Vary",
    )
    headers = {name: header_of({"type": "string"}, required=True) for name in names}
    responses: Schema = {"204": {"description": "What a page may send.", "headers": headers}, **outside(503)}
    if named_in_path:
        unknown = with_codes("Error", ("error", "code"), ("unknown_path", "method_not_allowed"))
        responses["404"] = answer_of("The MPID holds a slash, and so nothing is at this path.", unknown)
    return responses


def security_schemes() -> Schema:
    """Return the ways in which a caller proves who it is."""
    signature = (
        "The HMAC-SHA-256, in hex, of method, LF, the text of `Date`, LF, path and plain body, with the input's secret."
    )
    return {
        "basic": {"type": "http", "scheme": "basic", "description": "The key and secret of an input."},
        "key": {"type": "apiKey", "in": "header", "name": "x-mp-key", "description": "The key of an input."},
        "signature": {"type": "apiKey", "in": "header", "name": "x-mp-signature", "description": signature},
        "date": {"type": "apiKey", "in": "header", "name": "Date", "description": "Signed as its literal text."},
        "workspace": {"type": "http", "scheme": "basic", "description": "The key and secret of a workspace."},
        "token": {"type": "http", "scheme": "bearer", "description": "An access token of `POST /oauth/token`."},
        "admin": {"type": "http", "scheme": "bearer", "description": "The admin token of the configuration."},
    }
