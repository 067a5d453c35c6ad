"""A surface answers in time, whatever its application waits for."""

import asyncio

from knownas.api.deadline import AFTER_LINE_SECONDS, Deadline
from knownas.api.exchange import Message, Receive, Scope, Send, reply

DEADLINE_SECONDS = 0.1
LATE_BY_SECONDS = 1.0
SCOPE: Scope = {"type": "http", "method": "POST"}


class Caller:
    """Sends a request in pieces, and notes what it is answered and when."""

    def __init__(self, *pieces: bytes, pause: float = 0.0) -> None:
        self._pieces = list(pieces)
        self._pause = pause
        self.begun = asyncio.get_running_loop().time()
        self.statuses: list[int] = []
        self.answered = asyncio.Event()
        self.waited = 0.0

    async def receive(self) -> Message:
        await asyncio.sleep(self._pause)
        piece = self._pieces.pop(0)
        self.begun = asyncio.get_running_loop().time()
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])
            self.waited = asyncio.get_running_loop().time() - self.begun
        self.answered.set()


async def _refuse(_scope: Scope, send: Send) -> None:
    await reply(send, 503, [], b"")


async def test_who_is_not_answered_is_refused_in_time() -> None:
    """A request whose application hangs is refused in time, once; what the application answers later goes nowhere."""
    deadline = Deadline(_refuse, DEADLINE_SECONDS)
    caller = Caller()
    goes_on = asyncio.Event()

    async def hangs(_scope: Scope, _receive: Receive, send: Send) -> None:
        await goes_on.wait()
        await reply(send, 200, [], b"")

    serving = asyncio.create_task(deadline.serve(hangs, SCOPE, caller.receive, caller.send))
    await caller.answered.wait()
    goes_on.set()
    await serving

    assert caller.statuses == [503]
    assert DEADLINE_SECONDS <= caller.waited < DEADLINE_SECONDS + AFTER_LINE_SECONDS + LATE_BY_SECONDS


async def test_the_time_in_which_the_caller_sends_does_not_count() -> None:
    """A caller who takes longer than the deadline to send a body is answered, if the application then is in time."""
    deadline = Deadline(_refuse, DEADLINE_SECONDS)
    caller = Caller(*[b"x"] * 4, pause=DEADLINE_SECONDS)

    async def reads(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await reply(send, 200, [], b"")

    await deadline.serve(reads, SCOPE, caller.receive, caller.send)

    assert caller.statuses == [200]


async def test_many_requests_share_a_timer() -> None:
    """A thousand requests that are answered in time leave one timer, and nobody is refused."""
    deadline = Deadline(_refuse, DEADLINE_SECONDS)

    async def answers(_scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await reply(send, 200, [], b"")

    callers = [Caller() for _ in range(1_000)]
    await asyncio.gather(*(deadline.serve(answers, SCOPE, one.receive, one.send) for one in callers))

    assert {status for one in callers for status in one.statuses} == {200}
    assert not deadline._pending
