"""Describes the paths of IDSync, each with and without the prefix of a custom domain."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from knownas.api.credentials import PREFIX, Denied
from knownas.api.openapi_parts import (
    COMMON_REASONS,
    MEANINGS,
    add_refusals,
    add_store_reasons,
    answer_of,
    header_of,
    mpid_parameter,
    page_headers,
    preflight_responses,
    reason_header,
    request_body,
    throttle_headers,
)
from knownas.api.schema_parts import DECISION_ID, Schema, ref, with_codes
from knownas.core.identity.decision import Refusal
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import MAX_AGE_SECONDS_MAX

IDENTITY_REASONS: Final[Mapping[int, tuple[str, ...]]] = {
    **COMMON_REASONS,
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

_MODIFY_REFUSALS: Final = frozenset(
    {
        Refusal.UNKNOWN_MPID,
        Refusal.IMMUTABLE_CHANGE,
        Refusal.IMMUTABLE_REMOVAL,
        Refusal.IMMUTABLE_TAKEN,
        Refusal.UNIQUE_MOVE_NOT_ALLOWED,
        Refusal.UNIQUE_CROWDED,
        Refusal.RECORD_FULL,
        Refusal.ERASED,
        Refusal.SUPPRESSED,
    }
)
_RESOLVING_REFUSALS: Final = frozenset(
    {
        Refusal.NO_IDENTITIES,
        Refusal.LOGIN_WITHOUT_LOGIN_ID,
        Refusal.NO_LOGIN_IN_BEST_MATCH,
        Refusal.EMPTY_RECORD,
        Refusal.SUPPRESSED,
    }
)

_SENTENCES: Final = {
    Endpoint.IDENTIFY: "Say who is there at the start of a session, making a profile if there is none.",
    Endpoint.LOGIN: "Say who has logged in.",
    Endpoint.LOGOUT: "Say who is there after a logout; the identities are those of the user to switch to.",
    Endpoint.SEARCH: "Find the profile of a user without making or changing any.",
    Endpoint.MODIFY: "Add, change and remove identities of one profile: all of the changes or none.",
}


def identity_paths() -> Schema:
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
                    "parameters": [mpid_parameter("Any text.", {"type": "string"})] if modify else [],
                    "responses": preflight_responses(named_in_path=modify),
                },
            }
    return paths


def _identity_operation(endpoint: Endpoint, suffix: str) -> Schema:
    modify = endpoint is Endpoint.MODIFY
    body = ref("ModifyBody" if modify else "IdentifyBody")
    parameters = [mpid_parameter("The profile to change.", ref("Mpid"))] if modify else _flags()
    return {
        "operationId": f"{endpoint.value}{suffix}",
        "summary": _SENTENCES[endpoint],
        "tags": ["identity"],
        "security": [{"basic": []}, {"key": [], "signature": [], "date": []}, {"key": []}],
        "parameters": parameters,
        "requestBody": request_body(body, "Plain, or compressed with `Content-Encoding: gzip`."),
        "responses": _identity_responses(endpoint, suffix),
    }


def _flags() -> list[Schema]:
    meanings = {
        "read_only": "Answer the same and write nothing; an unknown user is answered 404.",
        "return_matches": "Return all identities of the request that are on the profile, those of devices too.",
    }
    flag: Schema = {"type": "string", "pattern": "^(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|1|0|)$", "default": "false"}
    return [{"name": name, "in": "query", "description": text, "schema": flag} for name, text in meanings.items()]


def _identity_responses(endpoint: Endpoint, suffix: str) -> Schema:
    modify = endpoint is Endpoint.MODIFY
    headers = page_headers()
    decided: Schema = {"X-Decision-Id": header_of(DECISION_ID, required=True), "X-MP-Trace-Id": header_of(DECISION_ID)}
    success: Schema = {**headers, **decided}
    if endpoint in (Endpoint.IDENTIFY, Endpoint.LOGIN):
        age: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_AGE_SECONDS_MAX}
        success["X-MP-Max-Age"] = header_of(age, "Seconds for which a client may reuse the answer.", required=True)
    responses: Schema = {
        "200": {
            **answer_of("The answer.", ref("ModifyAnswer" if modify else "IdentityAnswer"), success),
            "links": _links_of_answer(suffix),
        }
    }
    for status, reasons in sorted(_identity_reasons(endpoint).items()):
        told: Schema = {**headers, **reason_header(status, reasons)}
        match status:
            case 401:
                responses["401"] = {"description": MEANINGS[401], "headers": told}
            case 429:
                responses["429"] = {"description": MEANINGS[429], "headers": {**told, **throttle_headers()}}
            case _:
                schema = with_codes("IdentityError", ("errors", "[]", "reason"), reasons)
                if status == HTTPStatus.SERVICE_UNAVAILABLE:
                    # Answered outside IDSync too, while the server starts or stops.
                    schema = {"anyOf": [schema, with_codes("Error", ("error", "code"), reasons)]}
                    told["Retry-After"] = header_of({"type": "integer", "minimum": 1})
                responses[str(status)] = answer_of(MEANINGS[status], schema, told)
    if modify:
        unknown = with_codes("Error", ("error", "code"), ("unknown_path",))
        responses["404"] = answer_of("The MPID holds a slash, and so nothing is at this path.", unknown)
    return responses


def _identity_reasons(endpoint: Endpoint) -> dict[int, set[str]]:
    """Return why an endpoint refuses a request, by status."""
    modify = endpoint is Endpoint.MODIFY
    reasons: dict[int, set[str]] = {status: set(codes) for status, codes in IDENTITY_REASONS.items()}
    reasons[400] |= set(MODIFY_REASONS if modify else REQUEST_REASONS)
    if modify:
        reasons[403] = {"modify_not_allowed"}
    else:
        reasons[404] = {"not_found"}
    refusals = _MODIFY_REFUSALS if modify else _RESOLVING_REFUSALS
    if endpoint is Endpoint.SEARCH:
        reasons[403] = {"search_not_allowed"}
        refusals -= {Refusal.SUPPRESSED}
    add_store_reasons(reasons)
    add_refusals(reasons, refusals)
    return reasons


def _links_of_answer(suffix: str) -> Schema:
    mpid = {"mpid": "$response.body#/mpid"}
    return {
        "profile": {"operationId": "showProfile", "parameters": mpid},
        "history": {"operationId": "showHistory", "parameters": mpid},
        "modify": {"operationId": f"modify{suffix}", "parameters": mpid},
        "receipt": {"operationId": "showDecision", "parameters": {"id": "$response.header.X-Decision-Id"}},
    }
