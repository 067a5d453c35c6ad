"""While a newer version takes over, the older one goes on: on its own database, brought up to date under it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from knownas.store.postgres.statements import schema_steps
from tests.faults.load import Load, is_kept, loaded_over_http
from tests.postgres import ask, bare_database
from tests.served import configuration, served
from tests.upgrade.older_release import Older, unpacked

ROOT = Path(__file__).resolve().parents[2]
NEWEST = schema_steps()[-1].version
ANSWERS = 200
SUITE_SECONDS = 600
LAYOUTS = "SELECT max(version) FROM knownas.layout"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Older:
    """Unpack the version that is kept."""
    return unpacked("postgres", tmp_path_factory.mktemp("older"))


@pytest.fixture
def bare() -> Iterator[str]:
    """Give a database with nothing in it."""
    with bare_database() as url:
        yield url


def test_the_layout_before_is_kept(older: Older) -> None:
    """The version that is kept is of the newest layout or of the one before: who adds a step keeps the commit before it."""
    assert NEWEST - 1 <= older.layout <= NEWEST, (
        "python -m tools.keep_older postgres COMMIT, of the last commit without the step"
    )


async def test_old_and_new_servers_work_on_one_database(older: Older, bare: str, tmp_path: Path) -> None:
    """A new server starts beside an old one under load, and the old one stops: all that either acknowledged is there."""
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
    document = configuration(database=bare)
    loads: list[Load] = []
    with pytest.MonkeyPatch.context() as patched:
        older.runs(patched)
        first = served(folders[0], document)
        old = await asyncio.to_thread(first.__enter__)
    try:
        assert await ask(bare, LAYOUTS) == [(older.layout,)]
        async with loaded_over_http(old.url) as of_old:
            loads.append(of_old)

            async def upgrade() -> None:
                await of_old.answers(ANSWERS)
                with_new = served(folders[1], document)
                new = await asyncio.to_thread(with_new.__enter__)
                try:
                    assert await ask(bare, LAYOUTS) == [(NEWEST,)]
                    async with loaded_over_http(new.url) as of_new:
                        loads.append(of_new)
                        await of_new.run(lambda: both(of_old, of_new))
                        # The clients of both versions are the same people.
                        assert shared(of_old, of_new) == []
                finally:
                    await asyncio.to_thread(with_new.__exit__, None, None, None)

            await of_old.run(upgrade)
    finally:
        await asyncio.to_thread(first.__exit__, None, None, None)
    for load in loads:
        await is_kept(load, bare)


async def both(of_old: Load, of_new: Load) -> None:
    """Wait until both versions have answered many."""
    await asyncio.gather(of_old.answers(ANSWERS), of_new.answers(ANSWERS))


def shared(of_old: Load, of_new: Load) -> list[str]:
    """Return the names that the two versions have answered differently."""
    return [name for name in of_old.answered.keys() & of_new.answered if of_old.answered[name] != of_new.answered[name]]


@pytest.mark.soak
def test_the_older_versions_tests_run_on_the_newest_layout(older: Older, tmp_path: Path) -> None:
    """The tests of the earlier version's store pass on databases that this version has brought up to date."""
    told = tmp_path / "brought up"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(older.folder / "src"), str(older.folder), str(Path(__file__).parent))),
        "KNOWNAS_NEWEST": str(ROOT / "src"),
        "KNOWNAS_BROUGHT_UP": str(told),
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "newest_layout", "-q", "tests/store"]
    done = subprocess.run(
        command, cwd=older.folder, env=environment, capture_output=True, text=True, check=False, timeout=SUITE_SECONDS
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert told.read_text(), "no database was brought up to date"
