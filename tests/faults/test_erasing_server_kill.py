"""A server that is killed at any storage operation of an erasure is followed by one that completes it, and nothing is left.

The servers are real ones, over files and over PostgreSQL, and the kill is `kill -9`. How an erasure that dies goes on is looked at more
closely in `test_erasing_kill.py`, in one process over memory.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import yaml

from knownas.core.identity.kinds import IdentityType
from knownas.core.privacy.evidence import faults_of
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_request_form import kept_request
from knownas.store.opening import open_store
from tests.acceptance.canaries import Needles, Person, persons
from tests.acceptance.doors import ADMIN, WORKSPACE, Doors, shop
from tests.faults.erasing_server import OPERATIONS, ORDERS
from tests.postgres import PrivateServer
from tests.served import start, stop
from tests.store.world import EVERYTHING
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group("killed erasures")
"""What is planted is planted once."""

ROOT = Path(__file__).parents[2]
SERVER = "tests.faults.erasing_server"
REQUEST = "a7551968-d5d6-44b2-9831-815ac9017798"
WITHIN_SECONDS = 90
OPERATIONS_MAX = 300
RANDOM_KILLS = 20
CALLED = (
    IdentityType.CUSTOMER_ID,
    IdentityType.EMAIL,
    IdentityType.GOOGLE,
    IdentityType.OTHER3,
    IdentityType.IOS_IDFV,
    IdentityType.DEVICE_APPLICATION_STAMP,
)
"""What the person is called by: an erasure takes some operations more for each."""

SETTINGS = ("fsync=off", "wal_recycle=off", "max_wal_size=64MB", "min_wal_size=32MB")


class Nursery:
    """Starts servers that have imported everything already, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, folder: Path, **orders: Any) -> int:
        """Start a server in a folder; returns its number."""
        (folder / ORDERS).write_text(json.dumps({"settles_ms": 0, **orders}))
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        return self._read("STARTED")

    def ended(self) -> int:
        """Wait until it has ended; returns its status."""
        return self._read("ENDED")

    def _read(self, word: str) -> int:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words[:1] == [word], words
        return int(words[1])


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run a nursery."""
    command = [sys.executable, "-m", SERVER, "nursery"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield Nursery(process)
        finally:
            process.kill()


@dataclass
class Scene:
    """A folder and a database in which an erasure is asked for and not begun, and who is to be erased."""

    folder: Path
    needles: Needles
    server: PrivateServer | None = None
    count: int = 0

    def copy(self) -> "Scene":
        """Return the same in another place."""
        self.count += 1
        folder = Path(shutil.copytree(self.folder, self.folder.with_name(f"kill-{self.count}")))
        if self.server is None:
            configured(folder, f"sqlite:///{folder}/knownas.db")
        else:
            self.server.ask(f"CREATE DATABASE kill_{self.count} TEMPLATE planted")
            configured(folder, self.server.url(f"kill_{self.count}"))
        return Scene(folder, self.needles, self.server)

    @property
    def database(self) -> str:
        """The URL of the database."""
        return yaml.safe_load((self.folder / "knownas.yaml").read_text())["database"]

    def left(self) -> list[str]:
        """Return what is left of the person: anywhere but in the database that copies are made of."""
        places = [self.folder]
        if self.server is not None:
            ((planted,),) = self.server.ask("SELECT oid::text FROM pg_database WHERE datname = 'planted'")
            data = self.server.data
            places += [
                one for one in (*data.iterdir(), *(data / "base").iterdir()) if one.name not in ("base", planted)
            ]
        return self.needles.in_files(*places)

    def remove(self) -> None:
        """Take it away."""
        if self.server is not None:
            self.server.ask(f"DROP DATABASE {self.database.partition('?')[0].rpartition('/')[2]} WITH (FORCE)")
        shutil.rmtree(self.folder)


def configured(folder: Path, database: str) -> dict[str, Any]:
    """Write the configuration of a server over a database, and return it."""
    document = json.loads(json.dumps(shop(database, stays_out="users")))
    (folder / "knownas.yaml").write_text(yaml.safe_dump(document))
    return document


def planted(place: Path, server: PrivateServer | None = None) -> Scene:
    """Let a person leave something everywhere, and ask for their erasure, which nobody begins."""
    folder = place / "planted"
    folder.mkdir()
    (folder / ORDERS).write_text(json.dumps({"waits": True}))
    if server is not None:
        server.ask("CREATE DATABASE planted")
    database = f"sqlite:///{folder}/knownas.db" if server is None else server.url("planted")
    running = start(folder, configured(folder, database), module=SERVER)
    try:
        doors, (person, other, *_) = Doors(running.url), persons()
        running.clients.append(doors.client)
        person = Person({kind: person.values[kind] for kind in CALLED})
        doors.comes(person, is_known=False)
        doors.writes(person)
        doors.watched(person)
        doors.comes(other, is_known=False)
        named = {"controller_customer_id": {"value": person.of(IdentityType.CUSTOMER_ID), "encoding": "raw"}}
        body = {
            "regulation": "gdpr",
            "subject_request_id": REQUEST,
            "subject_request_type": "erasure",
            "submitted_time": "2026-05-03T12:00:00Z",
            "subject_identities": named,
        }
        doors.post("/v3/requests", body, WORKSPACE, 201)
    finally:
        for client in running.clients:
            client.close()
        stop(running.process)
    return Scene(folder, Needles([person]), server)


async def story(database: str) -> tuple[list[Any], str | None]:
    """Return what is told of the request, and what is wrong with it or with the chain."""
    store = open_store(database)
    try:
        evidence = Evidence(store.privacy)
        told = [one.happening for one in await evidence.of_request(REQUEST)]
        steps = [(one.step.value, dict(one.facts)) for one in told]
        row = await store.privacy.request(REQUEST)
        if row is None or row.ended_ms is None:
            return steps, "not completed" if row is None else f"not completed: {kept_request(row).progress.done}"
        faults = list(faults_of(await evidence.entries(0, EVERYTHING)))
        return steps, f"the evidence is {faults}" if faults else None
    finally:
        await store.close()


def is_over(folder: Path, client: httpx.Client) -> bool:
    """Whether the request has ended, as the server says that was started last in a folder."""
    addresses = re.findall(r"answers at (\S+)", (folder / "told").read_text()) if (folder / "told").exists() else []
    if not addresses:
        return False
    with suppress(httpx.TransportError):
        answer = client.get(f"{addresses[-1]}/api/privacy/requests/{REQUEST}", headers=ADMIN)
        return answer.status_code == httpx.codes.OK and answer.json()["state"] == "completed"
    return False


def completed(scene: Scene, nursed: Nursery) -> tuple[list[Any], str | None]:
    """Let a server go on until the request has ended, and stop it; returns what is told, and what is wrong."""
    pid = nursed.start(scene.folder)
    with suppress(AssertionError), httpx.Client(timeout=WITHIN_SECONDS) as client:
        wait_until(lambda: is_over(scene.folder, client), WITHIN_SECONDS)
    os.kill(pid, signal.SIGTERM)
    assert nursed.ended() in (0, -signal.SIGTERM)
    steps, fault = asyncio.run(story(scene.database))
    left = scene.left()
    return steps, fault or (f"still there: {left}" if left else None)


def killed(scene: Scene, nursed: Nursery, wanted: list[Any], **orders: Any) -> str | None:
    """Have a server die by its own hand, and another one go on; returns what is wrong then."""
    nursed.start(scene.folder, **orders)
    assert nursed.ended() == -signal.SIGKILL
    steps, fault = completed(scene, nursed)
    if fault is None and steps != wanted:
        fault = f"told {steps}, wanted {wanted}"
    if fault is None:
        scene.remove()
    return fault


def first_fault(scene: Scene, nursed: Nursery, stride: int) -> str | None:
    """Kill servers at each so many-th operation, before it is done and just after; returns the first thing that is wrong."""
    whole = scene.copy()
    wanted, fault = completed(whole, nursed)
    operations = int((whole.folder / OPERATIONS).read_text())
    assert fault is None
    assert 30 < operations < OPERATIONS_MAX
    for dies_after in (False, True):
        for number in range(1 + stride // 2, operations + 1, stride):
            found = killed(scene.copy(), nursed, wanted, dies_at=number, dies_after=dies_after)
            if found is not None:
                return f"killed at operation {number} of {operations}, {dies_after=}: {found}"
    return None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Plant a person in a file."""
    return planted(tmp_path_factory.mktemp("kills"))


