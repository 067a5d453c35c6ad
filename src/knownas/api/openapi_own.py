"""Describes our own API and what operators ask."""

import inspect
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from knownas.api.limits import REQUEST_ID_CHARACTERS_MAX
from knownas.api.openapi_activation import ACTIVATION_ANSWERS, ACTIVATION_QUERIES, ACTIVATION_REASONS, ARCHIVE
from knownas.api.openapi_parts import (
    COMMON_REASONS,
    MEANINGS,
    add_refusals,
    add_store_reasons,
    answer_of,
    header_of,
    outside,
    request_body,
)
from knownas.api.own import OPERATIONS
from knownas.api.own_evidence import ANCHOR_MAX
from knownas.api.own_identity_changes import AFTER
from knownas.api.own_operation import Operation
from knownas.api.own_outputs import DELIVERY_DIGITS_MAX
from knownas.api.schema_parts import CURSOR, DECISION_ID, Schema, ref, values_of, with_codes
from knownas.api.schemas_evidence import REQUESTS_CURSOR
from knownas.api.schemas_live import LIVE_QUERIES
from knownas.config.limits import ID_MAX
from knownas.core.health.intervals import Span
from knownas.core.identity.decision import Refusal
from knownas.core.profile.alias import ALIAS_ID_CHARACTERS_MAX
from knownas.service.group.limits import GROUP_ID_CHARACTERS_MAX
from knownas.service.history.undoing import UndoRefusal
from knownas.service.limits import PAGE_DEFAULT, PAGE_MAX

