"""Decodes the body of an alias request, as the web SDK and the native ones write it (idsync §4.7)."""

from typing import Final

import msgspec

from knownas.api.wire import Malformed, decode_document, refuse_repeated_keys
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import MPID_MAX, MPID_MIN, parse_mpid, valid_mpid
from knownas.core.profile.alias import AliasRequest


class AliasDataBody(msgspec.Struct, frozen=True):
    """What is to be aliased. MPIDs are text in the web SDK and numbers in the native ones."""

    source_mpid: str | int | None = None
    destination_mpid: str | int | None = None
    start_unixtime_ms: int | None = None
    end_unixtime_ms: int | None = None
    scope: str | None = None
    device_application_stamp: str | None = None


class AliasBody(msgspec.Struct, frozen=True):
    """The body of an alias request. Members that decide nothing, such as `api_key`, are passed over."""

    request_id: str | None = None
    request_type: str | None = None
    environment: Environment | None = None
    data: AliasDataBody | None = None


_ALIAS: Final = msgspec.json.Decoder(AliasBody)


def alias_request(body: bytes) -> AliasRequest:
    """Decode an alias request.

    Raises:
        Malformed: it is not JSON, a member is missing or wrong.
    """
    decoded = decode_document(_ALIAS, body)
    refuse_repeated_keys(body)
    if decoded.request_type not in (None, "alias"):
        raise Malformed("invalid_member", "request_type is alias.")
    data = decoded.data
    if not decoded.request_id:
        raise _missing("request_id")
    if decoded.environment is None:
        raise _missing("environment")
    if data is None:
        raise _missing("data")
    if data.scope not in (None, "device", "mpid"):
        raise Malformed("invalid_member", "scope is device or mpid.")
    try:
        return AliasRequest(
            decoded.request_id,
            decoded.environment,
            _mpid("source_mpid", data.source_mpid),
            _mpid("destination_mpid", data.destination_mpid),
            data.start_unixtime_ms,
            data.end_unixtime_ms,
            None if data.scope == "mpid" else data.device_application_stamp or None,
        )
    except ValueError as error:
        raise Malformed("invalid_member", f"{error}.") from error


def _mpid(name: str, given: str | int | None) -> int:
    """Read an MPID; "" and 0 are how SDKs say that there is no user."""
    if given in (None, "", "0", 0):
        raise _missing(name)
    mpid = parse_mpid(given) if isinstance(given, str) else valid_mpid(given or 0)
    if mpid is None:
        raise Malformed("invalid_member", f"{name} must be an integer from {MPID_MIN} to {MPID_MAX}.")
    return mpid


def _missing(name: str) -> Malformed:
    return Malformed("missing_field", f"{name} is missing.")
