"""Sets deliveries up for tests: outputs, a destination that does what a test says, and a clock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from knownas.core.delivery.batching import ONE_BY_ONE, Batching
from knownas.core.delivery.message import (
    ErasureMessage,
    EventsMessage,
    MembershipMessage,
    Message,
    Settings,
    SubscriptionMessage,
)
from knownas.core.delivery.outcome import Outcome, Taken
from knownas.service.delivery.delivering_output import OutputDelivery, World
from knownas.service.delivery.destination import Destination, Sender, Surroundings
from knownas.service.delivery.form import message_document
from knownas.service.delivery.outputs import Output, OutputState
from knownas.store.deliveries import DeliveryStore, NewDelivery
from tests.core.delivery.messages import joined
from tests.service.kept_deliveries import KeptDeliveries

NOW_MS = 1_700_000_000_000


@dataclass
class Clock:
    """A time that tests move."""

    now_ms: int = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


Behaviour = Callable[[Sequence[Message]], Awaitable[Outcome]]


async def takes(_messages: Sequence[Message]) -> Outcome:
    """Take everything."""
    return Taken()


@dataclass
class Place:
    """What is at the other side: what it does next, and everything that it was sent, one request after the other."""

    does: list[Behaviour] = field(default_factory=list[Behaviour])
    then: Behaviour = takes
    requests: list[list[Message]] = field(default_factory=list[list[Message]])
    opened: list[Settings] = field(default_factory=list[Settings])
    closed: int = 0

    def open(self, settings: Settings, _surroundings: Surroundings) -> Sender:
        """Open a way to it."""
        self.opened.append(settings)
        return _Way(self)

    def sent(self) -> list[str]:
        """Return the ids of what it was sent, in order."""
        return [one.id for request in self.requests for one in request]


@dataclass
class _Way:
    place: Place

    async def send(self, messages: Sequence[Message]) -> Outcome:
        self.place.requests.append(list(messages))
        does = self.place.does.pop(0) if self.place.does else self.place.then
        return await does(messages)

    async def check(self) -> Outcome:
        return Taken()

    async def close(self) -> None:
        self.place.closed += 1


def destination(place: Place, batching: Batching = ONE_BY_ONE) -> Destination:
    """Return a kind of output that leads to a place."""
    kinds: Any = frozenset({SubscriptionMessage, MembershipMessage, EventsMessage, ErasureMessage})
    return Destination("place", "A place", kinds, (), place.open, batching=batching)


@dataclass
class ToldOutputs:
    """Outputs and connections that live as long as their test."""

    outputs: dict[int, Output] = field(default_factory=dict[int, Output])
    connections: dict[int, dict[str, str | int | bool]] = field(
        default_factory=lambda: {one: {"list": f"of {one}"} for one in (1, 2, 3)}
    )
    looks: int = 0

    async def output(self, output: int) -> Output | None:
        self.looks += 1
        return self.outputs.get(output)

    async def settings_of(self, connection: int) -> Settings | None:
        return self.connections.get(connection)

    async def keep(self, connection: int, kept: Mapping[str, str | int | bool]) -> None:
        self.connections[connection] = {**self.connections[connection], **kept}

    async def fault(self, output: int, version: int, why: str) -> None:
        now = self.outputs[output]
        if now.version == version and now.state is OutputState.ACTIVE:
            self._change(output, OutputState.FAULTED, why)

    async def pause(self, output: int) -> bool:
        return self._change(output, OutputState.PAUSED)

    async def resume(self, output: int) -> bool:
        return self._change(output, OutputState.ACTIVE)

    def _change(self, output: int, state: OutputState, why: str | None = None) -> bool:
        now = self.outputs.get(output)
        if now is not None:
            self.outputs[output] = Output(now.destination, now.settings, state, now.version + 1, why)
        return now is not None

    def state(self, output: int = 1) -> OutputState:
        """Return the state of an output."""
        return self.outputs[output].state


def new(message: Message, connection: int = 1, output: int = 1) -> NewDelivery:
    """Return what is written of a message."""
    mpid = getattr(message, "mpid", None) or 0
    origin = message.origin
    return NewDelivery(
        message.id,
        output,
        0 if isinstance(message, EventsMessage | ErasureMessage) else connection,
        origin.workspace,
        origin.environment,
        mpid,
        message.at_ms,
        message_document(message),
    )


@dataclass
class Stage:
    """One output, its destination, and who delivers to it."""

    batching: Batching = ONE_BY_ONE
    clock: Clock = field(default_factory=Clock)
    place: Place = field(default_factory=Place)
    store: KeptDeliveries = field(default_factory=KeptDeliveries)
    outputs: ToldOutputs = field(default_factory=ToldOutputs)
    kind: type[OutputDelivery] = OutputDelivery
    counted: dict[str, int] = field(default_factory=dict[str, int])
    chance: Callable[[], float] = field(default_factory=lambda: Random(1).random)

    def __post_init__(self) -> None:
        self.outputs.outputs[1] = Output(destination(self.place, self.batching), {"key": "k"}, OutputState.ACTIVE, 1)
        self.restart()

    @property
    def world(self) -> World:
        """What delivering needs."""
        ids = count()
        kept: DeliveryStore = self.store
        return World(kept, self.outputs, Surroundings(self.clock, lambda: f"new {next(ids)}"), self.chance)

    def restart(self) -> None:
        """Begin as another process would."""
        self.delivery = self.kind(1, self.world, self.told)

    def told(self, what: str, count: int = 1) -> None:
        """Count what became of something."""
        self.counted[what] = self.counted.get(what, 0) + count

    async def write(self, *messages: Message, connection: int = 1) -> None:
        """Write what is to be told."""
        await self.store.write(new(one, connection) for one in messages)

    async def run(self, steps: int = 2_000) -> int:
        """Deliver until nothing goes on any more, moving the clock. Returns the steps."""
        for step in range(steps):
            until_ms = await self.delivery.step()
            if until_ms is None:
                return step
            self.clock.now_ms = max(self.clock.now_ms, until_ms)
        raise AssertionError("it does not come to an end")

    def states(self) -> dict[str, str]:
        """Return what became of each message."""
        return {one.delivery_id: one.state.value for one in self.store.rows.values()}


def answers(outcome: Outcome) -> Behaviour:
    """Return the behaviour of one that answers the same whatever it is sent."""

    async def answer(_messages: Sequence[Message]) -> Outcome:
        await asyncio.sleep(0)
        return outcome

    return answer


def ids(messages: Iterable[Message]) -> list[str]:
    """Return the ids of messages."""
    return [one.id for one in messages]


def user(number: int, mpid: int | None = None) -> MembershipMessage:
    """Return that somebody joined, named by a number; each has an identity of his own."""
    mpid = mpid or number
    one = joined(f"m{number}", mpid, NOW_MS)
    return replace(one, identities=(replace(one.identities[0], value=f"{mpid}@example.com"),))
