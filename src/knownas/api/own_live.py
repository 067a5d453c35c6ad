"""Serves the part of our own API that shows what comes through the inputs of a server, as it comes."""

from enum import StrEnum
from typing import Final, TypeVar

from starlette.requests import Request

from knownas.api.ids import id_number
from knownas.api.own_identity_changes import AFTER
from knownas.api.own_operation import Operation, Refusal, query_environment
from knownas.core.identity.document import Document
from knownas.core.identity.record import parse_mpid
from knownas.service.live.limits import LINES_A_LOOK_MAX, TEXT_CHARACTERS_MAX
from knownas.service.live.line import Kind, Outcome
from knownas.service.live.place import read_place, write_place
from knownas.service.live.wanted import Wanted
from knownas.service.security.auditing import ADMIN
from knownas.service.server import Service

FOLLOW_LIVE: Final = "followLive"
"""The operation of which not each profile is noted that its answer names: a line shows nothing of them."""

_Word = TypeVar("_Word", bound=StrEnum)


async def follow_live(service: Service, request: Request) -> tuple[int, Document]:
    """Return what came through the inputs of this server and what each was answered, the oldest first; at first the newest lines.

    The lines live in the memory of each server process, which keeps the newest 4,000 until it ends. An answer always has a `next`: given as
    `after` later, to whichever server, it asks for what came since. Identities are not in it: what was sent is told
    by `GET /api/decisions/{id}` and `GET /api/batches/{id}`.
    """
    query = request.query_params
    after = query.get(AFTER)
    seen = None if after is None else read_place(after)
    if after is not None and seen is None:
        raise Refusal(400, "malformed_after", "after must be the `next` that an earlier page answered.")
    wanted = _wanted(request)
    most = _limit(request)
    look = service.live.newest(wanted, most) if seen is None else service.live.after(seen, wanted, most)
    mpid = parse_mpid(wanted.text)
    if mpid is not None and seen is None:
        service.auditing.note(mpid, ADMIN, FOLLOW_LIVE, 200)
    return 200, {
        "items": [one.document(service.live.name) for one in look.lines],
        "next": write_place(look.seen),
        "more": look.waiting > 0,
        "missed": look.missed,
        "server": service.live.name,
    }


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    text = query.get("text", "")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise Refusal(400, "invalid_text", f"text may have {TEXT_CHARACTERS_MAX} characters.")
    workspace = None
    if "workspace" in query:
        workspace = id_number(query["workspace"])
        if workspace is None:
            raise Refusal(400, "invalid_workspace", "workspace is the id of a workspace.")
    return Wanted(
        query.get("scope", ""),
        workspace,
        query.get("input", ""),
        _word(request, "kind", Kind, "invalid_kind"),
        _word(request, "outcome", Outcome, "invalid_outcome"),
        query_environment(request) if "environment" in query else None,
        text,
    )


def _word(request: Request, name: str, words: type[_Word], refused_as: str) -> _Word | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    if given not in set(words):
        raise Refusal(400, refused_as, f"{name} is one of a few words.", allowed=[one.value for one in words])
    return words(given)


def _limit(request: Request) -> int:
    most = str(LINES_A_LOOK_MAX)
    given = request.query_params.get("limit", most)
    if not (given.isascii() and given.isdecimal() and len(given) <= len(most) and 1 <= int(given) <= LINES_A_LOOK_MAX):
        raise Refusal(400, "invalid_limit", f"limit is a number from 1 to {LINES_A_LOOK_MAX}.")
    return int(given)


LIVE_OPERATIONS: Final = (Operation("GET", "/api/live", FOLLOW_LIVE, follow_live),)
