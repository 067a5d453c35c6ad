"""Clients who each log in as somebody new, again and again until answered, and remember what they were answered.

`Load` lets them work while something is done to the database, and measures how long the slowest waited. What they were
answered is looked for afterwards, in the database itself.
"""

import asyncio
import json
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from knownas.core.identity.decision import Created, Returned
from knownas.core.identity.kinds import Identity, IdentityType, identities
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.policy import Strategy, policy
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.policies import policy_in_force
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import REQUEST_SECONDS
from knownas.store.errors import StoreError
from knownas.store.port import Pool
from knownas.store.postgres.store import PostgresStore
from tests.served import KEY, SECRET, TOKEN
from tests.store.postgres_inspection import contradictions, unexplained
from tests.store.world import EVERYTHING, START_MS, fold_differs
from tests.waiting import until

POOL = Pool("shop", "production")
CLIENTS = 16
WORKS_AGAIN_WITHIN_SECONDS = 60.0
LATE_BY_SECONDS = 0.25
"""How much later than its deadline a request may be answered."""

PAUSE_SECONDS = 0.02
"""The pause of a client who was told to come back."""

TICK_SECONDS = 0.05
PATIENCE_SECONDS = 30.0

Ask = Callable[[str], Awaitable[int]]
"""Logs somebody in by a name and returns the MPID.

Raises:
    Unanswered: the caller should come back.
"""


class Unanswered(Exception):
    """A request was refused for now; the text is the reason's code."""


class Load:
    """The clients, what they were answered, and how long they waited."""

    def __init__(self, ask: Ask, clients: int = CLIENTS) -> None:
        self._ask = ask
        self._clients = clients
        self._stopping = False
        self.answered: dict[str, int] = {}
        self.errors: Counter[str] = Counter()
        self.store: PostgresStore | None = None
        """What the resolver asks, if it is ours."""
        self.slowest = 0.0
        self.lag = 0.0
        """How late the machine woke this process at worst, while the clients waited."""

    async def run(self, interfere: Callable[[], Awaitable[object]]) -> None:
        """Let the clients work while something is done to the database, and until it works again after that."""
        work = [asyncio.create_task(self._client(number)) for number in range(self._clients)]
        work.append(asyncio.create_task(self._measure_lag()))
        try:
            await interfere()
            await self.answers(self._clients, WORKS_AGAIN_WITHIN_SECONDS)
        finally:
            self._stopping = True
            await asyncio.gather(*work)

    async def answers(self, count: int, within_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many more have been answered."""
        wanted = len(self.answered) + count

        async def are_there() -> bool:
            return len(self.answered) >= wanted

        await until(are_there, within_seconds)

    async def goes_on(self, count: int) -> None:
        """Wait until so many more have been answered or refused."""
        wanted = len(self.answered) + self.errors.total() + count

        async def are_there() -> bool:
            return len(self.answered) + self.errors.total() >= wanted

        await until(are_there, PATIENCE_SECONDS)

    def was_in_time(self) -> None:
        """Check that nobody waited past the deadline, by more than the machine itself was late."""
        assert self.slowest < REQUEST_SECONDS + LATE_BY_SECONDS + self.lag, (self.slowest, self.lag)

    async def _client(self, number: int) -> None:
        clock = asyncio.get_running_loop().time
        turn = 0
        while not self._stopping:
            turn += 1
            name = f"{number}-{turn}"
            while name not in self.answered and not self._stopping:
                begun = clock()
                try:
                    self.answered[name] = await self._ask(name)
                except Unanswered as error:
                    self.errors[str(error)] += 1
                    await asyncio.sleep(PAUSE_SECONDS)
                finally:
                    self.slowest = max(self.slowest, clock() - begun)

    async def _measure_lag(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._stopping:
            begun = clock()
            await asyncio.sleep(TICK_SECONDS)
            self.lag = max(self.lag, clock() - begun - TICK_SECONDS)


async def is_kept(load: Load, url: str) -> None:
    """Check that all that was answered is in the database, once, and that nothing there contradicts itself."""
    store = PostgresStore(url)
    try:
        assert load.answered
        wanted = [(POOL, Identity(IdentityType.CUSTOMER_ID, name)) for name in load.answered]
        held = [None if one is None else one.mpid for one in await store.sole_holders(wanted)]
        assert held == list(load.answered.values())
        lines = Counter(one.decision_id for one in await store.log(POOL, 0, EVERYTHING))
        assert set(lines.values()) == {1}
        assert await fold_differs(store, POOL) == []
    finally:
        await store.close()
    assert [*await contradictions(url), *await unexplained(url)] == []


@asynccontextmanager
async def loaded(url: str, clients: int = CLIENTS) -> AsyncIterator[Load]:
    """Give a load on a resolver over a database, and look afterwards whether all that was answered is there, once."""
    store = PostgresStore(url)
    try:
        configured = policy(Strategy.PROFILE_CONVERSION)
        rules = Rules("shop", await policy_in_force(store, "shop", configured, START_MS))
        resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())

        async def ask(name: str) -> int:
            held = identities({IdentityType.CUSTOMER_ID: name, IdentityType.EMAIL: f"{name}@example.com"})
            request = IdentityRequest(Endpoint.LOGIN, START_MS, Environment.PRODUCTION, "test", held)
            try:
                outcome = (await resolver.answer(rules.ask(request))).decision.outcome
            except StoreError as error:
                raise Unanswered(error.code) from error
            assert isinstance(outcome, Created | Returned)
            return outcome.mpid

        load = Load(ask, clients)
        load.store = store
        yield load
        await resolver.close()
    finally:
        await store.close()
    await is_kept(load, url)


@asynccontextmanager
async def loaded_over_http(server: str, clients: int = CLIENTS) -> AsyncIterator[Load]:
    """Give a load on a running server, each client with a connection of its own."""
    made: list[Wire] = []
    free: list[Wire] = []

    async def ask(name: str) -> int:
        known = {"customerid": name, "email": f"{name}@example.com"}
        if free:
            wire = free.pop()
        else:
            made.append(wire := await Wire.to(server))
        told = await wire.post("/v1/login", {"environment": "production", "known_identities": known})
        free.append(wire)
        if told.status == HTTPStatus.OK:
            return int(told.body["mpid"])
        assert told.status == HTTPStatus.SERVICE_UNAVAILABLE, told
        assert told.headers["retry-after"]
        raise Unanswered(told.headers["x-refusal-reason"])

    try:
        yield Load(ask, clients)
    finally:
        for wire in made:
            await wire.close()


class Told(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: Any


class Wire:
    """A connection to a server, as bare as can be: what a client takes for itself is missing to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, server: str) -> "Wire":
        """Connect to a server by its URL."""
        address = urlsplit(server)
        return cls(*await asyncio.open_connection(address.hostname, address.port))

    async def post(self, path: str, document: Any) -> Told:
        """Send a document as the app of `tests.served`, and return the answer."""
        return await self._ask(f"POST {path}", f"Basic {_BASIC}", json.dumps(document))

    async def get(self, path: str) -> Told:
        """Ask our own API, and return the answer."""
        return await self._ask(f"GET {path}", f"Bearer {TOKEN}", "")

    async def _ask(self, what: str, who: str, body: str) -> Told:
        head = f"{what} HTTP/1.1\r\nhost: it\r\nauthorization: {who}\r\ncontent-length: {len(body)}"
        self._writer.write(f"{head}\r\ncontent-type: application/json\r\n\r\n{body}".encode())
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        content = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Told(int(first.split()[1]), headers, json.loads(content) if content else None)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


_BASIC = b64encode(f"{KEY}:{SECRET}".encode()).decode()
