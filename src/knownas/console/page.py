"""Holds what a page is: what it is asked with, and what it can answer.

A page says for each answer whose data it shows (`about`), and so nobody forgets to have it noted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request

from knownas.console.form import Fields
from knownas.console.limits import TOLD_CHARACTERS_MAX
from knownas.console.masking import ShownIdentity, shown_identity
from knownas.console.places import Place
from knownas.console.refusal import not_allowed, not_taken
from knownas.console.rights import Right, Visitor
from knownas.core.identity.observation import Environment
from knownas.core.identity.record import parse_mpid
from knownas.service.limits import REQUEST_SECONDS
from knownas.service.security.sessions import Session, Told
from knownas.service.server import Service

NOBODY: Final[tuple[int, ...]] = ()
"""Whose data an answer shows that shows nobody's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a page: who asks, with which fields, and what can be asked of in turn.

    `visitor` is None only at pages that need no right. `held` is what was sealed on the way to a provider.
    """

    service: Service
    request: Request
    query: Fields
    form: Fields
    visitor: Visitor | None = None
    held: str = ""

    @property
    def who(self) -> Visitor:
        """Who asks, at a page that needs a right."""
        if self.visitor is None:
            raise AssertionError("a page that needs a right is asked by somebody")
        return self.visitor

    def require(self, right: Right) -> None:
        """Go on only if the visitor has a further right.

        Raises:
            Refusal: they don't.
        """
        if not self.who.may(right):
            raise not_allowed(right)

    def identity(self, kind: str, value: str) -> ShownIdentity:
        """Return an identity as this visitor may see it. Templates show identities in no other way."""
        return shown_identity(kind, value, masks=self.who.masks)

    @property
    def mpid(self) -> int:
        """The MPID of the address.

        Raises:
            Refusal: it is none.
        """
        mpid = parse_mpid(self.request.path_params["mpid"])
        if mpid is None:
            raise not_taken("An MPID is a 64-bit integer other than 0.")
        return mpid

    @property
    def environment(self) -> Environment:
        """The environment that is chosen; production if none is.

        Raises:
            Refusal: there is no such environment.
        """
        given = self.query.text("environment") or Environment.PRODUCTION.value
        if given not in set(Environment):
            raise not_taken("The environment is production or development.")
        return Environment(given)

    @property
    def scope(self) -> str:
        """The name of the identity scope that is chosen; the first of the configuration if none is.

        Raises:
            Refusal: there is no such scope.
        """
        scopes = list(self.service.directory.scopes)
        given = self.query.raw("scope") or next(iter(scopes), "")
        if given not in scopes:
            raise not_taken("The configuration has no scope of this name.")
        return given

    def address(self, **changed: str) -> str:
        """Return the address of this page with some fields of its query changed; those that become "" are left out."""
        kept = {name: values[-1] for name, values in self.query.values.items()}
        asked = {name: value for name, value in {**kept, **changed}.items() if value}
        path: str = self.request.url.path
        return f"{path}?{urlencode(asked)}" if asked else path


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the way to a page: its title and address."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A page is shown: a template with its values, under a title. `about` are the profiles whose data it shows.

    `trail` are the pages above this one, the place itself left out.
    """

    template: str
    title: str
    about: Sequence[int]
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trail: Sequence[Crumb] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Moved:
    """Something was done, and the browser goes on to another page of the console, which tells it.

    `begins` and `ends` are for signing in and out alone; `holds` is a sealed text for the way to a provider and back, "" to
    drop it.
    """

    to: str
    about: Sequence[int]
    told: Told | None = None
    begins: Session | None = None
    ends: bool = False
    holds: str | None = None
    theme: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A file is sent, which the browser keeps under a name."""

    body: bytes
    media_type: str
    name: str
    about: Sequence[int]


Answer = Shown | Moved | Sent
Serve = Callable[[Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, or what one form does: its address, what it is called in the audit, the right it needs, and what serves it.

    Without a right, it is there for whoever reaches the server. A page of a `place` that stands at its address brings the
    place into the navigation.
    """

    method: str
    path: str
    name: str
    right: Right | None
    serve: Serve
    place: Place | None = None
    seconds: float = REQUEST_SECONDS


def done(sentence: str) -> Told:
    """Return what the next page tells of something that was done."""
    return Told(sentence[:TOLD_CHARACTERS_MAX])


def not_done(sentence: str) -> Told:
    """Return what the next page tells of something that was not done."""
    return Told(sentence[:TOLD_CHARACTERS_MAX], is_bad=True)
