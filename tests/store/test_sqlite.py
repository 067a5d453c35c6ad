"""The SQLite store keeps the promises of the port, and some of its own about its file and its layout."""

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import EMAIL, START_MS, get, look_up, put, record
from knownas.store.conformance.suite import StoreConformance
from knownas.store.errors import StoreDamaged, StoreReadOnly, StoreTooNew, StoreUnavailable
from knownas.store.port import Activity, Store
from knownas.store.sqlite.connection import CHECKPOINT_PAGES, SharedReads, open_connection
from knownas.store.sqlite.statements import schema_steps, statements
from knownas.store.sqlite.store import SqliteStore
from tests.store.inspection import contradictions, unexplained

NOBODY = 65_534
STARTING_AT_ONCE = 16
MAIL = Identity(EMAIL, "e")


class TestSqlite(StoreConformance):
    """The promises, kept by the SQLite store; its file outlives it, and others may open it at the same time."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "knownas.db"
        yield
        assert contradictions(self.path) == []

    async def open_store(self) -> Store:
        return SqliteStore(self.path)

    async def reopen(self) -> Store:
        return SqliteStore(self.path)

    async def open_beside(self) -> Store:
        return SqliteStore(self.path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a database will be."""
    return tmp_path / "knownas.db"


@pytest.fixture
def anybodys_folder() -> Iterator[Path]:
    """Make a folder that a user without privileges can reach, and be such a user while the test runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        was = os.geteuid()
        if was == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(was)
            folder.chmod(0o777)


def layout_of(file: Path) -> int:
    """Return the layout's version that a file names."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return next(iter(connection.execute("PRAGMA user_version")))[0]
    finally:
        connection.close()


def content_of(file: Path) -> bytes:
    """Return what is in a file."""
    return file.read_bytes()


def overwrite(file: Path, keep_first: int, keep_last: int) -> None:
    """Damage a file in the middle."""
    content = bytearray(file.read_bytes())
    content[keep_first:-keep_last] = b"\xa5" * (len(content) - keep_first - keep_last)
    file.write_bytes(content)


def allow(path: Path, mode: int) -> None:
    """Say what may be done with a file or folder."""
    path.chmod(mode)


def remove(file: Path) -> None:
    """Remove a file."""
    file.unlink()


async def kept(file: Path) -> Path:
    """Make a database with one profile in it."""
    store = SqliteStore(file)
    await put(store, record(1, {EMAIL: ["e"]}))
    await store.close()
    return file


async def test_an_empty_file_becomes_a_database(file: Path) -> None:
    """A file that is missing or empty is given the newest layout; one that has it is left as it is."""
    await SqliteStore(file).close()
    newest = schema_steps()[-1][0]
    assert layout_of(file) == newest
    before = content_of(file)
    await SqliteStore(file).close()
    assert content_of(file) == before
    empty = file.with_name("empty.db")
    empty.touch()
    await kept(empty)
    assert layout_of(empty) == newest


async def test_a_newer_layout_is_left_alone(file: Path) -> None:
    """A database that a newer knownas wrote is refused, and not changed."""
    await kept(file)
    connection = apsw.Connection(str(file))
    connection.execute(f"PRAGMA user_version = {schema_steps()[-1][0] + 1}")
    connection.close()
    before = content_of(file)
    with pytest.raises(StoreTooNew, match="layout"):
        SqliteStore(file)
    assert content_of(file) == before


@pytest.mark.parametrize("content", [b"not a database" * 1_000, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_what_is_no_database_is_left_alone(file: Path, content: bytes) -> None:
    """A file that is no database, or only begins like one, is refused, and not changed."""
    file.write_bytes(content)
    with pytest.raises(StoreDamaged):
        SqliteStore(file)
    assert file.read_bytes() == content


async def test_a_damaged_database_is_told(file: Path) -> None:
    """A database whose pages were overwritten answers StoreDamaged, not with something wrong."""
    await SqliteStore(file).close()
    layout = len(content_of(file))
    store = SqliteStore(file)
    await put(store, *(record(mpid, {EMAIL: [f"{mpid} {'x' * 200}"]}) for mpid in range(1, 2_000)))
    await store.close()
    overwrite(file, keep_first=layout, keep_last=4_096)
    store = SqliteStore(file)
    with pytest.raises(StoreDamaged):
        await look_up(store, Identity(EMAIL, f"1000 {'x' * 200}"))
    with pytest.raises(StoreDamaged):
        await get(store, 1_000)
    await store.close()


def test_where_no_database_can_be_is_told(tmp_path: Path) -> None:
    """A folder, and a file in a folder that is not there, can't be opened."""
    for path in (tmp_path, tmp_path / "missing" / "knownas.db"):
        with pytest.raises(StoreUnavailable):
            SqliteStore(path)


async def test_a_folder_that_may_not_be_written_is_told(anybodys_folder: Path) -> None:
    """A database in a folder where nothing can be written is refused at once: its log would have no place."""
    file = await kept(anybodys_folder / "knownas.db")
    allow(anybodys_folder, 0o555)
    with pytest.raises(StoreReadOnly):
        SqliteStore(file)


async def test_a_file_that_may_not_be_written_is_read(anybodys_folder: Path) -> None:
    """From a file that may only be read answers are given, and writes are refused."""
    file = await kept(anybodys_folder / "knownas.db")
    allow(file, 0o444)
    store = SqliteStore(file)
    assert await look_up(store, MAIL) == [1]
    with pytest.raises(StoreReadOnly):
        await put(store, record(2, {EMAIL: ["f"]}))
    with pytest.raises(StoreReadOnly):
        await store.touch([Activity(1, START_MS + 1)])
    assert await look_up(store, MAIL) == [1]
    await store.close()


async def test_a_file_that_is_gone_is_told(file: Path) -> None:
    """A store whose file was removed is not ready."""
    store = SqliteStore(await kept(file))
    await store.ping()
    remove(file)
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.close()


def test_an_old_library_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite library that can lose writes is not used."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StoreUnavailable, match="too old"):
        SqliteStore(file)


async def test_the_settings_that_durability_rests_on(file: Path) -> None:
    """Writing connections use the WAL, sync it at each commit, checkpoint it, and map no memory."""
    store = SqliteStore(file)
    for connection in (store._connection, open_connection(file)):
        settings = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "mmap_size")}
        assert settings == {"journal_mode": "wal", "synchronous": 2, "mmap_size": 0}
        assert connection.pragma("wal_autocheckpoint") == CHECKPOINT_PAGES
    await store.close()


