"""A PostgreSQL database is opened, or refused in a sentence that says why; its layout is brought up to date once."""

import asyncio
from collections.abc import Iterator

import pytest

from knownas.store.conformance.examples import EMAIL, get, put, record
from knownas.store.conformance.user_data_examples import keep, shows, whole
from knownas.store.errors import StoreError, StoreReadOnly, StoreTooNew, StoreUnavailable
from knownas.store.opening import open_store
from knownas.store.postgres import layout
from knownas.store.postgres.address import read_address
from knownas.store.postgres.statements import schema_steps
from knownas.store.postgres.store import PostgresStore
from tests.postgres import PROTECTED, ask, bare_database, private_server

STARTING_AT_ONCE = 6
NEWEST = schema_steps()[-1].version


@pytest.fixture
def bare() -> Iterator[str]:
    """Give a database with nothing in it."""
    with bare_database() as url:
        yield url


async def refusal(url: str) -> str:
    """Return what a store says that can't be opened."""
    store = PostgresStore(url)
    with pytest.raises(StoreUnavailable) as refused:
        await store.ping()
    await store.close()
    return str(refused.value)


async def layouts(url: str) -> list[tuple[int, int]]:
    """Return the steps that a database has gone through."""
    return [tuple(row) for row in await ask(url, "SELECT version, works_from FROM knownas.layout ORDER BY version")]


async def test_an_empty_database_gets_the_newest_layout(bare: str) -> None:
    """The first start makes everything, a second one leaves it as it is."""
    for number in range(2):
        store = PostgresStore(bare)
        await put(store, record(number + 1, {EMAIL: ["e"]}))
        await keep(store, whole(number))
        await store.close()
    assert await layouts(bare) == [(step.version, step.works_from) for step in schema_steps()]
    store = PostgresStore(bare)
    assert (await get(store, 1)).identities == {EMAIL: ("e",)}
    await shows(store, whole(1), "what was kept")
    await store.close()


