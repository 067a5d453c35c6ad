"""Promises about files in a folder: whole or not there, nowhere but where somebody has allowed it."""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from knownas.core.delivery.message import Subscription
from knownas.core.delivery.outcome import NotAtAll, NotNow, Taken, Trouble
from knownas.outputs.files import destination
from knownas.outputs.files.destination import DESTINATION, file_name
from knownas.outputs.files.folder import MARK, UNMARKED
from knownas.outputs.files.formats import Format
from tests.outputs.messages import NOW_MS, erasure, events, membership, subscription, surroundings

MEMBERS = "memberships/date=2025-11-23/m-1.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    (made / MARK).touch()
    return made


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MARK}


async def test_each_request_is_a_file(folder: Path) -> None:
    """Messages are in a file by kind and day, named after the first of them."""
    sender = DESTINATION.open({"location": str(folder)}, surroundings())
    assert await sender.send([membership(), membership(id="m-2", mpid=2)]) == Taken()
    assert await sender.send([events()]) == Taken()
    assert await sender.send([erasure()]) == Taken()
    await sender.close()
    day = "date=2025-11-23"
    assert _files(folder) == {MEMBERS, f"events/{day}/e-1.csv", f"erasures/{day}/d-1.csv"}
    assert (folder / MEMBERS).read_text().count("m-2") == 2
    assert stat.S_IMODE((folder / MEMBERS).stat().st_mode) & 0o007 == 0


@pytest.mark.parametrize("what", list(Subscription))
async def test_that_an_audience_is_connected_makes_no_file(folder: Path, what: Subscription) -> None:
    """It is taken, and what follows goes on: the rows of members name their audience."""
    sender = DESTINATION.open({"location": str(folder)}, surroundings())
    assert await sender.send([subscription(what)]) == Taken()
    assert _files(folder) == set()
    await sender.close()


async def test_another_try_takes_the_place_of_the_first(folder: Path) -> None:
    """What is written again is in one file, not in two; a file of more messages takes the place of one of fewer."""
    sender = DESTINATION.open({"location": str(folder)}, surroundings())
    await sender.send([membership()])
    before = (folder / MEMBERS).read_bytes()
    await sender.send([membership()])
    assert (_files(folder), (folder / MEMBERS).read_bytes()) == ({MEMBERS}, before)
    await sender.send([membership(), membership(id="m-2", mpid=2)])
    assert _files(folder) == {MEMBERS}
    await sender.close()


async def test_folder_that_nobody_has_marked_is_not_written_to(tmp_path: Path) -> None:
    """An output writes nowhere but where whoever runs the machine lets it: not elsewhere, and not beside a disk that is gone."""
    for place in (tmp_path, tmp_path / "none"):
        sender = DESTINATION.open({"location": str(place)}, surroundings())
        assert await sender.send([membership()]) == await sender.check() == NotAtAll(UNMARKED)
        await sender.close()
    assert _files(tmp_path) == set()


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, NotNow), (errno.EIO, NotNow), (errno.EROFS, NotAtAll), (errno.EACCES, NotAtAll)]
)
async def test_file_that_fails_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[object]
) -> None:
    """A write that fails half-way leaves the old file or none, never a part; a full disk is tried again, a closed one is not."""
    sender = DESTINATION.open({"location": str(folder)}, surroundings())
    await sender.send([membership()])
    before = (folder / MEMBERS).read_bytes()

    def fail(_: int) -> None:
        raise OSError(code, "simulated")

    monkeypatch.setattr(os, "fsync", fail)
    outcome = await sender.send([membership(), membership(id="m-2", mpid=2)])
    assert isinstance(outcome, kind)
    assert isinstance(outcome, NotNow | NotAtAll)
    assert outcome.detail == f"could not be written: {os.strerror(code)}"
    if isinstance(outcome, NotNow):
        assert outcome.trouble is Trouble.FAILED
    await sender.close()
    assert _files(folder) == {MEMBERS}
    assert (folder / MEMBERS).read_bytes() == before


async def test_check_writes_the_time(folder: Path) -> None:
    """The check writes one file that tells of nobody, again and again."""
    sender = DESTINATION.open({"location": str(folder)}, surroundings())
    assert await sender.check() == await sender.check() == Taken()
    await sender.close()
    assert _files(folder) == {"knownas-check"}
    assert (folder / "knownas-check").read_text() == "2025-11-23T08:00:00+00:00\n"


def test_name_of_a_file_is_harmless() -> None:
    """Whatever a message is called, its file is in the folder of its kind."""
    name = file_name(membership(id="/etc/x..\n", at_ms=NOW_MS), Format.PARQUET)
    assert name == "memberships/date=2025-11-23/_etc_x___.parquet"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"location": "/var/lib/out"}, []),
        ({"location": "s3://bucket/a/b", "format": "parquet"}, []),
        ({}, ["location"]),
        ({"location": "out"}, ["location"]),
        ({"location": "/var/../etc"}, ["location"]),
        ({"location": "/a\n"}, ["location"]),
        ({"location": "s3://"}, ["location"]),
        ({"location": "s3://No_Bucket"}, ["location"]),
        ({"location": "s3://bucket", "endpoint": "http://store.example"}, ["endpoint"]),
        ({"location": "s3://bucket", "endpoint": "http://store.example", "plain_http": True}, []),
        ({"location": "s3://bucket", "access_key": "a"}, ["secret_key"]),
    ],
    ids=str,
)
def test_settings_are_checked(settings: Mapping[str, str | bool], names: list[str]) -> None:
    """What is wrong with settings is said of each by its name."""
    assert [name for name, _ in DESTINATION.faults(settings)] == names


async def test_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client of S3, whoever sets such an output up is told what to install, and nothing is lost."""
    monkeypatch.setattr(destination, "find_spec", lambda _: None)
    settings = {"location": "s3://bucket"}
    assert [name for name, _ in DESTINATION.faults(settings)] == ["location"]
    sender = DESTINATION.open(settings, surroundings())
    assert await sender.send([membership()]) == NotAtAll(destination.STORE_MISSING)
    await sender.close()


def test_secrets_are_confidential() -> None:
    """Keys to a bucket are sealed and never shown."""
    hidden = {setting.name for setting in DESTINATION.settings if setting.confidential}
    assert hidden == {"secret_key", "session_token"}
