"""Answers requests in time whose answer does not come in time, for surfaces whose requests don't wait in a line.

What was begun goes on behind the answer, within the limits of the store. One timer serves all requests of a surface.
IDSync and events are told in time by `service.line`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from knownas.api.exchange import App, Message, Receive, Scope, Send
from knownas.service.limits import REQUEST_SECONDS, SWEEP_SECONDS

AFTER_LINE_SECONDS: Final = 0.1
"""How much later a request is told here than in a line, which knows whether something may have been changed."""

Refuse = Callable[[Scope, Send], Coroutine[Any, Any, None]]
"""Answers a request that its time is up."""


class Deadline:
    """The deadline of a surface's requests: some seconds after they have come in whole. One event loop, one of these."""

    def __init__(self, refuse: Refuse, seconds: float = REQUEST_SECONDS) -> None:
        """Take how to answer, and after how many seconds: a moment later, so that a line can tell more exactly."""
        self._refuse = refuse
        self._seconds = seconds + AFTER_LINE_SECONDS
        self._pending: dict[_Exchange, float] = {}
        """Who waits for an answer, and until when: the first has waited longest."""
        self._timer: asyncio.TimerHandle | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, and answer it that its time is up if the application does not in time."""
        exchange = _Exchange(self, scope, receive, send)
        self.begin(exchange)
        try:
            await app(scope, exchange.receive, exchange.send)
        finally:
            self._pending.pop(exchange, None)

    def begin(self, exchange: "_Exchange") -> None:
        """Let the time of a request run from now on."""
        loop = asyncio.get_running_loop()
        self._pending[exchange] = until = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(until, self._tell_the_late)

    def suspend(self, exchange: "_Exchange") -> bool:
        """Let the time stand still while the caller sends; False if it does not run any more."""
        return self._pending.pop(exchange, None) is not None

    def _tell_the_late(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for exchange, until in tuple(self._pending.items()):
            if until > now:
                self._timer = loop.call_at(max(until, now + SWEEP_SECONDS), self._tell_the_late)
                break
            del self._pending[exchange]
            exchange.is_late = True
            telling = loop.create_task(self._refuse(exchange.scope, exchange.caller))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)


class _Exchange:
    """A request under way, and the answer to it."""

    __slots__ = ("_deadline", "_receive", "caller", "is_late", "scope")

    def __init__(self, deadline: Deadline, scope: Scope, receive: Receive, caller: Send) -> None:
        self._deadline: Final = deadline
        self._receive: Final = receive
        self.scope: Final = scope
        self.caller: Final = caller
        self.is_late = False

    async def receive(self) -> Message:
        """Receive from the caller, who may take time for it."""
        has_run = self._deadline.suspend(self)
        message = await self._receive()
        if has_run:
            self._deadline.begin(self)
        return message

    async def send(self, message: Message) -> None:
        """Send to the caller, unless that has been answered already."""
        if not self.is_late:
            self._deadline.suspend(self)
            await self.caller(message)
