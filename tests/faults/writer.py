"""Processes to kill: each writes to a database and says what has been acknowledged, until somebody ends it.

`python -m tests.faults.writer DATABASE POSTPONED` starts a nursery, which imports everything once and opens nothing.
For each line `CYCLE PAGES` on its input it forks a writer, waits until that is dead, and prints `ENDED STATUS`.
A writer opens the database itself and has eight visitors identify, log in and modify at the same time, each
visitor one after another with values never seen before. It prints `STARTED PID`, then `ACK KIND VISITOR MPID` for
each answer after the resolver has given it: by then the change has been promised. `PAGES` is how long the WAL may grow
before it is moved into the database file, so that some writers die in the middle of that. `POSTPONED` is 1 for the
real store; with more, only every so many-th transaction is ended when the store says that it is.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple, cast

from knownas.core.identity.decision import Created, Modified, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import (
    Endpoint,
    Environment,
    IdentityChange,
    IdentityRequest,
    ModifyRequest,
    Observation,
)
from knownas.core.identity.policy import Strategy, policy
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.port import Pool
from knownas.store.sqlite.connection import Binding, Connection, Cursor
from knownas.store.sqlite.store import SqliteStore

SCOPE: Final = "shop"
POOL: Final = Pool(SCOPE, Environment.PRODUCTION)
VISITORS: Final = 8
WRITES_SECONDS_MAX: Final = 20
"""A writer that nobody kills ends by itself after this long."""


class Acknowledged(NamedTuple):
    """A change that was promised: what a visitor did, and the profile that was answered."""

    kind: str
    visitor: str
    mpid: int

    @property
    def held(self) -> Identity:
        """The identity that the profile has had since."""
        return {
            "identify": Identity(IdentityType.DEVICE_APPLICATION_STAMP, self.visitor),
            "login": Identity(IdentityType.CUSTOMER_ID, self.visitor),
            "modify": Identity(IdentityType.EMAIL, new_email(self.visitor)),
        }[self.kind]

    @property
    def given_up(self) -> Identity | None:
        """The identity that the profile no longer has."""
        return Identity(IdentityType.EMAIL, old_email(self.visitor)) if self.kind == "modify" else None


def old_email(visitor: str) -> str:
    """Return the address a visitor logs in with."""
    return f"{visitor}@old.example"


def new_email(visitor: str) -> str:
    """Return the address that the visitor's modify puts in its place."""
    return f"{visitor}@new.example"


class PostponingConnection:
    """A connection that ends only every so many-th writing transaction, and answers as if it ended each."""

    def __init__(self, connection: Connection, postponed: int) -> None:
        self._connection = connection
        self._postponed = postponed
        self._ends = count(1)
        self._held = self._writes = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statements: str, bindings: Sequence[Binding] = ()) -> Cursor | None:
        if statements.startswith("BEGIN"):
            self._writes = "IMMEDIATE" in statements
            self._held = self._connection.in_transaction
            if self._held:
                return None
        if statements == "COMMIT":
            # Reading inside a postponed transaction must not end it either.
            postpones = next(self._ends) % self._postponed > 0 if self._writes else self._held
            if postpones:
                return None
        return self._connection.execute(statements, bindings)


def prepare(path: Path) -> None:
    """Make the database, its pool and its policy."""

    async def make() -> None:
        store = SqliteStore(path)
        try:
            await rules_in(store)
            await store.load(())
            await store._find_pool(POOL)
        finally:
            await store.close()

    asyncio.run(make())


async def rules_in(store: SqliteStore) -> Rules:
    """Return the rules under which the writers write."""
    configured = policy(Strategy.PROFILE_CONVERSION)
    return Rules(SCOPE, await policy_in_force(store, SCOPE, configured, now_ms()))


def now_ms() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def write(path: Path, postponed: int, cycle: str, pages: int) -> None:
    """Write until killed."""
    store = SqliteStore(path)
    store._connection.pragma("wal_autocheckpoint", pages)
    rules = await rules_in(store)
    if postponed > 1:
        store._connection = cast("Connection", PostponingConnection(store._connection, postponed))
    resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())
    async with asyncio.timeout(WRITES_SECONDS_MAX):
        await asyncio.gather(*(_visits(resolver, rules, f"{cycle}-{place}") for place in range(VISITORS)))


async def _visits(resolver: Resolver, rules: Rules, place: str) -> None:
    """Be one visitor after another."""

    async def ask(kind: str, observation: Observation) -> int:
        outcome = (await resolver.answer(rules.ask(observation))).decision.outcome
        assert isinstance(outcome, Created | Returned | Modified), f"{observation} was answered {outcome}"
        say(f"ACK {kind} {visitor} {outcome.mpid}")
        return outcome.mpid

    for number in count(1):
        visitor = f"{place}-{number}"
        device = {IdentityType.DEVICE_APPLICATION_STAMP: visitor}
        login = {**device, IdentityType.CUSTOMER_ID: visitor, IdentityType.EMAIL: old_email(visitor)}
        await ask("identify", _request(Endpoint.IDENTIFY, device))
        mpid = await ask("login", _request(Endpoint.LOGIN, login))
        change = IdentityChange(IdentityType.EMAIL, old_email(visitor), new_email(visitor))
        await ask("modify", ModifyRequest(now_ms(), Environment.PRODUCTION, "faults", mpid, (change,)))


def _request(endpoint: Endpoint, given: dict[IdentityType, str]) -> IdentityRequest:
    return IdentityRequest(endpoint, now_ms(), Environment.PRODUCTION, "faults", identities(given))


def say(line: str) -> None:
    """Print a line at once; a pipe takes so short a one whole or not at all."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Fork a writer for each line of the input."""
    path, postponed = Path(sys.argv[1]), int(sys.argv[2])
    for line in sys.stdin:
        cycle, pages = line.split()
        pid = os.fork()
        if pid == 0:
            say(f"STARTED {os.getpid()}")
            asyncio.run(write(path, postponed, cycle, int(pages)))
            return
        _, status = os.waitpid(pid, 0)
        say(f"ENDED {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
