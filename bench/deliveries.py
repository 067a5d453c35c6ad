"""Outputs are told what waits for them, and somebody asks meanwhile who a known user is.

Goal: where all outputs hang, whoever asks waits at the 99th percentile at most 1.5 times as long as where nothing is delivered. Measured too is
how long he waits while all outputs take what they get as fast as they can, and how many messages a second then reach one of
them, for requests of several sizes. Everything runs in one process.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from bench.contest import Say
from bench.population import CREATED_MS, POLICY, identities_of
from bench.report import Finding, Goal
from bench.serving import SCOPE
from knownas.core.delivery.batching import Batching
from knownas.core.delivery.message import AudienceName, MembershipMessage, Message, Origin, Settings
from knownas.core.delivery.outcome import Outcome, Taken
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.translation.encoding import Encoding
from knownas.core.translation.outcome import Outgoing
from knownas.core.translation.target import MPID
from knownas.core.translation.telling import Action
from knownas.service.chance import SystemChance
from knownas.service.delivery.delivering import Delivering
from knownas.service.delivery.delivering_output import World
from knownas.service.delivery.destination import Destination, Sender, Surroundings
from knownas.service.delivery.form import message_document
from knownas.service.delivery.limits import DELIVERY_CLOSE_SECONDS
from knownas.service.delivery.outputs import Output, OutputState
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.server import system_clock
from knownas.store.audiences import AudienceCommit
from knownas.store.deliveries import NewDelivery
from knownas.store.opening import open_store
from knownas.store.port import Store
from tests.postgres import PrivateServer

HANGING_AT_MOST: Final = 1.5
SIZES: Final = (1, 8, 500)
OUTPUTS: Final = 50
USERS: Final = 200
A_COMMIT: Final = 500
SETTLES_SECONDS: Final = 0.3
LOOK_SECONDS: Final = 0.01


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's options."""
    parser.add_argument("--messages", type=int, default=20_000, help="messages to deliver at a time (%(default)s)")
    parser.add_argument("--asks", type=int, default=20_000, help="questions in each sample (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to measure (%(default)s)")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite", help="what keeps the data")


def run(options: argparse.Namespace, say: Say) -> Finding:
    """Deliver and ask in turn, round after round."""
    with _database(options) as database:
        rounds = [asyncio.run(_round(database, options, say)) for _ in range(options.rounds)]
    ratios = [one["hang_p99_ms"] / one["alone_p99_ms"] for one in rounds]
    goals = [Goal("p99_of_asking_while_outputs_hang", ratios, at_most=HANGING_AT_MOST)]
    return Finding(goals, {name: round(median(one[name] for one in rounds), 4) for name in rounds[0]})


@contextmanager
def _database(options: argparse.Namespace) -> Iterator[str]:
    if options.store == "sqlite":
        options.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.cache, prefix="deliveries-") as folder:
            yield f"sqlite:///{Path(folder, 'knownas.db').absolute()}"
        return
    server = PrivateServer()
    try:
        server.start()
        server.ask("CREATE DATABASE deliveries")
        yield server.url("deliveries")
    finally:
        server.remove()