async def test_servers_that_start_together_make_it_once(bare: str) -> None:
    """Of several servers that start on an empty database, one makes the layout, and all work."""
    stores = [PostgresStore(bare) for _ in range(STARTING_AT_ONCE)]
    await asyncio.gather(*(store.ping() for store in stores))
    await asyncio.gather(*(store.load([]) for store in stores))
    assert len(await layouts(bare)) == len(schema_steps())
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("version", range(1, NEWEST))
async def test_an_older_layout_is_brought_up_to_date(version: int, bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of any earlier layout gets the steps that it lacks."""
    monkeypatch.setattr(layout, "schema_steps", lambda: schema_steps()[:version])
    await layout.prepare(read_address(bare), {})
    assert len(await layouts(bare)) == version
    monkeypatch.undo()
    store = PostgresStore(bare)
    await put(store, record(1, {EMAIL: ["e"]}))
    await store.close()
    assert len(await layouts(bare)) == NEWEST


async def test_a_newer_layout_says_who_may_use_it(url: str) -> None:
    """A layout that a newer version has added to is used; one that needs a newer version is refused, untouched."""
    try:
        await ask(url, "INSERT INTO knownas.layout VALUES (9000, $1)", NEWEST)
        store = PostgresStore(url)
        await put(store, record(1, {EMAIL: ["e"]}))
        await store.close()
        await ask(url, "UPDATE knownas.layout SET works_from = 9000 WHERE version = 9000")
        with pytest.raises(StoreTooNew):
            await PostgresStore(url).ping()
    finally:
        await ask(url, "DELETE FROM knownas.layout WHERE version = 9000")


async def test_a_step_that_fails_leaves_nothing(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that can't bring the layout up to date changes nothing, and the next one does it."""
    broken = [*schema_steps()[:-1], schema_steps()[-1]._replace(text="CREATE TABLE knownas.half (a int); SELECT 1 / 0")]
    monkeypatch.setattr(layout, "schema_steps", lambda: broken)
    with pytest.raises(StoreError):
        await PostgresStore(bare).ping()
    monkeypatch.undo()
    assert await ask(bare, "SELECT count(*) FROM pg_namespace WHERE nspname = 'knownas'") == [(0,)]
    store = PostgresStore(bare)
    await store.ping()
    await store.close()


async def test_a_missing_database_is_named() -> None:
    """Whoever names a database that is not there is told how to make it."""
    said = await refusal(private_server().url("nowhere"))
    assert "there is no database 'nowhere'" in said
    assert "createdb nowhere" in said


async def test_a_stranger_is_told_so(url: str) -> None:
    """A wrong password and an unknown user are said to be that, and no password is shown."""
    await ask(url, f"DROP ROLE IF EXISTS {PROTECTED}")
    await ask(url, f"CREATE ROLE {PROTECTED} LOGIN PASSWORD 'right'")
    try:
        said = await refusal(url.replace("tests@", f"{PROTECTED}:wr0ng@"))
        assert f"does not let the user '{PROTECTED}' in" in said
        assert "wr0ng" not in said
    finally:
        await ask(url, f"DROP ROLE {PROTECTED}")
    assert "does not let the user 'nobody-we-know' in" in await refusal(url.replace("tests@", "nobody-we-know@"))


async def test_a_user_without_rights_is_told_so(bare: str) -> None:
    """A user who may not make the schema is told which right is missing."""
    await ask(bare, "DROP ROLE IF EXISTS guest")
    await ask(bare, "CREATE ROLE guest LOGIN")
    try:
        store = PostgresStore(bare.replace("tests@", "guest@"))
        with pytest.raises(StoreReadOnly, match="permission denied for database"):
            await store.ping()
        await store.close()
    finally:
        await ask(bare, "DROP ROLE guest")


async def test_nobody_there_is_said(tmp_path: object) -> None:
    """A server that is not there is named, by its host and its folder."""
    assert "can't be reached" in await refusal(f"postgresql://tests@/knownas?host={tmp_path}")
    assert "PostgreSQL at 127.0.0.1:1/knownas can't be reached" in await refusal(
        "postgresql://tests@127.0.0.1:1/knownas"
    )


async def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than the oldest that is tested is refused with both versions."""
    monkeypatch.setattr(layout, "OLDEST_SERVER", 990_000)
    assert "too old; 99 or newer is needed" in await refusal(url)


def test_another_encoding_is_refused() -> None:
    """A database that does not keep text as UTF8 is refused, with the command that makes one that does."""
    server = private_server()
    server.ask("CREATE DATABASE bytes TEMPLATE template0 ENCODING SQL_ASCII")
    try:
        assert "createdb --encoding UTF8" in asyncio.run(refusal(server.url("bytes")))
    finally:
        server.ask("DROP DATABASE bytes WITH (FORCE)")


@pytest.mark.parametrize("url", ["postgresql://", "postgresql://user@host", "postgresql://h/a/b", "postgresql://h/d?x"])
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    """A URL that can't be read is refused when it is, with the form that can."""
    with pytest.raises(StoreUnavailable, match="postgresql://user:password@host:5432/database"):
        open_store(url)


def test_an_address_keeps_its_password_to_itself() -> None:
    """An address is shown with its hosts and database; its user is taken from the URL, however it is written."""
    address = read_address("postgresql://a%40b:s3cret@one:1,two:2/shop?sslmode=require")
    assert (str(address), address.user) == ("PostgreSQL at one:1,two:2/shop", "a@b")
    assert "s3cret" not in repr(address)


async def test_who_may_only_read_reads(url: str) -> None:
    """A user, or a replica, that may only read shows everything, and writes fail with StoreReadOnly."""
    writing = PostgresStore(url)
    await put(writing, record(1, {EMAIL: ["e"]}))
    await writing.close()
    await ask(url, "CREATE ROLE reader LOGIN SUPERUSER")
    await ask(url, "ALTER ROLE reader SET default_transaction_read_only = on")
    try:
        store = PostgresStore(url.replace("tests@", "reader@"))
        assert (await get(store, 1)).identities == {EMAIL: ("e",)}
        with pytest.raises(StoreReadOnly):
            await put(store, record(2, {EMAIL: ["f"]}))
        await store.close()
    finally:
        await ask(url, "DROP ROLE reader")
