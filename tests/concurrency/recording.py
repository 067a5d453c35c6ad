"""Lets many clients ask at the same time, and records from when to when, and what they were answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import count
from random import Random

from knownas.core.identity.record import Record
from knownas.store.port import Pool, Store
from tests.concurrency.history import FORMAT, About, Answer, Call, Census, History, Operation, Shown, values_of
from tests.concurrency.households import ENVIRONMENTS, SCOPES, Household, draw

CENSUS_CLIENT = -1
RECORDS_MAX = 1_000_000

Ask = Callable[[Call, Random], Awaitable[tuple[int, Answer | None, str]]]
"""Asks one of the servers; returns which, what it answered (None if that is not known), and the decision's id."""


class Recorder:
    """Records one history: the operations of all clients in the order in which they began."""

    def __init__(self, made_from: str, seed: int, clients: int, servers: int) -> None:
        self.about = About(FORMAT, made_from, seed, clients, servers, dict(SCOPES))
        self._clients = clients
        self._numbers = count()
        self._operations: list[Operation] = []

    async def run(self, ask: Ask, visits: Iterable[tuple[Household, Random]]) -> None:
        """Let the clients make all calls: each takes the next one as soon as its last one is answered."""
        left = iter(visits)
        async with asyncio.TaskGroup() as group:
            for client in range(self._clients):
                group.create_task(self._work(client, ask, left))

    async def _work(self, client: int, ask: Ask, left: Iterator[tuple[Household, Random]]) -> None:
        for home, random in left:
            operation = await self.record(client, draw(home, random), lambda call, chance=random: ask(call, chance))
            home.heard(operation.answer)

    async def record(
        self, client: int, call: Call, ask: Callable[[Call], Awaitable[tuple[int, Answer | None, str]]]
    ) -> Operation:
        """Make one call and record it."""
        number = next(self._numbers)
        started_ms, started_ns = clock_ms(), time.monotonic_ns()
        server, answer, decision_id = await ask(call)
        ended_ns, ended_ms = time.monotonic_ns(), clock_ms()
        ended = (None, None) if answer is None else (ended_ns, ended_ms)
        operation = Operation(number, client, server, call, started_ns, started_ms, *ended, answer, decision_id)
        self._operations.append(operation)
        return operation

    async def take_census(self, store: Store, known: Sequence[Operation] = ()) -> None:
        """Read all records there are; nobody may be asking. Those of a census before, of `known` operations, are left out."""
        before = {one.mpid for census in known if isinstance(census.answer, Census) for one in census.answer.profiles}
        for scope in SCOPES:
            for environment in ENVIRONMENTS:
                pool = Pool(scope, environment)

                async def read(_: Call, pool: Pool = pool) -> tuple[int, Answer | None, str]:
                    records = await store.records(pool, None, RECORDS_MAX)
                    return 0, Census(tuple(shown(one) for one in records if one.mpid not in before)), ""

                await self.record(CENSUS_CLIENT, Call("census", f"{scope}/{environment}"), read)

    def history(self) -> History:
        """Return what was recorded."""
        return History(self.about, sorted(self._operations, key=lambda one: one.started_ns))


def clock_ms() -> int:
    """Return the time as servers on this machine see it."""
    return time.time_ns() // 1_000_000


def shown(record: Record, active_ms: int = 0) -> Shown:
    """Show a record, perhaps with a later visit."""
    return Shown(
        record.mpid,
        record.known,
        record.source_mpid,
        record.created_ms,
        max(active_ms, record.active_ms),
        values_of(record.identities),
        values_of(record.carried),
    )
