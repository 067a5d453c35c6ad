"""An acknowledged change survives `kill -9`: what was answered is in the file, and the file is whole.

A kill leaves the operating system's cache alone, so this is about the order of answer and COMMIT and about what is
done with a WAL left behind. That the disk has it too is what `synchronous=FULL` is for, and no kill can show it.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from threading import Timer

import httpx

from knownas.store.sqlite.store import SqliteStore
from tests.faults.writer import POOL, Acknowledged, new_email, old_email, prepare
from tests.served import KEY, SECRET, Served, start, stop
from tests.store.inspection import contradictions, unexplained
from tests.store.world import fold_differs

ROOT = Path(__file__).parents[2]

WRITERS, SERVERS = 95, 5
CLIENTS = 8
LOOKED_AT_EVERY = 19
"""After so many kills the whole file is looked at, not only what the killed process had acknowledged."""

KILLS_NEEDED_MAX = 20
"""A store that answers before every other COMMIT escapes a kill with a chance of about a half."""

PAGES = (4_000, 64)
"""The server's own setting, and one that has the WAL moved into the file many times before the kill."""

LOOKED_UP_AT_ONCE = 400
AT_WORK_WITHIN_SECONDS = 60
KILLED_WITHIN_SECONDS = 30


def kill_after_ms(random: Random) -> int:
    """Return how long a process writes before it is killed."""
    return random.randint(30, 250)


@dataclass
class Nursery:
    """Starts writers and kills them."""

    process: subprocess.Popen[str]
    random: Random
    cycles: Iterator[int]

    def kill_one(self) -> list[Acknowledged]:
        """Let one writer write for a while, kill it, and return what it has acknowledged."""
        assert self.process.stdin is not None
        cycle = next(self.cycles)
        self.process.stdin.write(f"{cycle} {PAGES[cycle % len(PAGES)]}\n")
        self.process.stdin.flush()
        started = self._read()
        assert started[0] == "STARTED", started
        acknowledged = [self._acknowledged(self._read())]
        kill = Timer(kill_after_ms(self.random) / 1_000, os.kill, (int(started[1]), signal.SIGKILL))
        kill.start()
        while (words := self._read())[0] == "ACK":
            acknowledged.append(self._acknowledged(words))
        kill.join()
        assert words == ["ENDED", str(-signal.SIGKILL)], "the writer ended before it was killed"
        return acknowledged

    def _read(self) -> list[str]:
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        assert words, "the nursery has ended"
        return words

    @staticmethod
    def _acknowledged(words: list[str]) -> Acknowledged:
        assert words[0] == "ACK", words
        return Acknowledged(words[1], words[2], int(words[3]))


