"""A backup that an older release's database is in can be restored: its layout is brought up to date in a copy of it."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from knownas.batch.backing_up import Manifest, back_up, check_backup, manifest_file
from knownas.batch.restoring import Restore, Restored, restore
from knownas.config.values import Configuration
from knownas.core.privacy.evidence import START, Step
from knownas.core.privacy.request import Regulation, RequestType
from knownas.service.erasure.keeping_out import KEPT_AS
from knownas.service.erasure.replaying import CantReplay
from knownas.service.evidence.chain import Evidence
from knownas.service.privacy.subject_requests import GivenRequest, Taken
from knownas.service.security.sealing import SecretKeys
from knownas.service.server import Service, open_service, system_clock
from knownas.store.opening import open_store
from knownas.store.sqlite.connection import schema_steps
from tests.batch.restoring_stage import bytes_of
from tests.config.texts import read
from tests.served import configuration, served
from tests.service.erasing_stage import subject
from tests.store.world import EVERYTHING
from tests.upgrade.older_release import Older, unpacked

ANN = {"customerid": "ann-canary", "email": "ann-canary@example.com"}
REQUEST = "a7551968-d5d6-44b2-9831-815ac9017798"


def configured(database: str, ledger: Path | None = None) -> Configuration:
    """Return the configuration of a database; with a ledger, one whose erasures don't wait and keep people out."""
    document = configuration(database=database)
    document["organization"]["accounts"][0]["workspaces"][0]["settings"] = {
        "privacy": {"waiting_days": 0, "stays_out": "users"}
    }
    if ledger is not None:
        document["privacy"] = {"ledger": str(ledger)}
    return read(yaml.safe_dump(document))


class Before(NamedTuple):
    """What an older release has left: a file with two people, one of whom is `ann`."""

    folder: Path
    ann: int
    bob: int

    @property
    def live(self) -> Path:
        """The database."""
        return self.folder / "knownas.db"

    @property
    def backup(self) -> Path:
        """The file of that database, as it was, with a manifest."""
        return self.folder / "backup.db"

    @property
    def ledger(self) -> Path:
        """The ledger of the release that came after it."""
        return self.folder / "erased.ledger"

    async def again(self, **members: Any) -> tuple[Restored, Service]:
        """Restore the backup into a new database, and open it."""
        (self.folder / "new").mkdir(exist_ok=True)
        target = configured(f"sqlite:///{self.folder / 'new' / 'knownas.db'}")
        done = await restore(Restore(self.backup, **members), target, SecretKeys(), system_clock)
        return done, await open_service(target, open_store(target.database))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Older:
    """Unpack the version of the layout before the newest: who adds a step keeps the commit before it."""
    kept = unpacked("sqlite", tmp_path_factory.mktemp("older"))
    newest = schema_steps()[-1][0]
    assert kept.layout == newest - 1, "python -m tools.keep_older sqlite COMMIT, of the last commit without the step"
    return kept


@pytest.fixture
def before(older: Older, tmp_path: Path) -> Before:
    """Let an older server serve, and keep its file as a backup."""
    with pytest.MonkeyPatch.context() as patched:
        older.runs(patched)
        with served(tmp_path, configuration(database=f"sqlite:///{tmp_path / 'knownas.db'}")) as server:
            ann, bob = (int(server.ask("login", who).json()["mpid"]) for who in (ANN, {"customerid": "bob"}))
    made = Before(tmp_path, ann, bob)
    made.backup.write_bytes(made.live.read_bytes())
    assert layout_of(made.backup) == older.layout
    vouched_for(made.backup)
    return made


def vouched_for(backup: Path) -> None:
    """Write the manifest of a file, as whoever made it would have."""
    made = Manifest("2026-05-03T12:00:00.000Z", sha256(backup.read_bytes()).hexdigest(), {"profiles": 2}, 0, START)
    manifest_file(backup).write_bytes(msgspec.json.encode(made))
    assert check_backup(backup) == made


def layout_of(file: Path) -> int:
    """Return the version of a file's layout."""
    with sqlite3.connect(file) as opened:
        ((version,),) = opened.execute("PRAGMA user_version")
    return int(version)


