"""Turns refusals into answers: the vendor's codes for the wire, and a stable reason for whoever wonders why."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import msgspec

from knownas.core.identity.decision import Refusal
from knownas.core.identity.policy import ErrorBody

LOOKUP_ERROR: Final = "LOOKUP_ERROR"
VALIDATION_ERROR: Final = "VALIDATION_ERROR"
NOT_FOUND_ERROR: Final = "NOT_FOUND_ERROR"
BAD_REQUEST: Final = "BAD_REQUEST"
INTERNAL_ERROR: Final = "INTERNAL_ERROR"
UNAUTHORIZED: Final = "UNAUTHORIZED"
FORBIDDEN: Final = "FORBIDDEN"

WIRE_CODE: Final[Mapping[Refusal, tuple[int, str]]] = MappingProxyType(
    {
        Refusal.NO_IDENTITIES: (400, LOOKUP_ERROR),
        Refusal.LOGIN_WITHOUT_LOGIN_ID: (400, LOOKUP_ERROR),
        Refusal.NO_LOGIN_IN_BEST_MATCH: (400, LOOKUP_ERROR),
        Refusal.EMPTY_RECORD: (400, LOOKUP_ERROR),
        Refusal.UNKNOWN_MPID: (400, LOOKUP_ERROR),
        Refusal.IMMUTABLE_CHANGE: (400, VALIDATION_ERROR),
        Refusal.IMMUTABLE_REMOVAL: (400, VALIDATION_ERROR),
        Refusal.IMMUTABLE_TAKEN: (400, VALIDATION_ERROR),
        Refusal.UNIQUE_MOVE_NOT_ALLOWED: (403, VALIDATION_ERROR),
        Refusal.UNIQUE_CROWDED: (400, VALIDATION_ERROR),
        Refusal.RECORD_FULL: (400, VALIDATION_ERROR),
        Refusal.MPID_TAKEN: (409, VALIDATION_ERROR),
        Refusal.ERASED: (400, LOOKUP_ERROR),
        Refusal.UNIQUE_TAKEN: (409, VALIDATION_ERROR),
        Refusal.SUPPRESSED: (403, FORBIDDEN),
    }
)
"""Status and vendor code of each refusal; idsync §4.4."""

_ENCODER: Final = msgspec.json.Encoder()


def identity_error(
    status: int,
    code: str,
    reason: str,
    sentence: str,
    decision_id: str = "",
    spelling: ErrorBody = ErrorBody.BOTH_SPELLINGS,
) -> bytes:
    """Write an IDSync error body: both spellings of its members, or the documented one alone; idsync §4.4.

    `decision_id` is "" where there was no decision.
    """
    errors = [{"code": code, "message": sentence, "reason": reason}]
    body: dict[str, object] = {"errors": errors}
    if spelling is ErrorBody.BOTH_SPELLINGS:
        body |= {"Errors": errors, "ErrorCode": code, "StatusCode": status, "RequestId": decision_id or None}
    return _ENCODER.encode(body)


def vendor_code(status: int) -> str:
    """Return the vendor's usual word for a status."""
    return INTERNAL_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else BAD_REQUEST


def vendor_error(code: str, told: Iterable[tuple[str, str]]) -> bytes:
    """Write the error body of the surfaces beside IDSync from reasons and sentences; platform §1.6."""
    return _ENCODER.encode({"errors": [{"code": code, "message": says, "reason": reason} for reason, says in told]})


def own_error(reason: str, sentence: str, **details: object) -> bytes:
    """Write the error body of our own API: a stable code, a sentence, and what helps."""
    return _ENCODER.encode({"error": {"code": reason, "message": sentence, **details}})
