"""What rows say is kept in any process alike, and a process that does it ends with the one that has started it."""

import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from knownas.batch.import_keeping import CameTo, KeeperProcess, RowKeeper, Source
from knownas.batch.import_limits import STOP_SECONDS
from knownas.batch.import_reading import UnreadableFile, open_import_file
from knownas.batch.import_rows import Reading
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import shown
from knownas.core.profile.event import Channel
from knownas.service.sections import Sections
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store
from knownas.store.port import Store
from tests.batch.files import NOW_MS, mapped, people, write_csv

WORKSPACE = 100


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The address of a database."""
    return f"sqlite:///{tmp_path / 'knownas.db'}"


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """The database, empty."""
    opened = open_store(database)
    yield opened
    await opened.close()


def source_of(path: Path, after_row: int = 0) -> Source:
    reading = Reading(mapped("columns: {plan: {attribute: plan}}"), Environment.PRODUCTION, Channel.FEED)
    return Source(open_import_file(path), reading, WORKSPACE, "crm", NOW_MS, after_row)


def came_to(mpids: Sequence[int | None], last_row: int) -> CameTo:
    return CameTo(last_row, mpids, frozenset(mpid for mpid in mpids if mpid))


async def plans(store: Store, mpids: Sequence[int]) -> list[Any]:
    """Return what is kept as each profile's plan."""
    sections = Sections(store.user_data)
    found = [list((await sections.of_profile(mpid)).values()) for mpid in mpids]
    return [shown(one[0].attributes)["plan"] if one else None for one in found]


async def test_another_process_keeps_what_this_one_would(tmp_path: Path, store: Store, database: str) -> None:
    """Rows that came to the same profile one after the other, rows that were refused, rows of an earlier run."""
    path = write_csv(tmp_path / "a.csv", people(12))
    with KeeperProcess(source_of(path, after_row=2), database) as keeper:
        keeper.begin(came_to([11, None, 11], 5))
        await keeper.end()
        keeper.begin(came_to([12], 6))
        await keeper.end()
    here = RowKeeper(source_of(path, after_row=2), store.user_data)
    here.begin(came_to([21, None, 21], 5))
    await here.end()
    here.begin(came_to([22], 6))
    await here.end()
    assert await plans(store, [11, 12]) == await plans(store, [21, 22]) == ["plan-4", "plan-5"]


async def test_what_goes_wrong_there_is_raised_here(tmp_path: Path, database: str) -> None:
    """A file that has changed; a database that nobody can open. The process goes on, and ends when it is told."""
    path = write_csv(tmp_path / "a.csv", people(6))
    with KeeperProcess(source_of(path), database) as keeper:
        keeper.begin(came_to([1, 2], 5))
        with pytest.raises(UnreadableFile, match="has changed"):
            await keeper.end()
    with KeeperProcess(source_of(path), "nowhere://") as keeper:
        keeper.begin(came_to([1], 1))
        with pytest.raises(StoreUnavailable, match="no store serves"):
            await keeper.end()
    assert not keeper.is_alive


async def test_given_up_in_the_middle_it_ends_without_a_word(
    tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it was at is kept or not; nobody hears an answer, and nothing is printed."""
    path = write_csv(tmp_path / "a.csv", people(6))
    with KeeperProcess(source_of(path), database) as keeper:
        keeper.begin(came_to([1, 2], 2))
    assert not keeper.is_alive
    assert capfd.readouterr().err == ""


async def test_nothing_is_waited_for_that_was_not_begun(tmp_path: Path, store: Store, database: str) -> None:
    """Neither here nor there."""
    path = write_csv(tmp_path / "a.csv", people(6))
    with KeeperProcess(source_of(path), database) as keeper:
        await keeper.end()
    await RowKeeper(source_of(path), store.user_data).end()


def test_it_ends_with_the_process_that_has_started_it(tmp_path: Path, database: str) -> None:
    """Even when that one is killed: nothing more comes through the pipe."""
    path = write_csv(tmp_path / "a.csv", people(6))
    child = os.fork()
    if not child:
        keeper = KeeperProcess(source_of(path), database)
        (tmp_path / "pid").write_text(str(keeper.pid))
        os._exit(0)
    os.waitpid(child, 0)
    pid = int((tmp_path / "pid").read_text())
    give_up_at = time.monotonic() + STOP_SECONDS
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
