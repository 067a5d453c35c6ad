"""Takes the steps of a backfill on one machine: DuckDB links, one process for each processor folds."""

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from knownas.batch.backfill.buckets import Buckets
from knownas.batch.backfill.duck import Duck, quoted
from knownas.batch.backfill.jobs import BackfillJob, Read, Stage, Watch, first_row, some_type
from knownas.batch.backfill.kinds import TYPES, Kind, arrow, observation_schema, table_of
from knownas.batch.backfill.limits import BUCKET_ROWS, BUCKETS_MAX, PROCESSES_MAX, STAGED_ROWS
from knownas.batch.backfill.linking import Linked, Linker, observed_columns
from knownas.batch.backfill.processes import fold_all
from knownas.batch.backfill.reading import Observed, Observer
from knownas.batch.backfill.statements import filled
from knownas.batch.import_reading import FileFormat, ImportFile, RowReader

SET_ASIDE: Final = "All of its identities were set aside: they join too many to be anybody''s own."
_LINES: Final = 10_000


class LocalEngine:
    """One machine. Implements `jobs.Engine`; `folder` is for files between the steps."""

    def __init__(self, folder: Path, job: BackfillJob, processes: int | None = None) -> None:
        """As many processes as there are processors fold, or so many."""
        self._folder = folder
        self._job = job
        self._processes = processes or min(len(os.sched_getaffinity(0)), PROCESSES_MAX)
        self._buckets = Buckets(folder)

    def read(self, watch: Watch) -> Read:
        """Read the files one after the other, into files of observations."""
        observations, refused = self._folder / "observed", self._folder / "refused"
        for one in (observations, refused):
            shutil.rmtree(one, ignore_errors=True)
            one.mkdir(mode=0o700)
        staging = _Staging(observations, refused)
        for number, file in enumerate(self._job.files):
            reader = RowReader(file)
            for found in _observed(reader, file, Observer(self._job.history, first_row(number))):
                staging.add(found)
                watch(Stage("reading", (number + reader.fraction) / len(self._job.files)))
        staging.flush()
        types = [kind for kind in TYPES if kind.value in staging.types]
        return Read(staging.rows, staging.refused_rows, some_type(types, staging.rows), sorted(staging.environments))

    def link(self, read: Read, watch: Watch) -> Linked:
        """Number and link the observations, and put them into buckets."""
        self._buckets.forget()
        spilled = self._folder / "spilled"
        with Duck(spilled, self._job.megabytes) as duck:
            columns = observed_columns(read.types, self._job.policy, duck.hash_function)
            types = ", ".join(kind.value for kind in read.types)
            files = quoted(self._folder / "observed" / "*.parquet")
            duck.view("observed", filled("observed", {"types": types, "columns": columns, "files": files}))
            watch(Stage("ordering"))
            duck.make("ranked", filled("ranked", {}))
            linker = Linker(duck, self._job.policy, read.types, self._job.largest)
            linked = linker.link(lambda doing: watch(Stage(doing)))
            watch(Stage("sharing out"))
            buckets = max(1, min(BUCKETS_MAX, read.rows // BUCKET_ROWS))
            marks = {"buckets": str(buckets), "folder": quoted(self._buckets.linked)}
            duck.ask(filled("write_buckets", marks))
            file = quoted(self._folder / "refused" / "set-aside.parquet")
            duck.ask(filled("write_set_aside", {"file": file, "message": SET_ASIDE}))
        shutil.rmtree(spilled, ignore_errors=True)
        return linked

    def fold(self, watch: Watch) -> None:
        """Fold the buckets that are left."""
        numbers = self._buckets.numbers()
        left = [number for number in numbers if not self._buckets.is_done(number)]
        done = len(numbers) - len(left)

        def told(_: int) -> None:
            nonlocal done
            done += 1
            watch(Stage("folding", done / len(numbers)))

        watch(Stage("folding", done / max(1, len(numbers))))
        fold_all(self._folder, left, self._job.fold, self._processes, told)

    def files(self, kind: Kind) -> Sequence[Path]:
        """Return the files of a kind."""
        also = sorted((self._folder / "refused").glob("*.parquet")) if kind is Kind.REFUSED else []
        return [*also, *self._buckets.files(kind)]

    def close(self) -> None:
        """Nothing is kept open."""


def _observed(reader: RowReader, file: ImportFile, observer: Observer) -> Iterator[Observed]:
    if file.format is not FileFormat.JSON_LINES:
        for block in reader.blocks():
            yield observer.block(block)
        return
    rows = iter(reader)
    while True:
        some = list(islice(rows, _LINES))
        if not some:
            return
        yield observer.rows(some)


class _Staging:
    """Puts observations and refusals down in files."""

    def __init__(self, observations: Path, refused: Path) -> None:
        self._folders = observations, refused
        self._tables: list[Any] = [observation_schema().empty_table()]
        self._waiting = 0
        self._refusals: list[tuple[int, str, str]] = []
        self._files = 0
        self.rows = 0
        self.refused_rows = 0
        self.types: set[str] = set()
        self.environments: set[int] = set()

    def add(self, found: Observed) -> None:
        """Take over what was read."""
        self._tables.append(found.table)
        self._refusals += [(row_id, one.reason, one.sentence) for row_id, one in found.refused]
        self._waiting += found.table.num_rows + len(found.refused)
        if self._waiting >= STAGED_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write down what waits; the first file is written even if there is nothing."""
        pa, parquet = arrow(), arrow("pyarrow.parquet")
        table = pa.concat_tables(self._tables)
        observations, refused = self._folders
        name = f"{self._files}.parquet"
        parquet.write_table(table, observations / name, use_dictionary=False)
        refusals = table_of(Kind.REFUSED, self._refusals)
        parquet.write_table(refusals, refused / name)
        self.rows += table.num_rows
        self.refused_rows += len(self._refusals)
        self.types.update(field.name for field in table.schema if table.column(field.name).null_count < table.num_rows)
        self.environments.update(arrow("pyarrow.compute").unique(table.column("environment")).to_pylist())
        self._files += 1
        self._waiting = 0
        self._tables, self._refusals = [observation_schema().empty_table()], []
