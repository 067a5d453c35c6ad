"""Two hundred identities come in by every door, their people are erased, and no byte of them is left anywhere.

They are planted once, by a server that is killed before it erases anybody. From there it goes on over copies: by a server as
it is, and by saboteurs, who each leave out one thing that an erasure does.
"""

import asyncio
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from knownas.cli.main import main
from knownas.config.reader import read_configuration
from knownas.config.values import Configuration
from knownas.core.identity.kinds import IdentityType
from knownas.core.privacy.request import RequestType
from knownas.service.erasure.erased_lines import ErasedLines
from knownas.service.erasure.erasing import Erasing
from knownas.service.server import open_service
from knownas.store.opening import open_store
from knownas.store.privacy import Counts, Scrubbed
from knownas.store.sqlite.erasing import _Step
from knownas.store.sqlite.privacy import SqlitePrivacy
from tests.acceptance.canaries import Needles, Person, persons
from tests.acceptance.doors import LEFT, OTHERS, WITHIN_SECONDS, WORKSPACE, Doors, imported, shop
from tests.acceptance.receiver import Receiver, listening
from tests.faults.erasing_server import ORDERS
from tests.postgres import PrivateServer
from tests.served import Served, start, stop
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group("canaries")
"""They are planted once."""

SERVER = "tests.faults.erasing_server"
SETTINGS = ("fsync=off", "wal_recycle=off", "max_wal_size=64MB", "min_wal_size=32MB")
"""What an operator of PostgreSQL is advised to set, with a small log."""

ENCODINGS = ("raw", "sha256", "sha1", "md5")


@dataclass
class World:
    """A server's folder as it is when everything is planted and asked for, and who is in it.

    `backup` is one from before anything was asked for.
    """

    folder: Path
    backup: Path
    people: list[Person]
    requests: list[str]
    others: dict[str, Any]
    needles: Needles


@pytest.fixture(scope="module")
def webhook() -> Iterator[tuple[str, Receiver]]:
    """Listen to what an output is told, for as long as there are servers."""
    with listening() as heard:
        yield heard


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, webhook: tuple[str, Receiver]) -> World:
    """Plant everything, ask for the erasures, and kill the server."""
    url, receiver = webhook
    planted_world = planted(tmp_path_factory.mktemp("canaries"), url)
    assert receiver.bodies, "the output is told of nobody"
    return planted_world


def planted(place: Path, url: str, database: str | None = None) -> World:
    """Plant everything in a database that is empty, a SQLite file in the server's folder unless it is another.

    Everybody is in an audience, of which a webhook at a URL is told.
    """
    folder, desk = place / "server", place / "desk"
    folder.mkdir()
    desk.mkdir()
    people, document = persons(), shop(database or sqlite(folder))
    with Serving(folder, document, waits=True) as server:
        doors = server_doors(server)
        doors.activated(url)
        others = {mpid: others_profile(doors, mpid) for mpid in others_come(doors)}
        imported(folder, desk, people[:2])
        doors.seeded(people[2])
        for number, person in enumerate(people):
            doors.comes(person, is_known=number < 3)
            doors.writes(person)
        visitor = Person({}, mpid=doors.visits(people[0]))
        doors.mistakes(people[1], people[2])
        doors.watched(people[3])
        report = doors.rehearsed()
        needles = Needles(people)
        assert needles.in_files(desk) == [], "what an import leaves names somebody"
        assert needles.in_bytes(json.dumps(report, ensure_ascii=False).encode()), "the report names nobody"
        handed_out(doors, people[0], needles)
        backup = desk / "backup.db"
        knownas("backup", "--config", folder / "knownas.yaml", "--output", backup)
        assert needles.in_files(backup)
        output = "/api/workspaces/100/outputs/1"
        wait_until(lambda: doors.own("GET", output)["waiting"] == 0, WITHIN_SECONDS)
        requests = [asked(doors, person, number) for number, person in enumerate([*people, visitor])]
        assert Path(folder / "server.log").read_text().count("DEBUG")
        if database is None:
            before = {one.partition(": ")[2] for one in needles.in_files(folder)}
            assert before >= {kind.value for kind in people[0].values} | set(LEFT), before
        server.kill()
    return World(folder, backup, people, requests, others, needles)


