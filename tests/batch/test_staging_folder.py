"""Temporary files that name people are gone with whoever made them, also when that was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from knownas.batch.staging_folder import LOCK, PREFIX, UNLOCKED_SECONDS_MAX, clear_abandoned, staging_folder
from tests.served import STOP_WITHIN_SECONDS

PROGRAM = """
import sys, time
from pathlib import Path
from knownas.batch.staging_folder import staging_folder
with staging_folder(Path(sys.argv[1])) as folder:
    (folder / "names").write_text("ann")
    print("there", flush=True)
    time.sleep(600)
"""


def folders(place: Path) -> list[Path]:
    """Return the folders in a place."""
    return sorted(place.glob(f"{PREFIX}*"))


def test_what_a_killed_process_has_left_goes_with_the_next(tmp_path: Path) -> None:
    """While it lives its folder stays; after `kill -9` whoever comes next takes it away."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        (left,) = folders(tmp_path)
        with staging_folder(tmp_path) as own:
            assert folders(tmp_path) == sorted([left, own])
        process.send_signal(signal.SIGKILL)
        process.wait(STOP_WITHIN_SECONDS)
    assert (left / "names").read_text() == "ann"
    with staging_folder(tmp_path) as own:
        assert folders(tmp_path) == [own]
    assert folders(tmp_path) == []


def test_a_folder_that_was_just_made_is_left(tmp_path: Path) -> None:
    """One without a lock is somebody's for a minute, and nobody's after that."""
    folder = tmp_path / f"{PREFIX}new"
    folder.mkdir()
    assert clear_abandoned(tmp_path) == 0
    long_ago = folder.stat().st_mtime - 2 * UNLOCKED_SECONDS_MAX
    os.utime(folder, (long_ago, long_ago))
    assert clear_abandoned(tmp_path) == 1
    assert not folder.exists()


def test_what_is_somebody_elses_is_left(tmp_path: Path) -> None:
    """Neither other folders nor a place that is not there are touched."""
    other = tmp_path / "others"
    other.mkdir()
    (other / LOCK).touch()
    assert clear_abandoned(tmp_path) == 0
    assert clear_abandoned(tmp_path / "nowhere") == 0
    assert other.exists()