def test_servers_that_start_at_once_agree_on_the_layout(file: Path) -> None:
    """Many servers that start on a missing file at the same time all come up, over one layout."""

    def start(number: int) -> None:
        async def run() -> None:
            store = SqliteStore(file)
            await put(store, record(number + 1, {EMAIL: [str(number)]}))
            await store.close()

        asyncio.run(run())

    with ThreadPoolExecutor(STARTING_AT_ONCE) as pool:
        list(pool.map(start, range(STARTING_AT_ONCE)))
    assert contradictions(file) == []


@pytest.mark.parametrize("name", sorted(statements().keys() - {"pools", "reserve_seq"}))
def test_no_statement_reads_a_whole_table(file: Path, name: str) -> None:
    """Each statement finds its rows by a key, so that its cost does not grow with what others have stored."""
    connection = open_connection(file)
    for _, step in schema_steps():
        connection.execute(step)
    before, marker, after = statements()[name].rpartition("/*wanted*/")
    columns = re.search(r"^WITH wanted \(([^)]+)\)", before, re.MULTILINE)
    assert bool(columns) == bool(marker)
    row = f"({', '.join('?' for _ in columns[1].split(','))})" if columns else ""
    text = f"{before}{row}, {row}{after}" if marker else statements()[name]
    numbered = [int(number) for number in re.findall(r"\?(\d+)", text)]
    bindings = (1,) * max([*numbered, 0] if numbered else [text.count("?")])
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", bindings)]
    large = ("profile", "identity", "holding", "log", "touched")
    large += ("section", "user_events", "batch_receipt", "message", "alias")
    large += ("subject_request", "evidence", "tombstone", "suppression", "delivery", "audit")
    large += ("mark", "standing", "member", "membership_change", "held", "passed", "output_delivery")
    aliases = {"p": "profile", "made": "profile", "i": "identity", "h": "holding", "l": "log", "t": "touched"}
    aliases |= {"s": "section", "r": "batch_receipt", "m": "message", "a": "alias"}
    scanned = [line.split()[1] for line in plan if line.startswith("SCAN")]
    if name == "decision":
        aliases["p"] = "pool"
    # A self-check is there to read everything, in pages or whole, a census does so beside the loop, and so does writing a file anew.
    counts_all = name.startswith("census_")
    reads_all = counts_all or name.startswith("whole_") or name == "forget_values"
    assert reads_all or [table for table in scanned if aliases.get(table, table) in large] == [], plan
    # Of receipts with one request id there is one for each input at most; what is counted by interval comes to few.
    is_small = counts_all or name in {"receipts_named", "count_changes"}
    assert is_small or not any("USE TEMP B-TREE" in line for line in plan), plan
    connection.close()


def vacuum_into(file: Path, copy: Path) -> None:
    """Copy a database the way an operator would, in one go."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()


def copy_pages(file: Path, copy: Path) -> None:
    """Copy a database the way an operator would, page by page."""
    source, target = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        while not backup.done:
            backup.step(50)
    target.close()
    source.close()


@pytest.mark.parametrize("back_up", [vacuum_into, copy_pages])
async def test_a_backup_of_a_running_store_is_whole(file: Path, back_up: Callable[[Path, Path], None]) -> None:
    """A backup made by somebody else while the store writes opens, and holds all that was there when it began."""
    store = SqliteStore(file)
    await put(store, *(record(mpid, {EMAIL: [str(mpid)]}) for mpid in range(1, 101)))
    copy = file.with_name("copy.db")
    backing_up = asyncio.create_task(asyncio.to_thread(back_up, file, copy))
    mpid = 1_000
    while not backing_up.done():
        mpid += 1
        await put(store, record(mpid, {EMAIL: [str(mpid)]}))
        await asyncio.sleep(0)
    await backing_up
    await store.close()
    assert contradictions(copy) + unexplained(copy) == []
    restored = SqliteStore(copy)
    assert await look_up(restored, Identity(EMAIL, "100")) == [100]
    await put(restored, record(2_000_000, {EMAIL: ["restored"]}))
    await restored.close()


async def test_reads_of_one_turn_share_a_transaction_that_ends_with_it(tmp_path: Path) -> None:
    """A transaction of shared reads is gone before anything runs that was called for after it began."""
    writing = open_connection(tmp_path / "shared.db")
    writing.execute("CREATE TABLE one (number INTEGER)")
    reading = open_connection(tmp_path / "shared.db", read_only=True)
    reads = SharedReads(reading)

    def count() -> int:
        return reads.connection().execute("SELECT count(*) FROM one").fetchall()[0][0]

    assert count() == 0
    writing.execute("INSERT INTO one VALUES (1)")
    assert (count(), reading.in_transaction) == (0, True)
    after = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: after.set_result((reading.in_transaction, count())))
    assert await after == (False, 1)
    reads.end()
    reads.end()
    assert not reading.in_transaction
    await asyncio.sleep(0)
    reading.close()
    writing.close()
