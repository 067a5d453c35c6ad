"""Serves the part of our own API by which toxic identities are looked through, released and blocked."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from starlette.requests import Request

from knownas.api.own_operation import (
    Operation,
    json_body,
    own_identity,
    page_cursor,
    page_limit,
    path_rules,
    query_environment,
    query_preview,
    write_cursor,
)
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity
from knownas.service.server import Service
from knownas.service.toxic.deciding import Judgement
from knownas.service.toxic.showing import show_value
from knownas.store.port import Pool


class ToxicBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that is to be released or blocked."""

    type: str
    value: str


async def list_toxic(service: Service, request: Request) -> tuple[int, Document]:
    """Return the values of a scope that are watched, quarantined or released, those that were listed first first."""
    pool = path_rules(service, request).pool(query_environment(request))
    after, limit = page_cursor(request), page_limit(request)
    await service.toxic.following.take_up()
    listed = service.toxic.listed.of(pool)
    items = [await show_value(service.store, one) for one in listed[after : after + limit]]
    more = after + limit < len(listed)
    return 200, {"items": items, "next": write_cursor(after + limit) if more else None}


async def release_toxic(service: Service, request: Request) -> tuple[int, Document]:
    """Let a value count again, in everything that was ever said with it, and never be toxic any more.

    That is a correction of the history. With `preview=true` nothing is written; `changed` says what would be.
    """
    return await _judged(service, request, service.toxic.release)


async def block_toxic(service: Service, request: Request) -> tuple[int, Document]:
    """Quarantine a value by hand: it matches nothing and joins nobody, in all that was ever said with it and from now on.

    That is a correction of the history. With `preview=true` nothing is written; `changed` says what would be.
    """
    return await _judged(service, request, service.toxic.block)


async def _judged(
    service: Service, request: Request, judge: Callable[..., Awaitable[Judgement]]
) -> tuple[int, Document]:
    pool: Pool = path_rules(service, request).pool(query_environment(request))
    body = await json_body(request, _BODY)
    identity: Identity = own_identity(body.type, body.value)
    judgement = await judge(pool, identity, preview=query_preview(request))
    value = judgement.value
    return 200, {
        "decision_id": value.decision_id,
        "changed": [str(mpid) for mpid in judgement.changed],
        "state": value.state,
        "history": value.past,
    }


_BODY: Final = msgspec.json.Decoder(ToxicBody)

TOXIC_OPERATIONS: Final = (
    Operation("GET", "/api/scopes/{scope}/toxic", "listToxic", list_toxic),
    Operation("POST", "/api/scopes/{scope}/toxic/release", "releaseToxic", release_toxic, ToxicBody),
    Operation("POST", "/api/scopes/{scope}/toxic/block", "blockToxic", block_toxic, ToxicBody),
)
