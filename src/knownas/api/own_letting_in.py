"""Serves the part of our own API by which somebody who was erased and has to stay out is let in again."""

from typing import Final

import msgspec
from starlette.requests import Request

from knownas.api.own_operation import Operation, Refusal, json_body, own_identity, path_rules, query_environment
from knownas.core.identity.document import Document
from knownas.service.erasure.letting_in import LettingIn
from knownas.service.server import Service


class LetInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identity of somebody who has come back by their own wish."""

    type: str
    value: str


async def let_in(service: Service, request: Request) -> tuple[int, Document]:
    """Let whoever has an identity in again, after an erasure has kept it out. The evidence says that this was done, and not of whom.

    Whatever else the person was called stays out: it is let in by itself.
    """
    pool = path_rules(service, request).pool(query_environment(request))
    body = await json_body(request, _BODY)
    one = own_identity(body.type, body.value)
    if service.keeping_out is None:
        raise Refusal(404, "nobody_stays_out", "This server keeps nobody out.")
    letting_in = LettingIn(service.store.privacy, service.keeping_out, service.ledger)
    if not await letting_in.let_in(pool, one, service.clock()):
        raise Refusal(404, "nobody_stays_out", "Nobody who was erased stays out by this identity.")
    return 200, {"let_in": 1}


_BODY: Final = msgspec.json.Decoder(LetInBody)

LETTING_IN_OPERATIONS: Final = (Operation("POST", "/api/scopes/{scope}/let-in", "letIn", let_in, LetInBody),)
