"""What a SQLite file does with data subjects' requests when it is older, or while evidence waits for the disk."""

import asyncio
import threading
from pathlib import Path

import apsw
import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import EMAIL, get, look_up, put, record
from knownas.store.conformance.privacy_examples import everything, keep
from knownas.store.sqlite import connection as sqlite_connection
from knownas.store.sqlite.statements import schema_steps
from knownas.store.sqlite.store import SqliteStore
from tests.store.inspection import contradictions

TURNS = 50
BUSY_TIMES_MAX = 1_000
BUSY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n"
"""Takes a few milliseconds, in which the connection is in use."""


async def test_profiles_are_looked_up_while_evidence_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for data subjects has a connection of its own: while its commit is under way, lookups are answered."""
    store = SqliteStore(tmp_path / "knownas.db")
    await put(store, record(1, {EMAIL: ["e"]}))
    under_way, go_on, over = threading.Event(), threading.Event(), threading.Event()

    async def slow(_: object, connection: sqlite_connection.Connection) -> None:
        def commit() -> None:
            under_way.set()
            for _ in range(BUSY_TIMES_MAX):
                if not go_on.is_set():
                    connection.execute(BUSY).fetchall()
            over.set()
            connection.execute("COMMIT")

        await asyncio.to_thread(commit)

    monkeypatch.setattr(sqlite_connection.Transactions, "_end", slow)
    writing = asyncio.ensure_future(store.privacy.commit(everything()))
    assert await asyncio.to_thread(under_way.wait, 10)
    for _ in range(TURNS):
        assert await look_up(store, Identity(EMAIL, "e")) == [1]
        await asyncio.sleep(0)
    assert not over.is_set()
    go_on.set()
    assert await writing
    monkeypatch.undo()
    await store.close()


async def test_a_file_of_the_second_layout_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database from before there were data subjects' requests keeps its records and gets a place for these, once."""
    file = tmp_path / "knownas.db"
    monkeypatch.setattr(sqlite_connection, "schema_steps", lambda: schema_steps()[:2])
    old = SqliteStore(file)
    await put(old, record(1, {EMAIL: ["e"]}))
    await old.close()
    monkeypatch.undo()
    for turn in range(2):
        store = SqliteStore(file)
        assert (await get(store, 1)).mpid == 1
        if not turn:
            await keep(store, everything())
        assert await store.privacy.request("number 0") == everything().requests[0].request
        await store.close()
    layout = next(iter(apsw.Connection(str(file)).execute("PRAGMA user_version")))[0]
    assert layout == schema_steps()[-1][0]
    assert contradictions(file) == []
