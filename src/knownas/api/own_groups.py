"""Serves the part of our own API by which households and the like are defined and looked through."""

import re
from typing import Final

from starlette.requests import Request

from knownas.api.group_wire import GROUP_BODY, GroupBody, group_document, wish_of
from knownas.api.own_audiences import mpid_cursor, path_workspace, refused_for
from knownas.api.own_operation import Operation, Refusal, json_body, page_limit, query_environment
from knownas.core.identity.document import Document
from knownas.core.limits import ATTRIBUTE_VALUE_CHARACTERS_MAX, GROUP_MEMBERS_MAX
from knownas.service.audience.catalogue import KnownGroup
from knownas.service.server import Service

_SENTENCE: Final = "Groups can't be defined like this."
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


async def create_group(service: Service, request: Request) -> tuple[int, Document]:
    """Define a kind of groups. Everybody whom the workspace knows gets a place in one, which takes its time; `progress` tells how far that is."""
    workspace = path_workspace(service, request)
    body = await json_body(request, GROUP_BODY)
    made = await service.activation.groups.create(workspace, wish_of(body))
    if isinstance(made, tuple):
        raise refused_for(made, "invalid_group_kind", _SENTENCE)
    return 201, await _shown(service, service.activation.catalogues.now.groups[made])


async def list_groups(service: Service, request: Request) -> tuple[int, Document]:
    """Return the kinds of groups of a workspace, by id."""
    known = await service.activation.groups.known(path_workspace(service, request))
    return 200, {"items": [await _shown(service, known[one]) for one in sorted(known)]}


async def show_group(service: Service, request: Request) -> tuple[int, Document]:
    """Return a kind of groups, with the number of groups and of their members in an environment."""
    group = await path_group(service, request)
    counted = await service.activation.groups.count(group, query_environment(request).value)
    return 200, {**await _shown(service, group), "groups": counted.groups, "members": counted.members}


async def change_group(service: Service, request: Request) -> tuple[int, Document]:
    """Define a kind of groups anew. What is aggregated as before goes on; members get the rest when everybody was looked at."""
    group = await path_group(service, request)
    body = await json_body(request, GROUP_BODY)
    wrong = await service.activation.groups.change(group, wish_of(body))
    if wrong is not None:
        raise refused_for(wrong, "invalid_group_kind", _SENTENCE)
    return 200, await _shown(service, service.activation.catalogues.now.groups[group.id])


async def delete_group(service: Service, request: Request) -> tuple[int, Document]:
    """Take a kind of groups away: nobody gets anything by it any more, and audiences follow."""
    group = await path_group(service, request)
    await service.activation.groups.delete(group)
    return 200, {"id": group.document.id, "deleted": True}


async def list_group_members(service: Service, request: Request) -> tuple[int, Document]:
    """Return the members of the group that shares a value, by MPID, in pages."""
    group = await path_group(service, request)
    environment, limit, after = query_environment(request).value, page_limit(request), mpid_cursor(request)
    value = request.query_params.get("value", "")
    if not 1 <= len(value) <= ATTRIBUTE_VALUE_CHARACTERS_MAX:
        sentence = (
            f"Name the group by what its members share: ?value=, 1 to {ATTRIBUTE_VALUE_CHARACTERS_MAX} characters."
        )
        raise Refusal(400, "invalid_value", sentence)
    page = await service.activation.groups.members(group, environment, value, after, limit + 1)
    return 200, {
        "items": [{"mpid": str(mpid)} for mpid in page[:limit]],
        "next": str(page[limit - 1]) if len(page) > limit else None,
    }


async def list_large_groups(service: Service, request: Request) -> tuple[int, Document]:
    """Return the groups that are too large to aggregate anything, with what their members share, in pages.

    Such a value is nobody's own: "unknown", an office, a default.
    """
    group = await path_group(service, request)
    environment, limit = query_environment(request).value, page_limit(request)
    after = request.query_params.get("next")
    if after is not None and _DIGEST.fullmatch(after) is None:
        raise Refusal(400, "malformed_next", "next must be the `next` that an earlier page answered.")
    page = await service.activation.groups.too_large(group, environment, after or "", limit + 1)
    reason = f"more than {GROUP_MEMBERS_MAX:,} members: nothing is aggregated"
    return 200, {
        "items": [{"value": one.value, "members": one.members, "reason": reason} for one in page[:limit]],
        "next": page[limit - 1].digest if len(page) > limit else None,
    }


async def path_group(service: Service, request: Request) -> KnownGroup:
    """Read the kind of groups of a path.

    Raises:
        Refusal: its workspace has none of this id.
    """
    known = await service.activation.groups.known(path_workspace(service, request))
    found = known.get(request.path_params["group"])
    if found is None:
        raise Refusal(404, "unknown_group", "The workspace has no groups of this id.")
    return found


async def _shown(service: Service, group: KnownGroup) -> Document:
    return group_document(group, await service.activation.groups.progress(group))


_ALL: Final = "/api/workspaces/{workspace}/groups"
_ONE: Final = f"{_ALL}/{{group}}"

GROUP_OPERATIONS: Final = (
    Operation("POST", _ALL, "createGroup", create_group, GroupBody),
    Operation("GET", _ALL, "listGroups", list_groups),
    Operation("GET", _ONE, "showGroup", show_group),
    Operation("PUT", _ONE, "changeGroup", change_group, GroupBody),
    Operation("DELETE", _ONE, "deleteGroup", delete_group),
    Operation("GET", f"{_ONE}/members", "listGroupMembers", list_group_members),
    Operation("GET", f"{_ONE}/too-large", "listLargeGroups", list_large_groups),
)
"""What can be done with groups."""
