"""Fills SQLite databases with a population, and keeps them so that a run can be repeated.

`seeded` writes through the store's own port, in big commits that don't wait for the disk: profiles, identities and
holdings, which is all that a lookup reads, and no log. What it wrote is then read back through the store.
`seed_through_resolver` takes the way of a real server, log and all, for where that matters.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

from bench.population import (
    CREATED_MS,
    CROWDED_STAMP,
    POLICY,
    Population,
    identities_of,
    user,
    visitor,
)
from bench.serving import SCOPE
from knownas.core.identity.decision import RecordWrite, Returned
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.observation import Endpoint, Environment, IdentityRequest
from knownas.core.identity.record import Record
from knownas.core.identity.records import Records
from knownas.core.identity.resolve import resolve
from knownas.service.chance import SystemChance
from knownas.service.identity.activity import ActivityMemory
from knownas.service.identity.question import Rules
from knownas.service.identity.receipts import RecentDecisions
from knownas.service.identity.resolver import Resolver
from knownas.service.limits import BATCH_MAX
from knownas.store.port import Commit, Committed, Pool, PoolWrites, Store, Wanted
from knownas.store.postgres.store import PostgresStore
from knownas.store.sqlite.connection import Connection
from knownas.store.sqlite.statements import schema_steps, statements
from knownas.store.sqlite.store import SqliteStore

POOL: Final = Pool(SCOPE, Environment.PRODUCTION.value)
CROWD_IDENTITY: Final = Identity(IdentityType.DEVICE_APPLICATION_STAMP, CROWDED_STAMP)
_FORMAT: Final = "2"
"""Part of a kept database's name; a change of what is written here makes another one."""

_CHUNK: Final = 20_000
_CACHE_KIB: Final = 2 * 1024 * 1024
_CHECKPOINT_PAGES: Final = 200_000
_LOOKED_AT: Final = 200


class SeedingFailed(Exception):
    """A seeded database does not hold what was to be written."""


def seeded(population: Population, cache: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return a database with the population, seeding it if the cache holds none.

    Raises:
        SeedingFailed: what was written can't be read back.
    """
    cache.mkdir(parents=True, exist_ok=True)
    layout = "".join(step for _, step in schema_steps())
    written = hashlib.sha256(f"{_FORMAT}{layout}{statements()}{POLICY}".encode()).hexdigest()[:8]
    age = "stale" if population.stale else "fresh"
    file = cache / f"{population.profiles}-{population.crowd}-{age}-{written}.db"
    if not file.exists():
        say(f"seeding {population.profiles} profiles and a crowd of {population.crowd}")
        unfinished = cache / f"{file.stem}.{os.getpid()}.unfinished"
        try:
            asyncio.run(_write(population, unfinished))
            asyncio.run(_verify_file(population, unfinished))
            unfinished.rename(file)
        finally:
            for left in cache.glob(f"{unfinished.name}*"):
                left.unlink()
    return file


def copied(database: Path, to: Path) -> Path:
    """Copy a seeded database for a benchmark that writes, and wait until the copy is on the disk."""
    shutil.copyfile(database, to)
    with to.open("rb") as file:
        os.fsync(file.fileno())
    return to


async def _write(population: Population, file: Path) -> None:
    store = SqliteStore(file)
    try:
        connection: Connection = store._connection  # noqa: SLF001 - whoever keeps people's data must not do this
        connection.pragma("synchronous", "off")
        connection.pragma("cache_size", -_CACHE_KIB)
        connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
        await _fill(store, population)
    finally:
        await store.close()


async def _fill(store: Store, population: Population) -> None:
    everybody = chain(_users(population), _crowd(population))
    while chunk := [RecordWrite(None, record) for record in islice(everybody, _CHUNK)]:
        commit = Commit({POOL: PoolWrites(chunk, POLICY.unique_ids)})
        outcome = await store.commit(await store.load(()), commit)
        if not isinstance(outcome, Committed):
            raise SeedingFailed(outcome.what)


async def seed_postgres(url: str, population: Population) -> None:
    """Fill an empty PostgreSQL database with a population, the way a server would write it.

    Raises:
        SeedingFailed: what was written can't be read back.
    """
    store = PostgresStore(url)
    try:
        await _fill(store, population)
        await _verify(population, store)
    finally:
        await store.close()


def _users(population: Population) -> Iterator[Record]:
    for number in range(1, population.profiles + 1):
        yield user(number, population.active_ms)


def _crowd(population: Population) -> Iterator[Record]:
    for number in range(population.crowd):
        yield visitor(population.profiles + 1 + number, CROWDED_STAMP, population.active_ms - number)


async def _verify_file(population: Population, file: Path) -> None:
    store = SqliteStore(file)
    try:
        await _verify(population, store)
    finally:
        await store.close()


async def _verify(population: Population, store: Store) -> None:
    """Read a sample back through the store, and decide over it.

    Raises:
        SeedingFailed: it is not what was to be written.
    """
    step = max(1, population.profiles // _LOOKED_AT)
    for number in range(1, population.profiles + 1, step):
        record = user(number, population.active_ms)
        if not _same(await _decided(store, identities_of(number)), record):
            raise SeedingFailed(f"user {number} is not found as it was written")
        stored = await store.profile(record.mpid)
        if stored is None or stored.pool != POOL:
            raise SeedingFailed(f"user {number} is not in {POOL}")
    if population.crowd:
        latest = next(_crowd(population))
        if not _same(await _decided(store, (CROWD_IDENTITY,)), latest):
            raise SeedingFailed("the crowd's most recent profile is not found")


def _same(found: Record | None, written: Record) -> bool:
    """Whether two records are the same but for the version, which the store gives."""
    return found is not None and found._replace(version=written.version) == written


async def _decided(store: Store, identities: tuple[Identity, ...]) -> Record | None:
    """Return the profile that a request would be answered with, if it would change nothing."""
    loaded = (await store.load([Wanted(POOL, identities)])).pools[POOL]
    records = Records()
    records.load(loaded.records, loaded.crowded)
    request = IdentityRequest(Endpoint.IDENTIFY, CREATED_MS, Environment.PRODUCTION, "bench", identities)
    decision = resolve(request, POLICY, records, 1)
    returned = isinstance(decision.outcome, Returned) and not decision.writes
    return decision.record if returned else None


async def seed_through_resolver(file: Path, profiles: int) -> None:
    """Make users the way a server does: each identified for the first time, in batches, with the log."""
    store = SqliteStore(file)
    resolver = Resolver(store, SystemChance(), RecentDecisions(), ActivityMemory())
    rules = Rules(SCOPE, POLICY)
    try:
        for start in range(1, profiles + 1, BATCH_MAX):
            numbers = range(start, min(start + BATCH_MAX, profiles + 1))
            requests = [
                IdentityRequest(Endpoint.IDENTIFY, CREATED_MS, Environment.PRODUCTION, "web", identities_of(number))
                for number in numbers
            ]
            await asyncio.gather(*(resolver.answer(rules.ask(request)) for request in requests))
    finally:
        await resolver.close()
        await store.close()
