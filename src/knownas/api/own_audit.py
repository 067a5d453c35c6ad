"""Serves the part of our own API that shows who read or changed a person's data."""

from typing import Final

from starlette.requests import Request

from knownas.api.own_operation import Operation, Refusal, page_cursor, page_limit, query_time, write_cursor
from knownas.core.identity.document import Document
from knownas.core.identity.record import parse_mpid
from knownas.service.security.auditing import access_document
from knownas.service.server import Service

LIST_AUDIT: Final = "listAudit"
"""The operation that is not noted itself: each look at the list would make it longer."""


async def list_audit(service: Service, request: Request) -> tuple[int, Document]:
    """Return who read or changed what is known of a profile, or of any, in the order in which it was written down.

    What was read is not kept. A page can have fewer items than its limit.
    """
    query = request.query_params
    mpid = None
    if "mpid" in query:
        mpid = parse_mpid(query["mpid"])
        if mpid is None:
            raise Refusal(400, "malformed_mpid", "An MPID is a 64-bit integer other than 0.")
    since_ms = query_time(request, "since")
    found, next_seq = await service.auditing.page(mpid, since_ms, page_cursor(request), page_limit(request))
    return 200, {
        "items": [access_document(one) for one in found],
        "next": None if next_seq is None else write_cursor(next_seq),
    }


AUDIT_OPERATIONS: Final = (Operation("GET", "/api/audit", LIST_AUDIT, list_audit),)
