"""Another process takes pieces as this one would, and ends with the one that has started it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knownas.batch.import_arranging import Arranger
from knownas.batch.import_limits import STOP_SECONDS
from knownas.batch.import_processes import WorkerProcess
from knownas.batch.import_results import RowResult
from knownas.batch.import_running import Job
from knownas.batch.import_staging import Section, Staging
from knownas.batch.import_working import Worker
from knownas.service.chance import SystemChance
from knownas.store.errors import StoreUnavailable
from knownas.store.opening import open_store
from knownas.store.port import Store
from tests.batch.files import NOW_MS, job_of, people, section_results, write_csv
from tests.waiting import wait_until


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


@pytest.fixture
async def job(tmp_path: Path, store: Store) -> Job:
    """The job of importing a few people."""
    return await job_of(store, write_csv(tmp_path / "a.csv", people(12)))


def arranged(job: Job, folder: Path) -> tuple[Staging, Section]:
    """Arrange all rows as one piece in a folder of their own."""
    staging = Staging(folder)
    staging.open(0)
    section = Arranger(job.file, job.reading, job.door.rules, staging).section(0)
    assert section is not None
    return staging, section


def shape_of(results: list[RowResult]) -> list[Any]:
    """Return what rows came to, without what is random."""
    first: dict[int | None, int] = {}
    for one in results:
        first.setdefault(one.mpid, one.row)
    return [(one.row, one.outcome, first[one.mpid]) for one in results]


async def test_another_process_does_what_this_one_would(tmp_path: Path, store: Store, job: Job, database: str) -> None:
    """The same outcomes, tallied alike."""
    staging, section = arranged(job, tmp_path / "there")
    with WorkerProcess(job.source(NOW_MS), database, staging.folder) as worker:
        there = await worker.take(section, 0)
    assert not worker.is_alive
    other = open_store("memory://")
    same_job = await job_of(other, job.file.path)
    staged_here, _ = arranged(same_job, tmp_path / "here")
    here = await Worker(same_job.source(NOW_MS), other, SystemChance(), staged_here).take(section, 0)
    assert here == there
    assert shape_of(section_results(staged_here, section)) == shape_of(section_results(staging, section))
    assert all([await store.profile(one.mpid or 0) for one in section_results(staging, section)])


async def test_what_goes_wrong_there_is_raised_here(tmp_path: Path, job: Job, database: str) -> None:
    """A piece that is not there; a database that nobody can open."""
    staging, section = arranged(job, tmp_path / "there")
    with WorkerProcess(job.source(NOW_MS), database, staging.folder) as worker:
        with pytest.raises(IndexError) as raised:
            await worker.take(section, 1)
        assert "in take" in "".join(raised.value.__notes__)
    with (
        WorkerProcess(job.source(NOW_MS), "nowhere://", staging.folder) as worker,
        pytest.raises(StoreUnavailable, match="no store serves"),
    ):
        await worker.take(section, 0)
    assert not worker.is_alive


async def test_one_that_is_gone_is_noticed(tmp_path: Path, job: Job, database: str) -> None:
    """Whoever killed it."""
    staging, section = arranged(job, tmp_path / "there")
    with WorkerProcess(job.source(NOW_MS), database, staging.folder) as worker:
        assert worker.pid is not None
        os.kill(worker.pid, 9)
        with pytest.raises(StoreUnavailable, match="a process of the import is gone"):
            await worker.take(section, 0)


async def test_given_up_before_its_first_piece_it_ends_without_a_word(
    tmp_path: Path, job: Job, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed."""
    staging, _ = arranged(job, tmp_path / "there")
    with WorkerProcess(job.source(NOW_MS), database, staging.folder) as worker:
        pass
    assert not worker.is_alive
    assert capfd.readouterr().err == ""


def test_it_ends_with_the_process_that_has_started_it(tmp_path: Path, database: str) -> None:
    """Even when that one is killed: nothing more comes through the pipe."""
    job = asyncio.run(job_of(open_store("memory://"), write_csv(tmp_path / "a.csv", people(12))))
    child = os.fork()
    if not child:
        worker = WorkerProcess(job.source(NOW_MS), database, tmp_path)
        (tmp_path / "pid").write_text(str(worker.pid))
        os._exit(0)
    os.waitpid(child, 0)
    pid = int((tmp_path / "pid").read_text())
    status = Path(f"/proc/{pid}/status")
    wait_until(lambda: not status.exists() or "\nState:\tZ" in status.read_text(), STOP_SECONDS)
