"""Overwrites what is left in a PostgreSQL database of rows that were changed or removed.

A row that was removed stays in the pages of its table and indexes, in samples that the planner keeps, and in the
write-ahead log. Vacuuming frees the room and leaves the bytes. So the tables that erasing touches are written anew, one after
the other: each is locked for as long as that takes, and what it lay in before is removed. Then the log is begun in a
new file, where the role may do that, and those before it go at the checkpoint.

What somebody may still see is written anew as well. So nothing is begun before nobody sees any more what was removed
before: a few rows are removed and looked for until they are gone.

What only an operator can see to (a log whose files are used again, its archive, replicas, backups) stands in this package's
README.
"""

import asyncio
import logging
from typing import Final

from knownas.store.postgres.database import Database
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError
from knownas.store.postgres.limits import (
    CLOSE_SECONDS,
    SCRUB_LOCK_MS,
    SCRUB_PAUSE_SECONDS,
    SCRUB_TABLE_SECONDS,
    SCRUB_VALUES_AT_ONCE,
    SCRUB_WAIT_SECONDS,
)
from knownas.store.postgres.statements import statement
from knownas.store.postgres.trouble import LOCKED, NO_PRIVILEGE, opening_error, sqlstate_of, store_error
from knownas.store.privacy import Scrubbed

log: Final = logging.getLogger(__name__)

TABLES: Final = (
    "identity",
    "holding",
    "profile",
    "log",
    "touched",
    "section",
    "user_events",
    "batch_receipt",
    "request",
    "message",
    "alias",
    "kept",
    "subject_request",
    "suppression",
    "delivery",
    "mark",
    "standing",
    "member",
    "membership_change",
    "held",
    "passed",
    "output_delivery",
    "group_place",
)
"""The tables that hold, or held, something of a person."""

SAMPLES: Final = "pg_catalog.pg_statistic"
"""The server's own table of samples: values that are frequent, and some between which the others lie."""

_TABLE: Final = "/*table*/"
_MARK: Final = "knownas.scrub_mark"
_CANCELLED: Final = "57014"
_IN_THE_WAY: Final = LOCKED | {_CANCELLED}
_CHECKPOINT: Final = "CHECKPOINT"

SETTINGS: Final = {
    "statement_timeout": str(SCRUB_TABLE_SECONDS * 1000),
    "lock_timeout": str(SCRUB_LOCK_MS),
    "enable_seqscan": "on",
}
"""How the connection differs that does it. Reading a table from end to end is what it is for."""


async def scrub(database: Database) -> Scrubbed:
    """Write the tables anew, then begin the log in a new file. The method names what was done: tables, samples, log.

    Raises:
        StoreError: the server can't be used, or has no room for a second copy of a table.
    """
    connection, is_distributed = await database.open_alone(SETTINGS)
    try:
        ((has_extension,),) = await connection.fetch(statement("has_extension"))
        done = await _Scrubbing(connection, is_cluster=is_distributed and bool(has_extension)).run()
        await connection.close(timeout=CLOSE_SECONDS)
    except PostgresError as error:
        raise store_error(error, database.address) from error
    except (TimeoutError, *CONNECTION_TROUBLE) as error:
        raise opening_error(error, database.address) from error
    finally:
        connection.terminate()
    return done


