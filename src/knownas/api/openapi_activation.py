"""Describes what can be asked about audiences and outputs: refusals, answers and queries, by operation."""

from collections.abc import Mapping
from typing import Final

from knownas.api.own_download import DOWNLOAD_TYPES
from knownas.api.schema_parts import CURSOR, TIME, Schema, enum_of, ref
from knownas.core.limits import ATTRIBUTE_VALUE_CHARACTERS_MAX
from knownas.core.translation.reason import Reason
from knownas.service.audience.limits import TURNOVER_DAYS_BACK_MAX, TURNOVER_INTERVALS_MAX
from knownas.service.audience.turnover import By
from knownas.service.delivery.dead_letters import Resent
from knownas.service.limits import PAGE_DEFAULT, PAGE_MAX
from knownas.store.deliveries import DeliveryState

_PATH: Final = "unknown_path"
_WORKSPACE: Final = ("unknown_workspace", _PATH)
_AUDIENCE: Final = ("unknown_audience", *_WORKSPACE)
_CONNECTION: Final = ("unknown_connection", *_AUDIENCE)
_INPUT_CONNECTION: Final = ("unknown_connection", *_WORKSPACE)
_OUTPUT: Final = ("unknown_output", *_WORKSPACE)
_GROUP: Final = ("unknown_group", *_WORKSPACE)
ARCHIVE: Final = "Archive"
"""Stands for an answer that is a zip archive."""

_PAGED: Final = ("invalid_limit", "malformed_next")

ACTIVATION_REASONS: Final[Mapping[str, Mapping[int, tuple[str, ...]]]] = {
    "createAudience": {400: ("invalid_audience",), 404: _WORKSPACE},
    "listAudiences": {404: _WORKSPACE},
    "previewAudience": {400: ("invalid_audience",), 404: _WORKSPACE},
    "showAudience": {400: ("invalid_environment",), 404: _AUDIENCE},
    "changeAudience": {400: ("invalid_audience",), 404: _AUDIENCE},
    "deleteAudience": {404: _AUDIENCE, 409: ("audience_in_use",)},
    "listMembers": {400: ("invalid_environment", "invalid_reasons", *_PAGED), 404: _AUDIENCE},
    "downloadAudience": {400: ("invalid_environment", "invalid_identities"), 404: _AUDIENCE},
    "showMembership": {400: ("invalid_environment", "malformed_mpid"), 404: _AUDIENCE},
    "listAudienceChanges": {
        400: ("invalid_environment", "invalid_by", "invalid_time", "too_long_a_time"),
        404: _AUDIENCE,
    },
    "createConnection": {400: ("invalid_connection",), 404: _AUDIENCE},
    "listConnections": {404: _AUDIENCE},
    "deleteConnection": {404: _CONNECTION},
    "listPassedOver": {400: ("unknown_reason", *_PAGED), 404: _CONNECTION},
    "createGroup": {400: ("invalid_group_kind",), 404: _WORKSPACE},
    "listGroups": {404: _WORKSPACE},
    "showGroup": {400: ("invalid_environment",), 404: _GROUP},
    "changeGroup": {400: ("invalid_group_kind",), 404: _GROUP},
    "deleteGroup": {404: _GROUP},
    "listGroupMembers": {400: ("invalid_environment", "invalid_value", *_PAGED), 404: _GROUP},
    "listLargeGroups": {400: ("invalid_environment", *_PAGED), 404: _GROUP},
    "listOutputTypes": {404: (_PATH,)},
    "createOutput": {400: ("invalid_output",), 404: _WORKSPACE},
    "listOutputs": {404: _WORKSPACE},
    "showOutput": {404: _OUTPUT},
    "changeOutput": {400: ("invalid_output",), 404: _OUTPUT},
    "deleteOutput": {404: _OUTPUT},
    "pauseOutput": {404: _OUTPUT},
    "resumeOutput": {404: _OUTPUT},
    "listDeliveries": {400: ("unknown_state", *_PAGED), 404: _OUTPUT},
    "resendDeliveries": {404: _OUTPUT},
    "resendDelivery": {
        404: ("unknown_delivery", *_OUTPUT),
        409: (Resent.SUPERSEDED.value, Resent.ERASED.value, Resent.NOT_DEAD.value),
    },
    "createInputConnection": {400: ("invalid_connection",), 404: _WORKSPACE},
    "listInputConnections": {404: _WORKSPACE},
    "showInputConnection": {404: _INPUT_CONNECTION},
    "deleteInputConnection": {404: _INPUT_CONNECTION},
    "listTold": {400: ("malformed_mpid", *_PAGED), 404: _WORKSPACE},
}
"""Why an operation refuses a request, beside what all of them or all bodies can meet."""

