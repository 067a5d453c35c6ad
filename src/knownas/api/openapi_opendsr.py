"""Describes the surfaces of privacy: the requests of data subjects, and the deletion of many profiles."""

from typing import Final

from knownas.api.credentials import Denied
from knownas.api.openapi_parts import answer_of, header_of, request_body
from knownas.api.openapi_refusals import BODY, USED_UP, Reasons, operation, refusals, sender_refusals, with_body
from knownas.api.opendsr import CERTIFICATE
from knownas.api.opendsr_wire import GROUP_CHARACTERS_MAX
from knownas.api.schema_parts import Schema, list_of, ref

_WORKSPACE: Final[list[Schema]] = [{"workspace": []}]
_BASIC: Final[list[Schema]] = [{"basic": []}, {"key": [], "signature": [], "date": []}]
_OLDER: Final = "Also below `/v2` instead of `/v3`."
_ZIP: Final[Schema] = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
_PEM: Final[Schema] = {"application/x-pem-file": {"schema": {"type": "string"}}}
_PLAIN: Final = "Plain, or compressed with `Content-Encoding: gzip`."
_ID: Final[Schema] = {
    "name": "request_id",
    "in": "path",
    "required": True,
    "description": "The `subject_request_id`.",
    "schema": {"type": "string", "minLength": 1},
}
_GROUP: Final[Schema] = {
    "name": "group_id",
    "in": "query",
    "required": True,
    "description": "The group, as its requests name it.",
    "schema": {"type": "string", "minLength": 1, "maxLength": GROUP_CHARACTERS_MAX, "pattern": r"^[^\u0000]*$"},
}
_TAKING: Final = (
    "callback_not_allowed",
    "identity_not_extended",
    "identity_type_twice",
    "invalid_callback",
    "invalid_digest",
    "invalid_extension",
    "invalid_group",
    "invalid_identity",
    "invalid_mpid",
    "invalid_request_id",
    "invalid_skip_waiting_period",
    "invalid_submitted_time",
    "mpid_not_alone",
    "nobody_named",
    "request_exists",
    "several_mpids",
    "too_many_mpids",
    "too_many_callbacks",
    "too_many_identities",
    "unknown_identity_type",
)
"""Why a request is not taken, beside what can be wrong with any body: answered 400."""


def opendsr_paths() -> Schema:
    """Return the paths."""
    return {**_requests(), **_request(), **_anybody(), **_results(), **_deletion()}


def signed() -> Schema:
    """Return the headers of what is signed."""
    domain = "Who says it: the name in the certificate."
    signature = "RSA with SHA-256 of the raw body, in base64."
    return {
        "X-OpenDSR-Processor-Domain": header_of({"type": "string"}, domain),
        "X-OpenDSR-Signature": header_of({"type": "string"}, signature),
    }


def _reasons() -> Reasons:
    reasons = with_body()
    reasons[503] -= {"overloaded"}
    return reasons


def _asked_with_key() -> Reasons:
    """Return why any request of a workspace is refused."""
    denied = {Denied.NO_CREDENTIALS, Denied.MALFORMED, Denied.UNKNOWN_KEY, Denied.WRONG_SECRET}
    return _reasons() | {401: {one.value for one in denied}, 429: {"rate_limited"}}


def _refused(reasons: Reasons) -> Schema:
    return refusals("PrivacyError", reasons, shared=signed())


def _answer(description: str, schema: Schema) -> Schema:
    return answer_of(description, schema, {**signed(), "X-mp-rate-limit-percentage-used": USED_UP})


