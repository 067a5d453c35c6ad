"""The database's disk is full, on its data or on its write-ahead log: reads go on, writes say why, and room heals all.

A real file system of a few megabytes is filled where the tests may mount one. Elsewhere the server's processes get a limit for
the size of their files that falls into a page, at which the kernel cuts a write short as on a full disk; the limit can be
set for processes that run, and be taken away.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count, islice
from pathlib import Path
from typing import Protocol

import pytest

from knownas.core.identity.kinds import Identity
from knownas.store.conformance.examples import EMAIL, commit_of, new, record, wanted
from knownas.store.errors import StoreError, StoreFull, StoreUnavailable, UnknownOutcome
from knownas.store.port import Committed
from knownas.store.postgres.store import PostgresStore
from tests.faults.load import POOL
from tests.postgres import PrivateServer, ask
from tests.store.postgres_inspection import contradictions, unexplained
from tests.waiting import until

DATABASE = "brim"
PAGE = 8_192
MEBIBYTE = 1 << 20
DISK_BYTES = {"data": 96 * MEBIBYTE, "log": 24 * MEBIBYTE}
SEGMENT_BYTES = MEBIBYTE
SETTINGS = ("min_wal_size=2MB", "max_wal_size=4MB")
SOAK_LEVELS = 20
STEP_BYTES = 100_000
"""What one level leaves more than the one before."""

ROWS_A_COMMIT = 100
COMMITS_MAX = 150
"""More than fit on either disk."""
LONG = "x" * 200
PATIENCE_SECONDS = 60.0


class Disk(Protocol):
    """What a server writes to."""

    def fill(self, room: int) -> None:
        """Leave about so many bytes, or none."""
        ...

    def free(self) -> None:
        """Give all the room back."""
        ...


class SmallDisk:
    """A file system in memory, which another file takes up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"

    def fill(self, room: int) -> None:
        self._filler.unlink(missing_ok=True)
        left = shutil.disk_usage(self._folder).free - room
        with self._filler.open("wb") as file:
            # The server writes meanwhile: what was free a moment ago may not be.
            for size in range(left, 0, -PAGE):
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), 0, size)
                    return

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


