"""The earlier versions of the product that are kept beside the tests, one for each database (`tools.keep_older`)."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.keep_older import COMMIT_FILE, KEPT


class Older(NamedTuple):
    """An earlier version: where its code is, of which commit it is, and the layout that it gives its database."""

    folder: Path
    commit: str
    layout: int

    def runs(self, patched: pytest.MonkeyPatch) -> None:
        """Let processes that are started from here on run this version."""
        patched.setenv("PYTHONPATH", str(self.folder / "src"))
        where = [sys.executable, "-c", "import knownas; print(knownas.__file__)"]
        told = subprocess.run(where, check=True, capture_output=True, text=True, cwd=self.folder, timeout=60).stdout
        assert Path(told.strip()).is_relative_to(self.folder), told


def unpacked(database: str, folder: Path) -> Older:
    """Unpack the version that is kept for a database."""
    with tarfile.open(KEPT[database]) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:  # before Python 3.11.4
            archive.extractall(folder)  # noqa: S202 - it is our own archive
    steps = (folder / "src/knownas/store" / database / "sql").glob("schema_*.sql")
    layout = max(int(re.sub(r"\D", "", step.stem)) for step in steps)
    return Older(folder, (folder / COMMIT_FILE).read_text().strip(), layout)
