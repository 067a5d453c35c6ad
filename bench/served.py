"""Gathers what the benchmarks over HTTP share: their options, and servers that run while they measure."""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.bare import bare_rate
from bench.contest import CONNECTIONS, Contender, Contest, Plan, Rate, Say
from bench.load import LoadFailed, Question
from bench.population import CROWDED_STAMP, Population
from bench.report import Goal
from bench.seeding import copied, seed_postgres, seeded
from bench.serving import Kind, Server, serving
from knownas.service.limits import ACTIVITY_MAX
from tests.postgres import PrivateServer

LOG_SHOWN: Final = 2_000
"""Characters of a server's log that are told when its answers were not what they should be."""

BARE_AT_LEAST: Final = 1.0
"""Ours shares round trips and commits among requests, and is to be ahead of a client that does not, HTTP and rules and all."""

WARM_UP_REQUESTS: Final = ACTIVITY_MAX + ACTIVITY_MAX // 4
"""Enough different users to fill the server's memory of visits, so that forgetting them is measured too."""


def known_users(profiles: int) -> Question:
    """A random one of the seeded users comes back, with all three identities."""
    return Question("known_user", {"profiles": profiles})


def crowded_device() -> Question:
    """The device that the whole crowd shares comes back, alone."""
    return Question("device", {"stamp": CROWDED_STAMP})


def against_bare(result: Contest, name: str) -> list[Goal]:
    """Hold a contender against the bare statements that were carried out beside it, if any were."""
    if not result.beside:
        return []
    measure = "rate of ours to that of pgbench with the bare statements"
    return [Goal(measure, result.ratios_beside(name), at_least=BARE_AT_LEAST)]


def add_options(parser: argparse.ArgumentParser, *, warm_up: int = WARM_UP_REQUESTS) -> None:
    """Add the options that say how long to measure and where the databases are kept."""
    parser.add_argument("--rounds", type=int, default=7, help="rounds to measure (%(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of each contender's turn (%(default)s)")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="connections at once (%(default)s)")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite", help="what ours keeps its data in")
    parser.add_argument("--warm-up", type=int, default=warm_up, help="requests before measuring (%(default)s)")


def plan_of(options: argparse.Namespace) -> Plan:
    """Return the plan that the options describe."""
    return Plan(options.rounds, options.seconds, options.warm_up, options.connections)


@dataclass
class Arena:
    """Starts servers over databases of their own, all of which end with it."""

    cache: Path
    folder: Path
    say: Say
    store: str = "sqlite"
    databases: dict[str, PrivateServer] = field(default_factory=dict[str, PrivateServer])
    """The PostgreSQL server of each of ours that has one, by its name, which is also the database's."""
    stack: ExitStack = field(default_factory=ExitStack)

    def noop(self, question: Question | None = None) -> Contender:
        """Start the server that does nothing, to be asked the question, or about known users."""
        server = self._serving(Kind.NOOP, "noop", self.folder / "none.db")
        return Contender("noop", [server], known_users(1) if question is None else question)

    def ours(self, name: str, population: Population, *, writes: bool) -> Server:
        """Start our server over a seeded database; over a copy of it, if it will be written to."""
        if self.store == "postgres":
            return self._serving(Kind.OURS, name, self._postgres(name, population))
        database = seeded(population, self.cache, self.say)
        if writes:
            database = copied(database, self.folder / f"{name}.db")
        return self._serving(Kind.OURS, name, database)

    def over(self, name: str, database: Path) -> Server:
        """Start our server over a SQLite file that is there, and that it may change."""
        return self._serving(Kind.OURS, name, database)

    def several(self, name: str, population: Population, servers: int) -> list[Server]:
        """Start so many of our servers over one seeded PostgreSQL database.

        Raises:
            LoadFailed: the store is not PostgreSQL, the only one that several servers share.
        """
        if self.store != "postgres":
            raise LoadFailed("only a PostgreSQL database is served by several servers: --store postgres")
        url = self._postgres(name, population)
        return [self._serving(Kind.OURS, f"{name}-{number}", url) for number in range(1, servers + 1)]

    def bare(self, name: str, script: str, plan: Plan) -> Rate | None:
        """Return what carries out the bare statements of one request over the same database; None over SQLite."""
        server = self.databases.get(name)
        if server is None:
            return None
        return lambda seconds: bare_rate(server, name, script, plan.connections, seconds)

    def _postgres(self, name: str, population: Population) -> str:
        """Start a PostgreSQL server with the settings that it has by itself but for its memory, and fill a database.

        Its data are in the system's temporary folder, where its user can reach them.
        """
        server = PrivateServer(settings=("shared_buffers=1GB", "max_wal_size=8GB"))
        self.stack.callback(server.remove)
        server.start()
        self.databases[name] = server
        server.ask(f"CREATE DATABASE {name}")
        self.say(f"seeding {population.profiles} profiles and a crowd of {population.crowd}")
        asyncio.run(seed_postgres(server.url(name), population))
        server.ask("VACUUM ANALYZE", name)
        server.ask("CHECKPOINT", name)
        return server.url(name)

    def _serving(self, kind: Kind, name: str, database: Path | str) -> Server:
        return self.stack.enter_context(serving(kind, self.folder / name, database))


@contextmanager
def arena(cache: Path, say: Say, store: str = "sqlite") -> Iterator[Arena]:
    """Open a place for servers: a temporary folder beside the seeded databases, on the same disk."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as folder, ExitStack() as stack:
        try:
            yield Arena(cache, Path(folder), say, store, stack=stack)
        except LoadFailed:
            for log in sorted(Path(folder).glob("*/server.log")):
                say(f"the log of {log.parent.name} ends with: {log.read_text()[-LOG_SHOWN:] or 'nothing'}")
            raise
