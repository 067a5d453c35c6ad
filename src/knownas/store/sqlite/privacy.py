"""The SQLite store's third part: requests of data subjects, the evidence, and erasing, in the same file as the others."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from knownas.core.identity.record import MPID_MAX, MPID_MIN
from knownas.store.errors import StoreUnavailable
from knownas.store.privacy import (
    Audited,
    Counts,
    Delivery,
    Holding,
    PrivacyCommit,
    RedactedLine,
    RequestWrite,
    Scrubbed,
    StoredEntry,
    StoredRequest,
    Suppression,
    Tombstone,
)
from knownas.store.sqlite.connection import (
    LOCK_BLOCKS_MS,
    Binding,
    LostRace,
    Row,
    SharedReads,
    Transactions,
    named_errors,
    open_connection,
)
from knownas.store.sqlite.erasing import erase, redact
from knownas.store.sqlite.scrubbing import scrub
from knownas.store.sqlite.statements import statements

PRIVACY_CACHE_KIB: Final = 16 * 1024
"""Of the file, what the writing connection keeps in memory at most; others' commits empty it anyway."""


class SqlitePrivacy:
    """Keeps requests and evidence in a SQLite file, and erases. Implements `store.privacy.PrivacyStore`.

    One connection of its own writes: the one by which the store decides may be asked at any moment. What is changed or
    removed over it is overwritten at once (`secure_delete`).
    """

    def __init__(self, path: Path, reads: SharedReads, transactions: Transactions) -> None:
        """Open the file, whose layout must be up to date. The rest belongs to the store that this is a part of.

        Raises:
            StoreError: it can't be opened.
        """
        self._path = path
        self._reads = reads
        self._transactions = transactions
        self._connection = open_connection(path)
        try:
            self._connection.pragma("cache_size", -PRIVACY_CACHE_KIB)
            self._connection.pragma("busy_timeout", LOCK_BLOCKS_MS)
            self._connection.pragma("secure_delete", 1)
        except BaseException:
            self._connection.close()
            raise
        self._closed = False

    def close(self) -> None:
        """Close the connection; no transaction may be under way."""
        self._closed = True
        self._connection.close()

    async def commit(self, commit: PrivacyCommit) -> bool:
        """Write all of a commit and wait until it is on the disk."""
        try:
            async with self._writing():
                self._write(commit)
        except LostRace:
            return False
        return True

    def _write(self, commit: PrivacyCommit) -> None:
        """Write everything, a statement for each kind of row.

        Raises:
            LostRace: nothing of it may be kept.
        """
        self._write_requests(commit.requests)
        self._change("insert_entry", commit.entries)
        self._each("insert_tombstone", commit.tombstones)
        self._each("insert_suppression", commit.suppressed)
        self._each("lift_suppression", [(digest,) for digest in commit.lifted])
        self._each("put_delivery", commit.deliveries)
        self._each("remove_delivery", [(one,) for one in commit.delivered])

    def _write_requests(self, writes: Sequence[RequestWrite]) -> None:
        if len({one.request.request_id for one in writes}) < len(writes):
            raise LostRace("a request is written twice")
        changed = [(one.request.request_id, one.before) for one in writes if one.before is not None]
        self._change("loosen_request", changed)
        self._change("update_request", [one.request for one in writes if one.before is not None])
        self._change("insert_request", [one.request for one in writes if one.before is None])

    def _change(self, statement: str, rows: Sequence[Sequence[Binding]]) -> None:
        """Run a statement for each of the rows, of which each must change one."""
        before = self._connection.total_changes()
        self._each(statement, rows)
        if self._connection.total_changes() - before != len(rows):
            raise LostRace(statement)

    def _each(self, statement: str, rows: Sequence[Sequence[Binding]]) -> None:
        if rows:
            self._connection.executemany(statements()[statement], rows)

    async def request(self, request_id: str) -> StoredRequest | None:
        """Return a request by its id."""
        for row in self._read("subject_request", request_id):
            return StoredRequest._make(row)
        return None

    async def requests_in(self, workspace: int, group: str, limit: int) -> Sequence[StoredRequest]:
        """Return the requests of a workspace's group, the newest first."""
        return [StoredRequest._make(row) for row in self._read("requests_in", workspace, group, limit)]

    async def requests_after(self, after_received_ms: int, after_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests in order, those after one."""
        return [StoredRequest._make(row) for row in self._read("requests_after", after_received_ms, after_id, limit)]

    async def requests_before(self, before_received_ms: int, before_id: str, limit: int) -> Sequence[StoredRequest]:
        """Return all requests, the newest first, those before one."""
        return [StoredRequest._make(row) for row in self._read("requests_before", before_received_ms, before_id, limit)]

    async def requests_due(self, now_ms: int, limit: int) -> Sequence[StoredRequest]:
        """Return requests about which something is to be done by now, the earliest first."""
        return [StoredRequest._make(row) for row in self._read("requests_due", now_ms, limit)]

    async def forget_requests(self, ended_before_ms: int, limit: int) -> int:
        """Remove requests that ended before a time, the first ones first."""
        return await self._remove("forget_requests", ended_before_ms, limit)

    async def entries(self, after_number: int, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence in order, the entries after a number."""
        return [StoredEntry._make(row) for row in self._read("entries", after_number, limit)]

    async def entries_of(self, request_id: str, limit: int) -> Sequence[StoredEntry]:
        """Return the evidence of one request, in order."""
        return [StoredEntry._make(row) for row in self._read("entries_of", request_id, limit)]

    async def last_entry(self) -> StoredEntry | None:
        """Return the newest entry of the evidence."""
        for row in self._read("last_entry"):
            return StoredEntry._make(row)
        return None

    async def tombstones(self, mpids: Sequence[int]) -> Mapping[int, Tombstone]:
        """Return those of some profiles that were erased, by one statement."""
        rows = self._read("tombstones", msgspec.json.encode(mpids).decode())
        return {row[0]: Tombstone._make(row) for row in rows}

    async def tombstones_after(self, mpid: int | None, limit: int) -> Sequence[Tombstone]:
        """Return all erased profiles by ascending MPID, those after one."""
        first = MPID_MIN if mpid is None else mpid + 1
        if first > MPID_MAX:
            return []
        return [Tombstone._make(row) for row in self._read("tombstones_from", first, limit)]

    async def suppressions_after(self, digest: bytes, limit: int) -> Sequence[Suppression]:
        """Return all suppressions by ascending digest, those after one."""
        return [Suppression._make(row) for row in self._read("suppressions_after", digest, limit)]

    async def deliveries_due(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Return what is to be told by now, the earliest first."""
        return [Delivery._make(row) for row in self._read("deliveries_due", now_ms, limit)]

    async def audit(self, rows: Sequence[Audited]) -> None:
        """Keep who read or changed what, and wait until it is on the disk."""
        async with self._writing():
            self._each("insert_audit", [(one.at_ms, one.mpid, one.document) for one in rows])

    async def audited(self, mpid: int | None, after_seq: int, limit: int) -> Sequence[Audited]:
        """Return who read or changed what is known of a profile, or of any."""
        if mpid is None:
            return [Audited._make(row) for row in self._read("audited", after_seq, limit)]
        return [Audited._make(row) for row in self._read("audited_of", mpid, after_seq, limit)]

    async def forget_audited(self, before_ms: int, limit: int) -> int:
        """Remove what was kept of reads and changes before a time, the first first."""
        return await self._remove("forget_audited", before_ms, limit)

    async def count(self, holding: Holding) -> Counts:
        """Count what there is of a holding, by one statement; off the loop, since the time grows with what there is."""
        self._check_open()
        keys = msgspec.json.encode(holding.input_keys).decode()

        def counted() -> Counts:
            with named_errors():
                connection = open_connection(self._path, read_only=True)
                try:
                    bindings = (holding.mpid, holding.workspace, keys, holding.mention)
                    (row,) = connection.execute(statements()["count_held"], bindings).fetchall()
                finally:
                    connection.close()
            return Counts._make(row)

        return await asyncio.to_thread(counted)

    async def erase(self, holding: Holding, limit: int) -> Counts:
        """Remove at most `limit` things of a holding, in one transaction."""
        async with self._writing():
            return erase(self._connection, holding, limit)

    async def redact(self, lines: Sequence[RedactedLine]) -> bool:
        """Let lines of the log say something else, in one transaction."""
        try:
            async with self._writing():
                redact(self._connection, lines)
        except LostRace:
            return False
        return True

    async def replace_or_drop(self, name: str, before: bytes, after: bytes | None) -> bool:
        """Put a kept document in the place of another, or remove it, and overwrite that one."""
        async with self._writing():
            if after is None:
                self._connection.execute(statements()["drop_kept"], (name, before))
            else:
                self._connection.execute(statements()["replace_kept"], (after, name, before))
            return self._connection.changes() == 1

    async def scrub(self) -> Scrubbed:
        """Write the whole file anew."""
        self._check_open()
        return await scrub(self._path, self._transactions)

    async def _remove(self, statement: str, before_ms: int, limit: int) -> int:
        async with self._writing():
            self._connection.execute(statements()[statement], (before_ms, limit))
            return self._connection.changes()

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[None]:
        self._check_open()
        with named_errors():
            async with self._transactions.writing(self._connection):
                yield

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _read(self, statement: str, *bindings: Binding) -> list[Row]:
        self._check_open()
        with named_errors():
            return self._reads.connection().execute(statements()[statement], bindings).fetchall()
