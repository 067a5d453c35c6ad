"""Answers requests the one way that all plain ASGI surfaces share: what is refused, and what goes wrong, is told here.

A surface says what a request is answered with (`answer`), and where its errors look different from the vendor's common
envelope, how they are written (`error`). Our own API and the Platform API have a framework do the same.
"""

import logging
from abc import ABC, abstractmethod
from typing import ClassVar, Final, Generic

from knownas.api.exchange import JSON, Disconnected, Header, Receive, RequestRefused, Scope, Send, reply
from knownas.api.refusals import vendor_code, vendor_error
from knownas.api.routes import Asked, Target
from knownas.api.telemetry import Telemetry
from knownas.api.unavailable import late
from knownas.service.live.feed import Feed
from knownas.service.security.directory import Door

log: Final = logging.getLogger(__name__)

DOOR: Final = "knownas.door"
"""Where a request's scope has the input that it came from, once that is known: whoever watches is told of a refusal with it."""


class HttpSurface(ABC, Generic[Target]):
    """A surface on plain ASGI."""

    name: ClassVar[str]
    """The name of the surface in the metrics."""

    headers: ClassVar[tuple[Header, ...]] = ()
    """The headers that each of its answers begins with."""

    changes: ClassVar[bool] = True
    """Whether its requests may change something."""

    preflight: ClassVar[tuple[Header, ...]] = ()
    """What a browser is told that asks first; empty for a surface that pages have no business with."""

    def __init__(self, telemetry: Telemetry, live: Feed | None = None) -> None:
        """Count refusals; and with `live`, note them for whoever watches what comes through inputs."""
        self._telemetry = telemetry
        self._live = live

    async def serve(self, asked: Asked[Target], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        methods, target = asked
        if self.preflight and scope["method"] == "OPTIONS":
            await reply(send, 204, [*self.preflight], b"")
            return
        headers: list[Header] = [*self.headers]
        if scope["method"] not in methods:
            await self._refuse(self._wrong_method(methods), headers, send, scope)
            return
        try:
            status, body = await self.answer(target, scope, receive, headers)
        except Disconnected:
            return
        except RequestRefused as refusal:
            await self._refuse(refusal, headers, send, scope, self.called(target))
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            fault = RequestRefused(500, "internal_error", "An unknown error was encountered.")
            await self._refuse(fault, [*self.headers], send, scope, self.called(target))
        else:
            if body and not any(name == JSON[0] for name, _ in headers):
                headers.append(JSON)
            await reply(send, status, headers, body)

    @abstractmethod
    async def answer(self, target: Target, scope: Scope, receive: Receive, headers: list[Header]) -> tuple[int, bytes]:
        """Return the status and the body of the answer, and add to its headers.

        Raises:
            RequestRefused: the request is answered with its refusal, beside the headers added so far.
            Disconnected: nobody waits for an answer.
        """

    async def refuse_late(self, scope: Scope, send: Send) -> None:
        """Answer a request that its time is up (`api.deadline`)."""
        await self._refuse(late(may_have_changed=self.changes), [*self.headers], send, scope)

    def called(self, _target: Target) -> str:
        """Return what a request asks for is called where it is refused."""
        return self.name

    def error(self, refusal: RequestRefused) -> bytes:
        """Write the body of a refusal that has a sentence."""
        return vendor_error(refusal.code or vendor_code(refusal.status), [(refusal.reason, refusal.sentence)])

    async def _refuse(
        self, refusal: RequestRefused, headers: list[Header], send: Send, scope: Scope, called: str = ""
    ) -> None:
        self._telemetry.refused(self.name, refusal.reason, refusal.source)
        if self._live is not None and not refusal.decision_id:
            door: Door | None = scope.get(DOOR)
            self._live.refused(door, called or self.name, refusal.reason, refusal.sentence)
        body = b""
        if refusal.sentence:
            body = self.error(refusal)
            headers.append(JSON)
        headers += [(b"x-refusal-reason", refusal.reason.encode()), *refusal.headers]
        await reply(send, refusal.status, headers, body)

    def _wrong_method(self, methods: tuple[str, ...]) -> RequestRefused:
        allowed = ", ".join((*methods, "OPTIONS") if self.preflight else methods).encode()
        return RequestRefused(405, "method_not_allowed", f"Ask with {' or '.join(methods)}.", ((b"allow", allowed),))
