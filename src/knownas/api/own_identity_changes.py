"""Serves the part of our own API by which another system follows what changes in identities (platform §2.4)."""

from typing import Final

from starlette.requests import Request

from knownas.api.own_operation import (
    Operation,
    page_cursor,
    page_limit,
    path_mpid,
    path_rules,
    query_environment,
    refuse_erased,
    unknown_profile,
    write_cursor,
)
from knownas.core.identity.document import Document
from knownas.service.history.identity_changes import ChangesPage, changes_in_pool, changes_of_profile
from knownas.service.server import Service

AFTER: Final = "after"
"""The parameter that says after which change a page begins."""


async def follow_changes(service: Service, request: Request) -> tuple[int, Document]:
    """Return what changed in the identities of a scope, in the order in which it changed.

    A page always answers a `next`, the newest too: given as `after` later, it asks for what came since. So nothing is
    missed and nothing comes twice.
    """
    pool = path_rules(service, request).pool(query_environment(request))
    return 200, _shown(await changes_in_pool(service.store, pool, page_cursor(request, AFTER), page_limit(request)))


async def follow_profile(service: Service, request: Request) -> tuple[int, Document]:
    """Return what changed in the identities of one profile, paged as the changes of a scope."""
    mpid = path_mpid(request)
    await refuse_erased(service, mpid)
    page = await changes_of_profile(service.store, mpid, page_cursor(request, AFTER), page_limit(request))
    if not page.items and await service.profiles.show(mpid) is None:
        raise unknown_profile(mpid)
    return 200, _shown(page)


def _shown(page: ChangesPage) -> Document:
    return {"items": page.items, "next": write_cursor(page.told_seq), "more": page.more}


CHANGES_OPERATIONS: Final = (
    Operation("GET", "/api/scopes/{scope}/identity-changes", "followChanges", follow_changes),
    Operation("GET", "/api/profiles/{mpid}/identity-changes", "followProfile", follow_profile),
)