class _Scrubbing:
    def __init__(self, connection: Connection, *, is_cluster: bool) -> None:
        self._connection = connection
        self._is_cluster = is_cluster

    async def run(self) -> Scrubbed:
        if not await self._values() or not await self._is_out_of_sight():
            return Scrubbed("none", complete=False)
        missing = [table for table in TABLES if not await self._written_anew(f"knownas.{table}")]
        if missing:
            log.warning("others kept these tables from being written anew: %s", ", ".join(missing))
            return Scrubbed("none" if len(missing) == len(TABLES) else "some tables", complete=False)
        done = ["tables"]
        if await self._samples():
            done.append("samples")
        if await self._log():
            done.append("log")
        return Scrubbed("+".join(done), complete=True)

    async def _values(self) -> bool:
        """Remove the versions of values that nobody holds; False if others are in the way."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + SCRUB_WAIT_SECONDS
        while True:
            try:
                if self._is_cluster:
                    await self._connection.fetch(statement("scrub_values_apart"))
                    return True
                gone = await self._connection.fetch(statement("scrub_values"), SCRUB_VALUES_AT_ONCE)
            except PostgresError as error:
                if sqlstate_of(error) not in _IN_THE_WAY:
                    raise
                if clock() > give_up_at:
                    return False
                await asyncio.sleep(SCRUB_PAUSE_SECONDS)
            else:
                if not gone:
                    return True
                give_up_at = clock() + SCRUB_WAIT_SECONDS

    async def _is_out_of_sight(self) -> bool:
        """Wait until nobody sees any more what was removed before this was called; False if that takes too long."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + SCRUB_WAIT_SECONDS
        await self._connection.fetch(statement("scrub_mark"))
        await self._connection.fetch(statement("scrub_unmark"))
        marked = statement("scrub_marked_apart" if self._is_cluster else "scrub_marked")
        while True:
            if await self._written_anew(_MARK):
                ((is_seen,),) = await self._connection.fetch(marked)
                if not is_seen:
                    return True
            if clock() > give_up_at:
                log.warning("a transaction of somebody else has seen what was removed, and goes on")
                return False
            await asyncio.sleep(SCRUB_PAUSE_SECONDS)

    async def _written_anew(self, table: str) -> bool:
        """Write a table anew; False if others hold locks on it for too long, it takes too long, or it is not ours.

        Each time it waits for its lock, whoever comes after waits behind it; so it waits for moments, with pauses.
        """
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + SCRUB_WAIT_SECONDS
        was = await self._connection.fetch(statement("scrub_file"), table)
        while True:
            try:
                # Samples are taken anew with it: those that there are show what was removed.
                await self._connection.execute(f"VACUUM (FULL, ANALYZE) {table}")
            except PostgresError as error:
                if sqlstate_of(error) not in _IN_THE_WAY:
                    raise
                if sqlstate_of(error) == _CANCELLED or clock() > give_up_at:
                    return False
            else:
                break
            await asyncio.sleep(SCRUB_PAUSE_SECONDS)
        if self._is_cluster:
            return True
        return await self._connection.fetch(statement("scrub_file"), table) != was

    async def _samples(self) -> bool:
        """Write the table of samples anew; False if the role may not, or others are in the way."""
        for table in TABLES:
            if not await self._sampled(f"knownas.{table}"):
                return False
        is_done = await self._is_out_of_sight() and await self._written_anew(SAMPLES)
        return is_done and await self._elsewhere(f"VACUUM (FULL) {SAMPLES}")

    async def _sampled(self, table: str) -> bool:
        """Take other samples of a table that is empty, or of its parts that are."""
        if self._is_cluster:
            ((is_apart,),) = await self._connection.fetch(statement("scrub_distributed"), table)
            if is_apart:
                command = statement("scrub_samples").replace(_TABLE, "%1$s")
                ((failed,),) = await self._connection.fetch(statement("scrub_parts"), table, command)
                return not failed
        try:
            await self._connection.execute(statement("scrub_samples").replace(_TABLE, table))
        except PostgresError as error:
            if sqlstate_of(error) not in _IN_THE_WAY:
                raise
            return False
        return True

    async def _log(self) -> bool:
        """Begin a new file of the log and have those before it removed; False if the role may not, or they are kept."""
        await self._connection.execute("SET statement_timeout = 0")
        try:
            await self._connection.fetch(statement("scrub_switch"))
            await self._connection.execute(_CHECKPOINT)
        except PostgresError as error:
            if sqlstate_of(error) != NO_PRIVILEGE:
                raise
            return False
        is_done = await self._elsewhere(statement("scrub_switch").rstrip(";")) and await self._elsewhere(_CHECKPOINT)
        ((goes,),) = await self._connection.fetch(statement("scrub_log_goes"))
        return is_done and bool(goes)

    async def _elsewhere(self, command: str) -> bool:
        """Run a command on the other servers of a cluster, if there are any; False if one of them would not."""
        if not self._is_cluster:
            return True
        ((failed,),) = await self._connection.fetch(statement("scrub_servers"), command)
        return not failed
