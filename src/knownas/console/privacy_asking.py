"""Serves the way to a new request of a data subject: who it is, what a request would touch, and then the request itself."""

import re
import uuid
from collections.abc import Mapping
from typing import Final, assert_never

from knownas.console.form import Fields
from knownas.console.limits import ASKED_IDENTITIES_MAX
from knownas.console.page import Answer, Asked, Crumb, Moved, Page, Shown, done, not_done
from knownas.console.places import PRIVACY
from knownas.console.privacy_desk import TYPE_WORDS
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.core.identity.kinds import Identity, Surface, types_named_on, value_fault
from knownas.core.identity.record import parse_mpid
from knownas.core.privacy.request import Regulation, RequestType, Subject, SubjectIdentity
from knownas.service.limits import LONG_REQUEST_SECONDS
from knownas.service.privacy.subject_preview import preview_document
from knownas.service.privacy.subject_requests import (
    VERIFIED_AT_CONSOLE,
    AlreadyExists,
    GivenRequest,
    InProgress,
    NotCalled,
    Taken,
)
from knownas.service.security.directory import Place

_NAMES: Final = types_named_on(Surface.DSR)
_UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NEW_PATH: Final = "/privacy/new"
_ROWS: Final = range(1, ASKED_IDENTITIES_MAX + 1)
_USUAL: Final = ("email", "controller_customer_id", "mobile_number")
"""The types that the form begins with."""

WHY_WORDS: Final[Mapping[str, str]] = {
    "named_by_mpid": "The profile is named by its MPID.",
    "found_by_identities": "The identities lead to this profile.",
    "nobody_found": "Nobody has these identities: a request would be completed with nothing to do.",
    "protected_by_a_guard": "Somebody has these identities, but they are not enough to tell that it is the person who asks.",
    "unknown_mpid": "No profile of this workspace's scope has this MPID.",
    "erased": "The person has been erased already.",
}
FATE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "erased": ("erased", "bad"),
    "handed_out": ("handed over", "accent"),
    "kept": ("stays", "plain"),
}
COUNT_WORDS: Final[Mapping[str, str]] = {
    "sections": "attributes, consent and devices",
    "events": "batches of events",
    "messages": "ids of messages",
    "aliases": "alias requests",
    "receipts": "receipts of batches",
}


async def show_form(asked: Asked) -> Answer:
    """Show the form of a new request."""
    return Shown("privacy_new.html", "New request", (), _form_values(asked, asked.query))


async def preview_profile(asked: Asked) -> Answer:
    """Show what a request about one MPID would touch; without an MPID, the form."""
    if not asked.query.text("mpid"):
        return await show_form(asked)
    return await _previewed(asked, asked.query)


async def preview_person(asked: Asked) -> Answer:
    """Show what the request of a form would touch. Identities are sent in a form, so that no address keeps them."""
    return await _previewed(asked, asked.form)


async def make_request(asked: Asked) -> Answer:
    """Make the request that was looked at."""
    form = asked.form
    place, kind, subject = _place(asked, form), _kind(form), _subject(form)
    request_id, now_ms = form.text("id"), asked.service.clock()
    if _UUID4.fullmatch(request_id) is None:
        raise not_taken("The form has no id of a request.")
    given = GivenRequest(
        *(request_id, _regulation(form), kind, subject, now_ms, None, ()),
        skips_waiting=False,
    )
    outcome = await asked.service.privacy.requests.take(place, given, now_ms, VERIFIED_AT_CONSOLE)
    to = f"{PRIVACY.path}/requests/{request_id}"
    match outcome:
        case Taken():
            return Moved(to, subject.named, done("The request is taken. It is in the evidence from now on."))
        case AlreadyExists():
            return Moved(to, subject.named, done("The request was taken already."))
        case InProgress():
            told = not_done("A request for the same of the same person is under way; a second one was not made.")
            return Moved(PRIVACY.path, subject.named, told)
        case NotCalled():
            raise AssertionError("nobody is to be called")
        case _:
            assert_never(outcome)


async def _previewed(asked: Asked, fields: Fields) -> Answer:
    place, kind, subject = _place(asked, fields), _kind(fields), _subject(fields)
    found = await asked.service.previews.preview(place, kind, subject)
    values = {
        **_form_values(asked, fields),
        "previews": [preview_document(place, [one]) for one in found],
        "kind": kind,
        "kind_words": TYPE_WORDS[kind],
        "chosen": place.workspace,
        "regulation": _regulation(fields),
        "identities": [asked.identity(one.identity.type.value, one.identity.value) for one in subject.identities],
        "named": subject.named,
        "why_words": WHY_WORDS,
        "fate_words": FATE_WORDS,
        "count_words": COUNT_WORDS,
        "confirmed": {**_again(fields), "id": str(uuid.uuid4())},
    }
    trail = [Crumb("New request", _NEW_PATH)]
    return Shown(
        "privacy_preview.html",
        "What it would touch",
        [one.touched.mpid for one in found if one.touched is not None],
        values,
        trail,
    )


