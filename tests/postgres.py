"""Starts a PostgreSQL server for the tests alone: a direct child in a private folder, on a Unix socket, never on a port.

`private_server` is one for the whole process, started when somebody first asks; `fresh_database` gives a database on it.
Faults that end or freeze a server need one of their own: `PrivateServer`.
"""

import asyncio
import atexit
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from knownas.store.postgres.address import read_address
from knownas.store.postgres.connections import SETTINGS
from knownas.store.postgres.distribution import install
from knownas.store.postgres.layout import prepare
from knownas.store.postgres.store import PostgresStore
from tests.waiting import PAUSE_SECONDS, wait_until
from tools.provision import postgres_binaries

START_WITHIN_SECONDS = 60
STOP_WITHIN_SECONDS = 30
ANSWER_WITHIN_SECONDS = 30
PROTECTED = "protected"
"""A user who needs a password, if a test makes that user."""

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of an unguessable name is made in it
_PR_SET_PDEATHSIG = 1
_numbers = count(1)


class PrivateServer:
    """A server of this process's own. It ends with this process, however that ends."""

    def __init__(
        self,
        settings: Sequence[str] = ("fsync=off", "full_page_writes=off"),
        *,
        in_memory: bool = False,
        options: Sequence[str | Path] = (),
    ) -> None:
        """Make its data, in a temporary folder: its user must be able to reach them. `options` are for initdb.

        `in_memory` keeps them there, if the machine has a place for that: for whom the disk is only slow.
        """
        self._prepare(settings, in_memory=in_memory)
        self._run("initdb", "-D", self.data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", *options)
        access = self.data / "pg_hba.conf"
        access.write_text(f"local all {PROTECTED} scram-sha-256\n{access.read_text()}")

    def _prepare(self, settings: Sequence[str], *, in_memory: bool) -> None:
        self._in_memory = in_memory
        self.folder = Path(
            tempfile.mkdtemp(prefix="knownas-pg-", dir=MEMORY if in_memory and MEMORY.is_dir() else None)
        )
        self.data = self.folder / "data"
        self._settings = settings
        self._user = _unprivileged()
        self.process: subprocess.Popen[Any] | None = None
        if self._user is not None:
            shutil.chown(self.folder, self._user.pw_uid, self._user.pw_gid)

    def replica(self) -> "PrivateServer":
        """Make a server that follows this one, which runs; it is not started yet."""
        made = PrivateServer.__new__(PrivateServer)
        made._prepare(self._settings, in_memory=self._in_memory)
        source = f"host={self.folder} user=tests application_name=replica"
        made._run("pg_basebackup", "-D", made.data, "-d", source, "--checkpoint=fast", "--no-sync", "-R")
        return made

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [_binary(program), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, **self._identity())

    def start(self) -> None:
        """Start it and wait until it answers, from its own data.

        One that was killed leaves processes behind which take a moment to notice; until then its data are in use.
        """
        deadline = time.monotonic() + START_WITHIN_SECONDS
        wait_until(lambda: self._started(deadline), START_WITHIN_SECONDS, (self.folder / "log").read_text)
        assert self.ask("SHOW data_directory") == [(str(self.data),)], "somebody else's server"

    def _started(self, deadline: float) -> bool:
        options = [
            "listen_addresses=",
            f"unix_socket_directories={self.folder}",
            "shared_buffers=64MB",
            *self._settings,
        ]
        command = [_binary("postgres"), "-D", self.data, *(part for one in options for part in ("-c", one))]
        with (self.folder / "log").open("ab") as log:
            self.process = process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=_fate(),  # noqa: PLW1509 - no thread of ours holds a lock that it needs
                **self._identity(),
            )
        while "ready" not in self._status():
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def processes(self) -> list[int]:
        """Return the ids of the server's processes, its own first."""
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, listed)]

    def send(self, what: signal.Signals) -> None:
        """Send a signal to each of the server's processes."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, what)

    def _status(self) -> str:
        """Return what the server says of itself in its data: of this start, not of one before."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return ""
        assert self.process is not None
        return lines[-1] if lines and lines[0] == str(self.process.pid) else ""

    def end(self, by: signal.Signals = signal.SIGQUIT) -> None:
        """End the server and wait for it: at once, unless told otherwise."""
        assert self.process is not None
        self.process.send_signal(by)
        self.process.wait(STOP_WITHIN_SECONDS)
        self.process = None

    def remove(self) -> None:
        """End it and remove its data."""
        if self.process is not None:
            self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://tests@/{database}?host={self.folder}"

    def ask(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own and return its rows. No event loop may be running."""
        return asyncio.run(ask(self.url(database), query))

    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": self.folder}


async def ask(url: str, query: str, *args: object) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own and return its rows."""
    connection = await asyncpg.connect(url, timeout=ANSWER_WITHIN_SECONDS)
    try:
        return [tuple(row) for row in await connection.fetch(query, *args, timeout=ANSWER_WITHIN_SECONDS)]
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)


