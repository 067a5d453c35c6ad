"""Servers without their HTTP surface, in one process: each a resolver of its own over a store of its own.

They share nothing but the database, as processes do. Stores can be wrapped, and lose the answers of commits on purpose.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Any, cast

from knownas.core.identity.decision import Created, NotFound, Refused, Returned
from knownas.core.identity.decision import Modified as ModifiedOutcome
from knownas.core.identity.kinds import identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityChange, IdentityRequest, ModifyRequest
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Answer as Decided
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.store.errors import StoreBusy, StoreError
from knownas.store.port import Store
from knownas.store.postgres.rows import Row
from knownas.store.postgres.statements import call as statement_calling
from knownas.store.postgres.store import PostgresStore
from knownas.store.postgres.trouble import ConnectionLost
from tests.concurrency.history import Answer, Call, Failed, Modified, Named, Told
from tests.concurrency.households import SCOPES, policy_of
from tests.concurrency.recording import clock_ms, shown
from tests.concurrency.sequential import matched

SERVERS = 4


class Losing(Enum):
    """What becomes of commits whose answers are lost: nothing is lost, or some happen before that and some don't."""

    NOTHING = auto()
    BEFORE_AND_AFTER = auto()


LOST_SHARE = 0.1
"""The share of commits whose answers are lost, where some are."""


@dataclass
class Server:
    """A server without its surface."""

    store: Store
    resolver: Resolver
    activity: ActivityMemory


Wrap = Callable[[PostgresStore], Store]


def unchanged(store: PostgresStore) -> Store:
    """Return the store itself."""
    return store


class Servers:
    """Servers over one database."""

    def __init__(self, servers: Sequence[Server], rules: dict[str, Rules]) -> None:
        self._servers = servers
        self._rules = rules

    @property
    def store(self) -> Store:
        """The store of one of them."""
        return self._servers[0].store

    async def ask(self, call: Call, random: Random) -> tuple[int, Answer | None, str]:
        """Ask one of them."""
        number = random.randrange(len(self._servers))
        server = self._servers[number]
        if call.kind == "profile":
            assert call.mpid is not None
            stored = await server.store.profile(call.mpid)
            if stored is None:
                return number, Told("unknown_profile"), ""
            return number, shown(stored.record, server.activity.last(call.mpid) or 0), ""
        scope, environment = call.pool.split("/")
        rules = self._rules[scope]
        try:
            decided = await server.resolver.answer(rules.ask(_observation(call, Environment(environment))))
        except StoreBusy as busy:
            return number, Failed(busy.code), ""
        except StoreError:
            return number, None, ""
        return number, _answer(decided), decided.decision_id


def _observation(call: Call, environment: Environment) -> IdentityRequest | ModifyRequest:
    if call.kind == "modify":
        assert call.mpid is not None
        changes = tuple(IdentityChange(*change) for change in call.changes)
        return ModifyRequest(clock_ms(), environment, "test", call.mpid, changes)
    held = identities(dict(call.identities))
    return IdentityRequest(Endpoint(call.kind), clock_ms(), environment, "test", held, call.previous)


def _answer(decided: Decided) -> Answer:
    decision = decided.decision
    match decision.outcome:
        case Returned(mpid, known) | Created(mpid, known):
            assert decision.record is not None
            observation = cast("IdentityRequest", decided.question.observation)
            return Named(mpid, known, matched(observation.identities, decision.record.identities))
        case ModifiedOutcome(mpid, known, results):
            return Modified(mpid, known, frozenset(results))
        case NotFound():
            return Told("not_found")
        case Refused(reason):
            return Told(reason.value)
        case other:
            raise AssertionError(other)


@asynccontextmanager
async def open_servers(
    url: str, wrap: Wrap = unchanged, losing: Losing = Losing.NOTHING, seed: int = 0, servers_wanted: int = SERVERS
) -> AsyncIterator[Servers]:
    """Run servers over a PostgreSQL database."""
    servers: list[Server] = []
    publishing = PostgresStore(url)
    rules = {
        name: Rules(name, await policy_in_force(publishing, name, policy_of(one), clock_ms()))
        for name, one in SCOPES.items()
    }
    await publishing.close()
    for number in range(servers_wanted):
        store, activity = PostgresStore(url), ActivityMemory()
        if losing is not Losing.NOTHING:
            Losses(store, Random(f"{seed} {number}"))
        wrapped = wrap(store)
        servers.append(Server(wrapped, Resolver(wrapped, SystemChance(), RecentDecisions(), activity), activity))
    try:
        yield Servers(servers, rules)
    finally:
        for server in servers:
            await server.resolver.close()
        for server in servers:
            await server.store.close()


class Losses:
    """Makes a store lose the answers of some commits: half of them happen, half don't."""

    def __init__(self, store: PostgresStore, random: Random) -> None:
        connections = store._database._connections
        self._fetch = connections.fetch
        self._random = random
        connections.fetch = self.fetch  # type: ignore[method-assign]

    async def fetch(self, query: str, *args: object, **more: Any) -> Sequence[Row]:
        """Run a statement, and lose the answers of some."""
        if query != statement_calling("commit") or self._random.random() > LOST_SHARE:
            return await self._fetch(query, *args, **more)
        if self._random.random() < 0.5:
            await self._fetch(query, *args, **more)
        raise ConnectionLost("it is gone", is_late=False)
