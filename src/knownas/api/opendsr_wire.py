"""Decodes the requests of OpenDSR, of its third version and the second, and encodes what is answered (platform §5.2 to §5.8)."""

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from knownas.api.wire import (
    INVALID_MPID,
    Malformed,
    decode_document,
    refuse_repeated_keys,
    shortened,
)
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity, IdentityType, Surface, name_on, types_named_on, value_fault
from knownas.core.identity.record import parse_mpid, valid_mpid
from knownas.core.limits import SUBJECT_IDENTITIES_MAX, SUBJECT_MPIDS_MAX
from knownas.core.privacy.request import Encoding, Regulation, RequestType, Subject, SubjectIdentity
from knownas.service.identity.receipts import rfc3339
from knownas.service.privacy.subject_requests import GivenRequest

VENDOR: Final = "opendsr.mparticle.com"
"""The name under which a request's extension is found (platform §5.2)."""

SEVERAL_PROFILES: Final = "2.0"
"""The version by which one request reaches several profiles (platform §5.8)."""

CALLBACKS_MAX: Final = 10
CALLBACK_CHARACTERS_MAX: Final = 2_000
"""URLs that are told of a request's state, and the characters of each."""

GROUP_CHARACTERS_MAX: Final = 256
"""Characters of a group's id."""

_NAMES: Final = types_named_on(Surface.DSR)
UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_DIGEST_DIGITS: Final = {Encoding.SHA1: 40, Encoding.SHA256: 64, Encoding.MD5: 32}
_EXTENDED: Final = frozenset({"mpid", *(f"other{n}" for n in ("", *range(2, 11)))}) | {
    "mobile_number",
    "phone_number_2",
    "phone_number_3",
}
"""What the third version names in the vendor's extension only."""


def top_level_names() -> list[str]:
    """Return the identity types that the third version names outside of the extension."""
    return sorted(name for name in _NAMES if name not in _EXTENDED)


class GivenIdentity(msgspec.Struct, frozen=True):
    """An identity as the third version gives it."""

    value: str | int
    encoding: Encoding = Encoding.RAW


class ListedIdentity(msgspec.Struct, frozen=True):
    """An identity as the second version gives it."""

    identity_type: str
    identity_value: str
    identity_format: Encoding = Encoding.RAW


class Extension(msgspec.Struct, frozen=True):
    """The vendor's extension, of either version."""

    subject_identities: dict[str, GivenIdentity] | None = None
    skip_waiting_period: bool | str = False
    mpids: list[str | int] = []
    identities: list[ListedIdentity] = []


class RequestBody(msgspec.Struct, frozen=True):
    """A request. Members that decide nothing are passed over."""

    regulation: Regulation
    subject_request_id: str
    subject_request_type: RequestType
    submitted_time: str
    subject_identities: dict[str, GivenIdentity] | list[ListedIdentity] | None = None
    api_version: str | None = None
    status_callback_urls: list[str] | None = None
    group_id: str | None = None
    skip_waiting_period: bool | str | None = None
    extensions: dict[str, Any] | None = None


_BODY: Final = msgspec.json.Decoder(RequestBody)


def request_of(body: bytes, api_version: str = "3.0", base_url: str = "") -> GivenRequest:
    """Decode a request of either version, which was asked by `api_version` and at `base_url`.

    Raises:
        Malformed: it is not JSON, a member is missing or wrong, or nobody is named, or in a way that is not allowed.
    """
    given = decode_document(_BODY, body)
    refuse_repeated_keys(body)
    if UUID4.fullmatch(given.subject_request_id) is None:
        raise Malformed("invalid_request_id", "subject_request_id must be a version 4 UUID in lower case.")
    extension = _extension(given.extensions)
    skips = extension.skip_waiting_period if given.skip_waiting_period is None else given.skip_waiting_period
    if given.group_id is not None and not 0 < len(given.group_id) <= GROUP_CHARACTERS_MAX:
        raise Malformed("invalid_group", f"group_id has 1 to {GROUP_CHARACTERS_MAX} characters.")
    return GivenRequest(
        given.subject_request_id,
        given.regulation,
        given.subject_request_type,
        _subject(given, extension, reaches_several=api_version == SEVERAL_PROFILES),
        _moment(given.submitted_time),
        given.group_id,
        tuple(map(_callback, _few_callbacks(given.status_callback_urls))),
        _is_yes(skips),
        api_version,
        base_url,
    )


def _extension(given: Mapping[str, Any] | None) -> Extension:
    document = (given or {}).get(VENDOR)
    if document is None:
        return Extension()
    try:
        return msgspec.convert(document, Extension)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed("invalid_extension", f"extensions.{VENDOR}: {error}.") from error


def _is_yes(given: bool | str) -> bool:  # noqa: FBT001 - a value as it was sent
    """Read a truth value, which some clients send as text (platform §5.2)."""
    if isinstance(given, bool):
        return given
    if given.lower() in {"true", "false"}:
        return given.lower() == "true"
    raise Malformed("invalid_skip_waiting_period", "skip_waiting_period must be true or false.")


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise Malformed("invalid_submitted_time", "submitted_time must be a time by RFC 3339, with its offset.")


