"""Serves the part of our own API by which a decision is taken back."""

from typing import Final

import msgspec
from starlette.requests import Request

from knownas.api.own_operation import (
    Operation,
    Refusal,
    optional_body,
    own_identity,
    path_undone,
    query_preview,
)
from knownas.core.identity.document import Document
from knownas.service.history.undoing import UndoRefusal, UndoRefused, corrected_document
from knownas.service.server import Service

_STATUS: Final = {UndoRefusal.UNKNOWN_DECISION: 404, UndoRefusal.UNKNOWN_IDENTITY: 400}
_CONFLICT: Final = 409


class UndoneIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One identity that a decision was asked with."""

    type: str
    value: str


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a decision is taken back: all of it, or one identity that it was asked with."""

    identity: UndoneIdentity | None = None


async def undo_decision(service: Service, request: Request) -> tuple[int, Document]:
    """Take a decision or an alias request back: everything becomes what it would be had it never been asked.

    That is a decision of its own, which can be taken back too. With `preview=true` nothing is written; the answer says what
    would be.
    """
    decision_id = path_undone(request)
    body = await optional_body(request, _UNDO)
    identity = None
    if body is not None and body.identity is not None:
        identity = own_identity(body.identity.type, body.identity.value)
    preview = query_preview(request)
    undone = await service.undoing.undo(decision_id, identity, preview=preview)
    if isinstance(undone, UndoRefused):
        raise Refusal(_STATUS.get(undone.reason, _CONFLICT), undone.reason.value, undone.sentence)
    return 200, corrected_document(undone)


_UNDO: Final = msgspec.json.Decoder(UndoBody)

UNDO_OPERATIONS: Final = (
    Operation("POST", "/api/decisions/{id}/undo", "undoDecision", undo_decision, UndoBody, needs_body=False),
)
