"""Serves the part of our own API by which a request of a data subject is looked at before anybody makes it."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from starlette.requests import Request

from knownas.api.own_operation import Operation, Refusal, json_body, path_place
from knownas.api.wire import NAME_CHARACTERS_SHOWN
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity, Surface, types_named_on, value_fault
from knownas.core.identity.record import MPID_MAX, MPID_MIN, parse_mpid, valid_mpid
from knownas.core.limits import SUBJECT_IDENTITIES_MAX, SUBJECT_MPIDS_MAX
from knownas.core.privacy.request import Encoding, RequestType, Subject, SubjectIdentity
from knownas.service.privacy.subject_preview import preview_document
from knownas.service.server import Service

MPID_NAME: Final = "mpid"
"""How a request names a profile itself; then it must be the only identity (platform §5.2)."""

_NAMES: Final = types_named_on(Surface.DSR)
_TYPES_ALLOWED: Final = sorted([*_NAMES, MPID_NAME])
DIGITS: Final = {Encoding.SHA1: 40, Encoding.SHA256: 64, Encoding.MD5: 32}
"""Hexadecimal digits of each kind of digest."""


class PreviewedIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identity of the person, as a request of OpenDSR has it: as it is, or the hex digest of it."""

    value: str | Annotated[int, msgspec.Meta(ge=MPID_MIN, le=MPID_MAX)]
    encoding: Encoding = Encoding.RAW


class PreviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a request would be about, by `subject_identities` as OpenDSR spells them, and what it would ask for.

    `mpid` may be one of them, if it is the only one. `mpids` names several profiles, as a request of the second version does.
    """

    subject_identities: dict[str, PreviewedIdentity] = {}
    subject_request_type: RequestType = RequestType.ERASURE
    mpids: list[str | int] = []


async def preview_privacy(service: Service, request: Request) -> tuple[int, Document]:
    """Return what a request of a data subject would touch, and what not. Writes nothing, in the evidence neither.

    Of other people it says only how many there are.
    """
    place = path_place(service, request)
    body = await json_body(request, _BODY)
    subject = _subject(body.subject_identities, body.mpids)
    return 200, preview_document(place, await service.previews.preview(place, body.subject_request_type, subject))


def _subject(given: Mapping[str, PreviewedIdentity], mpids: Sequence[str | int]) -> Subject:
    """Read whom a request is about.

    Raises:
        Refusal: nobody is named, or in a way that is not allowed.
    """
    if len(mpids) > SUBJECT_MPIDS_MAX:
        raise Refusal(400, "too_many_mpids", f"A request may have {SUBJECT_MPIDS_MAX} mpids.")
    named = tuple(dict.fromkeys(map(_mpid, mpids)))
    if not given and not named:
        raise Refusal(400, "nobody_named", "subject_identities must say who the person is.")
    if len(given) > SUBJECT_IDENTITIES_MAX:
        raise Refusal(400, "too_many_identities", f"A request may have {SUBJECT_IDENTITIES_MAX} identities.")
    if MPID_NAME in given:
        if len(given) > 1 or named:
            sentence = "If an mpid is provided, it must be the only identity in the request."
            raise Refusal(400, "mpid_not_alone", sentence)
        return Subject(mpid=_mpid(given[MPID_NAME].value))
    identities = [_identity(name, one) for name, one in given.items()]
    if len({one.identity.type for one in identities}) < len(identities):
        raise Refusal(400, "identity_type_twice", "Two spellings name the same identity type.")
    return Subject(tuple(sorted(identities)), mpids=named)


def _mpid(given: str | int) -> int:
    mpid = parse_mpid(given) if isinstance(given, str) else valid_mpid(given)
    if mpid is None:
        raise Refusal(400, "malformed_mpid", "mpid must be a 64-bit integer other than 0.")
    return mpid


def _identity(name: str, given: PreviewedIdentity) -> SubjectIdentity:
    kind = _NAMES.get(name)
    if kind is None:
        sentence = f"{name[:NAME_CHARACTERS_SHOWN]!r} is not an identity type of privacy requests."
        raise Refusal(400, "unknown_identity_type", sentence, allowed=_TYPES_ALLOWED)
    value = str(given.value)
    digits = DIGITS.get(given.encoding)
    if digits is not None and re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value) is None:
        sentence = f"{name}: a {given.encoding.value} digest has {digits} hexadecimal digits."
        raise Refusal(400, "invalid_digest", sentence)
    fault = value_fault(value)
    if fault is not None:
        raise Refusal(400, "invalid_identity", f"{name}: {fault}.")
    return SubjectIdentity(Identity(kind, value if digits is None else value.lower()), given.encoding)


_BODY: Final = msgspec.json.Decoder(PreviewBody)

PRIVACY_OPERATIONS: Final = (
    Operation("POST", "/api/workspaces/{workspace}/privacy/preview", "previewPrivacy", preview_privacy, PreviewBody),
)
