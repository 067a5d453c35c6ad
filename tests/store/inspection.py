"""Looks into a SQLite file from outside and says what in it contradicts itself."""

import json
from collections import Counter
from pathlib import Path

import apsw

from knownas.core.identity.kinds import KIND_OF, IdentityType


def contradictions(file: Path) -> list[str]:
    """Return everything in a database that contradicts what its tables promise one another."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        checked = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        found = [] if checked == ["ok"] else checked
        found += _holdings(connection)
        found += _log(connection)
    finally:
        connection.close()
    return found


def _holdings(connection: apsw.Connection) -> list[str]:
    """Compare each profile's values with the rows by which it is found."""
    wanted: set[tuple[object, ...]] = set()
    query = "SELECT mpid, pool, known, active_ms, identities FROM profile"
    for mpid, pool, known, active_ms, identities in connection.execute(query):
        for name, values in json.loads(identities).items():
            for value in values:
                place = (1, 0) if known else (0, active_ms)
                wanted.add((pool, KIND_OF[IdentityType(name)].code, value, *place, mpid))
    query = """SELECT i.pool, i.type, i.value, h.known, h.active_ms, h.mpid
        FROM holding AS h JOIN identity AS i ON i.identity = h.identity"""
    there = Counter(connection.execute(query))
    found = [f"not found by its value: {row}" for row in wanted - there.keys()]
    found += [f"found by a value it does not hold: {row}" for row in there.keys() - wanted]
    found += [f"found {times} times: {row}" for row, times in there.items() if times > 1]
    query = """SELECT pool, type, value, holders, (SELECT count(*) FROM holding AS h WHERE h.identity = i.identity)
        FROM identity AS i"""
    found += [f"holders miscounted: {row}" for row in connection.execute(query) if row[3] != row[4]]
    query = "SELECT pool, type, value, count(*) FROM identity GROUP BY 1, 2, 3 HAVING count(*) > 1"
    found += [f"an identity twice: {row}" for row in connection.execute(query)]
    strays = "SELECT count(*) FROM holding WHERE identity NOT IN (SELECT identity FROM identity)"
    for (number,) in connection.execute(strays):
        found += [f"{number} holdings of no identity"] if number else []
    return found


def _log(connection: apsw.Connection) -> list[str]:
    """Compare the log with its index by profile and with the versions of records."""
    found: list[str] = []
    wanted = {
        (mpid, seq)
        for seq, touched in connection.execute("SELECT seq, touched FROM log")
        for mpid in json.loads(touched)
    }
    there = set(connection.execute("SELECT mpid, seq FROM touched"))
    if wanted != there:
        found.append(f"histories differ from the log: {wanted ^ there}")
    return found


def unexplained(file: Path) -> list[str]:
    """Return the profiles whose making no line of the log explains, and the lines about profiles that are not there."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    query = "SELECT mpid FROM profile WHERE mpid NOT IN (SELECT mpid FROM touched)"
    found = [f"profile {mpid} has no history" for (mpid,) in connection.execute(query)]
    query = "SELECT mpid FROM touched WHERE mpid NOT IN (SELECT mpid FROM profile)"
    found += [f"a history of nobody: {mpid}" for (mpid,) in connection.execute(query)]
    connection.close()
    return found
