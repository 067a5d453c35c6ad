"""Looks whether a database can be used, and brings its layout up to date.

A layout's row says which older versions of knownas can work with it: a server that runs while a newer one brings the
layout up to date goes on, and an older one may start again, as long as the steps since then allow it.
"""

import asyncio
import logging
from random import SystemRandom
from typing import Final, NamedTuple

from knownas.store.errors import StoreBusy, StoreTooNew, StoreUnavailable
from knownas.store.postgres import distribution
from knownas.store.postgres.address import Address
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError
from knownas.store.postgres.limits import CLOSE_SECONDS, LAYOUT_ATTEMPTS_MAX, OLDEST_SERVER, SLOW_CALL_SECONDS
from knownas.store.postgres.servers import Servers
from knownas.store.postgres.statements import schema_steps, statement
from knownas.store.postgres.trouble import LOCKED, opening_error, sqlstate_of, store_error

log: Final = logging.getLogger(__name__)

SYNCHRONOUS_COMMIT: Final = "synchronous_commit"

_TOO_WEAK: Final = frozenset({"off", "local"})
"""A commit would not wait for this server's disk, or not for its synchronous replicas."""

_CHANCE: Final = SystemRandom()
_PAUSE_SECONDS: Final = 0.2


class Prepared(NamedTuple):
    """What was found: the settings for all further connections, and whether the database is distributed."""

    settings: dict[str, str]
    is_distributed: bool


async def prepare(address: Address, settings: dict[str, str], servers: Servers | None = None) -> Prepared:
    """Check the server, bring the layout up to date, and say how to go on.

    `servers` are those of the address, if somebody has them already.

    Raises:
        StoreTooNew: a newer knownas has written it, with which this one can't work.
        StoreError: the server can't be used, or would not let the layout be changed.
    """
    connection = await (servers or Servers(address)).open(settings, is_new=True)
    # A server that hangs is given up; a step that builds an index on a large table is let go on.
    timer = asyncio.get_running_loop().call_later(SLOW_CALL_SECONDS, connection.terminate)
    try:
        chosen = await _check_server(connection, address, settings)
        timer.cancel()
        await _bring_up_to_date(connection, address)
        is_distributed = await distribution.is_distributed(connection)
        chosen = {**chosen, **await distribution.settings_for(connection)}
        await connection.close(timeout=CLOSE_SECONDS)
    except PostgresError as error:
        raise store_error(error, address) from error
    except (TimeoutError, *CONNECTION_TROUBLE) as error:
        raise opening_error(error, address) from error
    finally:
        timer.cancel()
        connection.terminate()
    return Prepared(chosen, is_distributed)


async def _check_server(connection: Connection, address: Address, settings: dict[str, str]) -> dict[str, str]:
    number, version, encoding, synchronous, fsync, database = (await connection.fetch(statement("server")))[0]
    if number < OLDEST_SERVER:
        needed = OLDEST_SERVER // 10_000
        raise StoreUnavailable(f"{address} is PostgreSQL {version}, which is too old; {needed} or newer is needed")
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"the database {database!r} at {address.hosts} keeps text as {encoding}; knownas needs one that keeps it as "
            f"UTF8: `createdb --encoding UTF8 --template template0 {database}`"
        )
    if fsync == "off":
        log.warning("%s has fsync off: a crash of its machine can lose or damage what was acknowledged", address)
    # Stronger settings than "on" are left as they are, and `remote_write`.
    return {**settings, SYNCHRONOUS_COMMIT: "on"} if synchronous in _TOO_WEAK else settings


async def _bring_up_to_date(connection: Connection, address: Address) -> None:
    for attempt in range(LAYOUT_ATTEMPTS_MAX):
        try:
            await _apply_steps(connection, address)
        except PostgresError as error:
            if sqlstate_of(error) not in LOCKED:
                raise
            await connection.execute("ROLLBACK")
            log.warning("%s: others hold locks that the new layout needs: %s", address, error)
            await asyncio.sleep(_CHANCE.uniform(0, _PAUSE_SECONDS * (attempt + 1)))
        else:
            return
    raise StoreBusy(f"{address}: others hold locks that the new layout needs")


async def _apply_steps(connection: Connection, address: Address) -> None:
    """Apply the steps that are missing, in one transaction; nothing is written if none is."""
    newest = schema_steps()[-1].version
    version, works_from = await current_layout(connection)
    if works_from > newest:
        raise StoreTooNew(
            f"{address} has layout {version}, which needs a knownas that knows {works_from}, not {newest}"
        )
    is_distributed = await distribution.is_distributed(connection)
    if version >= newest and (not is_distributed or await distribution.is_up_to_date(connection)):
        return
    await connection.execute("BEGIN")
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute("SET LOCAL enable_seqscan = on")
    if not is_distributed:
        # The servers of a cluster get what they keep a part of when it is distributed, and nothing else.
        await connection.execute(distribution.STAY_HERE)
    await connection.fetch(statement("lock_layout"))
    if not version:
        await connection.execute(statement("make_layout"))
    # Another server may have done it while we waited.
    version, _ = await current_layout(connection)
    for step in schema_steps():
        if step.version > version:
            await connection.execute(step.text)
            await connection.fetch(statement("note_layout"), step.version, step.works_from)
    if is_distributed:
        await distribution.install(connection)
    await connection.execute("COMMIT")


async def current_layout(connection: Connection) -> tuple[int, int]:
    """Return the layout's version and the oldest one that works with it; zeros for a database that has none."""
    ((there,),) = await connection.fetch(statement("layout_exists"))
    if not there:
        return 0, 0
    ((version, works_from),) = await connection.fetch(statement("layout"))
    return version, works_from