ACTIVATION_ANSWERS: Final[Mapping[str, tuple[int, str]]] = {
    "createAudience": (201, "Audience"),
    "listAudiences": (200, "WorkspaceAudiences"),
    "previewAudience": (200, "AudiencePreview"),
    "showAudience": (200, "Audience"),
    "changeAudience": (200, "Audience"),
    "deleteAudience": (200, "Deleted"),
    "listMembers": (200, "Members"),
    "downloadAudience": (200, ARCHIVE),
    "showMembership": (200, "Membership"),
    "listAudienceChanges": (200, "AudienceChanges"),
    "createConnection": (201, "Connection"),
    "listConnections": (200, "Connections"),
    "deleteConnection": (200, "Deleted"),
    "listPassedOver": (200, "PassedOver"),
    "createGroup": (201, "GroupKind"),
    "listGroups": (200, "GroupKinds"),
    "showGroup": (200, "GroupKind"),
    "changeGroup": (200, "GroupKind"),
    "deleteGroup": (200, "DeletedGroup"),
    "listGroupMembers": (200, "GroupMembers"),
    "listLargeGroups": (200, "LargeGroups"),
    "listOutputTypes": (200, "OutputTypes"),
    "createOutput": (201, "Output"),
    "listOutputs": (200, "Outputs"),
    "showOutput": (200, "Output"),
    "changeOutput": (200, "Output"),
    "deleteOutput": (200, "Deleted"),
    "pauseOutput": (200, "Output"),
    "resumeOutput": (200, "Output"),
    "listDeliveries": (200, "Deliveries"),
    "resendDeliveries": (202, "ResentAll"),
    "resendDelivery": (202, "Resent"),
    "createInputConnection": (201, "InputConnection"),
    "listInputConnections": (200, "InputConnections"),
    "showInputConnection": (200, "InputConnection"),
    "deleteInputConnection": (200, "Deleted"),
    "listTold": (200, "Deliveries"),
}
"""How an operation answers, and the schema of it."""


def _limited(cursor: Schema) -> list[Schema]:
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT}
    return [
        {"name": "limit", "in": "query", "description": "How many items a page covers.", "schema": limit},
        {"name": "next", "in": "query", "description": "What the page before answered as `next`.", "schema": cursor},
    ]


_BY_MPID: Final = _limited(ref("Mpid"))
_BY_NUMBER: Final = _limited(CURSOR)
_ENVIRONMENT: Final[Schema] = {
    "name": "environment",
    "in": "query",
    "description": "production if it is not given.",
    "schema": {"enum": ["development", "production"]},
}
_WITH_REASONS: Final[Schema] = {
    "name": "reasons",
    "in": "query",
    "description": "true: say of each member why it is one.",
    "schema": {"enum": ["false", "true"]},
}

ACTIVATION_QUERIES: Final[Mapping[str, list[Schema]]] = {
    "showAudience": [_ENVIRONMENT],
    "listMembers": [*_BY_MPID, _ENVIRONMENT, _WITH_REASONS],
    "downloadAudience": [
        _ENVIRONMENT,
        {
            "name": "identities",
            "in": "query",
            "description": "The types of identities to include, separated by commas; all if it is not given.",
            "schema": {"type": "array", "items": {"enum": sorted(DOWNLOAD_TYPES)}, "minItems": 1},
            "style": "form",
            "explode": False,
        },
    ],
    "showMembership": [_ENVIRONMENT],
    "listAudienceChanges": [
        _ENVIRONMENT,
        {
            "name": "by",
            "in": "query",
            "description": "How long an interval is. hour if it is not given.",
            "schema": enum_of(By),
        },
        {
            "name": "from",
            "in": "query",
            "description": "When the first interval begins, or a time in it; 24 hours or 30 days before the end if it is not given. "
            f"At most {TURNOVER_DAYS_BACK_MAX:,} days ago, and {TURNOVER_INTERVALS_MAX} intervals before the end.",
            "schema": TIME,
        },
        {
            "name": "to",
            "in": "query",
            "description": "Where the last interval ends, or a time in it; the present one if it is not given.",
            "schema": TIME,
        },
    ],
    "listPassedOver": [
        *_BY_MPID,
        {
            "name": "reason",
            "in": "query",
            "description": "Of this reason only.",
            "schema": {"enum": sorted(one.value for one in Reason)},
        },
    ],
    "showGroup": [_ENVIRONMENT],
    "listGroupMembers": [
        *_BY_MPID,
        _ENVIRONMENT,
        {
            "name": "value",
            "in": "query",
            "required": True,
            "description": "What the members share, as it was sent.",
            "schema": {"type": "string", "minLength": 1, "maxLength": ATTRIBUTE_VALUE_CHARACTERS_MAX},
        },
    ],
    "listLargeGroups": [*_limited({"type": "string", "pattern": "^[0-9a-f]{64}$"}), _ENVIRONMENT],
    "listDeliveries": [
        *_BY_NUMBER,
        {
            "name": "state",
            "in": "query",
            "description": "In this state only.",
            "schema": {"enum": sorted(DeliveryState)},
        },
    ],
    "listTold": _BY_NUMBER,
}
"""What can be asked with an operation beside its path."""
