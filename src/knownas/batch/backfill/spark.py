"""Takes the steps of a backfill on Spark, or on what speaks its protocol: the same code reads, links and folds as on one machine.

The files, and the folder between the steps, must be where every machine reaches them under the same path, and
knownas must be installed on all of them. Rows are numbered without bringing them together: Spark says of each which part
of the data it is in and where in it, and how many rows the parts before have is a small table.

What Spark has computed is written down before it is used again, table by table: its plans would otherwise grow with each
round of linking, and be carried out anew for every question.
"""

import importlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from knownas.batch.backfill.buckets import BUCKET, in_order
from knownas.batch.backfill.folding import NUMBER, FoldJob, folded
from knownas.batch.backfill.jobs import BackfillJob, Read, Stage, Watch, first_row, some_type
from knownas.batch.backfill.kinds import TYPES, Kind, arrow, common_schema, observation_schema, schema_of
from knownas.batch.backfill.limits import BUCKET_ROWS, BUCKETS_MIN
from knownas.batch.backfill.linking import EDGES, Linked, Linker, observed_columns
from knownas.batch.backfill.local import SET_ASIDE
from knownas.batch.backfill.reading import HistoryReading, Observed, Observer
from knownas.batch.backfill.statements import filled
from knownas.batch.import_reading import (
    Block,
    FileFormat,
    ImportFile,
    JsonLines,
    RowRefusal,
    flattened,
)

_BLANK: Final = "blank"
_PART: Final = "part"
_PLACE: Final = "place"
_CORRUPT: Final = "knownas_corrupt"
_NUMBERED: Final = "numbered_"
_TABLE: Final = ".parquet"
_NOTE: Final = ".json"
_PLACES_BITS: Final = 33
_PLACES_A_PART: Final = 1 << _PLACES_BITS
"""How many rows a part of the data has room for in Spark's own numbers."""

_NAMES: Final = {"int64": "bigint", "int8": "tinyint", "int16": "smallint", "string": "string", "binary": "binary"}
_WRONG: Final = RowRefusal("wrong_number_of_cells", "The row has another number of cells than the header.")


