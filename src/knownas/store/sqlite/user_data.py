"""The SQLite store's second half: what workspaces know of users, in the same file as who is who."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from knownas.store.errors import StoreUnavailable
from knownas.store.sqlite.connection import (
    LOCK_BLOCKS_MS,
    Binding,
    Connection,
    LostRace,
    Row,
    SharedReads,
    Transactions,
    named_errors,
    open_connection,
)
from knownas.store.sqlite.counting import count_apart
from knownas.store.sqlite.finding import find
from knownas.store.sqlite.marking import mark_committed, mark_forgotten, note_removal
from knownas.store.sqlite.statements import statements
from knownas.store.user_data import (
    AliasRow,
    AliasState,
    BatchReceipt,
    EventsWrite,
    MessageKey,
    RequestKey,
    SectionKey,
    SectionWrite,
    StoredEvents,
    StoredSection,
    UserDataCommit,
    UserDataSnapshot,
)

WRITER_CACHE_KIB: Final = 64 * 1024
"""Of the file, what the writing connection keeps in memory at most; the other half's commits empty it anyway."""

_FIRST_MS: Final = -(2**63)
_LAST_MS: Final = 2**63 - 1
"""The first and the last time that can be kept."""

_BEYOND: Final = 2**63 - 1
"""No batch of events has this seq."""


class SqliteUserData:
    """Keeps sections, events, receipts and aliases in a SQLite file. Implements `store.user_data.UserDataStore`.

    One connection commits, another reads: reads go on while a commit waits for the disk, and see what was committed.
    What others commit empties a connection's memory of the file. So while no commit is under way, what a group of
    batches needs is loaded over the connection that will write it, which remembers what it wrote last.
    """

    def __init__(self, path: Path, transactions: Transactions) -> None:
        """Open the file, whose layout must be up to date. `transactions` are those of the store that it belongs to.

        Raises:
            StoreError: it can't be opened.
        """
        self._path = path
        self._transactions = transactions
        self._connection = open_connection(path)
        try:
            self._connection.pragma("cache_size", -WRITER_CACHE_KIB)
            self._connection.pragma("busy_timeout", LOCK_BLOCKS_MS)
            self._reader = open_connection(path, read_only=True)
        except BaseException:
            self._connection.close()
            raise
        self._reads = SharedReads(self._reader)
        self._commits = 0
        """Transactions of the writing connection that are under way or wait for their turn."""
        self._closed = False

    def close(self) -> None:
        """Close both connections; no transaction may be under way."""
        self._closed = True
        self._reads.end()
        self._reader.close()
        self._connection.close()

    async def load(
        self,
        sections: Sequence[SectionKey],
        requests: Sequence[RequestKey] = (),
        messages: Sequence[MessageKey] = (),
    ) -> UserDataSnapshot:
        """Load what a group of batches needs; a statement for each 128 of a kind, in one transaction."""
        self._check_open()
        with named_errors():
            if self._commits:
                return _snapshot(self._reads.connection(), sections, requests, messages)
            self._connection.execute("BEGIN")
            try:
                return _snapshot(self._connection, sections, requests, messages)
            finally:
                self._connection.execute("COMMIT")

    async def section(self, key: SectionKey) -> StoredSection | None:
        """Return one section."""
        for row in self._read("section", *key):
            return StoredSection._make(row)
        return None

    async def commit(self, commit: UserDataCommit) -> bool:
        """Write all of a commit and wait until it is on the disk."""
        self._check_open()
        with named_errors():
            try:
                async with self._writing():
                    self._write(commit)
            except LostRace:
                return False
        return True

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[None]:
        self._commits += 1
        try:
            async with self._transactions.writing(self._connection):
                yield
        finally:
            self._commits -= 1

    def _write(self, commit: UserDataCommit) -> None:
        """Write everything, a statement for each kind of row.

        Raises:
            LostRace: nothing of it may be kept.
        """
        if commit.sections:
            self._write_sections(commit.sections)
        self._change(
            "settle_alias", [(row.state, row.reason, row.settled_ms, row[0]) for row in commit.settled_aliases]
        )
        self._change("insert_alias", commit.new_aliases)
        if commit.receipts:
            self._write_receipts(commit.receipts)
        self._change("insert_message", [(*key, at_ms) for key, at_ms in commit.messages.items()])
        self._change("insert_events", list(map(_events_row, commit.events)))
        mark_committed(self._connection, commit.marks, commit.concerned())

    def _write_sections(self, writes: Sequence[SectionWrite]) -> None:
        ((version,),) = self._connection.execute(statements()["tick_sections"]).fetchall()
        new: list[Sequence[Binding]] = []
        changed: list[Sequence[Binding]] = []
        for key, was, document, last_seen_ms in writes:
            if was is None:
                new.append((*key, version, document, last_seen_ms))
            else:
                changed.append((version, document, last_seen_ms, *key, was))
        self._change("update_section", changed)
        self._change("insert_section", new)

    def _write_receipts(self, receipts: Sequence[BatchReceipt]) -> None:
        named = [(one.request_id, one.input_key) for one in receipts if one.request_id is not None]
        if len(set(named)) < len(named):
            raise LostRace("two batches under one id")
        if named:
            self._connection.executemany(statements()["release_request"], named)
        self._change("insert_receipt", receipts)

    def _change(self, statement: str, rows: Sequence[Sequence[Binding]]) -> None:
        """Run a statement for each of the rows, of which each must change one.

        Raises:
            LostRace: one did not: it is there already, or is no longer as it was loaded.
        """
        if rows:
            before = self._connection.total_changes()
            self._connection.executemany(statements()[statement], rows)
            if self._connection.total_changes() - before != len(rows):
                raise LostRace(statement)

    async def sections_of(self, mpid: int) -> Mapping[SectionKey, StoredSection]:
        """Return every workspace's section of a profile."""
        return _sections_from(self._read("sections_of", mpid))

    async def events(
        self, key: SectionKey, *, from_ms: int, to_ms: int, after_seq: int, limit: int
    ) -> Sequence[StoredEvents]:
        """Return kept events of which any happened in a range of time, by ascending `seq`."""
        return [StoredEvents._make(row) for row in self._read("events", *key, after_seq, from_ms, to_ms, limit)]

    async def events_back(self, key: SectionKey, before_seq: int | None, limit: int) -> Sequence[StoredEvents]:
        """Return kept events, those kept last first."""
        rows = self._read("events_back", *key, _BEYOND if before_seq is None else before_seq, limit)
        return [StoredEvents._make(row) for row in rows]

    async def events_about(
        self, mpids: Sequence[int], after_seq: int, limit: int
    ) -> Sequence[tuple[SectionKey, StoredEvents]]:
        """Return kept events of some profiles in all workspaces, by ascending `seq`; a statement for each section."""
        found: list[tuple[SectionKey, StoredEvents]] = []
        for mpid in dict.fromkeys(mpids):
            for workspace, environment in self._read("events_keys", mpid):
                key = SectionKey(workspace, environment, mpid)
                rows = self._read("events", *key, after_seq, _FIRST_MS, _LAST_MS, limit)
                found += [(key, StoredEvents._make(row)) for row in rows]
        found.sort(key=lambda one: one[1].seq)
        return found[:limit]

    async def receipt(self, receipt_id: str) -> BatchReceipt | None:
        """Return what became of a batch, by our id."""
        for row in self._read("receipt", receipt_id):
            return _receipt_from(row)
        return None

    async def receipts_named(self, request_id: str, limit: int) -> Sequence[BatchReceipt]:
        """Return what became of batches with a sender's id, the newest first."""
        return [_receipt_from(row) for row in self._read("receipts_named", request_id, limit)]

    async def alias(self, request_id: str) -> AliasRow | None:
        """Return an alias request."""
        for row in self._read("alias", request_id):
            return _alias_from(row)
        return None

    async def aliases_about(self, workspace: int, environment: str, mpids: Sequence[int]) -> Sequence[AliasRow]:
        """Return the alias requests that name any of the profiles, by the time they were made."""
        self._check_open()
        with named_errors():
            rows = find(self._reads.connection(), "aliases_about", [(workspace, environment, mpid) for mpid in mpids])
        # A request that names two of the profiles was found twice.
        numbered = {number: _alias_from(row) for number, *row in rows}
        in_order = sorted(numbered.items(), key=lambda one: (one[1].requested_ms, one[0]))
        return [alias for _, alias in in_order]

    async def aliases_due(self, now_ms: int, limit: int) -> Sequence[AliasRow]:
        """Return queued alias requests that are due, the earliest first."""
        return [_alias_from(row) for row in self._read("aliases_due", now_ms, limit)]

    async def count_older(self, *, events_ms: int, requests_ms: int, sections_ms: int) -> tuple[int, int, int]:
        """Count what `forget_older` would remove in all; off the loop, since the time grows with what there is."""
        self._check_open()
        bounds = (events_ms, requests_ms, requests_ms, sections_ms)
        events, requests, sections = await count_apart(self._path, "count_older", *bounds)
        return events, requests, sections

    async def forget_older(self, *, events_ms: int, requests_ms: int, sections_ms: int, limit: int) -> int:
        """Remove at most `limit` things that are older, the oldest of each kind first, in one transaction."""
        self._check_open()
        removals = (
            ("forget_events", events_ms),
            ("forget_receipts", requests_ms),
            ("forget_messages", requests_ms),
            ("forget_sections", sections_ms),
        )
        with named_errors():
            async with self._writing():
                mark_forgotten(self._connection, events_ms, sections_ms, limit)
                before = self._connection.total_changes()
                for statement, before_ms in removals:
                    left = limit - (self._connection.total_changes() - before)
                    self._connection.execute(statements()[statement], (before_ms, left))
                gone = self._connection.total_changes() - before
                note_removal(self._connection)
                return gone

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _read(self, statement: str, *bindings: Binding) -> list[Row]:
        self._check_open()
        with named_errors():
            return self._reads.connection().execute(statements()[statement], bindings).fetchall()