def _few_callbacks(given: list[str] | None) -> list[str]:
    callbacks = given or []
    if len(callbacks) > CALLBACKS_MAX:
        raise Malformed("too_many_callbacks", f"A request may have {CALLBACKS_MAX} status_callback_urls.")
    return callbacks


def _callback(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_one = False
    if not is_one or len(url) > CALLBACK_CHARACTERS_MAX:
        raise Malformed("invalid_callback", f"{shortened(url)!r} is no URL that could be called.")
    return url


def _subject(given: RequestBody, extension: Extension, *, reaches_several: bool) -> Subject:
    """Return whom a request is about: one profile, or with `reaches_several` as many as it names (platform §5.2, §5.8)."""
    found: dict[IdentityType, SubjectIdentity] = {}
    mpids: list[int] = [_mpid(one) for one in extension.mpids]
    for name, one in _named(given, extension):
        if name == "mpid":
            mpids.append(_mpid(one.value))
            continue
        identity = _identity(name, one)
        if found.setdefault(identity.identity.type, identity) != identity:
            raise Malformed("identity_type_twice", f"{name}: one value of each type may be given.")
    named = tuple(dict.fromkeys(mpids))
    if not reaches_several:
        if len(named) > 1 and not found:
            sentence = "A request reaches one profile. Send one request for each MPID, or one of the second version."
            raise Malformed("several_mpids", sentence)
        if named and found:
            raise Malformed("mpid_not_alone", "If an mpid is provided, it must be the only identity in the request.")
    if not named and not found:
        raise Malformed("nobody_named", "subject_identities must say who the person is.")
    if len(found) > SUBJECT_IDENTITIES_MAX:
        raise Malformed("too_many_identities", f"A request may have {SUBJECT_IDENTITIES_MAX} identities.")
    if len(named) > SUBJECT_MPIDS_MAX:
        raise Malformed("too_many_mpids", f"A request may have {SUBJECT_MPIDS_MAX} mpids.")
    identities = tuple(sorted(found.values()))
    # One alone is the same in both versions.
    return Subject(mpid=named[0]) if len(named) == 1 and not found else Subject(identities, mpids=named)


def _mpid(given: str | int) -> int:
    mpid = parse_mpid(given) if isinstance(given, str) else valid_mpid(given)
    if mpid is None:
        raise Malformed("invalid_mpid", INVALID_MPID)
    return mpid


def _named(given: RequestBody, extension: Extension) -> Iterable[tuple[str, GivenIdentity]]:
    """Yield the identities of a request with the names they have there."""
    stated = given.subject_identities
    if isinstance(stated, dict):
        for name, one in stated.items():
            if name in _EXTENDED:
                raise Malformed("identity_not_extended", f"{name} must be given in extensions.{VENDOR}.")
            yield name, one
    for listed in (*(stated if isinstance(stated, list) else ()), *extension.identities):
        yield listed.identity_type, GivenIdentity(listed.identity_value, listed.identity_format)
    yield from (extension.subject_identities or {}).items()


def _identity(name: str, given: GivenIdentity) -> SubjectIdentity:
    kind = _NAMES.get(name)
    if kind is None:
        raise Malformed("unknown_identity_type", f"{shortened(name)!r} is not an identity type of privacy requests.")
    value = str(given.value)
    digits = _DIGEST_DIGITS.get(given.encoding)
    if digits is not None and re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value) is None:
        raise Malformed("invalid_digest", f"{name}: a {given.encoding.value} digest has {digits} hexadecimal digits.")
    fault = value_fault(value)
    if fault is not None:
        raise Malformed("invalid_identity", f"{name}: {fault}.")
    return SubjectIdentity(Identity(kind, value if digits is None else value.lower()), given.encoding)


def received(workspace: int, request_id: str, received_ms: int, expected_ms: int | None, body: bytes) -> Document:
    """Answer a request that was taken (201)."""
    return {
        **_cancelled(workspace, request_id, received_ms, expected_ms),
        "encoded_request": base64.b64encode(body).decode(),
    }


def cancelled(workspace: int, request_id: str, received_ms: int) -> Document:
    """Answer a request that was cancelled (202): nothing is expected of it."""
    return _cancelled(workspace, request_id, received_ms, None)


def _cancelled(workspace: int, request_id: str, received_ms: int, expected_ms: int | None) -> Document:
    return {
        "controller_id": str(workspace),
        "subject_request_id": request_id,
        "received_time": rfc3339(received_ms),
        "expected_completion_time": None if expected_ms is None else rfc3339(expected_ms),
    }


def discovery(certificate_url: str, api_version: str = "3.0") -> Document:
    """Say what can be asked for, of whom, and where the certificate is (platform §5.3)."""
    names = [name for kind in IdentityType if (name := name_on(Surface.DSR, kind)) is not None]
    return {
        "api_version": api_version,
        "supported_identities": [
            {"identity_type": name, "identity_format": encoding.value} for name in names for encoding in Encoding
        ],
        "supported_subject_request_types": sorted(kind.value for kind in RequestType),
        "processor_certificate": certificate_url,
    }
