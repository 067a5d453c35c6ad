"""Holds what all pages of one profile have in common: who it is, what leads on from it, and what is told where there is nobody."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.routing import Route

from knownas.console.masking import masked_text
from knownas.console.page import Asked, Crumb, Shown
from knownas.console.refusal import Refusal
from knownas.console.rights import Right
from knownas.core.identity.document import Document
from knownas.core.identity.kinds import Identity, IdentityType


class Tab(NamedTuple):
    """A page of a profile: what it is called, the path under which it is served, its query, and a right that it needs beside `READ`."""

    title: str
    path: str
    query: str = ""
    right: Right | None = None


TABS: Final = (
    Tab("Overview", "/people/{mpid}"),
    Tab("Attributes", "/people/{mpid}/attributes"),
    Tab("Events", "/people/{mpid}/events"),
    Tab("Story", "/people/{mpid}/story"),
    Tab("Graph", "/people/{mpid}/graph"),
    Tab("What would be answered", "/people/{mpid}/answer"),
    Tab("Privacy", "/privacy/preview", "?mpid={mpid}", Right.PRIVACY),
)
"""The pages of a profile in their order; one that is not served, or not for the visitor, is not shown."""


class Profile(NamedTuple):
    """A profile for its pages: the service's document, and its identities."""

    mpid: int
    document: Mapping[str, Any]
    looked_up: Sequence[Identity]
    carried: Sequence[Identity]

    @property
    def values(self) -> list[str]:
        """The values of all identities."""
        return [one.value for one in (*self.looked_up, *self.carried)]

    @property
    def scope(self) -> str:
        """The identity scope that it lives in."""
        return self.document["scope"]


class Workspace(NamedTuple):
    """A workspace for a page: its id and name."""

    id: int
    name: str


async def profile_of(asked: Asked) -> Profile | Shown:
    """Return the profile of the address; of one that was erased, the page that says so.

    Raises:
        Refusal: there is none.
    """
    mpid = asked.mpid
    document = await asked.service.profiles.show(mpid)
    if document is None:
        raise no_profile(mpid)
    request_id = await asked.service.profiles.erased_by(mpid)
    if request_id is not None:
        values = {"mpid": mpid, "request_id": request_id, "tabs": (), "scope": document["scope"]}
        return Shown("profile_erased.html", f"Profile {mpid}", (mpid,), values, status=HTTPStatus.GONE)
    return Profile(mpid, document, _identities(document["identities"]), _identities(document["carried_identities"]))


def shown_profile(
    asked: Asked, profile: Profile, template: str, title: str, values: Mapping[str, Any], trail: Sequence[Crumb] = ()
) -> Shown:
    """Return a page of a profile, with what stands on all of them. Without a title, it is that of the profile itself."""
    own = f"Profile {profile.mpid}"
    before = (Crumb(own, f"/people/{profile.mpid}"), *trail) if title else ()
    frame = {"profile": profile.document, "mpid": profile.mpid, "tabs": profile_tabs(asked, profile.mpid)}
    return Shown(template, title or own, (profile.mpid,), {**frame, **values}, before)


def profile_tabs(asked: Asked, mpid: int) -> list[tuple[str, str]]:
    """Return the pages of a profile that this visitor can open: title and address."""
    served = served_paths(asked)
    return [
        (tab.title, tab.path.format(mpid=mpid) + tab.query.format(mpid=mpid))
        for tab in TABS
        if tab.path in served and (tab.right is None or asked.who.may(tab.right))
    ]


def served_paths(asked: Asked) -> frozenset[str]:
    """Return the paths of all pages that this console has, as the table of pages writes them."""
    app = cast("Starlette", asked.request.app)
    return frozenset(one.path for one in app.routes if isinstance(one, Route))


def decision_path(decision_id: str) -> str:
    """Return the address of a decision's receipt."""
    return f"/decisions/{quote(decision_id, safe='')}"


def no_profile(mpid: int) -> Refusal:
    """Return the refusal of an MPID that no profile has."""
    sentence = f"There is no profile with the MPID {mpid}."
    return Refusal(HTTPStatus.NOT_FOUND, "unknown_profile", sentence, "Look for the person by one of their identities.")


def workspace_named(asked: Asked, number: int) -> Workspace:
    """Return a workspace by its id; one that the configuration has no more is called by it."""
    names = (one.name for one in asked.service.configuration.workspaces() if one.id == number)
    return Workspace(number, next(names, f"Workspace {number}"))


def shown_text(asked: Asked, profile: Profile, text: str) -> str:
    """Return a text that may name an identity of the profile, as this visitor may see it."""
    return masked_text(text, profile.values) if asked.who.masks else text


def _identities(held: object) -> list[Identity]:
    values = cast("Document", held)
    return [
        Identity(IdentityType(kind), value) for kind, some in values.items() for value in cast("Sequence[str]", some)
    ]
