"""Makes the calls that an API needs for one request's worth of messages, one after the other, and says what came of all of them.

Many APIs take one list, one user or one kind of change a call. If a later call fails, what the earlier ones took must not be told as lost,
and what they did not must not be told as taken: a message is taken when all calls that it is in were.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, cast

import msgspec

from knownas.core.delivery.outcome import NotAtAll, NotNow, NotThis, Outcome, Taken, Trouble
from knownas.outputs.posting import Answer
from knownas.outputs.refusing import Refusal

_T = TypeVar("_T")

REMEMBERED_MAX: Final = 10_000
"""Events and purchases that are remembered as taken, of messages that were not taken as a whole yet."""

UNREADABLE: Final = NotNow(Trouble.FAILED, "answered something that can't be read")
"""A success that does not say what it should: it came from something in between, so nothing is known to have been taken."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the ids of the messages that are in it, and what makes it."""

    messages: frozenset[str]
    make: Callable[[], Awaitable[Taken | Refusal]]


async def outcome_of(calls: Sequence[Call], refused: Mapping[str, str] | None = None) -> Outcome:
    """Make calls until one fails, and return what came of all of them; `refused` are messages that can't be in any.

    A call that is refused for what is in it ends nothing if it has a single message: that one is refused. If the destination has answered for no
    message when a call fails, its outcome is that of all: who is busy is not taken for somebody who takes a part.
    """
    if len(calls) == 1 and not refused:
        return await calls[0].make()
    refusals, again, kept = dict(refused or {}), dict[str, str](), dict[str, str | int | bool]()
    for number, call in enumerate(calls):
        if call.messages <= refusals.keys():
            continue
        outcome = await call.make()
        match outcome:
            case Taken():
                refusals.update(outcome.refused)
                again.update(outcome.again)
                kept.update(outcome.kept)
            case NotThis() if len(call.messages) == 1:
                refusals.update(dict.fromkeys(call.messages, outcome.detail))
            case NotNow() | NotThis() | NotAtAll():
                left = frozenset[str]().union(*(one.messages for one in calls[number:])) - refusals.keys()
                before = frozenset[str]().union(*(one.messages for one in calls[:number]))
                if not before - left:
                    return outcome
                return Taken(refusals, {**again, **dict.fromkeys(left, outcome.detail)}, kept)
    return Taken(refusals, {one: why for one, why in again.items() if one not in refusals}, kept)


class Remembered:
    """What was taken of messages that are not taken as a whole yet, so that it is not sent twice when they are sent again.

    It is a help and no promise: the oldest is forgotten, and all of it with the process. But without it a message of very many calls, which can't all be
    made in one go, would begin anew each time.
    """

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        """Take how much is remembered."""
        self._most = most
        self._keys: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, keys: Iterable[str]) -> None:
        """Remember what was taken."""
        for key in keys:
            self._keys[key] = None
            if len(self._keys) > self._most:
                del self._keys[next(iter(self._keys))]


def chunks(items: Sequence[_T], most: int) -> Iterator[Sequence[_T]]:
    """Yield items in their order, at most so many at once."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def encoded(document: object) -> bytes:
    """Write a document as JSON."""
    return msgspec.json.encode(document)


def members_of(answer: Answer) -> Mapping[str, object] | None:
    """Return the members of the JSON object that an answer is; None if it is none."""
    if not answer.is_whole:
        return None
    try:
        read = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return cast("Mapping[str, object]", read) if isinstance(read, dict) else None


def count_of(members: Mapping[str, object], name: str) -> int | None:
    """Return a member that is a whole number, not below 0; None if it is not there, or something else."""
    value = members.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
