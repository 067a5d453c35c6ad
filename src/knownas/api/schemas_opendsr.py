"""Describes the bodies of the surfaces of privacy."""

from typing import Any, Final

from knownas.api.bulk_deletion import DELETIONS_A_REQUEST_MAX
from knownas.api.opendsr import VERSIONS
from knownas.api.opendsr_wire import (
    CALLBACK_CHARACTERS_MAX,
    CALLBACKS_MAX,
    GROUP_CHARACTERS_MAX,
    UUID4,
    VENDOR,
    top_level_names,
)
from knownas.api.schema_parts import TEXT, TEXT_OR_NULL, TIME, Schema, enum_of, list_of, object_of, ref, values_of
from knownas.core.identity.kinds import Surface, types_named_on
from knownas.core.identity.observation import Environment
from knownas.core.limits import SUBJECT_IDENTITIES_MAX, SUBJECT_MPIDS_MAX
from knownas.core.privacy.request import Encoding, Regulation, RequestState, RequestType

_ID: Final[Schema] = {"type": "string", "pattern": f"^{UUID4.pattern}$"}
_TIME_OR_NULL: Final[Schema] = {**TIME, "type": ["string", "null"]}
_NOTHING: Final[Schema] = {"type": "null"}


def opendsr_schemas() -> Schema:
    """Return the named schemas."""
    return {**_request(), **_answers(), **_discovery(), **_deletion(), **_error()}


def _request() -> Schema:
    identity = object_of("An identity, as it is or as the hex digest of it.", value={"type": ["string", "integer"]})
    identity["properties"]["encoding"] = {"enum": values_of(Encoding), "description": "raw if it is not given."}
    named: Schema = {
        "type": "object",
        "properties": dict.fromkeys(top_level_names(), ref("SubjectIdentity")),
        "maxProperties": SUBJECT_IDENTITIES_MAX,
    }
    extension: Schema = {
        "type": "object",
        "properties": {
            "subject_identities": {
                "type": ["object", "null"],
                "description": "Identities of the other types, or an `mpid` by itself.",
            },
            "skip_waiting_period": {"description": "Whether an erasure does not wait."},
            "mpids": {
                "type": "array",
                "items": {"anyOf": [ref("Mpid"), ref("MpidNumber")]},
                "maxItems": SUBJECT_MPIDS_MAX,
                "description": "Profiles by their MPIDs: in the second version several, also beside identities.",
            },
        },
    }
    body = object_of(
        "What is asked for, and of whom. Identities stand in `subject_identities` or in the extension.",
        regulation={"enum": values_of(Regulation)},
        subject_request_id={**_ID, "description": "A version 4 UUID in lower case, the controller's own."},
        subject_request_type=enum_of(RequestType),
        submitted_time={**TIME, "description": "RFC 3339, with an offset."},
        subject_identities=named,
    )
    url: Schema = {"type": "string", "format": "uri", "maxLength": CALLBACK_CHARACTERS_MAX}
    body["properties"] |= {
        "api_version": TEXT_OR_NULL,
        "status_callback_urls": {"type": ["array", "null"], "items": url, "maxItems": CALLBACKS_MAX},
        "group_id": {"type": ["string", "null"], "minLength": 1, "maxLength": GROUP_CHARACTERS_MAX},
        "extensions": {"type": ["object", "null"], "properties": {VENDOR: extension}},
    }
    body["required"].remove("subject_identities")
    return {"SubjectIdentity": identity, "SubjectRequest": body}


def _answers() -> Schema:
    common: dict[str, Any] = {
        "controller_id": {**TEXT, "description": "The id of the workspace."},
        "subject_request_id": _ID,
        "received_time": TIME,
    }
    return {
        "SubjectRequestReceipt": object_of(
            "The request is taken.",
            **common,
            expected_completion_time=TIME,
            encoded_request={**TEXT, "description": "The request's body, in base64."},
        ),
        "SubjectRequestCancelled": object_of("The request is taken back.", **common, expected_completion_time=_NOTHING),
        "SubjectRequestStatus": object_of(
            "What has become of a request. A callback has the same members but `group_id`, and `status_callback_url`.",
            controller_id=TEXT,
            expected_completion_time=_TIME_OR_NULL,
            subject_request_id=_ID,
            group_id=TEXT_OR_NULL,
            request_status=enum_of(RequestState),
            api_version={"enum": [*VERSIONS.values()]},
            results_url={**TEXT_OR_NULL, "description": "Where the results are, for seven days after completion."},
            extensions={"type": ["object", "null"]},
        ),
    }


def _discovery() -> Schema:
    identity = object_of("", identity_type=TEXT, identity_format={"enum": values_of(Encoding)})
    return {
        "PrivacyDiscovery": object_of(
            "What can be asked for.",
            api_version={"enum": [*VERSIONS.values()]},
            supported_identities=list_of(identity),
            supported_subject_request_types=list_of({"enum": values_of(RequestType)}),
            processor_certificate={**TEXT, "description": "Where the certificate is."},
        )
    }


def _deletion() -> Schema:
    one = object_of(
        "Whose data is to go: `mpid`, or `identities` by which a search finds them.",
        environment_type={"enum": values_of(Environment)},
        action={"const": "delete"},
    )
    one["properties"] |= {
        "mpid": {"anyOf": [ref("Mpid"), ref("MpidNumber"), {"enum": ["", "0", 0]}, _NOTHING]},
        "identities": {
            "type": ["object", "null"],
            "propertyNames": {"enum": sorted(types_named_on(Surface.IDSYNC))},
            "additionalProperties": TEXT_OR_NULL,
            "description": "Values by type.",
        },
    }
    return {"Deletion": one, "Deletions": {**list_of(ref("Deletion")), "maxItems": DELETIONS_A_REQUEST_MAX}}


def _error() -> Schema:
    one = object_of(
        "",
        domain=TEXT,
        reason={**TEXT, "description": "The stable reason code; also in the header X-Refusal-Reason."},
        message=TEXT,
    )
    errors = {**list_of(one), "minItems": 1}
    return {"PrivacyError": object_of("A refusal.", code={"type": "integer"}, message=TEXT, errors=errors)}