OWN_REASONS: Final[Mapping[str, Mapping[int, tuple[str, ...]]]] = {
    **ACTIVATION_REASONS,
    "showProfile": {
        400: ("malformed_mpid", "invalid_as_of"),
        409: (UndoRefusal.TOO_LARGE,),
        404: ("unknown_profile", "unknown_path"),
        410: ("erased",),
    },
    "showHistory": {
        400: ("malformed_mpid", "invalid_limit", "malformed_next"),
        404: ("unknown_profile", "unknown_path"),
        410: ("erased",),
    },
    "seedProfile": {400: ("malformed_mpid", "too_many_values"), 404: ("unknown_scope", "unknown_path")},
    "explain": {
        409: (UndoRefusal.TOO_LARGE,),
        400: ("invalid_as_of", "malformed_mpid", "identity_type_twice", "endpoint_not_explained"),
        404: ("unknown_scope", "no_policy_then", "unknown_path"),
    },
    "showDecision": {400: ("malformed_decision_id",), 404: ("unknown_decision", "unknown_path")},
    "undoDecision": {
        400: ("malformed_decision_id", "invalid_preview", UndoRefusal.UNKNOWN_IDENTITY),
        404: (UndoRefusal.UNKNOWN_DECISION, "unknown_path"),
        409: (
            UndoRefusal.NOTHING_CHANGED,
            UndoRefusal.NOT_BY_DECISION,
            UndoRefusal.UNDONE_ALREADY,
            UndoRefusal.TOO_LARGE,
            UndoRefusal.UNEXPLAINED,
            UndoRefusal.ERASED,
            UndoRefusal.NOT_DONE,
        ),
    },
    "beginRehearsal": {
        400: ("invalid_policy", "invalid_time"),
        404: ("unknown_scope", "unknown_path"),
        409: ("other_pools", "too_many_jobs_wait"),
    },
    "listRehearsals": {404: ("unknown_scope", "unknown_path")},
    "showRehearsal": {404: ("unknown_scope", "unknown_job", "unknown_path")},
    "showPolicy": {404: ("unknown_scope", "unknown_path")},
    "publishPolicy": {
        400: ("invalid_policy", "note_too_long"),
        404: ("unknown_scope", "unknown_path"),
        409: ("policy_outdated", "policy_needs_restart"),
    },
    "beginResolution": {404: ("unknown_scope", "unknown_path"), 409: ("too_many_jobs_wait",)},
    "listResolutions": {404: ("unknown_scope", "unknown_path")},
    "showResolution": {404: ("unknown_scope", "unknown_job", "unknown_path")},
    "listToxic": {
        400: ("invalid_environment", "invalid_limit", "malformed_next"),
        404: ("unknown_scope", "unknown_path"),
    },
    "releaseToxic": {400: ("invalid_environment", "invalid_preview"), 404: ("unknown_scope", "unknown_path")},
    "blockToxic": {400: ("invalid_environment", "invalid_preview"), 404: ("unknown_scope", "unknown_path")},
    "letIn": {400: ("invalid_environment",), 404: ("nobody_stays_out", "unknown_scope", "unknown_path")},
    "showSelfCheck": {404: ("unknown_path",)},
    "showIdentityHealth": {
        400: ("invalid_environment", "invalid_by", "invalid_time"),
        404: ("unknown_scope", "unknown_path"),
    },
    "beginSelfCheck": {404: ("unknown_path",), 409: ("too_many_jobs_wait",)},
    "followChanges": {
        400: ("invalid_environment", "invalid_limit", "malformed_after"),
        404: ("unknown_scope", "unknown_path"),
    },
    "followProfile": {
        400: ("malformed_mpid", "invalid_limit", "malformed_after"),
        404: ("unknown_profile", "unknown_path"),
        410: ("erased",),
    },
    "followLive": {
        400: (
            "invalid_environment",
            "invalid_kind",
            "invalid_limit",
            "invalid_outcome",
            "invalid_text",
            "invalid_workspace",
            "malformed_after",
        ),
        404: ("unknown_path",),
    },
    "showSections": {400: ("malformed_mpid",), 404: ("unknown_profile", "unknown_path")},
    "showEvents": {
        400: ("malformed_mpid", "invalid_environment", "invalid_workspace", "invalid_limit", "malformed_next"),
        404: ("unknown_profile", "unknown_path"),
    },
    "showConsent": {
        400: ("malformed_mpid", "invalid_environment", "invalid_workspace"),
        404: ("unknown_profile", "unknown_path"),
    },
    "showBatch": {400: ("malformed_receipt_id",), 404: ("unknown_batch", "unknown_path")},
    "findBatches": {400: ("invalid_source_request_id",), 404: ("unknown_path",)},
    "showAlias": {400: ("malformed_request_id",), 404: ("unknown_alias", "unknown_path")},
    "showRetention": {404: ("unknown_path",)},
    "previewPrivacy": {
        400: (
            "nobody_named",
            "too_many_identities",
            "too_many_mpids",
            "mpid_not_alone",
            "malformed_mpid",
            "invalid_digest",
            "identity_type_twice",
        ),
        404: ("unknown_workspace", "unknown_path"),
    },
    "listEvidence": {400: ("invalid_limit", "malformed_next"), 404: ("unknown_path",)},
    "showEvidenceHead": {404: ("unknown_path",)},
    "listSubjectRequests": {
        400: ("invalid_workspace", "invalid_limit", "malformed_next"),
        404: ("unknown_path",),
    },
    "showSubjectRequest": {400: ("malformed_request_id",), 404: ("unknown_request", "unknown_path")},
    "certifySubjectRequest": {
        400: ("malformed_request_id", "invalid_format", "invalid_anchor"),
        404: ("not_certified", "unknown_path"),
        409: ("too_many_entries",),
    },
    "listAudit": {
        400: ("malformed_mpid", "invalid_time", "invalid_limit", "malformed_next"),
        404: ("unknown_path",),
    },
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
    {
        Refusal.IMMUTABLE_CHANGE,
        Refusal.RECORD_FULL,
        Refusal.MPID_TAKEN,
        Refusal.UNIQUE_TAKEN,
        Refusal.ERASED,
        Refusal.SUPPRESSED,
    }
)