@pytest.fixture(scope="module")
def nursed() -> Iterator[Nursery]:
    """Run a nursery of servers."""
    with nursery() as running:
        yield running


@contextmanager
def scene_of_postgres(place: Path) -> Iterator[Scene]:
    """Plant a person in a database of PostgreSQL."""
    server = PrivateServer(SETTINGS, in_memory=True)
    try:
        server.start()
        yield planted(place, server)
    finally:
        server.remove()


@pytest.mark.parametrize("stride", [200, pytest.param(1, marks=pytest.mark.soak)])
def test_a_server_that_is_killed_is_followed_by_one_that_completes_it(
    stride: int, scene: Scene, nursed: Nursery
) -> None:
    """Nothing is left in its files, and the evidence tells each step once, as if nothing had happened."""
    assert first_fault(scene, nursed, stride) is None


@pytest.mark.soak
@pytest.mark.parametrize("stride", [30, 1])
def test_a_server_over_postgresql_that_is_killed_is_followed_too(stride: int, nursed: Nursery, tmp_path: Path) -> None:
    """The same, looked for in all files of the database server."""
    with scene_of_postgres(tmp_path) as scene:
        assert first_fault(scene, nursed, stride) is None


@pytest.mark.soak
def test_a_server_that_is_killed_at_any_moment_is_followed_too(scene: Scene, nursed: Nursery) -> None:
    """Between operations and in the middle of one: when a file is written anew, too."""
    assert first_fault_at_random(scene, nursed, 1.0) is None


