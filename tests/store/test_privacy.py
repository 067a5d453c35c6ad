"""The promises about data subjects leave nothing out, and the suite notices stores that break them."""

import asyncio
import inspect
import threading
from pathlib import Path

import apsw
import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance import privacy
from knownas.store.conformance.examples import EMAIL, get, look_up, put, record
from knownas.store.conformance.privacy import PrivacyPromises
from knownas.store.conformance.privacy_examples import everything, keep
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.suite import StoreConformance, run_all
from knownas.store.memory.privacy import MemoryPrivacy
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Store
from knownas.store.privacy import PrivacyStore
from knownas.store.sqlite import connection as sqlite_connection
from knownas.store.sqlite.statements import schema_steps
from knownas.store.sqlite.store import SqliteStore
from tests.store.broken_privacy import BROKEN
from tests.store.inspection import contradictions

METHODS = {name for name, _ in inspect.getmembers(PrivacyStore, inspect.isfunction) if not name.startswith("_")}
TURNS = 50
BUSY_TIMES_MAX = 1_000
BUSY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n"
"""Takes a few milliseconds, in which the connection is in use."""
PROMISES = [name for name in dir(PrivacyPromises) if name.startswith("test_")]


def subject(part: type[MemoryPrivacy]) -> StoreConformance:
    """Put a memory store with another third part to the test."""

    class Tested(StoreConformance):
        async def open_store(self) -> Store:
            store = MemoryStore()
            store._privacy = part(store._log, store._kept, store._user_data)
            return store

    return Tested()


def test_no_method_is_left_out() -> None:
    """Each method of the third part is tested for what it answers when closed."""
    assert set(privacy.CALLS) == METHODS


def test_every_promise_says_what_it_promises() -> None:
    """Each promise has a sentence of its own, and none is hidden by another of the same name."""
    bases = [base for base in PrivacyPromises.__mro__ if base not in (Subject, object)]
    names = [name for base in bases for name in vars(base) if name.startswith("test_")]
    assert sorted(names) == sorted(set(PROMISES))
    sentences = [inspect.getdoc(getattr(PrivacyPromises, name)) or "" for name in names]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


async def test_a_sound_store_passes() -> None:
    """The memory store as it is keeps all promises about data subjects when it is put to the test like the broken ones."""
    await run_all(lambda: subject(MemoryPrivacy), PROMISES)


@pytest.mark.parametrize("part", BROKEN, ids=lambda part: part.__name__)
async def test_a_broken_third_part_is_found_out(part: type[MemoryPrivacy]) -> None:
    """A store with one thing wrong breaks at least one promise, and the report names it."""
    with pytest.raises(ExceptionGroup) as found:
        await run_all(lambda: subject(part), PROMISES)
    broken = found.value.exceptions
    assert any(isinstance(error, AssertionError) for error in broken)
    assert all("the promise test_" in error.__notes__[0] for error in broken)
    assert len(broken) < len(PROMISES) / 2, "it is broken in one way, not in all"


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
