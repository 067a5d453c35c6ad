"""Folds a bucket of linked rows from one Parquet folder into Parquet files of what comes out, whole or not at all."""

import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from knownas.batch.backfill.folding import COMPONENT, NUMBER, FoldJob, folded
from knownas.batch.backfill.kinds import Kind, arrow, schema_of
from knownas.batch.import_garbage import collected_afterwards

BUCKET: Final = "bucket"
_SUFFIX: Final = ".parquet"
_NEW: Final = ".new"


class Buckets:
    """The buckets of a backfill and what became of them, in a folder of files."""

    def __init__(self, folder: Path) -> None:
        self._linked = folder / "linked"
        self._folded = folder / "folded"

    @property
    def linked(self) -> Path:
        """The folder with one folder a bucket."""
        return self._linked

    def numbers(self) -> list[int]:
        """Return the numbers of the buckets."""
        names = (one.name.partition("=")[2] for one in self._linked.glob(f"{BUCKET}=*"))
        return sorted(int(name) for name in names)

    def is_done(self, number: int) -> bool:
        """Whether a bucket has been folded."""
        return (self._folded / str(number)).exists()

    def files(self, kind: Kind) -> list[Path]:
        """Return the files with what came out of a kind."""
        return sorted(self._folded.glob(f"*/{kind.value}{_SUFFIX}"))

    def forget(self) -> None:
        """Take away what became of other buckets than these."""
        shutil.rmtree(self._linked, ignore_errors=True)
        shutil.rmtree(self._folded, ignore_errors=True)

    def fold(self, number: int, job: FoldJob) -> int:
        """Fold a bucket, and return how many rows it has."""
        linked = arrow("pyarrow.parquet").read_table(self._linked / f"{BUCKET}={number}", partitioning=None)
        table = in_order(linked)
        del linked
        with self._writing(number) as folder, ExitStack() as opened, collected_afterwards():
            writers: dict[Kind, Any] = {}
            for tables in folded([table], job):
                for kind, rows in tables.items():
                    if kind not in writers:
                        path = folder / f"{kind.value}{_SUFFIX}"
                        writers[kind] = opened.enter_context(
                            arrow("pyarrow.parquet").ParquetWriter(path, schema_of(kind), use_dictionary=False)
                        )
                    writers[kind].write_table(rows)
        return int(table.num_rows)

    @contextmanager
    def _writing(self, number: int) -> Generator[Path]:
        """Yield a folder that becomes the bucket's when what stands inside has ended well."""
        self._folded.mkdir(exist_ok=True)
        new, whole = self._folded / f"{number}{_NEW}", self._folded / str(number)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        yield new
        for file in new.iterdir():
            synchronize(file)
        synchronize(new)
        new.rename(whole)
        synchronize(self._folded)


def in_order(linked: Any) -> Any:
    """Return linked rows as they are folded: one component after the other, each by the rows' numbers."""
    return linked.sort_by([(COMPONENT, "ascending"), (NUMBER, "ascending")])


def synchronize(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
