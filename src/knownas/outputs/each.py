"""Sends messages that take a request each, several at once, and tells what came of all of them as one outcome.

The delivery hands over no two messages at a time that would have to stay in order, unless a destination takes all or none of them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar, assert_never

from knownas.core.delivery.message import Message
from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken

M = TypeVar("M", bound=Message)


async def send_each(messages: Sequence[M], send: Callable[[M], Coroutine[None, None, Outcome]]) -> Outcome:
    """Send messages at once: at most as many as there are connections, as the destination's `Batching` says.

    Some taken or refused and others not is `Taken`, with those that are to be sent `again`. If none was, it is what kept it from that.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(send(message)) for message in messages]
    outcomes = [task.result() for task in tasks]
    return outcomes[0] if len(outcomes) == 1 else together(list(zip(messages, outcomes, strict=True)))


def together(outcomes: Sequence[tuple[Message, Outcome]]) -> Outcome:
    """Make one outcome of those of several messages."""
    refused: dict[str, str] = {}
    again: dict[str, str] = {}
    kept: dict[str, str | int | bool] = {}
    stopping: NotNow | NotAtAll | None = None
    for message, outcome in outcomes:
        match outcome:
            case Taken():
                refused.update(outcome.refused)
                again.update(outcome.again)
                kept.update(outcome.kept)
            case NotThis(detail):
                refused[message.id] = detail
            case NotNow(_, detail) | NotAtAll(detail):
                again[message.id] = detail
                stopping = _graver(stopping, outcome)
            case _:
                assert_never(outcome)
    return stopping if stopping is not None and len(again) == len(outcomes) else Taken(refused, again, kept)


def _graver(one: NotNow | NotAtAll | None, other: NotNow | NotAtAll) -> NotNow | NotAtAll:
    """Return what stops for longer."""
    if one is None or isinstance(other, NotAtAll):
        return other
    if isinstance(one, NotAtAll):
        return one
    return other if (other.wait_seconds or 0.0) > (one.wait_seconds or 0.0) else one