async def _round(database: str, options: argparse.Namespace, say: Say) -> dict[str, float]:
    found: dict[str, float] = {}
    store = open_store(database)
    try:
        for size in SIZES:
            found[f"messages_a_second_by_{size}"] = await _delivered(store, size, min(options.messages, 2_000 * size))
        async with _asking(store) as asking:
            await asking.sample(options.asks)
            found |= _percentiles("alone", await asking.sample(options.asks))
            for what, is_hanging in (("hang", True), ("take", False)):
                await _written(store, range(1, OUTPUTS + 1), options.messages // OUTPUTS)
                async with _delivering(store, Batching(A_COMMIT // OUTPUTS), is_hanging=is_hanging):
                    await asyncio.sleep(SETTLES_SECONDS)
                    found |= _percentiles(what, await asking.sample(options.asks))
                async with _delivering(store, Batching(A_COMMIT)):
                    await _nothing_waits(store)
    finally:
        await store.close()
    say(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
    return found


async def _delivered(store: Store, size: int, messages: int) -> float:
    """Deliver messages to one output. Returns how many a second."""
    await _written(store, [1], messages)
    start = perf_counter()
    async with _delivering(store, Batching(size)):
        await _nothing_waits(store)
    return messages / (perf_counter() - start)


async def _nothing_waits(store: Store) -> None:
    is_waiting = True
    while is_waiting:
        await asyncio.sleep(LOOK_SECONDS)
        is_waiting = bool(await store.deliveries.waiting_outputs())


async def _written(store: Store, outputs: Sequence[int], each: int) -> None:
    deliveries = [_delivery(output, number) for number in range(1, each + 1) for output in outputs]
    for start in range(0, len(deliveries), A_COMMIT):
        await store.audiences.commit(AudienceCommit(deliveries=deliveries[start : start + A_COMMIT]))


def _delivery(output: int, mpid: int) -> NewDelivery:
    identity = Outgoing("id", MPID, Encoding.RAW, f"{mpid}")
    origin, audience = Origin(100, "production"), AudienceName(1, "Shoppers")
    message = MembershipMessage(
        str(uuid4()), origin, mpid, CREATED_MS, audience, Action.ADD, (identity,), is_member=True, settings={}
    )
    return NewDelivery(message.id, output, 1, 100, "production", mpid, CREATED_MS, message_document(message))


@dataclass(frozen=True)
class _Outputs:
    """Outputs that all take what they get, or all hang."""

    batching: Batching
    is_hanging: bool

    async def output(self, _output: int) -> Output | None:
        destination = Destination("bench", "A benchmark", frozenset(), (), self._open, batching=self.batching)
        return Output(destination, {}, OutputState.ACTIVE, 1)

    def _open(self, _settings: Settings, _surroundings: Surroundings) -> Sender:
        return _Sender(self.is_hanging)

    async def settings_of(self, _connection: int) -> Settings | None:
        return {}

    async def keep(self, _connection: int, _kept: Mapping[str, str | int | bool]) -> None:
        raise AssertionError

    async def fault(self, _output: int, _version: int, why: str) -> None:
        raise AssertionError(why)

    async def pause(self, _output: int) -> bool:
        return False

    async def resume(self, _output: int) -> bool:
        return False


@dataclass(frozen=True)
class _Sender:
    is_hanging: bool

    async def send(self, _messages: Sequence[Message]) -> Outcome:
        if self.is_hanging:
            await asyncio.Event().wait()
        return Taken()

    async def check(self) -> Outcome:
        return Taken()

    async def close(self) -> None:
        pass


@asynccontextmanager
async def _delivering(store: Store, batching: Batching, *, is_hanging: bool = False) -> AsyncGenerator[None]:
    surroundings = Surroundings(system_clock, lambda: str(uuid4()))
    job = Delivering(World(store.deliveries, _Outputs(batching, is_hanging), surroundings, lambda: 0.5))
    job.start()
    try:
        yield
    finally:
        await job.close(0.0 if is_hanging else DELIVERY_CLOSE_SECONDS)


@dataclass(frozen=True)
class _Asking:
    """Asks who a known user is, one question after the other."""

    resolver: Resolver
    rules: Rules
    numbers: Iterator[int]

    async def sample(self, asks: int) -> list[float]:
        """Return how long each of some questions took (seconds)."""
        taken: list[float] = []
        for _ in range(asks):
            start = perf_counter()
            await self.ask(next(self.numbers) % USERS + 1)
            taken.append(perf_counter() - start)
            # As much as whoever asks does with the answer.
            await asyncio.sleep(0)
        return taken

    async def ask(self, number: int) -> None:
        """Ask once."""
        request = IdentityRequest(Endpoint.IDENTIFY, CREATED_MS, Environment.PRODUCTION, "web", identities_of(number))
        await self.resolver.answer(self.rules.ask(request))


@asynccontextmanager
async def _asking(store: Any) -> AsyncGenerator[_Asking]:
    resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())
    asking = _Asking(resolver, Rules(SCOPE, POLICY), count())
    try:
        for number in range(1, USERS + 1):
            await asking.ask(number)
        yield asking
    finally:
        await resolver.close()


def _percentiles(name: str, taken: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(taken, n=100)
    return {f"{name}_p50_ms": cuts[49] * 1000, f"{name}_p99_ms": cuts[98] * 1000}
