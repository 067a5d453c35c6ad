"""Looks into a SQLite file from outside and says what in it contradicts itself."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw

from knownas.core.identity.kinds import KIND_OF, IdentityType

_TOUCHED = "SELECT mpid, seq FROM touched UNION ALL SELECT mpid, first_seq FROM profile WHERE first_seq > 0"
_MEMBERS = "SELECT audience, workspace, environment, mpid, since_ms FROM member"
_CHANGES = "SELECT audience, workspace, environment, mpid, at_ms, is_member FROM membership_change ORDER BY seq"


def contradictions(file: Path) -> list[str]:
    """Return everything in a database that contradicts what its tables promise one another."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        checked = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        found = [] if checked == ["ok"] else checked
        found += _holdings(connection)
        found += _log(connection)
        members, changes = (connection.execute(query).fetchall() for query in (_MEMBERS, _CHANGES))
        found += wrong_members(members, changes)
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
        FROM holding AS h JOIN identity AS i ON i.identity = h.identity
        UNION ALL
        SELECT i.pool, i.type, i.value, p.known, CASE WHEN p.known THEN 0 ELSE p.active_ms END, i.holder
        FROM identity AS i LEFT JOIN profile AS p ON p.mpid = i.holder WHERE i.holder IS NOT NULL"""
    there = Counter(connection.execute(query))
    found = [f"not found by its value: {row}" for row in wanted - there.keys()]
    found += [f"found by a value it does not hold: {row}" for row in there.keys() - wanted]
    found += [f"found {times} times: {row}" for row, times in there.items() if times > 1]
    query = """SELECT pool, type, value, holders, holder,
        (SELECT count(*) FROM holding AS h WHERE h.identity = i.identity) FROM identity AS i"""
    for *key, holders, holder, crowd in connection.execute(query):
        if (holders, crowd) != ((1, 0) if holder is not None else (crowd, crowd)) or crowd == 1:
            found.append(f"holders miscounted: {key} has {holders}, alone {holder}, among others {crowd}")
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
    there = set(connection.execute(_TOUCHED))
    if wanted - there:
        found.append(f"lines are missing from histories: {wanted - there}")
    lines = {seq for (seq,) in connection.execute("SELECT seq FROM log")}
    # Beside its profiles a line can stand under further subjects.
    found += [f"a history has a line that is not in the log: {row}" for row in there if row[1] not in lines]
    return found


def wrong_members(members: Iterable[Sequence[Any]], changes: Iterable[Sequence[Any]]) -> list[str]:
    """Compare who is in which audience, and since when, with the newest change of each membership; changes come in their order."""
    newest = {tuple(key): (at_ms, is_member) for *key, at_ms, is_member in changes}
    wanted = {(*key, at_ms) for key, (at_ms, is_member) in newest.items() if is_member}
    there = set(map(tuple, members))
    found = [f"joined and is no member: {row}" for row in wanted - there]
    return found + [f"is a member and did not join then: {row}" for row in there - wanted]


def unexplained(file: Path) -> list[str]:
    """Return the profiles whose making no line of the log explains, and the lines about profiles that are not there."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    query = f"SELECT mpid FROM profile WHERE mpid NOT IN (SELECT mpid FROM ({_TOUCHED}))"
    found = [f"profile {mpid} has no history" for (mpid,) in connection.execute(query)]
    query = "SELECT t.value FROM log AS l, json_each(l.touched) AS t WHERE t.value NOT IN (SELECT mpid FROM profile)"
    found += [f"a line about nobody: {mpid}" for (mpid,) in connection.execute(query)]
    connection.close()
    return found
