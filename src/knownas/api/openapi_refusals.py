"""Describes why requests of the vendor's surfaces are refused, and what that looks like."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from knownas.api.credentials import Denied
from knownas.api.openapi_parts import (
    COMMON_REASONS,
    MEANINGS,
    add_store_reasons,
    answer_of,
    header_of,
    outside,
    reason_header,
    throttle_headers,
)
from knownas.api.schema_parts import Schema, with_codes

Reasons = dict[int, set[str]]

_TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    "VendorError": ("errors", "[]", "reason"),
    "PrivacyError": ("errors", "[]", "reason"),
    "PlatformError": ("errors", "[]", "reason"),
    "AliasError": ("reason",),
    "TokenError": ("reason",),
}
"""The error bodies, and where the reason stands in each."""

BODY: Final = ("malformed_json", "too_deep", "invalid_member", "duplicate_key", "malformed_gzip")
USED_UP: Final = header_of(
    {"type": "integer", "minimum": 0, "maximum": 100}, "How much of the limit is used up, if there is one."
)
UNAUTHORISED: Final = frozenset({Denied.NO_CREDENTIALS, Denied.MALFORMED})
"""What the surfaces of events and seeds answer 401; the other wrong credentials are answered 403."""


def operation(tag: str, name: str, summary: str, responses: Schema, **more: object) -> Schema:
    """Return the description of an operation."""
    return {"operationId": name, "summary": summary, "tags": [tag], **more, "responses": responses}


def with_body(*, store: bool = True) -> Reasons:
    """Return why any request with a body is refused, but for what `outside` answers."""
    reasons: Reasons = {status: set(codes) for status, codes in COMMON_REASONS.items() if status in (413, 500)}
    reasons |= {400: {"malformed_gzip"}, 415: {"unknown_encoding"}}
    if store:
        reasons[503] = {"overloaded"}
        add_store_reasons(reasons)
    return reasons


def refusals(error: str, reasons: Reasons, *, bodiless: Iterable[int] = (), shared: Schema | None = None) -> Schema:
    """Return the answers that refuse a request, and those that any path gives before it is served."""
    responses = outside(431, 503)
    for status, codes in sorted(reasons.items()):
        told = {**(shared or {}), **reason_header(status, codes)}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            told |= throttle_headers()
            if "rate_limited" not in codes:
                del told["X-mp-rate-limit-exceeded"]
        described = _MEANINGS.get(status) or MEANINGS[status]
        if status in bodiless:
            responses[str(status)] = {"description": described, "headers": told}
            continue
        schema = with_codes(error, _TOLD[error], codes)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            schema = {"anyOf": [schema, with_codes("Error", ("error", "code"), ("not_started",))]}
            told["Retry-After"] = header_of({"type": "integer", "minimum": 1})
        responses[str(status)] = answer_of(described, schema, told)
    return responses


_MEANINGS: Final = {
    400: "The request can't be understood, or it asks for what can't be.",
    401: "It can't be told who asks.",
    410: "It was there, and is no longer.",
    413: "The body, or the batch, is too long.",
    429: "Too much is asked for.",
}


def sender_refusals(reasons: Reasons) -> Reasons:
    """Add why a sender with key and secret is not let in."""
    reasons[401] = {one.value for one in UNAUTHORISED}
    reasons[403] = {one.value for one in Denied if one not in UNAUTHORISED}
    reasons[429] = {"rate_limited"}
    return reasons