class SmallFiles:
    """A limit for the size of a server's files, in the middle of a page."""

    def __init__(self, server: PrivateServer, largest: int) -> None:
        self._server = server
        self._largest = largest

    def fill(self, room: int) -> None:
        self._limit(self._largest + room // PAGE * PAGE + PAGE // 2)

    def free(self) -> None:
        self._limit("unlimited")

    def _limit(self, size: object) -> None:
        if self._server.process is None or self._server.process.poll() is not None:
            return
        for process in self._server.processes():
            # A process may be limited by its own user only; one may be gone by now.
            command = ["prlimit", "--pid", str(process), f"--fsize={size}:"]
            subprocess.run(command, capture_output=True, check=False, timeout=10, **self._server._identity())


class FillableServer(PrivateServer):
    """A server whose data, or write-ahead log, lie on a disk that can be filled."""

    def __init__(self, part: str, *, may_mount: bool = True) -> None:
        self._part = part
        self._may_mount = may_mount
        self._mounted: Path | None = None
        super().__init__(SETTINGS, in_memory=True, options=("--wal-segsize=1",))
        log = self.data / "pg_wal"
        shutil.move(log, self._log / "files")
        log.symlink_to(self._log / "files")
        self._give_away(self._log)
        self.disk: Disk = self._small_files() if self._mounted is None else SmallDisk(self._mounted)

    def _prepare(self, settings: Sequence[str], *, in_memory: bool) -> None:
        super()._prepare(settings, in_memory=in_memory)
        self._log = self.folder / "log-files"
        for folder in (self.data, self._log):
            folder.mkdir(mode=0o700)
        if self._may_mount:
            self._mount(self.data if self._part == "data" else self._log)
        self._give_away(self.data)

    def _mount(self, folder: Path) -> None:
        options = f"size={DISK_BYTES[self._part]},mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        with suppress(FileNotFoundError):
            done = subprocess.run(command, capture_output=True, check=False, timeout=10)
            self._mounted = folder if done.returncode == 0 else None

    def _small_files(self) -> Disk:
        # A log that is cut short in a segment it has still to make; data in a file larger than any segment.
        return SmallFiles(self, SEGMENT_BYTES if self._part == "data" else SEGMENT_BYTES // 2)

    def _give_away(self, folder: Path) -> None:
        if self._user is not None:
            for one in (folder, *folder.rglob("*")):
                shutil.chown(one, self._user.pw_uid, self._user.pw_gid)

    def has_ended_itself(self) -> int:
        """Return how often it has, by its own word."""
        told = (self.folder / "log").read_text()
        return told.count("PANIC:") + told.count("terminating any other active server processes")

    def remove(self) -> None:
        """End it, and remove its data and disk."""
        self.disk.free()
        if self.process is not None:
            self.end()
        if self._mounted is not None:
            subprocess.run(["umount", self._mounted], check=True, timeout=10)
        super().remove()


@asynccontextmanager
async def fillable(part: str, *, may_mount: bool = True) -> AsyncIterator[FillableServer]:
    """Run a server until the block ends."""
    server = await asyncio.to_thread(lambda: FillableServer(part, may_mount=may_mount))
    try:
        await asyncio.to_thread(server.start)
        await ask(server.url(), f"CREATE DATABASE {DATABASE}")
        yield server
    finally:
        await asyncio.to_thread(server.remove)


class Writer:
    """Writes profiles with long values, and remembers what was acknowledged."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.kept: dict[Identity, int] = {}
        self._numbers = count(1)

    async def write(self) -> None:
        """Commit a few hundred kilobytes."""
        made = {Identity(EMAIL, f"e{number}{LONG}"): number for number in islice(self._numbers, ROWS_A_COMMIT)}
        snapshot = await self.store.load([wanted(*made)])
        changes = [new(record(number, {EMAIL: [one.value]})) for one, number in made.items()]
        assert isinstance(await self.store.commit(snapshot, commit_of(*changes)), Committed)
        self.kept |= made

    async def writes_until_it_fails(self) -> StoreError | None:
        """Write until there is no room; None if there is always room, as for a log that is written over and over."""
        for _ in range(COMMITS_MAX):
            try:
                await self.write()
            except StoreError as error:
                return error
        return None

    async def all_is_there(self) -> bool:
        """Whether everything that was acknowledged can be looked up."""
        kept = iter(self.kept.items())
        # As many at once as a batch may have: a server sorts more on its disk, which is full.
        while some := list(islice(kept, ROWS_A_COMMIT)):
            found = await self.store.sole_holders([(POOL, one) for one, _ in some])
            if [None if one is None else one.mpid for one in found] != [mpid for _, mpid in some]:
                return False
        return True


async def fill_up(server: FillableServer, part: str, rooms: Sequence[int]) -> None:
    """Fill the disk, leaving so much room, look what goes on, and make room again; over one store that is never closed."""
    url = server.url(DATABASE)
    writer = Writer(PostgresStore(url))
    await writer.write()
    failures = 0
    for room in rooms:
        told = server.has_ended_itself()
        if part == "log":
            # Nothing of the log is written over, so that there is an end of its disk.
            await asyncio.to_thread(server.ask, "SELECT pg_create_physical_replication_slot('holds', true)")
        await asyncio.to_thread(server.disk.fill, room)
        error = await writer.writes_until_it_fails()
        failures += error is not None
        if part == "data":
            assert error is not None, "there is no end of the disk"
        if error is not None and server.has_ended_itself() == told:
            assert isinstance(error, StoreFull), error
            try:
                assert await writer.all_is_there()
                await writer.store.ping()
            except StoreUnavailable:
                # It may end itself a moment later, when it wants to write down how far it is.
                assert server.has_ended_itself() > told
        # A server without room for its log, or for its own state, ends itself, and can't start.
        assert isinstance(error, StoreFull | StoreUnavailable | UnknownOutcome | None), error
        await asyncio.to_thread(server.disk.free)

        async def writes_again() -> bool:
            assert server.process is not None
            if server.process.poll() is not None:
                await asyncio.to_thread(server.start)
            with suppress(StoreFull, StoreUnavailable, UnknownOutcome):
                await writer.write()
                return True
            return False

        await until(writes_again, PATIENCE_SECONDS)
        if part == "log":
            await asyncio.to_thread(server.ask, "SELECT pg_drop_replication_slot('holds')")
        assert await writer.all_is_there()
    assert failures
    await writer.store.close()
    assert [*await contradictions(url), *await unexplained(url)] == []


@pytest.mark.parametrize("part", ["data", "log"])
async def test_a_full_disk_is_told_and_forgiven(part: str) -> None:
    """On a full disk writes fail as such, reads go on as long as the server does, and with room all goes on by itself."""
    async with fillable(part) as server:
        await fill_up(server, part, [0])


async def test_a_write_that_is_cut_short_is_told_and_forgiven() -> None:
    """The same where nothing may be mounted: the kernel cuts writes short."""
    async with fillable("data", may_mount=False) as server:
        await fill_up(server, "data", [0])


@pytest.mark.soak
@pytest.mark.parametrize("may_mount", [True, False], ids=["disk", "files"])
@pytest.mark.parametrize("part", ["data", "log"])
async def test_a_disk_that_is_full_at_any_point_is_forgiven(part: str, *, may_mount: bool) -> None:
    """The same at twenty levels, one after the other on the same server."""
    async with fillable(part, may_mount=may_mount) as server:
        await fill_up(server, part, [level * STEP_BYTES for level in range(SOAK_LEVELS)])