@cache
def private_server() -> PrivateServer:
    """Return the server that the tests of this process share."""
    server = PrivateServer()
    atexit.register(server.remove)
    server.start()
    return server


@contextmanager
def bare_database() -> Iterator[str]:
    """Make a database with nothing in it and give its URL; it is removed afterwards. No event loop may be running."""
    server = private_server()
    name = f"bare_{next(_numbers)}"
    server.ask(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        server.ask(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def fresh_database() -> Iterator[str]:
    """Give the URL of a database with the newest layout and no rows. No event loop may be running.

    It is emptied for the next test rather than removed, which takes a tenth of the time.
    """
    with _emptied_after(_emptied, _with_layout) as url:
        yield url


@contextmanager
def key_by_key_database() -> Iterator[str]:
    """Give the URL of a database like a fresh one that is asked like a distributed one, though its tables are in one place."""
    with _emptied_after(_emptied_key_by_key, _with_keys) as url:
        yield url


_emptied: list[str] = []
_emptied_key_by_key: list[str] = []


@asynccontextmanager
async def store_over(url: str) -> AsyncIterator[PostgresStore]:
    """Open a store, and close it afterwards."""
    store = PostgresStore(url)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def _emptied_after(emptied: list[str], make: Callable[[], str]) -> Iterator[str]:
    url = emptied.pop() if emptied else make()
    try:
        yield url
    finally:
        asyncio.run(empty(url))
        emptied.append(url)


def _with_layout() -> str:
    server = private_server()
    name = f"fresh_{next(_numbers)}"
    server.ask(f"CREATE DATABASE {name}")
    asyncio.run(prepare(read_address(server.url(name)), SETTINGS))
    return server.url(name)


def _with_keys() -> str:
    url = _with_layout()
    asyncio.run(ask_key_by_key(url))
    return url


async def ask_key_by_key(url: str) -> None:
    """Have a database asked like a distributed one from now on."""
    connection = await asyncpg.connect(url, timeout=ANSWER_WITHIN_SECONDS)
    try:
        async with connection.transaction():
            await install(connection)
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)


async def empty(url: str) -> None:
    """Remove all rows of a database."""
    connection = await asyncpg.connect(url, timeout=ANSWER_WITHIN_SECONDS)
    try:
        # Whoever is still connected must not write into the next test.
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1"
        )
        await connection.fetch(others, connection.get_server_pid())
        deletions = """SELECT 'DELETE FROM knownas.' || tablename FROM pg_tables
            WHERE schemaname = 'knownas' AND tablename NOT IN ('layout', 'distribution')"""
        await connection.execute("; ".join(one for (one,) in await connection.fetch(deletions)))
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)


def _binary(name: str) -> str:
    return str(postgres_binaries() / name)


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom the server runs as: not as root, which it refuses; None for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _fate() -> Callable[[], None] | None:
    """Return what has the kernel end a new process when its parent is gone; that counts a thread as the parent."""
    return _end_with_parent if threading.current_thread() is threading.main_thread() else None


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