def own_paths() -> Schema:
    """Return the paths of our own API."""
    paths: Schema = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _own_operation(operation)
    document: Schema = {
        "operationId": "showOpenApi",
        "summary": "Return this document.",
        "tags": ["own"],
        "responses": {"200": answer_of("The document.", {"type": "object"}), **outside(431, 503)},
    }
    paths["/api/openapi.json"] = {"get": document}
    return paths


_OWN_ANSWERS: Final[Mapping[str, tuple[int, str]]] = {
    **ACTIVATION_ANSWERS,
    "showProfile": (200, "Profile"),
    "showHistory": (200, "History"),
    "seedProfile": (201, "Profile"),
    "explain": (200, "Receipt"),
    "showDecision": (200, "Receipt"),
    "undoDecision": (200, "Undone"),
    "beginRehearsal": (202, "JobBegun"),
    "listRehearsals": (200, "Rehearsals"),
    "showRehearsal": (200, "Rehearsal"),
    "showPolicy": (200, "ScopePolicy"),
    "publishPolicy": (200, "ScopePolicy"),
    "beginResolution": (202, "JobBegun"),
    "listResolutions": (200, "Resolutions"),
    "showResolution": (200, "Resolution"),
    "listToxic": (200, "ToxicValues"),
    "releaseToxic": (200, "Judged"),
    "blockToxic": (200, "Judged"),
    "letIn": (200, "LetIn"),
    "showSelfCheck": (200, "SelfCheck"),
    "showIdentityHealth": (200, "IdentityHealth"),
    "beginSelfCheck": (202, "JobBegun"),
    "followChanges": (200, "IdentityChanges"),
    "followProfile": (200, "IdentityChanges"),
    "followLive": (200, "LiveLines"),
    "showSections": (200, "Sections"),
    "showEvents": (200, "Events"),
    "showConsent": (200, "ConsentHistory"),
    "showBatch": (200, "BatchReceipt"),
    "findBatches": (200, "BatchReceipts"),
    "showAlias": (200, "Alias"),
    "showRetention": (200, "Retention"),
    "previewPrivacy": (200, "PrivacyPreview"),
    "listAudit": (200, "Audit"),
    "listEvidence": (200, "Evidence"),
    "showEvidenceHead": (200, "EvidenceHead"),
    "listSubjectRequests": (200, "SubjectRequests"),
    "showSubjectRequest": (200, "SubjectRequestTold"),
    "certifySubjectRequest": (200, "EvidenceCertificate"),
}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": ID_MAX}

_PATH_PARAMETERS: Final[Mapping[str, Schema]] = {
    "mpid": ref("Mpid"),
    "scope": {"type": "string", "minLength": 1},
    "workspace": {"type": "integer", "minimum": 0, "maximum": ID_MAX},
    "id": DECISION_ID,
    "audience": NUMBER,
    "group": {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{1,{GROUP_ID_CHARACTERS_MAX}}}$"},
    "connection": NUMBER,
    "output": NUMBER,
    "delivery": {"type": "string", "pattern": f"^[0-9]{{1,{DELIVERY_DIGITS_MAX}}}$"},
    "request_id": {"type": "string", "minLength": 1, "maxLength": ALIAS_ID_CHARACTERS_MAX},
}


_ENVIRONMENT_PARAMETER: Final[Schema] = {
    "name": "environment",
    "in": "query",
    "description": "production if it is not given.",
    "schema": {"enum": ["development", "production"]},
}

_WORKSPACE_PARAMETER: Final[Schema] = {
    "name": "workspace",
    "in": "query",
    "required": True,
    "description": "The workspace's id.",
    "schema": {"type": "integer", "minimum": 0, "maximum": ID_MAX},
}

_AS_OF_PARAMETER: Final[Schema] = {
    "name": "as_of",
    "in": "query",
    "description": "A time of RFC 3339 with an offset: what had been observed by then counts, and nothing later.",
    "schema": {"type": "string", "format": "date-time"},
}

