"""What a distributed database is asked, a key at a time, has the same answers as what another one is asked at once."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial

import asyncpg
import pytest

from knownas.store.conformance.examples import EMAIL, get, look_up, put, record, wanted
from knownas.store.conformance.user_data_examples import keep, shows, whole
from knownas.store.errors import StoreBusy
from knownas.store.port import Activity
from knownas.store.postgres import database as postgres_database
from knownas.store.postgres import distribution
from knownas.store.postgres.limits import LOCK_TIMEOUT_MS
from knownas.store.postgres.statements import distributed_steps, wording
from knownas.store.postgres.store import PostgresStore
from knownas.store.sql_files import named_statements
from tests.postgres import ask, ask_key_by_key, bare_database, key_by_key_database
from tests.store import test_postgres_commits as commits
from tests.store.postgres_inspection import contradictions
from tests.store.postgres_promises import PostgresConformance

STATEMENTS = named_statements("knownas.store.postgres")
OWN = sorted(
    name for name in STATEMENTS if name.startswith("distributed_") and name.removeprefix("distributed_") in STATEMENTS
)
AT_ONCE_ONLY = {"settled"}
"""Statements that call a function of a database which is not distributed, and may: it looks at the coordinator only."""

MOMENT_SECONDS = 0.1


@pytest.fixture
def url() -> Iterator[str]:
    """Give a database that is asked like a distributed one."""
    with key_by_key_database() as given:
        yield given


class TestKeyByKey(PostgresConformance):
    """The promises, kept by a store that asks as if its tables lay in many places."""

    def database(self) -> AbstractContextManager[str]:
        return key_by_key_database()


@pytest.mark.parametrize(
    "holds", [one for one in commits.HOLDS if one is not commits.the_port_is_kept], ids=lambda one: one.__name__
)
async def test_it_holds(holds: Callable[[str], Awaitable[None]], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must hold of every database holds, in the order of locks too."""
    monkeypatch.setattr(commits, "words", partial(wording, is_distributed=True))
    await holds(url)
    assert await contradictions(url) == []


@asynccontextmanager
async def under_way(url: str, version: int) -> AsyncIterator[None]:
    """Have a commit be under way on the coordinator, which is visible already where this looks."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.fetch("SELECT pg_advisory_xact_lock_shared(1802398069, $1)", version)
            yield
    finally:
        await connection.close()


async def read_in_part(url: str, read: Callable[[PostgresStore], Awaitable[object]]) -> object:
    """Read what a commit wrote that is not visible everywhere; return what came of it, after seeing that it waits for that."""
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["e"]}))
    version = (await get(store, 1)).version
    async with under_way(url, version):
        reading = asyncio.ensure_future(read(store))
        await asyncio.sleep(MOMENT_SECONDS)
        assert not reading.done(), "somebody is shown half of a commit"
    try:
        return await reading
    finally:
        await store.close()


READS: dict[str, Callable[[PostgresStore], Awaitable[object]]] = {
    "load": lambda store: look_up(store, commits.MAIL),
    "load by MPID": lambda store: store.load([wanted(mpids=[1])]),
    "sole holders": lambda store: store.sole_holders([(wanted().pool, commits.MAIL)]),
    "profile": lambda store: store.profile(1),
    "profile with sections": lambda store: store.seen_profile(1),
}


@pytest.mark.parametrize("read", READS)
async def test_nobody_is_shown_half_of_a_commit(read: str, url: str) -> None:
    """A reader who meets what a commit wrote before it is visible everywhere waits for that, however it reads."""
    assert await read_in_part(url, READS[read])


async def test_a_store_that_shows_halves_would_be_noticed(url: str) -> None:
    """Without the look at what is under way, the same reader does not wait."""
    check = "knownas.distributed_check_1(given bigint, begun bigint, under_way bigint[], versions bigint[])"
    was = await ask(url, f"SELECT pg_get_functiondef('{re.sub('[a-z_]+ bigint', 'bigint', check)}'::regprocedure)")
    try:
        await ask(url, f"CREATE OR REPLACE FUNCTION {check} RETURNS void LANGUAGE sql AS 'SELECT'")
        with pytest.raises(AssertionError, match="half of a commit"):
            await read_in_part(url, READS["load"])
    finally:
        await ask(url, was[0][0])


async def test_a_commit_that_hangs_in_part_is_not_waited_for_without_end(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who has waited for long says that the store is busy; what others wrote is shown meanwhile."""
    monkeypatch.setattr(postgres_database, "UNSETTLED_SECONDS", 3 * MOMENT_SECONDS)
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["e"]}))
    await put(store, record(2, {EMAIL: ["f"]}))
    async with under_way(url, (await get(store, 1)).version):
        assert (await get(store, 2)).identities == {EMAIL: ("f",)}
        with pytest.raises(StoreBusy):
            await look_up(store, commits.MAIL)
    await store.close()