def server_doors(server: Served) -> Doors:
    """Open a server's doors, until it ends."""
    doors = Doors(server.url)
    server.clients.append(doors.client)
    return doors


def sqlite(folder: Path) -> str:
    """Return the URL of the database in a server's folder."""
    return f"sqlite:///{folder}/knownas.db"


class Serving:
    """Runs a server in a folder, its own temporary files there too, until the block ends."""

    def __init__(self, folder: Path, document: dict[str, Any], **orders: Any) -> None:
        self._folder, self._document, self._orders = folder, document, orders

    def __enter__(self) -> Served:
        (self._folder / ORDERS).write_text(json.dumps({"settles_ms": 0, **self._orders}))
        temporary = self._folder / "tmp"
        temporary.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(temporary))
            self._served = start(self._folder, self._document, module=SERVER)
        return self._served

    def __exit__(self, *_: object) -> None:
        for client in self._served.clients:
            client.close()
        stop(self._served.process)


def others_come(doors: Doors) -> list[str]:
    """Let people come who are nobody's canaries, on a device that they share; returns their MPIDs."""
    mpids: list[str] = []
    for number in range(OTHERS):
        named = {"customerid": f"other-{number}", "email": f"other{number}@example.com"}
        mpids.append(doors.ask("login", named)["mpid"])
        batch = {"environment": "production", "user_identities": {"customer_id": f"other-{number}"}}
        event = {"event_type": "custom_event", "data": {"event_name": f"other {number}", "custom_event_type": "other"}}
        doors.batch("/v2/events", {**batch, "user_attributes": {"number": number}, "events": [event]})
    return mpids


def others_profile(doors: Doors, mpid: str) -> Any:
    """Return all that is known of somebody; when they were last active is written down behind."""
    kinds = ("/sections", "/events?workspace=100", "/history")
    profile = doors.own("GET", f"/api/profiles/{mpid}") | {"last_active_at": None}
    return [profile, *(doors.own("GET", f"/api/profiles/{mpid}{kind}") for kind in kinds)]


def asked(doors: Doors, person: Person, number: int) -> str:
    """Ask for an erasure as the standard lets anybody be named: by values, by digests, by the MPID; returns the request's id."""
    request_id = f"{number}7551968-d5d6-44b2-9831-815ac9017798"
    extension = {"mpid": {"value": person.mpid, "encoding": "raw"}}
    named: dict[str, Any] = {}
    if number < len(ENCODINGS):
        value, encoding = person.of(IdentityType.CUSTOMER_ID), ENCODINGS[number]
        if encoding != "raw":
            digest = hashlib.new(encoding, value.encode(), usedforsecurity=False).hexdigest()
            value = digest.upper() if number % 2 else digest
        named, extension = {"controller_customer_id": {"value": value, "encoding": encoding}}, {}
    body = {
        "regulation": "gdpr",
        "subject_request_id": request_id,
        "subject_request_type": "erasure",
        "submitted_time": "2026-05-03T12:00:00Z",
        "subject_identities": named,
        "extensions": {"opendsr.mparticle.com": {"subject_identities": extension}},
    }
    doors.post("/v3/requests", body, WORKSPACE, 201)
    return request_id


def handed_out(doors: Doors, person: Person, needles: Needles) -> None:
    """Fetch what is known of somebody, as a request of access does."""
    request_id = "f7551968-d5d6-44b2-9831-815ac9017798"
    named = {"controller_customer_id": {"value": person.of(IdentityType.CUSTOMER_ID), "encoding": "raw"}}
    body = {
        "regulation": "gdpr",
        "subject_request_id": request_id,
        "subject_request_type": "access",
        "submitted_time": "2026-05-03T12:00:00Z",
        "subject_identities": named,
    }
    doors.post("/v3/requests", body, WORKSPACE, 201)

    def url() -> Any:
        return doors.client.get(f"/v3/requests/{request_id}", auth=WORKSPACE).json()["results_url"]

    wait_until(url, WITHIN_SECONDS)
    with zipfile.ZipFile(io.BytesIO(doors.client.get(url(), auth=WORKSPACE).content)) as archive:
        assert needles.in_bytes(b"".join(archive.read(name) for name in archive.namelist()))


