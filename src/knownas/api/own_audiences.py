"""Serves the part of our own API by which audiences are defined, previewed, connected with outputs, and looked through."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request

from knownas.api.body_parts import Name
from knownas.api.connection_wire import ConnectionBody
from knownas.api.ids import id_number
from knownas.api.own_operation import (
    Operation,
    Refusal,
    json_body,
    page_limit,
    path_mpid,
    path_place,
    query_environment,
    query_time,
)
from knownas.core.audience.dates import NEVER
from knownas.core.audience.reading_text import Fault
from knownas.core.identity.document import Document
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.core.translation.reason import Reason, sentence
from knownas.service.audience.catalogue import KnownAudience, KnownConnection
from knownas.service.audience.previewing import Reasoned
from knownas.service.audience.reason_form import reason_documents
from knownas.service.audience.turnover import By, TooMuch, turnover
from knownas.service.identity.receipts import rfc3339
from knownas.service.server import Service
from knownas.store.user_data import SectionKey

REASONS: Final = sorted(one.value for one in Reason)
CHANGES_SHOWN: Final = 20
"""Changes of membership that are shown of a profile, the newest ones."""


class AudienceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An audience: its name, its definition (schema 1.6.0), and the name that destinations are told, if that is another one."""

    name: Name
    definition: dict[str, Any]
    external_name: Name | None = None


class AudiencePreviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A definition of which the members are counted, in one environment."""

    definition: dict[str, Any]
    environment: Environment = Environment.PRODUCTION


async def create_audience(service: Service, request: Request) -> tuple[int, Document]:
    """Define an audience. Everybody whom the workspace knows is judged then, which takes its time; `progress` tells how far that is."""
    workspace = path_workspace(service, request)
    body = await json_body(request, _AUDIENCE)
    audiences = service.activation.audiences
    made = await audiences.create(workspace, body.name, body.external_name, body.definition)
    if isinstance(made, tuple):
        raise refused_for(made, "invalid_audience", "The audience can't be defined like this.")
    return 201, await _shown(service, audiences.known(workspace)[made])


async def list_audiences(service: Service, request: Request) -> tuple[int, Document]:
    """Return the audiences of a workspace, by id."""
    workspace = path_workspace(service, request)
    await service.activation.catalogues.refresh()
    known = service.activation.audiences.known(workspace)
    return 200, {"items": [await _shown(service, known[one]) for one in sorted(known)]}


async def show_audience(service: Service, request: Request) -> tuple[int, Document]:
    """Return an audience, with the number of its members in an environment."""
    audience = await path_audience(service, request)
    size = await service.activation.audiences.count(audience, query_environment(request).value)
    return 200, {**await _shown(service, audience), "size": size}


async def change_audience(service: Service, request: Request) -> tuple[int, Document]:
    """Define an audience anew. Whoever joins or leaves it by that does so as everybody is judged again."""
    audience = await path_audience(service, request)
    body = await json_body(request, _AUDIENCE)
    audiences = service.activation.audiences
    wrong = await audiences.change(audience.id, body.name, body.external_name, body.definition)
    if wrong is not None:
        raise refused_for(wrong, "invalid_audience", "The audience can't be defined like this.")
    return 200, await _shown(service, audiences.known(audience.workspace)[audience.id])


async def delete_audience(service: Service, request: Request) -> tuple[int, Document]:
    """Take an audience away: everybody leaves it, and its outputs are told. One that another asks for stays."""
    audience = await path_audience(service, request)
    asking = await service.activation.audiences.delete(audience.id)
    if asking:
        raise Refusal(409, "audience_in_use", "Other audiences ask for membership in this one.", audiences=list(asking))
    return 200, {"id": audience.id, "deleted": True}


async def preview_audience(service: Service, request: Request) -> tuple[int, Document]:
    """Count who would be in an audience, and show twenty of them with their reasons. Keeps nothing.

    It counts for a limited time; `share` is the part of all users that it has looked at by then.
    """
    workspace = path_workspace(service, request)
    body = await json_body(request, _PREVIEW)
    preview = await service.activation.audiences.preview(workspace, body.environment.value, body.definition)
    if isinstance(preview, tuple):
        raise refused_for(preview, "invalid_audience", "The audience can't be defined like this.")
    return 200, {
        "members": preview.members,
        "looked_at": preview.looked_at,
        "share": preview.share,
        "shown": [_member(one) | {"reasons": reason_documents(one.reasons)} for one in preview.shown],
    }


async def list_members(service: Service, request: Request) -> tuple[int, Document]:
    """Return the members of an audience by MPID, in pages; with `reasons=true` each with why it is one."""
    audience = await path_audience(service, request)
    environment, limit = query_environment(request).value, page_limit(request)
    reasoned = query_reasons(request)
    after = mpid_cursor(request)
    page = await service.activation.audiences.members(audience, environment, after, limit + 1, reasoned=reasoned)
    items = [_member(one) | ({"reasons": reason_documents(one.reasons)} if reasoned else {}) for one in page[:limit]]
    return 200, {"items": items, "next": str(page[limit - 1].member.mpid) if len(page) > limit else None}


async def show_membership(service: Service, request: Request) -> tuple[int, Document]:
    """Return whether a profile is in an audience and why, condition by condition, and when it joined and left."""
    audience = await path_audience(service, request)
    mpid = path_mpid(request)
    key = SectionKey(audience.workspace, query_environment(request).value, mpid)
    audiences = service.activation.audiences
    reasons = await audiences.why(key, audience)
    mine = [one for one in await audiences.memberships(key) if one.audience.id == audience.id]
    changes = await service.store.audiences.changes_of(key, None, CHANGES_SHOWN)
    until_ms = mine[0].standing.until_ms if mine else NEVER
    return 200, {
        "mpid": str(mpid),
        "is_member": bool(mine),
        "since": rfc3339(mine[0].standing.since_ms) if mine else None,
        "until": None if until_ms == NEVER else rfc3339(until_ms),
        "reasons": reason_documents(reasons),
        "changes": [
            {
                "at": rfc3339(one.change.at_ms),
                "is_member": one.change.is_member,
                "reasons": msgspec.json.decode(one.change.document),
            }
            for one in changes
            if one.change.audience == audience.id
        ],
    }


async def list_audience_changes(service: Service, request: Request) -> tuple[int, Document]:
    """Return how many joined an audience and how many left it, by the hour or by the day (UTC), in whole intervals.

    Without `from` and `to` it is the last 24 hours, or with `by=day` the last 30 days. Changes of somebody who was erased are not counted any more.
    """
    audience = await path_audience(service, request)
    environment, by = query_environment(request).value, query_by(request)
    from_ms, until_ms = query_time(request, "from"), query_time(request, "to")
    given = from_ms, until_ms
    if any(one is not None and one < 0 for one in given):
        raise Refusal(400, "invalid_time", "from and to lie after 1970 began.")
    try:
        told = await turnover(
            service.store.audiences, audience, environment, by, service.clock(), from_ms=from_ms, until_ms=until_ms
        )
    except TooMuch as error:
        raise Refusal(400, "too_long_a_time", f"The time is too long: {error}.") from error
    return 200, {
        "from": rfc3339(told.from_ms),
        "to": rfc3339(told.until_ms),
        "by": told.by.value,
        "joined": told.joined,
        "left": told.left,
        "items": [{"from": rfc3339(one.from_ms), "joined": one.joined, "left": one.left} for one in told.intervals],
    }


async def create_connection(service: Service, request: Request) -> tuple[int, Document]:
    """Connect an audience with an output: its members are told to it, and whatever changes from then on."""
    audience = await path_audience(service, request)
    written = await json_body(request, _ANY)
    if isinstance(written.get("output"), int):
        written = {**written, "output": str(written["output"])}
    made = await service.activation.audiences.connect(audience, written)
    if isinstance(made, tuple):
        raise refused_for(made, "invalid_connection", "The audience can't be connected like this.")
    return 201, await _connection(service, service.activation.catalogues.now.connections[made])


async def list_connections(service: Service, request: Request) -> tuple[int, Document]:
    """Return the connections of an audience, each with how many of its members are passed over, for which reasons."""
    audience = await path_audience(service, request)
    connections = service.activation.audiences.connections(audience)
    return 200, {"items": [await _connection(service, one) for one in connections]}


async def delete_connection(service: Service, request: Request) -> tuple[int, Document]:
    """Take a connection away: the output is told that all of its members have left."""
    connection = await path_connection(service, request)
    await service.activation.audiences.disconnect(connection.id)
    return 200, {"id": connection.id, "deleted": True}


async def list_passed_over(service: Service, request: Request) -> tuple[int, Document]:
    """Return the members of whom an output gets nothing, each with the reason, by MPID, in pages; of one reason if it is named."""
    connection = await path_connection(service, request)
    limit, after = page_limit(request), mpid_cursor(request)
    reason = request.query_params.get("reason")
    if reason is not None and reason not in REASONS:
        raise Refusal(400, "unknown_reason", "There is no such reason.", allowed=REASONS)
    page = await service.store.audiences.passed_over(connection.id, reason, after, limit + 1)
    items = [
        {
            "mpid": str(one.mpid),
            "reason": one.reason,
            "about": one.about,
            "sentence": sentence(Reason(one.reason), one.about),
        }
        for one in page[:limit]
    ]
    return 200, {"items": items, "next": str(page[limit - 1].mpid) if len(page) > limit else None}


def path_workspace(service: Service, request: Request) -> int:
    """Read the workspace of a path.

    Raises:
        Refusal: there is none.
    """
    return path_place(service, request).workspace.id


async def path_audience(service: Service, request: Request) -> KnownAudience:
    """Read the audience of a path.

    Raises:
        Refusal: its workspace has none of this id.
    """
    workspace = path_workspace(service, request)
    number = id_number(request.path_params["audience"])
    await service.activation.catalogues.refresh()
    found = None if number is None else service.activation.audiences.known(workspace).get(number)
    if found is None:
        raise Refusal(404, "unknown_audience", "The workspace has no audience of this id.")
    return found


async def path_connection(service: Service, request: Request) -> KnownConnection:
    """Read the connection of a path.

    Raises:
        Refusal: its audience has none of this id.
    """
    audience = await path_audience(service, request)
    number = id_number(request.path_params["connection"])
    found = [one for one in service.activation.audiences.connections(audience) if one.id == number]
    if not found:
        raise Refusal(404, "unknown_connection", "The audience has no connection of this id.")
    return found[0]


def mpid_cursor(request: Request) -> int | None:
    """Read after which profile a page begins.

    Raises:
        Refusal: it is nothing that a page answered.
    """
    given = request.query_params.get("next")
    mpid = None if given is None else parse_mpid(given)
    if given is not None and mpid is None:
        raise Refusal(400, "malformed_next", "next must be the `next` that an earlier page answered.")
    return mpid


def query_reasons(request: Request) -> bool:
    """Read whether reasons are asked for.

    Raises:
        Refusal: it is neither true nor false.
    """
    given = request.query_params.get("reasons", "false")
    if given not in ("true", "false"):
        raise Refusal(400, "invalid_reasons", "reasons is true or false.")
    return given == "true"


def query_by(request: Request) -> By:
    """Read how long the intervals are in which something is counted; an hour if it is not given.

    Raises:
        Refusal: it is neither an hour nor a day.
    """
    given = request.query_params.get("by", By.HOUR.value)
    if given not in tuple(By):
        raise Refusal(400, "invalid_by", "by is hour or day.")
    return By(given)


def refused_for(faults: Sequence[Fault], code: str, text: str) -> Refusal:
    """Return the refusal of a document, with every fault and its place (a JSON pointer)."""
    return Refusal(400, code, text, faults=[{"place": one.place, "message": one.sentence} for one in faults])


async def _shown(service: Service, audience: KnownAudience) -> Document:
    share = await service.activation.audiences.share_of(audience)
    document = audience.document
    return {
        "id": audience.id,
        "name": document.name,
        "external_name": document.told_name,
        "definition": msgspec.json.decode(document.definition),
        "status": "ready" if share == 1 else "calculating",
        "progress": share,
        "created_at": rfc3339(document.created_ms),
        "changed_at": None if document.changed_ms is None else rfc3339(document.changed_ms),
    }


async def _connection(service: Service, connection: KnownConnection) -> Document:
    passed: Mapping[tuple[str, str], int] = await service.store.audiences.count_passed(connection.id)
    share = await service.activation.audiences.share_of(connection)
    return {
        "id": connection.id,
        "audience": connection.audience,
        "connected": msgspec.json.decode(connection.document.written),
        "output": connection.output,
        "status": "ready" if share == 1 else "calculating",
        "progress": share,
        "passed_over": list(_counted(passed)),
        "created_at": rfc3339(connection.document.created_ms),
    }


def _counted(passed: Mapping[tuple[str, str], int]) -> Iterable[Document]:
    for (reason, about), count in sorted(passed.items()):
        yield {"reason": reason, "about": about, "sentence": sentence(Reason(reason), about), "count": count}


def _member(one: Reasoned) -> Document:
    return {"mpid": str(one.member.mpid), "since": rfc3339(one.member.since_ms)}


_AUDIENCE: Final = msgspec.json.Decoder(AudienceBody)
_PREVIEW: Final = msgspec.json.Decoder(AudiencePreviewBody)
_ANY: Final = msgspec.json.Decoder(dict[str, Any])

_ALL: Final = "/api/workspaces/{workspace}/audiences"
_ONE: Final = f"{_ALL}/{{audience}}"

AUDIENCE_OPERATIONS: Final = (
    Operation("POST", _ALL, "createAudience", create_audience, AudienceBody),
    Operation("GET", _ALL, "listAudiences", list_audiences),
    Operation(
        "POST", "/api/workspaces/{workspace}/audience-preview", "previewAudience", preview_audience, AudiencePreviewBody
    ),
    Operation("GET", _ONE, "showAudience", show_audience),
    Operation("PUT", _ONE, "changeAudience", change_audience, AudienceBody),
    Operation("DELETE", _ONE, "deleteAudience", delete_audience),
    Operation("GET", f"{_ONE}/members", "listMembers", list_members),
    Operation("GET", f"{_ONE}/members/{{mpid}}", "showMembership", show_membership),
    Operation("GET", f"{_ONE}/changes", "listAudienceChanges", list_audience_changes),
    Operation("POST", f"{_ONE}/connections", "createConnection", create_connection, ConnectionBody),
    Operation("GET", f"{_ONE}/connections", "listConnections", list_connections),
    Operation("DELETE", f"{_ONE}/connections/{{connection}}", "deleteConnection", delete_connection),
    Operation("GET", f"{_ONE}/connections/{{connection}}/passed-over", "listPassedOver", list_passed_over),
)
"""What can be done with audiences."""