async def test_a_visit_waits_for_nobody(url: str) -> None:
    """Activity is moved past a profile that somebody is changing, and of one whose values' holders change, later."""
    store = PostgresStore(url)
    await put(store, record(1, {EMAIL: ["e"]}), record(2, {EMAIL: ["f"]}), record(3, {EMAIL: ["f"]}))
    before = {mpid: (await get(store, mpid)).active_ms for mpid in (1, 2, 3)}
    other = await asyncpg.connect(url)
    transaction = other.transaction()
    await transaction.start()
    await other.fetch("SELECT 1 FROM knownas.profile WHERE mpid = 1 FOR UPDATE")
    await other.fetch("SELECT 1 FROM knownas.identity WHERE value = 'f' FOR UPDATE")
    visits = [Activity(mpid, at_ms + 5) for mpid, at_ms in before.items()]
    await asyncio.wait_for(store.touch(visits), LOCK_TIMEOUT_MS / 2000)
    assert {mpid: (await get(store, mpid)).active_ms for mpid in (1, 2, 3)} == before
    await transaction.rollback()
    await store.touch(visits)
    assert {mpid: (await get(store, mpid)).active_ms - at_ms for mpid, at_ms in before.items()} == {1: 5, 2: 5, 3: 5}
    await other.close()
    await store.close()


@pytest.fixture
def bare() -> Iterator[str]:
    """Give a database with nothing in it."""
    with bare_database() as given:
        yield given


FIRST_AFTERWARDS: dict[str, Callable[[PostgresStore], Awaitable[object]]] = {
    "load": READS["load"],
    "commit": lambda store: put(store, record(9, {EMAIL: ["new"]})),
    "touch": lambda store: store.touch([Activity(1, 2_000_000_000_000)]),
    "user data": lambda store: keep(store, whole(2)),
    "forgetting": lambda store: store.user_data.forget_older(events_ms=1, requests_ms=1, sections_ms=1, limit=1),
}


@pytest.mark.parametrize("first", FIRST_AFTERWARDS)
async def test_a_server_goes_on_when_its_database_is_distributed(first: str, bare: str) -> None:
    """A store that is open while that happens goes on as before, whatever it does first; a new one does too."""
    store = PostgresStore(bare)
    await put(store, record(1, {EMAIL: ["e"]}))
    await keep(store, whole(1))
    await ask_key_by_key(bare)
    await FIRST_AFTERWARDS[first](store)
    await put(store, record(3, {EMAIL: ["g"]}))
    assert [await look_up(one, commits.MAIL) for one in (store, PostgresStore(bare))] == [[1], [1]]
    await shows(store, whole(1), "what was kept before")
    await store.close()
    assert await contradictions(bare) == []


async def test_who_has_not_noticed_is_refused(bare: str) -> None:
    """Each function that is not meant for a distributed database refuses there: an older server can't write past the others."""
    store = PostgresStore(bare)
    await store.load([])
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'knownas'::regnamespace"
    plain = {name for (name,) in await ask(bare, functions) if not name.startswith("audience_")} - {"settled_1"}
    await ask_key_by_key(bare)
    assert {name for (name,) in await ask(bare, f"{functions} AND prosrc LIKE '%KN003%'")} == plain
    await store.close()


@pytest.mark.parametrize("name", OWN)
def test_a_distributed_statement_takes_what_the_other_takes(name: str) -> None:
    """Both wordings of a statement have the same arguments, so that whoever asks need not know."""
    plain = name.removeprefix("distributed_")
    counts = [len(set(re.findall(r"\$\d+", wording(plain, is_distributed=one)))) for one in (False, True)]
    assert counts[0] == counts[1] or name == "distributed_ping"


