"""A backup is everything as of one moment, whatever keeps it and whoever writes meanwhile; its manifest vouches for it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from knownas.batch import backing_up, copying
from knownas.batch.backing_up import UnusableBackup, back_up, check_backup, manifest_file
from knownas.batch.copying import Step
from knownas.core.privacy.evidence import Happening
from knownas.core.privacy.evidence import Step as Told
from knownas.service.evidence.chain import Evidence
from knownas.store.conformance.user_data_examples import keep, whole
from knownas.store.copying import Part
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store
from tests.batch.copied_audiences import fill_audiences, seen
from tests.store.places import PLACES, Place
from tests.store.world import START_MS

KINDS = [kind for kind in PLACES if kind != "citus"]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database of each kind that keeps anything on one machine."""
    with ExitStack() as made:
        yield made.enter_context(PLACES[request.param](tmp_path))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few rows take several pages."""
    monkeypatch.setattr(copying, "COPY_PAGE_ROWS", 2)


async def told(place: Place, times: int, start: int = 0) -> None:
    """Write entries of the evidence."""
    store = place.open()
    try:
        for number in range(start, start + times):
            assert await Evidence(store.privacy).write([Happening(START_MS + number, "r", Told.RECEIVED)])
    finally:
        await store.close()


async def test_a_backup_is_as_of_one_moment(place: Place, tmp_path: Path) -> None:
    """What is written while it is made is in none of it, neither in its rows nor in how far the evidence goes."""
    await told(place, 5)
    writing: list[asyncio.Task[None]] = []

    def meanwhile(step: Step) -> None:
        if step.part is Part.POOLS and not writing:
            writing.append(asyncio.ensure_future(told(place, 3, 5)))

    file = tmp_path / "backup.db"
    made = await back_up(place.url, file, START_MS, meanwhile)
    await writing[0]
    assert made == check_backup(file)
    assert made.evidence == 5
    assert made.rows[Part.EVIDENCE.value] == 5
    store = open_store(f"sqlite:///{file}")
    assert len(await store.privacy.entries(0, 100)) == 5
    await store.close()
    beside = place.open()
    assert len(await beside.privacy.entries(0, 100)) == 8
    await beside.close()


async def test_everything_is_in_it(place: Place, tmp_path: Path) -> None:
    """A backup has every row, user data, audiences and all, and the manifest names no value of anybody."""
    store = place.open()
    await keep(store, whole())
    await fill_audiences(store)
    before = await seen(store)
    await store.close()
    file = tmp_path / "backup.db"
    made = await back_up(place.url, file, START_MS)
    assert made.rows[Part.SECTIONS.value] == 1
    assert set(made.rows) == {part.value for part in Part}
    backup = open_store(f"sqlite:///{file}")
    assert await seen(backup) == before
    await backup.close()


async def test_what_was_changed_is_no_backup(tmp_path: Path) -> None:
    """A file that is not the one of its manifest is refused, and so is one without a manifest, or with a broken one."""
    database = f"sqlite:///{tmp_path / 'db'}"
    await open_store(database).close()
    file = tmp_path / "backup.db"
    await back_up(database, file, START_MS)
    with pytest.raises(UnusableBackup, match="is there already"):
        await back_up(database, file, START_MS)
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(UnusableBackup, match="not the file"):
        check_backup(file)
    file.write_bytes(kept)
    manifest_file(file).write_bytes(b"{}")
    with pytest.raises(UnusableBackup, match="no backup"):
        check_backup(file)
    manifest_file(file).unlink()
    with pytest.raises(UnusableBackup, match="no backup"):
        check_backup(file)


async def test_what_could_not_be_finished_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that breaks leaves neither a file nor a manifest, so that nobody takes it for one."""
    database = f"sqlite:///{tmp_path / 'db'}"
    await open_store(database).close()

    async def broken(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(backing_up, "copy", broken)
    with pytest.raises(StoreUnavailable):
        await back_up(database, tmp_path / "backup.db", START_MS)
    assert left_in(tmp_path) == []


def left_in(folder: Path) -> list[str]:
    """Return the names of what is left of a backup."""
    return [path.name for path in folder.iterdir() if "backup" in path.name]
