"""Looks into a PostgreSQL database from outside and says what in it contradicts itself."""

import json
from collections import Counter
from typing import Any

import asyncpg

from knownas.core.identity.kinds import KIND_OF, IdentityType
from knownas.store.postgres.distribution import SETTINGS, WITH_EXTENSION
from tests.store.inspection import wrong_members

_TOUCHED = "SELECT mpid, seq FROM knownas.touched"
_MADE = "SELECT mpid, first_seq FROM knownas.profile WHERE first_seq > 0"
_MEMBERS = "SELECT audience, workspace, environment, mpid, since_ms FROM knownas.member"
_CHANGES = "SELECT audience, workspace, environment, mpid, at_ms, is_member FROM knownas.membership_change ORDER BY seq"


async def contradictions(url: str) -> list[str]:
    """Return everything in a database that contradicts what its tables promise one another."""
    connection = await asyncpg.connect(url, timeout=10, server_settings={**SETTINGS, **WITH_EXTENSION})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = [*await _holdings(connection), *await _log(connection), *await _requests(connection)]
            return [*found, *wrong_members(*[await connection.fetch(query) for query in (_MEMBERS, _CHANGES)])]
    finally:
        await connection.close(timeout=10)


async def _holdings(connection: Any) -> list[str]:
    """Compare each profile's values with the rows by which it is found."""
    wanted: set[tuple[object, ...]] = set()
    profiles = await connection.fetch("SELECT mpid, pool, known, active_ms, identities FROM knownas.profile")
    for mpid, pool, known, active_ms, identities in profiles:
        for name, values in json.loads(identities).items():
            for value in values:
                place = (True, 0) if known else (False, active_ms)
                wanted.add((pool, KIND_OF[IdentityType(name)].code, value, *place, mpid))
    # Tables are read one by one and compared here: where they are distributed, the database would not join them.
    places = {mpid: (known, 0 if known else active_ms) for mpid, _, known, active_ms, _ in profiles}
    holdings = await connection.fetch("SELECT pool, type, value, known, active_ms, mpid FROM knownas.holding")
    identities = await connection.fetch("SELECT pool, type, value, holders, holder FROM knownas.identity")
    alone = [(*key, *places.get(holder, (None, None)), holder) for *key, _, holder in identities if holder is not None]
    there = Counter([*map(tuple, holdings), *alone])
    found = [f"not found by its value: {row}" for row in wanted - there.keys()]
    found += [f"found by a value it does not hold: {row}" for row in there.keys() - wanted]
    found += [f"found {times} times: {row}" for row, times in there.items() if times > 1]
    crowds = Counter(tuple(row[:3]) for row in holdings)
    for *key, holders, holder in identities:
        crowd = crowds[tuple(key)]
        if (holders, crowd) != ((1, 0) if holder is not None else (crowd, crowd)) or crowd == 1:
            found.append(f"holders miscounted: {key} has {holders}, alone {holder}, among others {crowd}")
    return found


async def _log(connection: Any) -> list[str]:
    """Compare the log with its index by profile and with the versions of records."""
    lines = await connection.fetch("SELECT seq, touched FROM knownas.log")
    wanted = {(mpid, seq) for seq, touched in lines for mpid in json.loads(touched)}
    there = {tuple(row) for query in (_TOUCHED, _MADE) for row in await connection.fetch(query)}
    found = [f"a line is missing from a history: {row}" for row in wanted - there]
    seqs = {seq for seq, _ in lines}
    # Beside its profiles a line can stand under further subjects.
    return found + [f"a history has a line that is not in the log: {row}" for row in there if row[1] not in seqs]


async def _requests(connection: Any) -> list[str]:
    """Look for ids of batches that lead to no batch, or to another one."""
    query = "SELECT receipt_id, request_id, input_key, kept FROM knownas.batch_receipt"
    batches = {row[0]: tuple(row[1:]) for row in await connection.fetch(query)}
    query = "SELECT receipt_id, request_id, input_key, kept FROM knownas.request"
    rows = await connection.fetch(query)
    return [f"an id of no batch: {tuple(row)}" for row in rows if batches.get(row[0]) != tuple(row[1:])]


async def unexplained(url: str) -> list[str]:
    """Return the profiles whose making no line of the log explains, and the lines about profiles that are not there."""
    connection = await asyncpg.connect(url, timeout=10, server_settings={**SETTINGS, **WITH_EXTENSION})
    try:
        profiles = {row[0] for row in await connection.fetch("SELECT mpid FROM knownas.profile")}
        made = {row[0] for row in await connection.fetch("SELECT created_mpid FROM knownas.log")} - {None}
        touched = {row[0] for query in (_TOUCHED, _MADE) for row in await connection.fetch(query)}
    finally:
        await connection.close(timeout=10)
    found = [f"profile {mpid} is in no line of the log" for mpid in profiles - touched]
    return found + [f"the log made {mpid}, which is not there" for mpid in made - profiles]
