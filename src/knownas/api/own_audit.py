"""Serves the part of our own API that shows who read or changed a person's data."""

from typing import Final

from starlette.requests import Request

from knownas.api.own_operation import Operation, Refusal, page_cursor, page_limit, rfc3339_ms, write_cursor
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
    since_ms = query_since(request)
    found, next_seq = await service.auditing.page(mpid, since_ms, page_cursor(request), page_limit(request))
    return 200, {
        "items": [access_document(one) for one in found],
        "next": None if next_seq is None else write_cursor(next_seq),
    }


def query_since(request: Request) -> int | None:
    """Read since when something is asked for, in Unix milliseconds; None for ever.

    Raises:
        Refusal: it is not written as RFC 3339 says, with its offset.
    """
    given = request.query_params.get("since")
    if given is None:
        return None
    # A plus sign that was not escaped in the query stands for a blank there.
    at_ms = rfc3339_ms(given.replace(" ", "+"))
    if at_ms is None:
        raise Refusal(400, "invalid_time", "since is a time of RFC 3339 with an offset, such as 2026-05-03T12:00:00Z.")
    return at_ms


AUDIT_OPERATIONS: Final = (Operation("GET", "/api/audit", LIST_AUDIT, list_audit),)
