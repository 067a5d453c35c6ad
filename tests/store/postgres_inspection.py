"""Looks into a PostgreSQL database from outside and says what in it contradicts itself."""

import json
from collections import Counter
from typing import Any

import asyncpg

from knownas.core.identity.kinds import KIND_OF, IdentityType

_TOUCHED = (
    "SELECT mpid, seq FROM knownas.touched UNION ALL SELECT mpid, first_seq FROM knownas.profile WHERE first_seq > 0"
)


async def contradictions(url: str) -> list[str]:
    """Return everything in a database that contradicts what its tables promise one another."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [*await _holdings(connection), *await _log(connection), *await _requests(connection)]
    finally:
        await connection.close(timeout=10)


async def _holdings(connection: Any) -> list[str]:
    """Compare each profile's values with the rows by which it is found."""
    wanted: set[tuple[object, ...]] = set()
    query = "SELECT mpid, pool, known, active_ms, identities FROM knownas.profile"
    for mpid, pool, known, active_ms, identities in await connection.fetch(query):
        for name, values in json.loads(identities).items():
            for value in values:
                place = (True, 0) if known else (False, active_ms)
                wanted.add((pool, KIND_OF[IdentityType(name)].code, value, *place, mpid))
    query = """SELECT pool, type, value, known, active_ms, mpid FROM knownas.holding
        UNION ALL
        SELECT i.pool, i.type, i.value, p.known, CASE WHEN p.known THEN 0 ELSE p.active_ms END, i.holder
        FROM knownas.identity AS i LEFT JOIN knownas.profile AS p ON p.mpid = i.holder WHERE i.holder IS NOT NULL"""
    there = Counter(tuple(row) for row in await connection.fetch(query))
    found = [f"not found by its value: {row}" for row in wanted - there.keys()]
    found += [f"found by a value it does not hold: {row}" for row in there.keys() - wanted]
    found += [f"found {times} times: {row}" for row, times in there.items() if times > 1]
    query = """SELECT pool, type, value, holders, holder,
        (SELECT count(*) FROM knownas.holding AS h WHERE h.value = i.value AND h.type = i.type AND h.pool = i.pool)
        FROM knownas.identity AS i"""
    for *key, holders, holder, crowd in await connection.fetch(query):
        if (holders, crowd) != ((1, 0) if holder is not None else (crowd, crowd)) or crowd == 1:
            found.append(f"holders miscounted: {key} has {holders}, alone {holder}, among others {crowd}")
    return found


async def _log(connection: Any) -> list[str]:
    """Compare the log with its index by profile and with the versions of records."""
    lines = await connection.fetch("SELECT seq, touched FROM knownas.log")
    wanted = {(mpid, seq) for seq, touched in lines for mpid in json.loads(touched)}
    there = {tuple(row) for row in await connection.fetch(_TOUCHED)}
    return [f"histories differ from the log: {wanted ^ there}"] if wanted != there else []


async def _requests(connection: Any) -> list[str]:
    """Look for ids of batches that lead to no batch, or to another one."""
    query = """SELECT r.request_id, r.input_key FROM knownas.request AS r
        LEFT JOIN knownas.batch_receipt AS b ON b.receipt_id = r.receipt_id
        WHERE b.request_id IS DISTINCT FROM r.request_id OR b.input_key <> r.input_key OR b.kept <> r.kept"""
    return [f"an id of no batch: {tuple(row)}" for row in await connection.fetch(query)]


async def unexplained(url: str) -> list[str]:
    """Return the profiles whose making no line of the log explains, and the lines about profiles that are not there."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        profiles = {row[0] for row in await connection.fetch("SELECT mpid FROM knownas.profile")}
        made = {row[0] for row in await connection.fetch("SELECT created_mpid FROM knownas.log")} - {None}
        touched = {row[0] for row in await connection.fetch(_TOUCHED)}
    finally:
        await connection.close(timeout=10)
    found = [f"profile {mpid} is in no line of the log" for mpid in profiles - touched]
    return found + [f"the log made {mpid}, which is not there" for mpid in made - profiles]
