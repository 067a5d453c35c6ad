"""Gives databases on a Citus cluster that somebody names, in the schema `knownas` of the database that the name leads to.

The cluster is somebody else's: tests refuse a schema `knownas` that they did not make, which a comment on it says, and touch
nothing else. One test at a time has it, also of other processes. Nothing there is ended, frozen or set up.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from knownas.store.postgres.address import read_address
from knownas.store.postgres.distribution import SETTINGS, STAY_HERE, WITH_EXTENSION
from knownas.store.postgres.migrating import distribute
from tests.postgres import ANSWER_WITHIN_SECONDS

CITUS_DSN = os.environ.get("KNOWNAS_TEST_CITUS_DSN", "")
"""The URL of a database on a coordinator, with the extension in it. Without it, tests over a cluster are not collected."""

SHARDS = 4
_OURS = "made by the tests of knownas"
_TURN_KEY = 1_802_398_099
_TURN_SECONDS = 1_800
_DISTRIBUTE_SECONDS = 120

_made: set[str] = set()


@contextmanager
def distributed_database() -> Iterator[str]:
    """Give the URL of the database, distributed and with no rows. No event loop may be running."""
    with bare_schema() as url:
        if url not in _made:
            asyncio.run(_make(url))
            _made.add(url)
        try:
            yield url
        except BaseException:
            _made.clear()
            raise
        asyncio.run(_empty(url))


@contextmanager
def bare_schema(*, anew: bool = False) -> Iterator[str]:
    """Give the URL of the database, ours alone for a while; with `anew`, nothing of knownas is in it."""
    loop = asyncio.new_event_loop()
    turn = loop.run_until_complete(_connect(CITUS_DSN))
    try:
        query = "SELECT pg_advisory_lock($1)"
        loop.run_until_complete(turn.fetch(query, _TURN_KEY, timeout=_TURN_SECONDS))
        loop.run_until_complete(_refuse_others(turn))
        if anew:
            _made.clear()
            loop.run_until_complete(turn.execute("DROP SCHEMA IF EXISTS knownas CASCADE"))
        yield CITUS_DSN
    finally:
        loop.run_until_complete(turn.close(timeout=ANSWER_WITHIN_SECONDS))
        loop.close()


async def claim(url: str) -> None:
    """Say of the schema in a database that tests made it."""
    connection = await _connect(url)
    try:
        await connection.execute(
            f"BEGIN; {STAY_HERE}; CREATE SCHEMA IF NOT EXISTS knownas; COMMENT ON SCHEMA knownas IS '{_OURS}'; COMMIT"
        )
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)


async def _connect(url: str) -> Any:
    return await asyncpg.connect(url, timeout=ANSWER_WITHIN_SECONDS, server_settings={**SETTINGS, **WITH_EXTENSION})


async def _refuse_others(connection: Any) -> None:
    found = await connection.fetchval(
        "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = 'knownas'"
    )
    assert found in (None, _OURS), (
        f"{read_address(CITUS_DSN)} has a schema knownas that no test made: name another database"
    )


async def _make(url: str) -> None:
    connection = await _connect(url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS knownas CASCADE")
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)
    await claim(url)
    async with asyncio.timeout(_DISTRIBUTE_SECONDS):
        await distribute(read_address(url), SHARDS, lambda _: None)


async def _empty(url: str) -> None:
    """Remove all rows. Whoever is still connected from this test is waited for, not ended."""
    connection = await _connect(url)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'knownas' AND tablename NOT IN ('layout', 'distribution')"
        )
        await connection.execute("; ".join(f"DELETE FROM knownas.{name}" for (name,) in tables))
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)
