"""Writes files to a folder of this machine, each whole or not at all.

Who sets an output up need not be who may say where this machine is written to. So the folder must hold a file `.knownas-output`, which whoever runs the
machine puts there. It is looked for before each write: a disk that is not mounted does not have it.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from knownas.core.delivery.outcome import NotAtAll, NotNow, Trouble

MARK: Final = ".knownas-output"
UNMARKED: Final = f"the folder is not there, or holds no file {MARK} by which it is for outputs"

_FOR_GOOD: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_FILE_MODE: Final = 0o640
_FOLDER_MODE: Final = 0o750


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, content: bytes, attempt: str) -> NotNow | NotAtAll | None:
        """Write a file, in place of one of that name. `attempt` is a name that nothing else has. Returns why it could not be written."""
        try:
            if not (self._root / MARK).is_file():
                return NotAtAll(UNMARKED)
            path = self._root / name
            path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            _replace(path, content, attempt)
        except OSError as error:
            detail = f"could not be written: {os.strerror(error.errno or 0)}"
            return NotAtAll(detail) if error.errno in _FOR_GOOD else NotNow(Trouble.FAILED, detail)
        return None


def _replace(path: Path, content: bytes, attempt: str) -> None:
    """Write beside the file and move it there, so that nobody sees a part, and a crash leaves the old one or the new one."""
    beside = path.with_name(f".{attempt}.part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
