"""Serves the part of our own API that shows the evidence: the chain, its head, requests of data subjects, their certificates."""

import re
from typing import Final

import msgspec
from starlette.requests import Request

from knownas.api.ids import id_number
from knownas.api.own_operation import File, Operation, Refusal, page_cursor, page_limit, read_cursor, write_cursor
from knownas.core.identity.document import Document
from knownas.core.profile.alias import ALIAS_ID_CHARACTERS_MAX
from knownas.service.erasure.bulk_deletion_form import is_deletion
from knownas.service.evidence.certificates import TooManyEntries
from knownas.service.evidence.chain import entry_document
from knownas.service.evidence.pdf import certificate_pdf
from knownas.service.limits import EVIDENCE_OF_REQUEST_MAX
from knownas.service.privacy.subject_request_telling import request_document, step_document
from knownas.service.server import Service
from knownas.store.privacy import StoredRequest

ANCHOR_MAX: Final = 10**15
"""The highest number of an entry that can be asked for: more than a chain ever has, and exact in every reader of JSON."""

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
"""An id of a request, which is a UUID."""


async def list_evidence(service: Service, request: Request) -> tuple[int, Document]:
    """Return the entries of the chain of evidence, in order.

    With the head below `/api/evidence/head` they are what `knownas verify-evidence` checks, one entry a line.
    """
    after, limit = page_cursor(request), page_limit(request)
    entries = await service.privacy.evidence.entries(after, limit)
    following = write_cursor(entries[-1].number) if len(entries) == limit else None
    return 200, {"items": [msgspec.to_builtins(entry_document(one)) for one in entries], "next": following}


async def show_head(service: Service, request: Request) -> tuple[int, Document]:
    """Return the head of the chain of evidence, signed now: an anchor for everything before it."""
    del request
    return 200, msgspec.to_builtins(await service.privacy.certificates.head())


async def list_requests(service: Service, request: Request) -> tuple[int, Document]:
    """Return the requests of data subjects by when they came, with how far they are.

    A page can have fewer items than its limit. A request that ended long ago is forgotten; its evidence is not.
    """
    workspace = None
    if "workspace" in request.query_params:
        workspace = id_number(request.query_params["workspace"])
        if workspace is None:
            raise Refusal(400, "invalid_workspace", "Name the workspace by its id: ?workspace=100.")
    (after_ms, after_id), limit = _after(request), page_limit(request)
    rows = await service.store.privacy.requests_after(after_ms, after_id, limit)
    shown = [request_document(row) for row in rows if workspace in (None, row.workspace) and not is_deletion(row)]
    return 200, {"items": shown, "next": _cursor(rows[-1]) if len(rows) == limit else None}


async def show_request(service: Service, request: Request) -> tuple[int, Document]:
    """Return a request of a data subject: how far it is, which profile it is about, and its steps in sentences."""
    request_id = _path_request(request)
    row = await service.store.privacy.request(request_id)
    if row is None or is_deletion(row):
        sentence = (
            "There is no request with this id, or it was forgotten; of one that has ended there is the certificate."
        )
        raise Refusal(404, "unknown_request", sentence)
    steps = await service.privacy.evidence.of_request(request_id)
    return 200, {**request_document(row), "steps": [step_document(one) for one in steps]}


async def certify_request(service: Service, request: Request) -> tuple[int, Document | File]:
    """Return the certificate of a request that has ended: what became of it, signed, with links to the head of the chain.

    With `format=pdf`, as pages for people with the certificate inside. With `anchor`, the links lead through that entry, so that
    the certificate can be held against a head that was published when the chain had so many.
    """
    request_id, query = _path_request(request), request.query_params
    form, anchor = query.get("format", "json"), query.get("anchor")
    if form not in ("json", "pdf"):
        raise Refusal(400, "invalid_format", "format is json or pdf.")
    through = () if anchor is None else (_number(anchor),)
    try:
        document = await service.privacy.certificates.of_request(request_id, through)
    except TooManyEntries as error:
        sentence = f"The request has {EVIDENCE_OF_REQUEST_MAX} entries or more; get the whole chain instead."
        raise Refusal(409, "too_many_entries", sentence) from error
    if document is None:
        raise Refusal(404, "not_certified", "No request with this id has ended.")
    if form == "pdf":
        return 200, File(certificate_pdf(document), "application/pdf", "certificate.pdf")
    return 200, msgspec.to_builtins(document)


def _path_request(request: Request) -> str:
    request_id: str = request.path_params["request_id"]
    if not 0 < len(request_id) <= ALIAS_ID_CHARACTERS_MAX or "\0" in request_id:
        raise Refusal(400, "malformed_request_id", f"A request id has 1 to {ALIAS_ID_CHARACTERS_MAX} characters.")
    return request_id


def _number(given: str) -> int:
    if given.isascii() and given.isdecimal() and len(given) <= len(str(ANCHOR_MAX)) and 0 < int(given) <= ANCHOR_MAX:
        return int(given)
    raise Refusal(400, "invalid_anchor", "anchor is the number of an entry of the chain.")


def _cursor(row: StoredRequest) -> str:
    return f"{write_cursor(row.received_ms)}.{row.request_id}"


def _after(request: Request) -> tuple[int, str]:
    given = request.query_params.get("next")
    if given is None:
        return -1, ""
    at, dot, request_id = given.partition(".")
    at_ms = read_cursor(at)
    if at_ms is None or not dot or _ID.fullmatch(request_id) is None:
        raise Refusal(400, "malformed_next", "next must be the `next` that an earlier page answered.")
    return at_ms, request_id


EVIDENCE_OPERATIONS: Final = (
    Operation("GET", "/api/evidence", "listEvidence", list_evidence),
    Operation("GET", "/api/evidence/head", "showEvidenceHead", show_head),
    Operation("GET", "/api/privacy/requests", "listSubjectRequests", list_requests),
    Operation("GET", "/api/privacy/requests/{request_id}", "showSubjectRequest", show_request),
    Operation("GET", "/api/privacy/requests/{request_id}/certificate", "certifySubjectRequest", certify_request),
)