@pytest.mark.soak
def test_a_server_over_postgresql_that_is_killed_at_any_moment_is_followed_too(nursed: Nursery, tmp_path: Path) -> None:
    """The same, when tables are written anew, too."""
    with scene_of_postgres(tmp_path) as scene:
        assert first_fault_at_random(scene, nursed, 6.0) is None


def first_fault_at_random(scene: Scene, nursed: Nursery, within_seconds: float) -> str | None:
    """Kill servers some time after their first operation; returns the first thing that is wrong."""
    random = Random(RANDOM_KILLS)
    wanted, fault = completed(scene.copy(), nursed)
    assert fault is None
    for number in range(RANDOM_KILLS):
        one = scene.copy()
        pid = nursed.start(one.folder)
        wait_until((one.folder / OPERATIONS).exists, WITHIN_SECONDS)
        time.sleep(random.uniform(0, within_seconds))
        os.kill(pid, signal.SIGKILL)
        nursed.ended()
        steps, fault = completed(one, nursed)
        if fault is not None or steps != wanted:
            return f"kill {number}: {fault}, told {steps}, wanted {wanted}"
        one.remove()
    return None


def test_an_erasure_that_says_what_it_has_not_done_yet_is_noticed(scene: Scene, nursed: Nursery) -> None:
    """Control: free space that is told as overwritten before it is, stays as it was if the server dies in between."""
    hasty = scene.copy()
    nursed.start(hasty.folder, is_hasty=True)
    assert nursed.ended() == -signal.SIGKILL
    _, fault = completed(hasty, nursed)
    assert str(fault).startswith("still there")
