"""Keeps the code of an earlier commit, so that tests can run it beside ours: `python -m tools.keep_older DATABASE COMMIT`.

A clone need not have that commit, nor any history. For each database what is kept is the program, and for PostgreSQL the
tests of its store with all that these take: `tests/upgrade` runs them on databases of the newest layout. Whoever adds a step
to the layout of a database keeps the commit before that step for it; a test asks for it.
"""

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = {name: ROOT / "tests" / "upgrade" / f"older_{name}.tar.xz" for name in ("postgres", "sqlite")}
"""The archive of each database."""

COMMIT_FILE: Final = "COMMIT"
"""The file of the archive that names the commit."""

PROGRAM: Final = ("src",)
ITS_TESTS: Final = (
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
PARTS: Final = {"postgres": PROGRAM + ITS_TESTS, "sqlite": PROGRAM}


def keep(database: str, commit: str) -> None:
    """Write the archive of a commit for a database: `postgres` or `sqlite`."""
    named = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    archive = io.BytesIO(_git("archive", named, *PARTS[database]))
    note = tarfile.TarInfo(COMMIT_FILE)
    content = f"{named}\n".encode()
    note.size = len(content)
    with tarfile.open(fileobj=archive, mode="a") as tar:
        tar.addfile(note, io.BytesIO(content))
    kept = KEPT[database]
    kept.write_bytes(lzma.compress(archive.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{kept.relative_to(ROOT)}: {named}, {kept.stat().st_size:,} bytes")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S607 - its user's


if __name__ == "__main__":
    keep(*sys.argv[1:])
