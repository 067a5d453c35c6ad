"""Keeps the code of an earlier commit, so that tests can run it beside ours: `python -m tools.keep_older COMMIT`.

A clone need not have that commit, nor any history. What is kept is the program, and the tests of its PostgreSQL store with
all that these take. `tests/upgrade` runs it on databases of the newest layout. Whoever adds a step to the layout keeps the
commit before that step; a test asks for it.
"""

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / "tests" / "upgrade" / "older.tar.xz"
COMMIT_FILE: Final = "COMMIT"
"""The file of the archive that names the commit."""

PARTS: Final = (
    "src",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/postgres.py",
    "tests/waiting.py",
    "tests/store/__init__.py",
    "tests/store/inspection.py",
    "tests/store/postgres_inspection.py",
    "tests/store/postgres_promises.py",
    "tests/store/test_postgres.py",
    "tools/__init__.py",
    "tools/provision.py",
)


def keep(commit: str) -> None:
    """Write the archive of a commit."""
    named = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    archive = io.BytesIO(_git("archive", named, *PARTS))
    note = tarfile.TarInfo(COMMIT_FILE)
    content = f"{named}\n".encode()
    note.size = len(content)
    with tarfile.open(fileobj=archive, mode="a") as tar:
        tar.addfile(note, io.BytesIO(content))
    KEPT.write_bytes(lzma.compress(archive.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{KEPT.relative_to(ROOT)}: {named}, {KEPT.stat().st_size:,} bytes")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S607 - its user's


if __name__ == "__main__":
    keep(*sys.argv[1:])