def test_every_function_has_a_distributed_twin() -> None:
    """No statement of a distributed database calls a function that is refused there."""
    refused = re.compile(r"knownas\.(?!distributed_|audience_)\w+_\d+\(")
    called = {name for name, text in STATEMENTS.items() if refused.search(text)}
    plain = {name for name in called if not name.startswith("distributed_")}
    assert plain - {name.removeprefix("distributed_") for name in OWN} == AT_ONCE_ONLY


def test_every_table_has_its_place(url: str) -> None:
    """Each table is distributed, or known to stay with the coordinator: what is small and read by everybody, audiences, and groups."""
    tables = {name for (name,) in asyncio.run(ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'knownas'"))}
    few = {"layout", "distribution", "pool", "policy", "kept"}
    few |= {"subject_request", "evidence", "tombstone", "suppression", "delivery", "audit"}
    few |= {"watch", "audience_document", "mark", "standing", "member", "membership_change", "held", "passed"}
    few |= {"output_delivery", "group_place"}
    assert tables == few | {one.table for one in distribution.TABLES}


def statements_in(text: str) -> Iterator[str]:
    """Yield the statements inside functions."""
    without_notes = re.sub(r"--[^\n]*", "", text)
    for body in re.findall(r"\$\$(.*?)\$\$", without_notes, re.DOTALL):
        yield from (one for one in re.split(r";|\bLOOP\b|\bTHEN\b|\bBEGIN\b|\bELSE\b", body) if "knownas." in one)


DISTRIBUTION = {one.table: one.column for one in distribution.TABLES}


def faults_in(text: str) -> list[str]:
    """Return what in the statements of functions Citus would refuse, or lock in no order, as far as words show it."""
    faults: list[str] = []
    for one in statements_in(text):
        tables = {name for name in re.findall(r"(?<!')knownas\.(\w+)", one) if name in DISTRIBUTION}
        columns = {DISTRIBUTION[name] for name in tables}
        # The keys of a place lie together.
        by_key = all(re.search(rf"\b{column} = (?!ANY)|\b{column} = ANY \(place\.keys\)", one) for column in columns)
        if len(columns) > 1 or (len(tables) > 1 and not by_key):
            faults.append(f"tables in different places: {one}")
        if re.search(r"FOR (NO KEY )?(UPDATE|SHARE)|\bUPDATE knownas|\bDELETE FROM", one) and tables and not by_key:
            faults.append(f"rows of more than one key are locked or written: {one}")
        if re.search(r"\bINSERT INTO", one) and tables and "VALUES" not in one:
            faults.append(f"rows of many keys are written at once: {one}")
        if re.search(r"\b(unnest|WITH|OFFSET|LATERAL|MERGE)\b", one) and tables:
            faults.append(f"a table is joined with what is given: {one}")
    return faults


@pytest.mark.parametrize("step", distributed_steps(), ids=lambda step: f"step {step[0]}")
def test_a_distributed_statement_is_about_one_key_or_one_table(step: tuple[int, str]) -> None:
    """The SQL keeps to what Citus can run: rows are locked and written by the column that they lie by, none are joined."""
    assert faults_in(step[1]) == []


@pytest.mark.parametrize(
    "refused",
    [
        "SELECT 1 FROM knownas.identity AS i WHERE i.value = ANY (names) FOR UPDATE",
        "SELECT 1 FROM knownas.identity AS i JOIN knownas.profile AS p ON p.mpid = i.holder WHERE i.value = one.value",
        "SELECT 1 FROM unnest(mpids) AS w (mpid) JOIN knownas.profile AS p ON p.mpid = w.mpid",
        "INSERT INTO knownas.profile (mpid) SELECT mpid FROM made",
        "UPDATE knownas.profile SET active_ms = 1 WHERE version = 2",
        "DELETE FROM knownas.log WHERE seq = ANY (about)",
    ],
)
def test_what_citus_refuses_would_be_noticed(refused: str) -> None:
    """Each kind of statement that could not run, or would lock in no order, is found."""
    assert len(faults_in(f"$$ BEGIN {refused}; END $$")) == 1


def test_locks_are_waited_for_as_long_as_elsewhere() -> None:
    """What the functions tell the other servers about locks is the limit that holds of every connection."""
    told = {found for _, text in distributed_steps() for found in re.findall(r"lock_timeout = '(\d+)s'", text)}
    assert told == {str(LOCK_TIMEOUT_MS // 1000)}