def _requests() -> Schema:
    taking, group = _asked_with_key(), _asked_with_key()
    taking[400] |= {*BODY, *_TAKING}
    taking[409] = {"request_in_progress"}
    group[400] |= {"invalid_group"}
    take = operation(
        "privacy",
        "takeSubjectRequest",
        "Take the request of a data subject.",
        {
            "201": _answer("Durable. It is carried out when it is due.", ref("SubjectRequestReceipt")),
            **_refused(taking),
        },
        description=f"{_OLDER} There, identities are lists, of `identity_type`, `identity_value` and `identity_format`.",
        security=_WORKSPACE,
        requestBody=request_body(ref("SubjectRequest"), _PLAIN),
    )
    show = operation(
        "privacy",
        "listSubjectRequests",
        "Return the requests of a group, the newest first.",
        {"200": _answer("The requests.", list_of(ref("SubjectRequestStatus"))), **_refused(group)},
        description=_OLDER,
        security=_WORKSPACE,
        parameters=[_GROUP],
    )
    return {"/v3/requests": {"post": take, "get": show}}


def _request() -> Schema:
    found, cancelling = _asked_with_key(), _asked_with_key()
    found[404] = cancelling[404] = {"unknown_request"}
    cancelling[400] |= {"request_not_pending"}
    show = operation(
        "privacy",
        "showSubjectRequest",
        "Return what has become of a request.",
        {"200": _answer("What has become of it.", ref("SubjectRequestStatus")), **_refused(found)},
        description=_OLDER,
        security=_WORKSPACE,
        parameters=[_ID],
    )
    cancel = operation(
        "privacy",
        "cancelSubjectRequest",
        "Take a request back, as long as it is pending.",
        {"202": _answer("It is taken back.", ref("SubjectRequestCancelled")), **_refused(cancelling)},
        description=_OLDER,
        security=_WORKSPACE,
        parameters=[_ID],
    )
    return {"/v3/requests/{request_id}": {"get": show, "delete": cancel}}


def _anybody() -> Schema:
    discovery = operation(
        "privacy",
        "showPrivacyDiscovery",
        "Return what can be asked for, of whom, and where the certificate is.",
        {"200": answer_of("What can be asked for.", ref("PrivacyDiscovery"), signed()), **_refused(_reasons())},
        description=_OLDER,
    )
    certificate = operation(
        "privacy",
        "showPrivacyCertificate",
        "Return the certificate that verifies signatures, and those of whoever signed it.",
        {"200": {"description": "In PEM, the processor's own first.", "content": _PEM, "headers": signed()}}
        | _refused(_reasons()),
        description=_OLDER,
    )
    return {"/v3/discovery": {"get": discovery}, f"/v3/{CERTIFICATE}": {"get": certificate}}


def _results() -> Schema:
    reasons = _asked_with_key()
    reasons |= {404: {"unknown_request", "no_results"}, 410: {"results_expired"}}
    reasons[429] |= {"fetched_too_often"}
    fetch = operation(
        "privacy",
        "fetchSubjectResults",
        "Return the results of a completed request for access or portability.",
        {"200": {"description": "A zip file.", "content": _ZIP, "headers": signed()}, **_refused(reasons)},
        description=_OLDER,
        security=_WORKSPACE,
        parameters=[_ID],
    )
    return {"/v3/requests/{request_id}/results": {"get": fetch}}


def _deletion() -> Schema:
    reasons = sender_refusals(with_body())
    reasons[400] |= {
        *BODY,
        "identity_type_twice",
        "invalid_identity",
        "invalid_mpid",
        "nobody_named",
        "too_many_deletions",
        "unknown_identity_type",
    }
    accepted = {"description": "All of it is gone.", "headers": {"X-mp-rate-limit-percentage-used": USED_UP}}
    delete = operation(
        "privacy",
        "deleteProfiles",
        "Delete what a workspace has of many profiles.",
        {"202": accepted, **refusals("VendorError", reasons)},
        description="Identity records stay: this is no erasure. Profiles that are not there are fine. Also at "
        "`/userprofile/experimental/bulkdelete`, and below `/s2s`.",
        security=_BASIC,
        requestBody=request_body(ref("Deletions"), _PLAIN),
    )
    return {"/userprofile/bulkdelete": {"post": delete}}
