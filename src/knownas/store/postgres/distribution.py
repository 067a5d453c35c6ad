"""Knows whether a database is distributed over several servers, and brings what only such a one has up to date.

A table in it says so, for everybody who opens it. What a statement is then asked in other words, `statements.wording` says.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from knownas.store.postgres.driver import Connection
from knownas.store.postgres.statements import distributed_steps, statement

SETTINGS: Final = {
    # One key read by itself is planned once, many keys are planned for the places that they lie in.
    "plan_cache_mode": "auto",
    "enable_hashjoin": "on",
    "enable_mergejoin": "on",
    # What a transaction sets for itself holds on all servers; and it asks them one after the other, in the order of locks.
    "citus.propagate_set_commands": "local",
    "citus.multi_shard_modify_mode": "sequential",
}
"""How connections to a distributed database are set up, beside what all have."""

WITH_EXTENSION: Final = {"citus.override_table_visibility": "off"}
"""How those to one with the extension are, distributed or not: the driver asks a connection for the types of arrays, which
takes seconds where the server hides the tables of its parts."""

STAY_HERE: Final = "SET LOCAL citus.enable_ddl_propagation = off"
"""Has a transaction make things on this server only; others ignore it."""


class Spread(NamedTuple):
    """How a table is distributed: by which column, and beside which other table, if so, that has the same keys."""

    table: str
    column: str
    beside: str | None = None


TABLES: Final = (
    Spread("identity", "value"),
    Spread("holding", "value", "identity"),
    Spread("profile", "mpid"),
    Spread("touched", "mpid", "profile"),
    Spread("section", "mpid", "profile"),
    Spread("user_events", "mpid", "profile"),
    Spread("message", "mpid", "profile"),
    Spread("log", "seq"),
    Spread("batch_receipt", "receipt_id"),
    Spread("request", "request_id"),
    Spread("alias", "request_id"),
    Spread("commit_token", "token"),
    Spread("scrub_mark", "mark"),
)
"""The tables that grow with users. What is few and read by everybody stays with the coordinator."""


async def is_distributed(connection: Connection) -> bool:
    """Whether the database of a connection is distributed."""
    ((there,),) = await connection.fetch(statement("distribution_exists"))
    return bool(there)


async def settings_for(connection: Connection) -> Mapping[str, str]:
    """Return how further connections to a database are set up, beside what all have."""
    ((has_extension,),) = await connection.fetch(statement("has_extension"))
    distributed = SETTINGS if await is_distributed(connection) else {}
    return {**distributed, **(WITH_EXTENSION if has_extension else {})}


async def is_up_to_date(connection: Connection) -> bool:
    """Whether a distributed database has all that this version asks it for."""
    ((version,),) = await connection.fetch(statement("distribution"))
    return version >= distributed_steps()[-1][0]


async def install(connection: Connection) -> None:
    """Make what a distributed database has beside its tables, in the transaction under way: all of it, or what is missing.

    From its end on, whoever takes the database for one that is not distributed is refused.
    """
    await connection.execute(STAY_HERE)
    await connection.execute(statement("make_distribution"))
    ((version,),) = await connection.fetch(statement("distribution"))
    for number, text in distributed_steps():
        if number > version:
            await connection.execute(text)
            await connection.fetch(statement("note_distribution"), number)
    await connection.execute(statement("fence_plain_functions"))