def _snapshot(
    over: Connection,
    sections: Sequence[SectionKey],
    requests: Sequence[RequestKey],
    messages: Sequence[MessageKey],
) -> UserDataSnapshot:
    """Load over a connection that is inside a transaction."""
    return UserDataSnapshot(
        _sections_from(find(over, "sections", sections)),
        set(map(RequestKey._make, find(over, "requests_seen", requests))),
        set(map(MessageKey._make, find(over, "messages_seen", messages))),
    )


def _events_row(write: EventsWrite) -> Sequence[Binding]:
    return (*write.key, write.at_ms, write.first_ms, write.last_ms, write.document)


def _sections_from(rows: Sequence[Row]) -> dict[SectionKey, StoredSection]:
    """Read rows of (workspace, environment, mpid, document, version)."""
    return {SectionKey(*row[:3]): StoredSection(*row[3:]) for row in rows}


def _receipt_from(row: Row) -> BatchReceipt:
    """Read (receipt_id, input_key, request_id, at_ms, document, kept)."""
    return BatchReceipt._make((*row[:-1], row[-1] == 1))


def _alias_from(row: Sequence[Binding]) -> AliasRow:
    """Read a row of the alias table as the queries select it."""
    alias = AliasRow._make(row)
    return alias._replace(state=AliasState(alias.state))