class SparkEngine:
    """A Spark session. Implements `jobs.Engine`; `folder` is for files between the steps."""

    def __init__(self, folder: Path, job: BackfillJob, session: Any) -> None:
        self._folder = folder
        self._job = job
        self.session = session
        self._frames = SparkFrames(session, folder / "tables")

    def read(self, watch: Watch) -> Read:
        """Let Spark read the files, and each of its tasks turn rows into observations."""
        frames = self._frames
        frames.forget()
        parts: list[str] = []
        for number, file in enumerate(self._job.files):
            watch(Stage("reading", number / len(self._job.files)))
            frames.keep(f"raw_{number}", _observations(self._raw(file), file, self._job.history))
            parts.append(f"{_NUMBERED}{number}")
            frames.number(f"raw_{number}", parts[-1], "row_id", first_row(number))
        frames.join_read(parts)
        marks = {"blank": _BLANK, "types": ", ".join(f"count({kind.value})" for kind in TYPES)}
        rows, refused, blank, *counts = map(_number, frames.ask(filled("spark_counts", marks))[0])
        types = [kind for kind, held in zip(TYPES, counts, strict=True) if held]
        environments = sorted(_number(one) for (one,) in frames.ask(filled("spark_environments", {})))
        frames.write("spark_refused", {"blank": _BLANK}, self._folder / "refused")
        return Read(rows - refused, refused - blank, some_type(types, rows - refused), environments)

    def link(self, read: Read, watch: Watch) -> Linked:
        """Number and link the observations."""
        frames = self._frames
        frames.recall()
        columns = observed_columns(read.types, self._job.policy, frames.hash_function)
        types = ", ".join(kind.value for kind in read.types)
        frames.view("observed", filled("spark_observed", {"types": types, "columns": columns}))
        watch(Stage("ordering"))
        first, last = map(_number, frames.ask(filled("spark_times", {}))[0])
        slices = max(1, read.rows // BUCKET_ROWS)
        width = (last - first) // slices + 1
        frames.make("ordered", filled("spark_ordered", {"first": str(first), "width": str(width)}))
        frames.number("ordered", "ranked", NUMBER, 0)
        linked = Linker(frames, self._job.policy, read.types, self._job.largest).link(lambda doing: watch(Stage(doing)))
        buckets = max(BUCKETS_MIN, read.rows // BUCKET_ROWS)
        frames.make("linked_kept", filled("spark_buckets", {"buckets": str(buckets)}))
        frames.write("spark_set_aside", {"message": SET_ASIDE.replace("''", "\\'")}, self._folder / "set_aside")
        return linked

    def fold(self, watch: Watch) -> None:
        """Let each of Spark's tasks fold whole components."""
        watch(Stage("folding"))
        self._frames.recall()
        linked = self.session.table("linked_kept")
        made = linked.groupBy(BUCKET).applyInArrow(_folding(self._job.fold), _ddl(common_schema()))
        made.write.mode("overwrite").partitionBy("kind").parquet(str(self._folder / "folded"))

    def files(self, kind: Kind) -> Sequence[Path]:
        """Return the files of a kind."""
        found = sorted((self._folder / "folded" / f"kind={kind.value}").glob("*.parquet"))
        if kind is Kind.REFUSED:
            also = [self._folder / "refused", self._folder / "set_aside"]
            found += [file for folder in also for file in sorted(folder.glob("*.parquet"))]
        return found

    def close(self) -> None:
        """The session is somebody else's."""

    def _raw(self, file: ImportFile) -> Any:
        """Return the rows of a file, with the numbers that Spark gives them."""
        read, path = self.session.read, str(file.path.absolute())
        match file.format:
            case FileFormat.PARQUET:
                found = read.parquet(path)
            case FileFormat.JSON_LINES:
                found = read.text(path)
            case FileFormat.CSV:
                names = [*(file.columns() or ()), _CORRUPT]
                schema = ", ".join(f"`{name}` string" for name in names)
                # As RFC 4180 has it: a quote in a quoted cell is doubled, and lines may end inside of one.
                options = {"header": True, "escape": '"', "multiLine": True, "columnNameOfCorruptRecord": _CORRUPT}
                found = read.csv(path, schema=schema, **options)
        return found.select("*", *_spark_numbers())


def _spark_numbers() -> tuple[Any, Any]:
    functions = importlib.import_module("pyspark.sql.functions")
    own: Any = functions.monotonically_increasing_id()
    place = own.bitwiseAND(functions.lit(_PLACES_A_PART - 1)) + 1
    return place.cast("bigint").alias(_PLACE), functions.shiftright(own, _PLACES_BITS).cast("bigint").alias(_PART)


def spark_session(master: str | None) -> Any:
    """Return a session of Spark as it is configured, or with another master.

    Raises:
        ModuleNotFoundError: Spark is not installed.
    """
    builder: Any = importlib.import_module("pyspark.sql").SparkSession.builder.appName("knownas backfill")
    return (builder if master is None else builder.master(master)).getOrCreate()


class SparkFrames:
    """Tables in files that Spark reads and writes, as `linking.Frames`."""

    hash_function = "xxhash64"

    def __init__(self, session: Any, folder: Path) -> None:
        self.session = session
        self._folder = folder
        self._versions = count()

    def forget(self) -> None:
        """Take all tables away."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)

    def recall(self) -> None:
        """Know the tables of earlier steps, which may have been taken by another process."""
        raw: dict[int, str] = {}
        for note in sorted(self._folder.glob(f"*{_NOTE}"), key=lambda one: int(one.stem)):
            name, _, schema = note.read_text().partition("\n")
            self._know(name, note.with_suffix(_TABLE), schema)
            self._versions = count(int(note.stem) + 1)
            if name.startswith(_NUMBERED):
                raw[int(name.removeprefix(_NUMBERED))] = name
        self.join_read([raw[number] for number in sorted(raw)])

    def join_read(self, names: Sequence[str]) -> None:
        """Know the numbered rows of all files together."""
        self.view("read", " UNION ALL ".join(filled("everything", {"table": name}) for name in names))

    def keep(self, name: str, frame: Any) -> None:
        """Write a frame down, and know what was written by a name."""
        file = self._folder / f"{next(self._versions)}{_TABLE}"
        frame.write.mode("overwrite").parquet(str(file))
        schema: str = frame.schema.json()
        file.with_suffix(_NOTE).write_text(f"{name}\n{schema}")
        self._know(name, file, schema)

    def _know(self, name: str, file: Path, schema: str) -> None:
        # Not every engine writes a file where there are no rows, from which it could tell the columns.
        types = importlib.import_module("pyspark.sql.types").StructType.fromJson(json.loads(schema))
        self.session.read.schema(types).parquet(str(file)).createOrReplaceTempView(name)

    def make(self, name: str, query: str) -> None:
        """Make a table of what a query returns, or make it anew."""
        self.keep(name, self.session.sql(query))

    def view(self, name: str, query: str) -> None:
        """Give a query a name."""
        self.session.sql(query).createOrReplaceTempView(name)

    def put(self, name: str, rows: Sequence[tuple[int, int, str]]) -> None:
        """Make a table of pools, types and values."""
        self.keep(name, self.session.createDataFrame(list(rows), "pool bigint, type bigint, value string"))

    def ask(self, query: str) -> Sequence[tuple[object, ...]]:
        """Return the few rows of a query."""
        return [tuple(row) for row in self.session.sql(query).collect()]

    def number(self, table: str, numbered: str, column: str, first: int) -> None:
        """Number the rows of a table through all its parts, after a number, and know it by another name."""
        counted = self.ask(filled("spark_parts", {"table": table}))
        starts: list[tuple[int, int]] = []
        for part, count_of_part in sorted((_number(part), _number(rows)) for part, rows in counted):
            starts.append((part, first))
            first += count_of_part
        start: Any = self.session.createDataFrame(starts or [(0, first)], "of_part bigint, start bigint")
        rows: Any = self.session.table(table)
        joined = rows.join(start, rows[_PART] == start["of_part"])
        named = joined.withColumn(column, joined["start"] + joined[_PLACE])
        self.keep(numbered, named.drop(_PART, _PLACE, "of_part", "start"))

    def write(self, statement: str, marks: dict[str, str], folder: Path) -> None:
        """Write what a statement returns into a folder of Parquet files."""
        self.session.sql(filled(statement, marks)).write.mode("overwrite").parquet(str(folder))

    def cluster(self, nodes: str, edges: str, clusters: str) -> None:
        """Let Splink make a table of each node and its `cluster_id`."""
        logging.getLogger("splink").setLevel(logging.WARNING)
        clustering: Any = importlib.import_module("splink.clustering")
        left, right = EDGES
        found = clustering.cluster_pairwise_predictions_at_threshold(
            nodes=nodes,
            edges=edges,
            db_api=_splink_api(self),
            node_id_column_name="node",
            edge_id_column_name_left=left,
            edge_id_column_name_right=right,
        )
        self.make(clusters, filled("clusters", {"found": found.physical_name}))


def _splink_api(frames: SparkFrames) -> Any:
    """Return Splink's interface to a session, made to write down what it has computed the way all else is.

    Its own way asks the session's Java side for a folder, which a session at the other end of a connection has not.
    """
    base: Any = importlib.import_module("splink.internals.spark.database_api").SparkAPI

    class Api(base):
        def _break_lineage_and_repartition(self, frame: Any, _templated_name: str, physical_name: str) -> Any:
            frames.keep(physical_name, frame)
            return frames.session.table(physical_name)

    return Api(spark_session=frames.session, register_udfs_automatically=False, break_lineage_method="persist")


def _number(value: object) -> int:
    return int(str(value))


def _ddl(schema: Any) -> str:
    return ", ".join(f"{field.name} {_NAMES[str(field.type)]}" for field in schema)


def _observations(raw: Any, file: ImportFile, history: HistoryReading) -> Any:
    """Return what the rows of a file say: one row for each, with why it is refused if it is."""
    return raw.mapInArrow(_reading(file.format, file.columns(), history), f"{_ddl(_read_schema())}")


def _read_schema() -> Any:
    pa = arrow()
    more = [(_PLACE, pa.int64()), (_PART, pa.int64()), ("reason", pa.string()), ("message", pa.string())]
    schema = observation_schema()
    for name, of_type in more:
        schema = schema.append(pa.field(name, of_type))
    return schema


Batches = Iterable[Any]


def _reading(
    of: FileFormat, columns: tuple[str, ...] | None, history: HistoryReading
) -> Callable[[Batches], Iterator[Any]]:
    """Return what a task does that reads: places stand for row numbers until all parts are counted."""

    def read(batches: Batches) -> Iterator[Any]:
        observer, lines = Observer(history, 0), JsonLines()
        for batch in batches:
            table = arrow().Table.from_batches([batch])
            places: list[int] = table.column(_PLACE).to_pylist()
            parts = table.column(_PART)
            part = parts[0].as_py() if len(parts) else 0
            found = _read_batch(of, columns, table.drop_columns([_PLACE, _PART]), places, observer, lines)
            yield from _with_places(found, part).to_batches()

    return read


def _read_batch(
    of: FileFormat,
    columns: tuple[str, ...] | None,
    table: Any,
    places: list[int],
    observer: Observer,
    lines: JsonLines,
) -> Observed:
    if of is FileFormat.JSON_LINES:
        texts: list[str | None] = table.column("value").to_pylist()
        read = [(place, lines.row(place, (text or "").encode())) for place, text in zip(places, texts, strict=True)]
        blank = [(place, RowRefusal(_BLANK, "")) for place, row in read if row is None]
        found = observer.rows([row for _, row in read if row is not None])
        return Observed(found.table, [*found.refused, *blank])
    unread: dict[int, RowRefusal] = {}
    if of is FileFormat.CSV:
        corrupt = table.column(_CORRUPT)
        unread = {place: _WRONG for place, one in zip(places, corrupt.to_pylist(), strict=True) if one is not None}
        kept = arrow("pyarrow.compute").is_null(corrupt)
        places = [place for place in places if place not in unread]
        table = table.filter(kept).drop_columns([_CORRUPT])
    else:
        table = flattened(table, arrow())
    names = columns or tuple(table.column_names)
    return observer.block(Block(places, names, table.columns, unread, arrow()))


def _with_places(found: Observed, part: int) -> Any:
    """Return observations and refusals as one table; the row's number is its place so far."""
    pa = arrow()
    schema = _read_schema()
    good = found.table
    columns = {name: good.column(name) for name in good.column_names}
    columns |= {_PLACE: good.column("row_id"), _PART: pa.repeat(pa.scalar(part, pa.int64()), good.num_rows)}
    tables = [_filled(columns, good.num_rows, schema)]
    if found.refused:
        places = [place for place, _ in found.refused]
        refused = {
            "row_id": pa.array(places, pa.int64()),
            _PLACE: pa.array(places, pa.int64()),
            _PART: pa.repeat(pa.scalar(part, pa.int64()), len(places)),
            "reason": pa.array([one.reason for _, one in found.refused]),
            "message": pa.array([one.sentence for _, one in found.refused]),
        }
        tables.append(_filled(refused, len(places), schema))
    return pa.concat_tables(tables)


def _filled(columns: dict[str, Any], rows: int, schema: Any) -> Any:
    """Return a table with the columns that there are, and nothing in the others."""
    pa = arrow()
    arrays = [columns[one.name] if one.name in columns else pa.nulls(rows, one.type) for one in schema]
    return pa.table(arrays, schema=schema)


def _folding(job: FoldJob) -> Callable[[Any], Any]:
    """Return what a task does that folds a bucket of whole components."""

    def fold(bucket: Any) -> Any:
        schema, pa = common_schema(), arrow()
        tables = [schema.empty_table()]
        for made in folded([in_order(bucket)], job):
            for kind, table in made.items():
                columns = {name: table.column(name) for name in schema_of(kind).names}
                columns["kind"] = pa.repeat(pa.scalar(kind.value, pa.string()), table.num_rows)
                tables.append(_filled(columns, table.num_rows, schema))
        return pa.concat_tables(tables)

    return fold
