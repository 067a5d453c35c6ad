"""Puts whole new pools into a PostgreSQL database, by COPY over a connection of its own."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from knownas.store.bulk import BulkRow, Mark, Reserved
from knownas.store.copying import MEMBERS, Part
from knownas.store.errors import StoreDamaged, StoreUnavailable
from knownas.store.port import Pool
from knownas.store.postgres.address import read_address
from knownas.store.postgres.connections import SETTINGS
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError
from knownas.store.postgres.layout import prepare
from knownas.store.postgres.limits import BULK_SECONDS, CLOSE_SECONDS
from knownas.store.postgres.servers import Servers
from knownas.store.postgres.statements import statement
from knownas.store.postgres.trouble import UNIQUE_VIOLATION, sqlstate_of, store_error
from knownas.store.sql_files import with_marked

_TABLES: Final = {
    Part.PROFILES: "profile",
    Part.VALUES: "identity",
    Part.HOLDINGS: "holding",
    Part.LOG: "log",
    Part.TOUCHED: "touched",
    Part.SECTIONS: "section",
}
_SCHEMA: Final = "knownas"


class PostgresBulkEnd:
    """A PostgreSQL database into which new pools are put. Implements `store.bulk.BulkEnd`."""

    def __init__(self, url: str) -> None:
        """Take the URL; the server is first asked when something is read.

        Raises:
            StoreUnavailable: the URL can't be read.
        """
        self._address = read_address(url)
        self._servers = Servers(self._address)
        self._connection: Connection | None = None

    async def taken(self, pools: Sequence[Pool]) -> Sequence[Pool]:
        """Return those of the pools that there are."""
        async with self._transaction() as connection:
            there = {Pool(*row) for row in await connection.fetch(statement("bulk_pools"))}
        return [pool for pool in pools if pool in there]

    async def reserve(self, pools: int, lines: int) -> Reserved:
        """Take numbers from the sequences; those of the log as one piece, while nobody else may take one."""
        async with self._transaction() as connection:
            numbers = [(await connection.fetch(statement("bulk_pool_number")))[0][0] for _ in range(pools)]
            ((version, section_version),) = await connection.fetch(statement("bulk_versions"))
            await connection.execute(statement("bulk_hold_log"))
            ((log,),) = await connection.fetch(statement("bulk_log_given"))
            await connection.execute(with_marked(statement("bulk_use_log"), "/*last*/", str(int(log) + max(lines, 1))))
            await connection.fetch(statement("bulk_last_log"))
        return Reserved(tuple(numbers), log, version, section_version)

    async def put(self, part: Part, first: int, rows: Sequence[BulkRow], mark: Mark) -> None:
        """Copy rows and move the mark, in one transaction."""
        del first
        async with self._transaction() as connection:
            # The driver's own annotations are of values that are nowhere said.
            await cast("Any", connection).copy_records_to_table(
                _TABLES[part],
                schema_name=_SCHEMA,
                columns=MEMBERS[part].split(),
                records=rows,
                timeout=BULK_SECONDS,
            )
            await self._move(connection, mark)

    async def publish(self, pools: Sequence[tuple[int, Pool]], mark: Mark) -> bool:
        """Give pools their names, in one transaction with the mark."""
        columns = list(zip(*[(number, *pool) for number, pool in pools], strict=True))
        try:
            async with self._transaction() as connection:
                if columns:
                    await connection.fetch(statement("bulk_name"), *columns)
                await self._move(connection, mark)
                await connection.fetch(statement("bulk_mark_everybody"))
        except _NameTaken:
            return False
        return True

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CLOSE_SECONDS)
            except (PostgresError, TimeoutError, *CONNECTION_TROUBLE):
                connection.terminate()

    async def _move(self, connection: Connection, mark: Mark) -> None:
        if not await connection.fetch(statement("replace_kept"), mark.name, mark.before, mark.after):
            raise StoreDamaged("another process loads the same history into this database")

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Connection]:
        """Run what stands inside in a transaction, and name what goes wrong in it.

        A connection that is lost is opened anew for the next; the mark tells whether the last one was kept.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._opened()
        connection = self._connection
        timer = asyncio.get_running_loop().call_later(BULK_SECONDS, connection.terminate)
        try:
            await connection.execute("BEGIN")
            await connection.execute("SET LOCAL statement_timeout = 0")
            yield connection
            await connection.execute("COMMIT")
        except PostgresError as error:
            connection.terminate()
            if sqlstate_of(error) == UNIQUE_VIOLATION:
                raise _NameTaken(str(error)) from error
            raise store_error(error, self._address) from error
        except (TimeoutError, *CONNECTION_TROUBLE) as error:
            raise StoreUnavailable(f"{self._address}: the connection broke: {error}") from error
        except BaseException:
            # What was begun ends with the connection.
            connection.terminate()
            raise
        finally:
            timer.cancel()

    async def _opened(self) -> Connection:
        settings, is_distributed = await prepare(self._address, dict(SETTINGS), self._servers)
        if is_distributed:
            raise StoreUnavailable(
                f"{self._address} is distributed: backfill into one machine's database, and bring it there by `knownas copy`"
            )
        return await self._servers.open({**SETTINGS, **settings})


class _NameTaken(StoreDamaged):
    """What should be new is there already."""