def _form_values(asked: Asked, fields: Fields) -> dict[str, object]:
    """Return what the form is made of, with what was entered before."""
    given = [(fields.text(f"type{row}"), fields.raw(f"value{row}")) for row in _ROWS]
    rows = [
        (row, kind or (_USUAL[row - 1] if row <= len(_USUAL) else ""), value)
        for row, (kind, value) in zip(_ROWS, given, strict=True)
    ]
    return {
        "workspaces": [
            (str(place.workspace.id), place.workspace.name or place.workspace.id) for place in _places(asked)
        ],
        "workspace": fields.text("workspace"),
        "types": [(one.value, words) for one, words in TYPE_WORDS.items()],
        "type": fields.text("type") or RequestType.ACCESS.value,
        "regulations": [(one.value, one.value.upper()) for one in Regulation],
        "mpid": fields.text("mpid"),
        "rows": rows,
        "identity_types": [(name, name.removeprefix("controller_").replace("_", " ")) for name in sorted(_NAMES)],
    }


def _again(fields: Fields) -> dict[str, str]:
    """Return what was entered, to be sent once more with the confirmation."""
    names = (
        "workspace",
        "type",
        "regulation",
        "mpid",
        *(f"{what}{row}" for row in _ROWS for what in ("type", "value")),
    )
    return {name: fields.raw(name) for name in names if fields.raw(name)}


def _places(asked: Asked) -> list[Place]:
    return list(asked.service.directory.places)


def _place(asked: Asked, fields: Fields) -> Place:
    given, places = fields.text("workspace"), _places(asked)
    if not given and places:
        return places[0]
    for place in places:
        if str(place.workspace.id) == given:
            return place
    raise not_taken("The configuration has no workspace with this id.")


def _kind(fields: Fields) -> RequestType:
    given = fields.text("type") or RequestType.ACCESS.value
    if given not in set(RequestType):
        raise not_taken("A request is of access, portability or erasure.")
    return RequestType(given)


def _regulation(fields: Fields) -> Regulation:
    given = fields.text("regulation") or Regulation.GDPR.value
    if given not in set(Regulation):
        raise not_taken("The regulation is gdpr or ccpa.")
    return Regulation(given)


def _subject(fields: Fields) -> Subject:
    """Read whom the request is about: an MPID alone, or identities, one of each type.

    Raises:
        Refusal: nobody is named, or both ways, or in a way that is not allowed.
    """
    given_mpid = fields.text("mpid")
    given = [(fields.text(f"type{row}"), fields.raw(f"value{row}")) for row in _ROWS]
    identities = [_identity(kind, value) for kind, value in given if value]
    if given_mpid:
        mpid = parse_mpid(given_mpid)
        if mpid is None:
            raise not_taken("An MPID is a 64-bit integer other than 0.")
        if identities:
            raise not_taken("Give an MPID or identities, not both: they could mean two people.")
        return Subject(mpid=mpid)
    if not identities:
        raise not_taken("Say who the person is: an MPID, or at least one identity.")
    if len({one.type for one in identities}) < len(identities):
        raise not_taken("Give one value of each identity type.")
    return Subject(tuple(sorted(SubjectIdentity(one) for one in identities)))


def _identity(name: str, value: str) -> Identity:
    kind = _NAMES.get(name)
    if kind is None:
        raise not_taken("This is not an identity type of privacy requests.")
    fault = value_fault(value)
    if fault is not None:
        raise not_taken(f"{name}: {fault}.")
    return Identity(kind, value)


PAGES: Final = (
    Page("GET", _NEW_PATH, "showNewPrivacyRequest", Right.PRIVACY, show_form, PRIVACY),
    Page("GET", "/privacy/preview", "previewPrivacyOfProfile", Right.PRIVACY, preview_profile, PRIVACY),
    Page(
        *("POST", "/privacy/preview", "previewPrivacyOfPerson", Right.PRIVACY, preview_person, PRIVACY),
        seconds=LONG_REQUEST_SECONDS,
    ),
    Page("POST", "/privacy/requests", "makePrivacyRequest", Right.PRIVACY, make_request, PRIVACY),
)