_MPID_PARAMETER: Final[Schema] = {
    "name": "mpid",
    "in": "query",
    "description": "Of this profile only.",
    "schema": ref("Mpid"),
}

_SINCE_PARAMETER: Final[Schema] = {
    "name": "since",
    "in": "query",
    "description": "A time of RFC 3339 with an offset.",
    "schema": {"type": "string", "format": "date-time"},
}

_BY_PARAMETER: Final[Schema] = {
    "name": "by",
    "in": "query",
    "description": "Whether it is told by hour or by day, in UTC; by hour if it is not given.",
    "schema": {"enum": values_of(Span)},
}

_PERIOD_PARAMETERS: Final[list[Schema]] = [
    {
        "name": name,
        "in": "query",
        "description": f"A time of RFC 3339 with an offset: {says}.",
        "schema": {"type": "string", "format": "date-time"},
    }
    for name, says in (
        ("from", "the first hour or day is the one that has it. Without it, 24 hours or 30 days are told"),
        ("to", "the last hour or day begins before it"),
    )
]

_REQUESTS_NEXT: Final[Schema] = {
    "name": "next",
    "in": "query",
    "description": "What the page before answered as `next`.",
    "schema": REQUESTS_CURSOR,
}

_CERTIFICATE_PARAMETERS: Final[list[Schema]] = [
    {
        "name": "format",
        "in": "query",
        "description": "json, or pdf for people; json if it is not given.",
        "schema": {"enum": ["json", "pdf"]},
    },
    {
        "name": "anchor",
        "in": "query",
        "description": "The number of an entry of the chain through which the links are to lead.",
        "schema": {"type": "integer", "minimum": 1, "maximum": ANCHOR_MAX},
    },
]

_PREVIEW_PARAMETER: Final[Schema] = {
    "name": "preview",
    "in": "query",
    "description": "true: say what would change, and write nothing.",
    "schema": {"enum": ["false", "true"]},
}

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
    parameters += _QUERIES.get(operation.name, [])
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
        described = request_body(ref(operation.body.__name__), inspect.getdoc(operation.body) or "")
        made["requestBody"] = described | {"required": operation.needs_body}
    return made


def _page_parameters(cursor: str) -> list[Schema]:
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}
    return [
        {"name": "limit", "in": "query", "description": "How many items a page covers.", "schema": limit},
        {"name": cursor, "in": "query", "description": "What the page before answered as `next`.", "schema": CURSOR},
    ]


_QUERIES: Final[Mapping[str, list[Schema]]] = {
    **ACTIVATION_QUERIES,
    "showProfile": [_AS_OF_PARAMETER],
    "explain": [_AS_OF_PARAMETER],
    "showHistory": _page_parameters("next"),
    "showEvents": [*_page_parameters("next"), _WORKSPACE_PARAMETER, _ENVIRONMENT_PARAMETER],
    "showConsent": [_WORKSPACE_PARAMETER, _ENVIRONMENT_PARAMETER],
    "followChanges": [*_page_parameters(AFTER), _ENVIRONMENT_PARAMETER],
    "followProfile": _page_parameters(AFTER),
    "followLive": LIVE_QUERIES,
    "findBatches": [_REQUEST_ID_PARAMETER],
    "undoDecision": [_PREVIEW_PARAMETER],
    "listEvidence": _page_parameters("next"),
    "listSubjectRequests": [_page_parameters("next")[0], _REQUESTS_NEXT, {**_WORKSPACE_PARAMETER, "required": False}],
    "certifySubjectRequest": _CERTIFICATE_PARAMETERS,
    "listAudit": [*_page_parameters("next"), _MPID_PARAMETER, _SINCE_PARAMETER],
    "listToxic": [*_page_parameters("next"), _ENVIRONMENT_PARAMETER],
    "releaseToxic": [_ENVIRONMENT_PARAMETER, _PREVIEW_PARAMETER],
    "blockToxic": [_ENVIRONMENT_PARAMETER, _PREVIEW_PARAMETER],
    "letIn": [_ENVIRONMENT_PARAMETER],
    "showIdentityHealth": [_ENVIRONMENT_PARAMETER, _BY_PARAMETER, *_PERIOD_PARAMETERS],
}
"""What can be asked with an operation beside its path."""