@contextmanager
def nursery(database: Path, postponed: int = 1) -> Iterator[Nursery]:
    """Run a nursery of writers; with `postponed` above 1 their store answers before the COMMIT."""
    prepare(database)
    command = [sys.executable, "-m", "tests.faults.writer", str(database), str(postponed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield Nursery(process, Random(postponed), count(1))
        finally:
            process.kill()


async def lost(database: Path, acknowledged: Sequence[Acknowledged]) -> list[str]:
    """Open the file again and say which acknowledged changes are not in it, by identity and by MPID."""
    store = SqliteStore(database)
    found: list[str] = []
    try:
        for first in range(0, len(acknowledged), LOOKED_UP_AT_ONCE):
            some = acknowledged[first : first + LOOKED_UP_AT_ONCE]
            holders = await store.sole_holders([(POOL, one.held) for one in some])
            for one, holder in zip(some, holders, strict=True):
                profile = await store.profile(one.mpid)
                if holder is None or holder.mpid != one.mpid:
                    found.append(f"{one}: looked up, it is {holder}")
                elif profile is None or not profile.record.holds(one.held):
                    found.append(f"{one}: the profile is {profile}")
                elif one.given_up is not None and profile.record.holds(one.given_up):
                    found.append(f"{one}: the profile still holds what it gave up")
    finally:
        await store.close()
    return found


async def broken(database: Path) -> list[str]:
    """Say in what the file contradicts itself: SQLite's integrity check, the tables, the fold of the log."""
    found = contradictions(database) + unexplained(database)
    store = SqliteStore(database)
    try:
        return found + await fold_differs(store, POOL)
    finally:
        await store.close()


def test_killed_writers_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """95 processes are killed while they write: all they acknowledged is there, and the file is whole."""
    database = tmp_path / "knownas.db"
    everything: list[Acknowledged] = []
    with nursery(database) as writers:
        for number in range(1, WRITERS + 1):
            acknowledged = writers.kill_one()
            everything += acknowledged
            assert asyncio.run(lost(database, acknowledged)) == []
            if number % LOOKED_AT_EVERY == 0:
                assert asyncio.run(lost(database, everything)) == []
                assert contradictions(database) == []

    assert {one.kind for one in everything} == {"identify", "login", "modify"}
    assert asyncio.run(broken(database)) == []


def test_store_that_answers_before_its_commit_is_caught(tmp_path: Path) -> None:
    """The same kills and the same look soon find out a store that ends only every other transaction in time."""
    database = tmp_path / "postponing.db"
    with nursery(database, postponed=2) as writers:
        caught = any(asyncio.run(lost(database, writers.kill_one())) for _ in range(KILLS_NEEDED_MAX))

    assert caught


def test_killed_servers_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """5 servers are killed under 8 clients: every change answered with 200 is there, and the file is whole."""
    database, random = tmp_path / "knownas.db", Random(0)
    everything: list[Acknowledged] = []
    for cycle in range(SERVERS):
        acknowledged = killed_server(tmp_path, cycle, kill_after_ms(random))
        everything += acknowledged
        assert {one.kind for one in acknowledged} == {"identify", "login", "modify"}
        assert asyncio.run(lost(database, everything)) == []

    assert asyncio.run(broken(database)) == []


def killed_server(folder: Path, cycle: int, after_ms: int) -> list[Acknowledged]:
    """Start a server, kill it some time after every client has had its first answers, and return all 200s."""
    server = start(folder)
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [Client(server, f"{cycle}-{place}") for place in range(CLIENTS)]
            runs = [pool.submit(client.run) for client in clients]
            for client in clients:
                client.at_work.wait(AT_WORK_WITHIN_SECONDS)
            threading.Event().wait(after_ms / 1_000)
            server.kill()
            for run in runs:
                run.result()
    finally:
        stop(server.process)
    return [one for client in clients for one in client.acknowledged]


class Client:
    """Is one visitor after another over HTTP until the server is gone."""

    def __init__(self, server: Served, place: str) -> None:
        self._server = server
        self._place = place
        self.at_work = threading.Event()
        self.acknowledged: list[Acknowledged] = []

    def run(self) -> None:
        """Ask until the connection breaks."""
        with httpx.Client(base_url=self._server.url, auth=(KEY, SECRET), timeout=30) as session:
            try:
                for number in count(1):
                    self._visit(session, f"{self._place}-{number}")
                    self.at_work.set()
            except httpx.TransportError:
                assert self._server.process.wait(KILLED_WITHIN_SECONDS) == -signal.SIGKILL

    def _visit(self, session: httpx.Client, visitor: str) -> None:
        device = {"device_application_stamp": visitor}
        login = {**device, "customerid": visitor, "email": old_email(visitor)}
        self._ask(session, "identify", visitor, "identify", {"known_identities": device})
        mpid = self._ask(session, "login", visitor, "login", {"known_identities": login})
        change = {"identity_type": "email", "old_value": old_email(visitor), "new_value": new_email(visitor)}
        self._ask(session, "modify", visitor, f"{mpid}/modify", {"identity_changes": [change]})

    def _ask(self, session: httpx.Client, kind: str, visitor: str, path: str, members: dict[str, object]) -> int:
        answer = session.post(f"/v1/{path}", json={"environment": "production", **members})
        assert answer.status_code == 200, answer.text
        self.acknowledged.append(Acknowledged(kind, visitor, int(answer.json()["mpid"])))
        return self.acknowledged[-1].mpid
