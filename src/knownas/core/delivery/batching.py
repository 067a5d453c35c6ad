"""Decides which of the messages that wait for an output go into the next request.

**What must stay in order.** Messages of one profile. Messages that name the same identity, since a value that moved is taken from one profile
before it is given to another. And a connection is told of before its members, and of its end after them. Everything else may overtake.

**Holding back.** A message that has to be tried again waits for its time. What must not overtake it waits with it, and what must not overtake
that; everybody else goes on. So the messages are gone through in their order, and whatever is passed over is remembered as an obstacle for
those behind it.

**One request.** It has messages of one kind, at most so many. A message about a connection goes alone, and at once: those that wait before it
are not kept waiting for more. Where a destination answers for each message by itself, no two of a request must stay in order with one
another: the first could be tried again after the second was taken. Only where it takes or refuses a request as a whole they may. If it
then refuses one by itself and takes another that must not overtake it, the one is not tried again.

**Waiting for more.** Fewer than a full request wait until the oldest of them has waited for the destination's time. What is tried again has.
"""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, assert_never

from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    SubscriptionMessage,
)


@dataclass(frozen=True, slots=True)
class Batching:
    """How many messages go into a request at most, and how long fewer are waited with (seconds) for more to come.

    `is_whole` says that the destination takes or refuses a request as a whole: it never asks for some of it again. Then a request may have
    several messages of one profile. `memberships_max` is how many changes of memberships go into a request, where those are more than of
    other messages; None if not.
    """

    messages_max: int = 1
    wait_seconds: float = 0.0
    is_whole: bool = False
    memberships_max: int | None = None

    def most(self, kind: type[Message]) -> int:
        """Return how many messages of a kind go into a request at most."""
        if kind is MembershipMessage and self.memberships_max is not None:
            return self.memberships_max
        return self.messages_max

    @property
    def most_of_any(self) -> int:
        """How many messages go into the largest request."""
        return max(self.messages_max, self.memberships_max or 0)


ONE_BY_ONE: Final = Batching()
"""A request for each message, at once."""


class Waiting(NamedTuple):
    """A message that waits: its place in the order of the output, its connection (0 for none), and when it may be sent.

    `due_ms` is 0 unless it is tried again. `message` is None if it can't be read: it is not sent, and who it is about (`mpid`, 0 for nobody)
    waits behind it.
    """

    seq: int
    connection: int
    mpid: int
    message: Message | None
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into the next request; at least one. `is_full` says that no more would fit, or that none may be waited for."""

    waiting: tuple[Waiting, ...]
    is_full: bool


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing can be sent before a time."""

    until_ms: int


def next_batch(
    waiting: Sequence[Waiting], batching: Batching, now_ms: int, among: Collection[int] | None = None
) -> Batch | Later | None:
    """Return the next request from what waits, in the order of the output; or when there will be one. None if nothing waits.

    With `among`, only messages of these `seq`s are sent, at once; None then also if none of them can be.
    """
    untils = [one.due_ms for one in waiting if one.due_ms > now_ms]
    for kind in dict.fromkeys(type(one.message) for one in waiting if one.message is not None):
        batch = _of_kind(kind, waiting, batching, now_ms, among)
        if batch is None:
            continue
        since_ms = min(one.message.at_ms for one in batch.waiting if one.message is not None)
        until_ms = since_ms + int(batching.wait_seconds * 1000)
        # A clock that is far ahead must not keep anything waiting.
        if batch.is_full or among is not None or until_ms <= now_ms or since_ms > now_ms + batching.wait_seconds * 1000:
            return batch
        untils.append(until_ms)
    return Later(min(untils)) if untils and among is None else None


def overtaken(left: Sequence[Waiting], taken: Sequence[Waiting]) -> frozenset[int]:
    """Return the `seq`s of those that were left of a request and that something taken must not overtake: it is too late for them."""
    return frozenset(
        one.seq
        for one in left
        if any(one.seq < other.seq and not set(_keys(one)).isdisjoint(_keys(other)) for other in taken)
    )


def _of_kind(
    kind: type[Message], waiting: Sequence[Waiting], batching: Batching, now_ms: int, among: Collection[int] | None
) -> Batch | None:
    chosen: list[Waiting] = []
    obstacles = _Obstacles()
    is_full = False
    most = batching.most(kind)
    for one in waiting:
        if len(chosen) == most:
            is_full = True
            break
        is_meant = isinstance(one.message, kind) and (among is None or one.seq in among)
        if not is_meant or one.due_ms > now_ms or obstacles.hold(one):
            obstacles.add(one)
            is_full |= _waits_for(one, chosen)
        elif isinstance(one.message, SubscriptionMessage):
            return Batch((one,), is_full=True)
        else:
            chosen.append(one)
            if not batching.is_whole:
                obstacles.add(one)
    return Batch(tuple(chosen), is_full or len(chosen) == most) if chosen else None


def _waits_for(one: Waiting, chosen: Sequence[Waiting]) -> bool:
    """Whether a message about a connection waits for some that are chosen to be told."""
    return isinstance(one.message, SubscriptionMessage) and any(one.connection == other.connection for other in chosen)


@dataclass(slots=True)
class _Obstacles:
    """What was passed over, by what must not overtake it."""

    keys: set[Hashable] = field(default_factory=set[Hashable])
    connections: set[int] = field(default_factory=set[int])
    """Connections of which something was passed over."""
    barred: set[int] = field(default_factory=set[int])
    """Connections of which it was a message about the connection itself."""

    def hold(self, one: Waiting) -> bool:
        if one.connection in self.barred:
            return True
        if isinstance(one.message, SubscriptionMessage):
            return one.connection in self.connections
        return not self.keys.isdisjoint(_keys(one))

    def add(self, one: Waiting) -> None:
        self.connections.add(one.connection)
        if isinstance(one.message, SubscriptionMessage) or (one.message is None and not one.mpid):
            self.barred.add(one.connection)
        self.keys.update(_keys(one))


def _keys(one: Waiting) -> Iterator[Hashable]:
    """Yield what a message shares with those that must not overtake it."""
    if one.mpid:
        yield one.mpid
    match one.message:
        case MembershipMessage() | ErasureMessage():
            for identity in one.message.identities:
                yield identity.target, identity.encoding, identity.value
        case EventsMessage() | SubscriptionMessage() | None:
            pass
        case _:
            assert_never(one.message)
