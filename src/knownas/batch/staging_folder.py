"""Makes folders for temporary files that hold what people are called, and takes away those that a killed process has left.

Whoever has a folder holds a lock in it for as long, which ends with the process however that ends. So a folder whose lock can be had is
nobody's any more. One that has no lock yet may just have been made.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "knownas-staged-"
LOCK: Final = "lock"

UNLOCKED_SECONDS_MAX: Final = 60.0
"""A folder without a lock that is older than that was left by somebody who died before taking one."""


@contextmanager
def staging_folder(place: Path | None = None) -> Generator[Path]:
    """Yield a folder of one's own, in the system's place for temporary files if no other is given; it is gone afterwards.

    What others have left there goes first.

    Raises:
        OSError: there is no room for it.
    """
    clear_abandoned(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_abandoned(place: Path | None = None) -> int:
    """Take away the folders whose process is gone. Returns how many."""
    cleared = 0
    # Another user's can't be looked into, and somebody else may be faster.
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir() if place is None else place).glob(f"{PREFIX}*"):
            with suppress(OSError):
                if _is_abandoned(folder):
                    shutil.rmtree(folder)
                    cleared += 1
    return cleared


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    held = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def _is_abandoned(folder: Path) -> bool:
    try:
        held = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > UNLOCKED_SECONDS_MAX
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True