def _own_responses(operation: Operation) -> Schema:
    status, name = _OWN_ANSWERS[operation.name]
    if name == ARCHIVE:
        binary: Schema = {"type": "string", "format": "binary"}
        answer: Schema = {"description": "The archive.", "content": {"application/zip": {"schema": binary}}}
    else:
        answer = answer_of("The answer.", ref(name))
    if name == "EvidenceCertificate":
        answer["content"]["application/pdf"] = {"schema": {"type": "string", "format": "binary"}}
    if name in ("Profile", "Receipt") and operation.body is not None:
        answer["links"] = _links_of(operation)
    responses: Schema = {str(status): answer}
    for refused, codes in sorted(_own_reasons(operation).items()):
        response = answer_of(MEANINGS[refused], with_codes("Error", ("error", "code"), codes))
        if refused == HTTPStatus.UNAUTHORIZED:
            response["headers"] = {"WWW-Authenticate": header_of({"const": "Bearer"}, required=True)}
        elif refused == HTTPStatus.SERVICE_UNAVAILABLE:
            response["headers"] = {"Retry-After": header_of({"type": "integer"}, required=False)}
        responses[str(refused)] = response
    return responses


def _links_of(operation: Operation) -> Schema:
    if operation.name != "seedProfile":
        return {}
    mpid = {"mpid": "$response.body#/mpid"}
    return {
        name: {"operationId": operation_id, "parameters": mpid}
        for name, operation_id in (("profile", "showProfile"), ("history", "showHistory"), ("modify", "modify"))
    }


def _own_reasons(operation: Operation) -> dict[int, set[str]]:
    reasons: dict[int, set[str]] = {status: set(codes) for status, codes in COMMON_REASONS.items()}
    reasons |= {401: {"unauthorised"}, 403: {"admin_api_off"}}
    for status, codes in OWN_REASONS[operation.name].items():
        reasons.setdefault(status, set()).update(codes)
    if operation.body is None:
        del reasons[413]
    else:
        reasons[400] |= set(OWN_BODY_REASONS)
    if operation.name == "seedProfile":
        add_refusals(reasons, _SEEDED_REFUSALS)
    add_store_reasons(reasons)
    return reasons


def operation_paths() -> Schema:
    """Return the paths of what operators ask."""
    ready = answer_of(
        "The store reads and writes.", {"properties": {"status": {"const": "ready"}}, "required": ["status"]}
    )
    alive = answer_of("The process answers.", {"properties": {"status": {"const": "alive"}}, "required": ["status"]})
    metrics = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    not_ready: dict[int, set[str]] = {503: {"not_started"}}
    add_store_reasons(not_ready)
    codes = {code for reasons in not_ready.values() for code in reasons}
    refused = answer_of("The store does not answer.", with_codes("Error", ("error", "code"), codes))
    return {
        "/": _get("welcome", "Say what this server is.", {"200": answer_of("The way on.", {"type": "object"})}),
        "/healthz": _get("showHealth", "Say that the process answers.", {"200": alive}),
        "/readyz": _get("showReadiness", "Say whether the store can be used.", {"200": ready, "503": refused}),
        "/metrics": _get("showMetrics", "Return counters and latencies.", {"200": metrics}),
    }


def _get(name: str, summary: str, responses: Schema) -> Schema:
    answers = {**outside(431, 503), **responses}
    return {"get": {"operationId": name, "summary": summary, "tags": ["operations"], "responses": answers}}
