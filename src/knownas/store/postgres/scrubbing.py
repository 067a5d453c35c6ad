"""Overwrites what is left in a PostgreSQL database of rows that were changed or removed.

A row that was removed stays in its table's pages until they are written anew, in samples that the planner keeps, and in the
write-ahead log. So the tables that erasing touches are written anew, one after the other, each under a lock that keeps
others out for as long as that takes, and the log is begun in a new file where the role may do that. What only an
operator can see to (recycled files of the log, its archive, replicas, backups) stands in this package's README.
"""

from typing import Final

from knownas.store.postgres.database import Database
from knownas.store.postgres.driver import CONNECTION_TROUBLE, Connection, PostgresError
from knownas.store.postgres.limits import CLOSE_SECONDS
from knownas.store.postgres.statements import statement
from knownas.store.postgres.trouble import LOCKED, opening_error, sqlstate_of, store_error
from knownas.store.privacy import Scrubbed

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
)
"""The tables that hold, or held, something of a person."""

SAMPLES: Final = "pg_catalog.pg_statistic"
"""The database's own table of samples: values that are frequent, and some between which the others lie."""

WITHOUT_LIMIT: Final = {"statement_timeout": "0", "enable_seqscan": "on"}
"""How the connection differs that does it: reading a table from end to end is what it is for."""

_NO_PRIVILEGE: Final = "42501"


async def scrub(database: Database) -> Scrubbed:
    """Write the tables anew, then begin the log in a new file.

    Raises:
        StoreError: the server can't be used.
    """
    connection = await database.open_alone(WITHOUT_LIMIT)
    try:
        complete = True
        for table in TABLES:
            complete = await _written_anew(connection, f"knownas.{table}") and complete
        done = ["tables"]
        if await _written_anew(connection, SAMPLES):
            done.append("samples")
        done += await _log_behind(connection)
        await connection.close(timeout=CLOSE_SECONDS)
    except PostgresError as error:
        raise store_error(error, database.address) from error
    except (TimeoutError, *CONNECTION_TROUBLE) as error:
        raise opening_error(error, database.address) from error
    finally:
        connection.terminate()
    return Scrubbed("+".join(done), complete=complete)


async def _written_anew(connection: Connection, table: str) -> bool:
    """Write a table anew; False if others hold locks on it, or it is not ours."""
    was = await connection.fetch(statement("scrub_file"), table)
    try:
        # The samples are taken anew first: those that are there show what was removed.
        await connection.execute(f"VACUUM (FULL, ANALYZE) {table}")
    except PostgresError as error:
        if sqlstate_of(error) not in LOCKED:
            raise
        return False
    return await connection.fetch(statement("scrub_file"), table) != was


async def _log_behind(connection: Connection) -> list[str]:
    """Begin a new file of the log and give those before it back; return what of it the role may do."""
    done: list[str] = []
    for name, command in (("switch", statement("scrub_switch")), ("checkpoint", "CHECKPOINT")):
        try:
            await connection.execute(command)
        except PostgresError as error:
            if sqlstate_of(error) != _NO_PRIVILEGE:
                raise
        else:
            done.append(name)
    return done
