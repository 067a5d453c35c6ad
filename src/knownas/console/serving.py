"""Serves pages: finds out who asks and whether they may, has the page answer, notes whose data it was, and writes the answer.

Everything that holds for all pages stands here, so that a page can't forget it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from knownas.console.cookies import Cookies
from knownas.console.form import NO_FIELDS, Fields, read_form, read_query
from knownas.console.headers import PRIVATE
from knownas.console.origin import Origin
from knownas.console.page import Answer, Asked, Moved, Page, Sent, Shown
from knownas.console.places import PLACES, Place
from knownas.console.refusal import (
    Refusal,
    broken,
    foreign_form,
    late,
    not_allowed,
    not_taken,
    overloaded,
    signed_out,
    store_failed,
)
from knownas.console.rendering import Rendering
from knownas.console.rights import Visitor
from knownas.console.visitors import Visitors
from knownas.core.identity.record import parse_mpid
from knownas.service.history.components import TooLarge
from knownas.service.identity.resolver import Overloaded
from knownas.service.security.sessions import Session, telling
from knownas.service.server import Service
from knownas.store.errors import StoreError, StoreUnavailable, UnknownOutcome

log: Final = logging.getLogger(__name__)

SIGN_IN_PATH: Final = "/sign-in"
FORM_TOKEN: Final = "csrf"  # noqa: S105 - the name of a field
SURFACE: Final = "console"
"""The name of the console in the metrics."""

_READING: Final = frozenset({"GET", "HEAD"})
_IN_PLACE: Final = "hx-request"
"""The header of a request that a page makes by itself, to show a part of it anew: nobody looks for sure."""

Refused = Callable[[str, str], None]
"""Counts a refusal of a surface by its reason."""


class Serving:
    """Serves the pages of a console over one service. One event loop, one of these."""

    def __init__(self, service: Service, rendering: Rendering, visitors: Visitors, refused: Refused) -> None:
        self._service = service
        self._rendering = rendering
        self._visitors = visitors
        self._refused = refused
        self._origin = Origin(service.configuration.console.base_url)
        self._pages: Sequence[Page] = ()
        self._late: set[asyncio.Future[Answer]] = set()

    def show_places(self, pages: Sequence[Page]) -> None:
        """Bring the places of these pages into the navigation."""
        self._pages = [page for page in pages if page.place is not None and page.path == page.place.path]

    async def serve(self, pages: Mapping[str, Page], request: Request) -> Response:
        """Answer a request for one of the pages of an address, by their methods."""
        page = pages["GET" if request.method == "HEAD" else request.method]
        cookies = Cookies(request, is_secure=self._origin.is_secure(request))
        visitor: Visitor | None = None
        try:
            visitor = await self._visitor(cookies)
            answer = await self._asked(page, request, visitor, cookies.attempt)
        except Refusal as refusal:
            self._note(visitor, page, request, refusal.status, ())
            return self.refuse(refusal, request, cookies, visitor)
        status = answer.status if isinstance(answer, Shown) else 200
        self._note(visitor, page, request, status, answer.about)
        match answer:
            case Shown():
                return self._page(answer, page.place, request, cookies, visitor)
            case Moved():
                return await self._moved(answer, request, cookies, visitor)
            case Sent(body, media_type, name):
                named = f"attachment; filename*=UTF-8''{quote(name)}"
                return Response(body, 200, {**PRIVATE, "Content-Disposition": named}, media_type)

    def refuse(
        self, refusal: Refusal, request: Request, cookies: Cookies | None = None, visitor: Visitor | None = None
    ) -> Response:
        """Answer with an error page; or, where somebody has to sign in first, with the way there."""
        self._refused(SURFACE, refusal.code)
        held = cookies or Cookies(request, is_secure=self._origin.is_secure(request))
        if refusal.status == HTTPStatus.UNAUTHORIZED and request.method in _READING:
            return _to_sign_in(request)
        shown = Shown("error.html", refusal.sentence, (), {"refusal": refusal}, status=refusal.status)
        return self._page(shown, None, request, held, visitor, {"X-Refusal-Reason": refusal.code})

    async def _asked(self, page: Page, request: Request, visitor: Visitor | None, held: str) -> Answer:
        """Let a page answer, if the visitor may ask it."""
        form = NO_FIELDS
        if page.method not in _READING:
            if not self._origin.is_own(request):
                raise foreign_form()
            form = await self._form(request)
            # Whoever is not signed in has no session that another site could use.
            if visitor is not None and not self._visitors.sessions.is_form_token(visitor.session, form.raw(FORM_TOKEN)):
                raise foreign_form()
        if page.right is not None:
            if visitor is None:
                raise signed_out()
            if not visitor.may(page.right):
                raise not_allowed(page.right)
        query = read_query(request.scope["query_string"])
        return await self._in_time(page, Asked(self._service, request, query, form, visitor, held))

    async def _in_time(self, page: Page, asked: Asked) -> Answer:
        """Let a page answer; whoever waits too long is told so, and what was begun goes on."""
        work = asyncio.ensure_future(_served(page, asked))
        done, _ = await asyncio.wait((work,), timeout=page.seconds)
        if done:
            return work.result()
        self._late.add(work)
        work.add_done_callback(self._late.discard)
        work.add_done_callback(_log_late)
        may_have_changed = page.method not in _READING
        raise late((UnknownOutcome if may_have_changed else StoreUnavailable).code, may_have_changed=may_have_changed)

    async def _form(self, request: Request) -> Fields:
        try:
            return await read_form(request.headers.get("content-type", ""), request.stream())
        except ClientDisconnect as error:
            raise not_taken("The form ended early.") from error

    async def _visitor(self, cookies: Cookies) -> Visitor | None:
        """Return who is signed in, by what the configuration says now."""
        if not cookies.session:
            return None
        session = self._visitors.sessions.open(cookies.session)
        visitor = None if session is None else self._visitors.of(session)
        if session is None or visitor is None:
            return None
        try:
            return None if await self._visitors.sessions.is_ended(session) else visitor
        except StoreError as error:
            raise _store_refusal(error) from error

    def _note(self, visitor: Visitor | None, page: Page, request: Request, status: int, about: Sequence[int]) -> None:
        """Note whose data was shown or changed: the profile of the address, and those that the page has named."""
        if visitor is None:
            return
        named = parse_mpid(request.path_params.get("mpid", ""))
        for mpid in dict.fromkeys((*(() if named is None else (named,)), *about)):
            self._service.auditing.note(mpid, visitor.who, page.name, status)

    def _page(
        self,
        shown: Shown,
        place: Place | None,
        request: Request,
        cookies: Cookies,
        visitor: Visitor | None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        try:
            body = self._rendering.render(shown.template, self._values(shown, place, request, cookies, visitor))
        except Exception:
            if shown.template == "error.html":
                raise
            log.exception("console: %s", shown.template)
            return self.refuse(broken(), request, cookies, visitor)
        held = {**PRIVATE, **shown.headers, **(headers or {})}
        response = Response(body, shown.status, held, "text/html; charset=utf-8")
        if visitor is not None and _IN_PLACE not in request.headers:
            self._keep(response, cookies, visitor.session, telling(self._visitors.sessions.seen(visitor.session), None))
        return response

    def _values(
        self, shown: Shown, place: Place | None, request: Request, cookies: Cookies, visitor: Visitor | None
    ) -> Mapping[str, Any]:
        """Return what every template can use, beside the values of the page."""
        return {
            "title": shown.title,
            "trail": shown.trail,
            "place": place,
            "places": self._places_for(visitor),
            "visitor": visitor,
            "csrf": "" if visitor is None else self._visitors.sessions.form_token(visitor.session),
            "told": None if visitor is None else visitor.session.told,
            "theme": cookies.theme,
            "now_ms": self._service.clock(),
            "path": request.url.path,
            "here": _here(request),
            **shown.values,
        }

    def _places_for(self, visitor: Visitor | None) -> Sequence[Place]:
        if visitor is None:
            return ()
        there = {page.place for page in self._pages if page.right is None or visitor.may(page.right)}
        return [place for place in PLACES if place in there]

    async def _moved(self, moved: Moved, request: Request, cookies: Cookies, visitor: Visitor | None) -> Response:
        response = Response(None, HTTPStatus.SEE_OTHER, {**PRIVATE, "Location": moved.to})
        session = moved.begins or (None if visitor is None else visitor.session)
        if moved.ends and visitor is not None:
            try:
                await self._visitors.sessions.end(visitor.session)
            except StoreError as error:
                return self.refuse(_store_refusal(error), request, cookies, visitor)
        if moved.ends:
            cookies.drop_session(response)
        elif session is not None:
            self._keep(
                response, cookies, None if moved.begins else session, telling(session, moved.told or session.told)
            )
        if moved.holds is not None:
            cookies.keep_attempt(response, moved.holds)
        if moved.theme is not None:
            cookies.keep_theme(response, moved.theme)
        return response

    def _keep(self, response: Response, cookies: Cookies, before: Session | None, after: Session) -> None:
        """Let the browser hold a session that has changed."""
        if after != before:
            cookies.keep_session(response, self._visitors.sessions.seal(after))


async def _served(page: Page, asked: Asked) -> Answer:
    """Let a page answer, and turn what goes wrong into refusals."""
    try:
        return await page.serve(asked)
    except Refusal:
        raise
    except Overloaded as error:
        raise overloaded() from error
    except TooLarge as error:
        raise Refusal(
            HTTPStatus.CONFLICT,
            "too_many_lines_to_fold",
            "More lines of the log could have mattered than are folded at once.",
            "The command line has no such limit: see `knownas rehearse` and `knownas resolve`.",
        ) from error
    except StoreError as error:
        raise _store_refusal(error) from error
    except Exception as error:
        log.exception("console: %s %s", page.method, page.path)
        raise broken() from error


def _store_refusal(error: StoreError) -> Refusal:
    match error:
        case UnknownOutcome():
            return late(error.code, may_have_changed=True)
        case StoreUnavailable():
            return late(error.code, may_have_changed=False)
        case _:
            log.error("console: store", exc_info=error)
            return store_failed(error.code)


def _log_late(work: "asyncio.Future[Answer]") -> None:
    if not work.cancelled() and work.exception() is not None and not isinstance(work.exception(), Refusal):
        log.error("console: behind an answer", exc_info=work.exception())


def _here(request: Request) -> str:
    """Return the address of the page that somebody looks at; of what a form has done there is none."""
    if request.method not in _READING:
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _to_sign_in(request: Request) -> Response:
    """Send somebody to sign in, and back here then."""
    to = f"{SIGN_IN_PATH}?to={quote(_here(request), safe='/')}"
    if _IN_PLACE in request.headers:
        # A script that shows a part anew would show the other page as that part.
        return Response(None, HTTPStatus.UNAUTHORIZED, {**PRIVATE, "HX-Redirect": to})
    return Response(None, HTTPStatus.SEE_OTHER, {**PRIVATE, "Location": to})