def copied(world: World, place: Path) -> Path:
    """Copy the server's folder as it was left."""
    return Path(shutil.copytree(world.folder, place / "server"))


def exported(doors: Doors, folder: Path) -> None:
    """Write out what a server tells and what the command line exports, after the erasures."""
    exports = folder / "exports"
    exports.mkdir()
    for number, path in enumerate(
        (
            "/api/scopes/shop/identity-changes",
            "/api/scopes/shop/rehearsals",
            "/api/scopes/shop/toxic",
            "/api/self-check",
            "/api/evidence",
            "/api/audit",
            "/api/privacy/requests",
        )
    ):
        (exports / f"{number}.json").write_text(json.dumps(doors.own("GET", path), ensure_ascii=False))
    (exports / "metrics").write_text(doors.client.get("/metrics").text)
    configured = ("--config", folder / "knownas.yaml")
    for verb, file in (("evidence", "chain.jsonl"), ("backup", "backup.db")):
        knownas(verb, *configured, "--output", exports / file)
    knownas("verify", *configured, "--processes", "1")


def knownas(*arguments: str | Path) -> str:
    """Run a verb of the command line, which must end well, and return what it printed."""
    ran = CliRunner().invoke(main, [str(one) for one in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.output


def erased(world: World, folder: Path, document: dict[str, Any], *elsewhere: Path) -> None:
    """Let a server carry all requests out that it finds, and look that nothing is left and that others are as they were.

    Beside its folder, it is looked for `elsewhere`.
    """
    with Serving(folder, document) as server:
        doors = server_doors(server)
        wait_until(lambda: states(doors, world) == {"completed"}, WITHIN_SECONDS, (folder / "server.log").read_text)
        assert {mpid: others_profile(doors, mpid) for mpid in world.others} == world.others
        exported(doors, folder)
        assert world.needles.in_files(folder, *elsewhere) == []
        methods = {one["facts"]["method"] for one in steps(doors, world, "erased") if "method" in one["facts"]}
        assert methods == {"tables+samples+log" if elsewhere else "vacuum"}
        found = [one["facts"]["profiles"] for one in steps(doors, world, "found")]
        assert found == [1] * len(world.requests)
    assert world.needles.in_files(folder, *elsewhere) == []


def kept_in(folder: Path, database: str) -> dict[str, Any]:
    """Return the configuration of a server that keeps its ledger in a folder."""
    return shop(database) | {"privacy": {"ledger": str(folder / "ledger.jsonl")}}


def comes_back(world: World, folder: Path, document: dict[str, Any]) -> None:
    """Restore the backup from before the erasures into a new database, and look that nobody comes back with it."""
    (folder / "knownas.yaml").write_text(json.dumps(document))
    configured = ("--config", folder / "knownas.yaml")
    knownas("restore", world.backup, *configured)
    assert world.needles.in_files(folder) == []
    knownas("verify", *configured, "--processes", "1")
    with Serving(folder, document) as server:
        doors = server_doors(server)
        assert {mpid: others_profile(doors, mpid) for mpid in world.others} == world.others
        for person in world.people:
            doors.own("GET", f"/api/profiles/{person.mpid}", 410)
    assert world.needles.in_files(folder) == []


def states(doors: Doors, world: World) -> set[str]:
    """Return the states that the requests are in."""
    return {doors.own("GET", f"/api/privacy/requests/{one}")["state"] for one in world.requests}


def steps(doors: Doors, world: World, kind: str) -> list[Any]:
    """Return all steps of a kind."""
    told = [doors.own("GET", f"/api/privacy/requests/{one}")["steps"] for one in world.requests]
    return [step for steps in told for step in steps if step["step"] == kind]


def test_no_byte_is_left_of_two_hundred_identities(world: World, tmp_path: Path, webhook: tuple[str, Receiver]) -> None:
    """Neither in the database and its log of writes, nor in what is logged, counted, exported or backed up, nor in temporary files."""
    folder, again = copied(world, tmp_path), tmp_path / "again"
    erased(world, folder, kept_in(folder, sqlite(folder)))
    told = webhook[1].members("/canaries")
    assert told
    assert not told.keys() & {one.mpid for one in world.people}, "an output was not told that somebody has left"
    again.mkdir()
    comes_back(world, again, kept_in(folder, sqlite(again)))


@pytest.mark.soak
def test_no_byte_is_left_in_the_files_of_a_database_server(tmp_path: Path, webhook: tuple[str, Receiver]) -> None:
    """The same over PostgreSQL, whose operator has set what is advised: nowhere in its data, the log it writes ahead included."""
    server = PrivateServer(SETTINGS, in_memory=True)
    try:
        server.start()
        server.ask("CREATE DATABASE knownas")
        world = planted(tmp_path, webhook[0], server.url("knownas"))
        before = {one.partition(": ")[2] for one in world.needles.in_files(server.data)}
        assert before >= {kind.value for kind in world.people[0].values} | set(LEFT)
        erased(world, world.folder, shop(server.url("knownas")), server.data)
    finally:
        server.remove()


async def carried_out(folder: Path) -> None:
    """Carry all requests out in this process, as a server does."""
    configuration = read_configuration(json.dumps(shop(sqlite(folder))), environment={})
    assert isinstance(configuration, Configuration)
    service = await open_service(configuration, open_store(configuration.database))
    try:
        work = service.privacy.work
        work.take_up(RequestType.ERASURE, service.erasing.carry_out)
        await work.work_off()
        assert set(work.counted) == {("erasure", "done")}
    finally:
        await service.close()


def leaves_rows(removed_by: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what passes rows of a kind over."""

    def patched(patch: pytest.MonkeyPatch) -> None:
        was = _Step._remove

        def remove(self: _Step, statement: str, rows: Any) -> None:
            was(self, statement, () if statement == removed_by else rows)

        patch.setattr(_Step, "_remove", remove)
        patch.setattr(_Step, "rows", lambda self, *given: 0 if removed_by in given else rows(self, *given))
        patch.setattr(_Step, "events", lambda self: (0, 0) if removed_by == "erase_events" else events(self))

    rows, events = _Step.rows, _Step.events
    return patched


def does_nothing(where: type, name: str, answer: object = None) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what leaves a step out."""

    async def nothing(*_: object) -> Any:
        return answer

    return lambda patch: patch.setattr(where, name, nothing)


SABOTEURS = {
    "sections": leaves_rows("erase_section"),
    "events": leaves_rows("erase_events"),
    "messages": leaves_rows("erase_message"),
    "aliases": leaves_rows("erase_alias"),
    "receipts": leaves_rows("erase_receipt"),
    "the log": does_nothing(ErasedLines, "redact", 0),
    "documents": does_nothing(Erasing, "_erase_documents"),
    "free space": does_nothing(SqlitePrivacy, "scrub", Scrubbed("none", complete=True)),
}


def test_an_erasure_in_this_process_leaves_nothing_either(world: World, tmp_path: Path) -> None:
    """Control: what the saboteurs change leaves nothing as it is."""
    folder = copied(world, tmp_path)
    asyncio.run(carried_out(folder))
    assert world.needles.in_files(folder) == []


QUICKLY = ("messages", "the log", "documents", "free space")
"""Those that are tried whenever anything changes."""


@pytest.mark.parametrize(
    "left_out", [pytest.param(one, marks=[] if one in QUICKLY else pytest.mark.soak) for one in SABOTEURS]
)
def test_an_erasure_that_leaves_one_thing_out_is_noticed(
    left_out: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: with one store passed over, and nobody who counts what is left, the same scan finds something."""
    folder = copied(world, tmp_path)
    monkeypatch.setattr(SqlitePrivacy, "count", none_counted)
    monkeypatch.setattr(ErasedLines, "left", none_left)
    SABOTEURS[left_out](monkeypatch)
    asyncio.run(carried_out(folder))
    assert world.needles.in_files(folder)


async def none_counted(*_: object) -> Counts:
    """Count nothing."""
    return Counts()


async def none_left(*_: object) -> int:
    """Find nothing."""
    return 0
