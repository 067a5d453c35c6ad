"""Brings a database up to date when somebody asks for it, and distributes it over the servers of a Citus cluster.

All tables are distributed in one transaction, so an attempt that is ended halfway has changed nothing. What is left to do
afterwards, forgetting the rows that the coordinator had before, can be done at any time and again.
"""

import asyncio
from collections.abc import Callable
from random import SystemRandom
from typing import Final

from knownas.store.errors import StoreBusy, StoreUnavailable
from knownas.store.postgres import distribution
from knownas.store.postgres.address import Address
from knownas.store.postgres.connections import SETTINGS
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError
from knownas.store.postgres.layout import current_layout, prepare
from knownas.store.postgres.limits import CLOSE_SECONDS, LAYOUT_ATTEMPTS_MAX, OLDEST_CITUS
from knownas.store.postgres.servers import Servers
from knownas.store.postgres.statements import statement
from knownas.store.postgres.trouble import LOCKED, opening_error, sqlstate_of, store_error

Tell = Callable[[str], None]
"""Is told in sentences what was done."""

_CHANCE: Final = SystemRandom()
_PAUSE_SECONDS: Final = 0.5
_HOW: Final = "how to set a cluster up stands in docs/how-to/grow-past-one-machine.md"


async def migrate(address: Address, tell: Tell) -> None:
    """Bring a database's layout up to date and tell what that was.

    Raises:
        StoreError: the server can't be used, or the layout is for a newer knownas.
    """
    before = await _layout_of(address)
    prepared = await prepare(address, SETTINGS)
    after = await _layout_of(address)
    if before == after:
        tell(f"{address} has layout {after} already.")
    else:
        tell(
            f"{address}: layout {after} made." if not before else f"{address}: brought from layout {before} to {after}."
        )
    if prepared.is_distributed:
        tell("It is distributed.")


async def distribute(address: Address, shards: int, tell: Tell) -> None:
    """Distribute a database, with everything in it, and tell what was done; one that is distributed stays as it is.

    `shards` is into how many parts each table is divided. While it runs, servers wait, or say that the store is busy.

    Raises:
        StoreError: the server is no Citus coordinator with somewhere to put the parts, or would not do it.
    """
    connection = await Servers(address).open(
        {**SETTINGS, **distribution.SETTINGS, **distribution.WITH_EXTENSION}, is_new=True
    )
    try:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SET enable_seqscan = on")
        await _check_cluster(connection, address, tell)
        await migrate(address, tell)
        await _distribute_all(connection, address, shards, tell)
        for table in distribution.TABLES:
            await connection.fetch(statement("forget_local_rows"), _named(table.table))
        tell("Servers that run go on by themselves.")
        await connection.close(timeout=CLOSE_SECONDS)
    except PostgresError as error:
        raise store_error(error, address) from error
    except (TimeoutError, *CONNECTION_TROUBLE) as error:
        raise opening_error(error, address) from error
    finally:
        connection.terminate()


async def _layout_of(address: Address) -> int:
    connection = await Servers(address).open(SETTINGS, is_new=True)
    try:
        version, _ = await current_layout(connection)
    except PostgresError as error:
        raise store_error(error, address) from error
    else:
        return version
    finally:
        connection.terminate()


async def _check_cluster(connection: Connection, address: Address, tell: Tell) -> None:
    ((version, is_available),) = await connection.fetch(statement("extension"))
    if version is None:
        why = (
            f'the database {address.database!r} lacks the extension: run "CREATE EXTENSION citus" in it, on every server'
            if is_available
            else "the server has no Citus; it is an extension of PostgreSQL that is installed on every server"
        )
        raise StoreUnavailable(f"{address} can't be distributed: {why}; {_HOW}")
    if int(version.partition(".")[0]) < OLDEST_CITUS:
        raise StoreUnavailable(f"{address} has Citus {version}, which is too old; {OLDEST_CITUS} or newer is needed")
    ((is_coordinator, nodes, keepers),) = await connection.fetch(statement("nodes"))
    if not is_coordinator:
        raise StoreUnavailable(f"{address} is a worker of its cluster; name the coordinator instead, also to servers")
    if nodes and not keepers:
        await _let_coordinator_keep(connection, address)
        keepers = 1
        tell(
            "The cluster has no workers yet: the coordinator keeps all parts, until some are added and it is rebalanced."
        )
    tell(f"Citus {version}, {keepers or 1} {'server keeps' if keepers <= 1 else 'servers keep'} the parts.")


async def _let_coordinator_keep(connection: Connection, address: Address) -> None:
    try:
        await connection.fetch(statement("let_coordinator_keep"))
    except PostgresError as error:
        raise StoreUnavailable(
            f"{address} can't be distributed: no server of the cluster may keep a part, and letting the coordinator do so "
            f"was refused: {error}; {_HOW}"
        ) from error


async def _distribute_all(connection: Connection, address: Address, shards: int, tell: Tell) -> None:
    """Distribute what is not, when nobody is in the way."""
    for attempt in range(LAYOUT_ATTEMPTS_MAX):
        try:
            await connection.execute("BEGIN")
            done = await _distribute(connection, shards)
            await connection.execute("COMMIT")
        except PostgresError as error:
            if sqlstate_of(error) not in LOCKED:
                raise
            await connection.execute("ROLLBACK")
            tell("Others are using the tables; trying again.")
            await asyncio.sleep(_CHANCE.uniform(0, _PAUSE_SECONDS * (attempt + 1)))
        else:
            tell(f"Distributed: {', '.join(done)}." if done else "All tables are distributed already.")
            return
    raise StoreBusy(f"{address}: others hold locks on the tables; nothing was distributed")


async def _distribute(connection: Connection, shards: int) -> list[str]:
    await connection.fetch(statement("lock_layout"))
    distributed = {name for (name,) in await connection.fetch(statement("distributed_tables"))}
    missing = [one for one in distribution.TABLES if one.table not in distributed]
    if missing:
        names = ", ".join(_named(one.table) for one in missing)
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    for table, column, beside in missing:
        if beside is None:
            await connection.fetch(statement("distribute_table"), _named(table), column, shards)
        else:
            await connection.fetch(statement("distribute_table_beside"), _named(table), column, _named(beside))
    await distribution.install(connection)
    return [one.table for one in missing]


def _named(table: str) -> str:
    return f"knownas.{table}"