async def erased_later(at: Before) -> None:
    """Serve the database with this release, and let Ann be erased."""
    service = await open_service(configured(f"sqlite:///{at.live}", at.ledger), open_store(f"sqlite:///{at.live}"))
    place = service.directory.workspace("ws-key-for-tests")
    assert place is not None
    given = GivenRequest(
        REQUEST, Regulation.GDPR, RequestType.ERASURE, subject(at.ann), 1, None, (), skips_waiting=True
    )
    assert isinstance(await service.privacy.requests.take(place, given, service.clock()), Taken)
    service.privacy.work.take_up(RequestType.ERASURE, service.erasing.carry_out)
    assert await service.privacy.work.work_off() == 1
    assert service.ledger is not None
    await service.ledger.bring_up()
    assert await service.profiles.erased_by(at.ann) == REQUEST
    await service.close()


async def test_an_older_layout_is_restored_and_the_backup_stays_as_it_is(before: Before) -> None:
    """Everybody of it is there and found; the file itself keeps its layout, to the byte."""
    kept, layout = before.backup.read_bytes(), layout_of(before.backup)
    done, service = await before.again(has_ledger=False)
    assert (done.replayed.erasures, before.backup.read_bytes(), layout_of(before.backup)) == (0, kept, layout)
    assert layout_of(before.folder / "new" / "knownas.db") == schema_steps()[-1][0]
    for mpid, size in ((before.ann, 2), (before.bob, 1)):
        stored = await service.store.profile(mpid)
        assert stored is not None
        assert stored.record.size == size
    await service.close()


async def test_a_database_of_an_older_layout_is_backed_up(before: Before) -> None:
    """Its layout is brought up to date, as a server's start would, and the backup is of the newest one."""
    made = await back_up(f"sqlite:///{before.live}", before.folder / "made.db", 1)
    assert (made.rows["profiles"], made.evidence, layout_of(before.folder / "made.db")) == (2, 0, schema_steps()[-1][0])


async def test_who_was_erased_after_the_upgrade_is_erased_again(before: Before) -> None:
    """Her profile and what it had goes, and what she was called stays out, by the key that the older release has made."""
    await erased_later(before)
    done, service = await before.again(ledgers=[before.ledger])
    assert (done.replayed.erasures, done.replayed.suppressions) == (1, len(ANN))
    assert bytes_of(before.folder / "new", (*ANN.values(), "bob")) == ["bob"]
    assert await service.profiles.erased_by(before.ann) == REQUEST
    await service.close()


async def test_without_the_key_of_the_ledger_she_is_erased_by_mpid_alone(before: Before) -> None:
    """A release that kept nobody out had no key of the ledger's digests: that is refused, and said; given the word, what she had goes."""
    await erased_later(before)
    with closing(sqlite3.connect(before.backup)) as opened, opened:
        opened.execute("DELETE FROM kept WHERE name = ?", (KEPT_AS,))
    vouched_for(before.backup)
    with pytest.raises(CantReplay, match="--without-key erases again by MPID alone"):
        await before.again(ledgers=[before.ledger])
    done, service = await before.again(ledgers=[before.ledger], has_key=False)
    assert (done.replayed.erasures, done.replayed.suppressions) == (1, 0)
    assert bytes_of(before.folder / "new", (*ANN.values(), "bob")) == ["bob"]
    assert await service.profiles.erased_by(before.ann) == REQUEST
    entries = await Evidence(service.store.privacy).entries(0, EVERYTHING)
    restored = next(one.happening.facts for one in entries if one.happening.step is Step.RESTORED)
    assert (restored["ledger"], restored["digests"]) == (True, False)
    await service.close()


async def test_without_the_ledger_she_is_back(before: Before) -> None:
    """The saboteur of the test before: it finds her."""
    await erased_later(before)
    _, service = await before.again(has_ledger=False)
    assert set(bytes_of(before.folder / "new", tuple(ANN.values()))) == set(ANN.values())
    assert await service.profiles.erased_by(before.ann) is None
    await service.close()
