"""Reads CSV, JSON Lines and Parquet files row by row, in bounded pieces, and says which rows can't be read.

A row that can't be read (too many cells, no UTF-8, too long, no JSON) is refused by itself, and the others go on.
What makes a whole file unreadable is an `UnreadableFile` with a sentence about what to do: above all a file that is
not what its name says. CSV and Parquet are read by Apache Arrow; a line of JSON is decoded by itself, so that its
types need not agree with the other lines'.
"""

import gzip
import importlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from math import isfinite
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import msgspec

from knownas.batch.import_limits import BLOCK_BYTES, HEAD_BYTES, NESTING_MAX, READ_ROWS, ROW_BYTES_MAX, SAMPLED_ROWS


class UnreadableFile(Exception):
    """The file can't be imported; the message says why and what to do."""


class FileFormat(StrEnum):
    """What a file holds, told by its name."""

    CSV = "CSV"
    JSON_LINES = "JSON Lines"
    PARQUET = "Parquet"


class RowRefusal(NamedTuple):
    """Why a row is not imported: a stable code and a sentence. The sentence quotes no value of the row."""

    reason: str
    sentence: str


class Row(NamedTuple):
    """A row as it was read. `number` counts from 1: records of a table, lines of JSON Lines.

    `values` stand in the order of `columns`. A value is text, a number, a flag, a list or None; a refused row has none.
    """

    number: int
    columns: tuple[str, ...]
    values: Sequence[object]
    refusal: RowRefusal | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a table side by side: `numbers` are theirs, `values` Apache Arrow's arrays, one a column.

    What is text in a CSV file comes as `bytes`. `unread` are the rows that are no rows of the table, by their numbers.
    """

    numbers: Sequence[int]
    columns: tuple[str, ...]
    values: Sequence[Any]
    unread: Mapping[int, RowRefusal]
    arrow: Any

    def rows(self, places: Any = None) -> Iterator[Row]:
        """Yield the rows, or those at some places, without the unread ones."""
        values = self.values if places is None else [column.take(places) for column in self.values]
        numbers: Sequence[int] = self.numbers
        if places is not None:
            numbers = [numbers[place] for place in cast("list[int]", places.to_pylist())]
        lists = [_python_values(column, self.arrow) for column in values]
        for number, (cells, refusal) in zip(numbers, _rows_of(lists), strict=True):
            yield Row(number, self.columns, cells, refusal)


_FORMATS: Final = {
    ".csv": FileFormat.CSV,
    ".jsonl": FileFormat.JSON_LINES,
    ".ndjson": FileFormat.JSON_LINES,
    ".parquet": FileFormat.PARQUET,
}
_PARQUET_MAGIC: Final = b"PAR1"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_NOT_TEXT: Final = object()
_TEXT_OR_NOTHING: Final[set[type]] = {str, type(None)}
UTF8_BYTES_MAX: Final = 4
"""Bytes of a character in UTF-8."""

TOO_LONG: Final = RowRefusal("row_too_long", f"The row has more than {ROW_BYTES_MAX} bytes.")
NOT_UTF8: Final = RowRefusal("not_utf8", "A value of the row is not UTF-8.")
NOT_JSON: Final = RowRefusal("not_json", "The line is not a JSON object.")
NOTHING: Final[tuple[str, ...]] = ()


def _arrow(module: str, path: Path) -> Any:
    """Return a module of Apache Arrow, which is only installed where imports are wanted."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{path.name} can't be read without Apache Arrow: pip install 'knownas[import]'"
        raise UnreadableFile(message) from error


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file that is what its name says, as far as its beginning shows."""

    path: Path
    format: FileFormat
    is_compressed: bool

    def columns(self) -> tuple[str, ...] | None:
        """Return the names of the columns; None for JSON Lines, where each line has its own.

        Raises:
            UnreadableFile: it can't be read.
        """
        match self.format:
            case FileFormat.CSV:
                with self.path.open("rb") as file:
                    columns = _csv_columns(self, file)
                if len(columns) == 1 and any(mark in columns[0] for mark in (";", "\t", "|")):
                    raise UnreadableFile(f"{self.path.name} is not separated by commas (RFC 4180); convert it first")
                return columns
            case FileFormat.PARQUET:
                return _parquet_columns(self)
            case FileFormat.JSON_LINES:
                return None

    def sampled_columns(self) -> tuple[str, ...]:
        """Return the columns; for JSON Lines those of the first lines, in the order of their first appearance."""
        columns = self.columns()
        if columns is not None:
            return columns
        seen: dict[str, None] = {}
        for number, row in enumerate(RowReader(self)):
            if number >= SAMPLED_ROWS:
                break
            seen.update(dict.fromkeys(row.columns))
        return tuple(seen)


def open_import_file(path: Path) -> ImportFile:
    """Look at a file's name and beginning.

    Raises:
        UnreadableFile: the name says nothing we read, or the file is not what its name says.
    """
    name = path.name.lower()
    is_compressed = name.endswith(".gz")
    found = _FORMATS.get(Path(name.removesuffix(".gz")).suffix)
    if found is None or (is_compressed and found is FileFormat.PARQUET):
        raise UnreadableFile(f"{path.name}: a name ends with .csv, .jsonl, .ndjson (.gz may follow) or .parquet")
    file = ImportFile(path, found, is_compressed)
    try:
        _check_beginning(file)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path} can't be read: {error}") from error
    return file


def _check_beginning(file: ImportFile) -> None:
    name, wanted = file.path.name, file.format
    with file.path.open("rb") as raw:
        start = raw.read(len(_PARQUET_MAGIC))
    if file.is_compressed != start.startswith(_GZIP_MAGIC):
        is_not = "is not compressed by gzip" if file.is_compressed else "is compressed by gzip"
        raise UnreadableFile(f"{name} {is_not}; rename it")
    if (wanted is FileFormat.PARQUET) != (start == _PARQUET_MAGIC):
        raise UnreadableFile(f"{name} is {'not ' if wanted is FileFormat.PARQUET else ''}a Parquet file; rename it")
    if wanted is FileFormat.PARQUET:
        return
    with _opened(file) as text:
        head = text.read(HEAD_BYTES)
    if head.startswith(_UTF16_MARKS):
        raise UnreadableFile(f"{name} is UTF-16; convert it to UTF-8 first")
    if b"\0" in head:
        raise UnreadableFile(f"{name} is not text; it holds the character NUL")
    is_json = head.removeprefix(_UTF8_MARK).lstrip()[:1] in (b"{", b"[")
    if wanted is FileFormat.CSV and is_json:
        raise UnreadableFile(f"{name} is JSON; rename it to .jsonl if each line is an object")
    if wanted is FileFormat.JSON_LINES and head.strip() and not head.removeprefix(_UTF8_MARK).lstrip().startswith(b"{"):
        raise UnreadableFile(f"{name} is not JSON Lines: each line must be a JSON object, the first is not")


def _opened(file: ImportFile) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file.path, "rb")) if file.is_compressed else file.path.open("rb")


class RowReader:
    """Yields the rows of a file, once. `fraction` tells how much of the file has been read, from 0 to 1."""

    def __init__(self, file: ImportFile) -> None:
        self._file = file
        self._size = max(1, file.path.stat().st_size)
        self.fraction = 0.0

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in their order.

        Raises:
            UnreadableFile: from here on nothing can be read.
        """
        number = 0
        try:
            for row in self._rows():
                number = row.number
                yield row
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise _unreadable(self._file, number, error) from error
        self.fraction = 1.0

    def _rows(self) -> Iterator[Row]:
        match self._file.format:
            case FileFormat.CSV:
                return self._table_rows(self._csv_blocks())
            case FileFormat.PARQUET:
                return self._table_rows(self._parquet_blocks())
            case FileFormat.JSON_LINES:
                return self._json_rows()

    def blocks(self) -> Iterator[Block]:
        """Yield the rows of a table in blocks, in their order; a file of JSON Lines is none.

        Raises:
            UnreadableFile: from here on nothing can be read.
        """
        is_table = self._file.format is not FileFormat.JSON_LINES
        if not is_table:
            raise AssertionError("lines of JSON have no columns in common")
        number = 0
        try:
            for block in self._csv_blocks() if self._file.format is FileFormat.CSV else self._parquet_blocks():
                number = max([number, *block.numbers[-1:], *block.unread])
                yield block
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise _unreadable(self._file, number, error) from error
        self.fraction = 1.0

    def _csv_blocks(self) -> Iterator[Block]:
        columns = self._file.columns() or NOTHING
        with self._file.path.open("rb") as raw:
            misshapen: dict[int, RowRefusal] = {}

            def note(row: Any) -> str:
                sentence = f"The row has {row.actual_columns} cells, the header {row.expected_columns}."
                # Arrow counts the header as the first row.
                misshapen[row.number - 1] = RowRefusal("wrong_number_of_cells", sentence)
                return "skip"

            number, arrow = 1, _arrow("pyarrow", self._file.path)
            for batch in _open_csv(self._file, raw, columns, note):
                self.fraction = min(1.0, raw.tell() / self._size)
                numbers, unread = _numbered(number, batch.num_rows, misshapen)
                number = 1 + max([number - 1, *numbers[-1:], *unread])
                yield Block(numbers, columns, batch.columns, unread, arrow)
            if misshapen:
                yield Block((), NOTHING, (), dict(sorted(misshapen.items())), arrow)

    def _parquet_blocks(self) -> Iterator[Block]:
        arrow = _arrow("pyarrow", self._file.path)
        table: Any = _arrow("pyarrow.parquet", self._file.path).ParquetFile(self._file.path)
        total = max(1, table.metadata.num_rows)
        number = 1
        try:
            for batch in table.iter_batches(batch_size=READ_ROWS):
                self.fraction = number / total
                flat = flattened(arrow.Table.from_batches([batch]), arrow)
                numbers = range(number, number + batch.num_rows)
                number += batch.num_rows
                yield Block(numbers, tuple(map(str, flat.column_names)), flat.columns, {}, arrow)
        finally:
            table.close()

    def _table_rows(self, blocks: Iterator[Block]) -> Iterator[Row]:
        for block in blocks:
            unread = [Row(number, NOTHING, (), refusal) for number, refusal in block.unread.items()]
            yield from merge(unread, block.rows(), key=attrgetter("number"))

    def _json_rows(self) -> Iterator[Row]:
        read = JsonLines()
        with self._file.path.open("rb") as raw:
            lines = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if self._file.is_compressed else raw
            number = 0
            while line := lines.readline(ROW_BYTES_MAX + 1):
                number += 1
                if len(line) > ROW_BYTES_MAX:
                    rest = line
                    while rest and not rest.endswith(b"\n"):
                        rest = lines.readline(ROW_BYTES_MAX)
                row = read.row(number, line)
                if row is not None:
                    self.fraction = min(1.0, raw.tell() / self._size)
                    yield row


class JsonLines:
    """Reads lines of JSON, one after the other."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder().decode
        self._columns = NOTHING

    def row(self, number: int, line: bytes) -> Row | None:
        """Read a line; None if it is empty. Of one that is too long, any part that is too long will do."""
        if number == 1:
            line = line.removeprefix(_UTF8_MARK)
        if len(line) > ROW_BYTES_MAX:
            return Row(number, NOTHING, (), TOO_LONG)
        if not line.strip():
            return None
        try:
            document: Any = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None
        if not isinstance(document, dict):
            return Row(number, NOTHING, (), NOT_JSON)
        members = dict(_members(cast("dict[str, object]", document)))
        names = tuple(members)
        # Most lines have the same members: one tuple for all lets its meaning be found by identity.
        self._columns = self._columns if names == self._columns else names
        return Row(number, self._columns, tuple(members.values()))


def _unreadable(file: ImportFile, number: int, error: BaseException) -> UnreadableFile:
    # Arrow's own errors are ValueErrors and OSErrors.
    return UnreadableFile(f"{file.path.name} can't be read after row {number}: {_reason(error)}")


def _numbered(
    number: int, count: int, misshapen: dict[int, RowRefusal]
) -> tuple[Sequence[int], Mapping[int, RowRefusal]]:
    """Number so many rows from a number on, around those that are misshapen, which are taken out."""
    if not misshapen:
        return range(number, number + count), {}
    numbers: list[int] = []
    unread: dict[int, RowRefusal] = {}
    while len(numbers) < count:
        if number in misshapen:
            unread[number] = misshapen.pop(number)
        else:
            numbers.append(number)
        number += 1
    return numbers, unread


def _reason(error: BaseException) -> str:
    text = str(error).partition("\n")[0]
    if "straddling" in text:
        return f"a row has more than {BLOCK_BYTES} bytes, or a quote is not closed"
    return text or type(error).__name__


def _members(document: dict[str, object], prefix: str = "", level: int = 1) -> Iterator[tuple[str, object]]:
    """Yield the members of an object, those of nested ones by paths with dots."""
    for name, value in document.items():
        if isinstance(value, dict) and level < NESTING_MAX:
            yield from _members(cast("dict[str, object]", value), f"{prefix}{name}.", level + 1)
        else:
            yield f"{prefix}{name}", value


def _csv_columns(file: ImportFile, raw: IO[bytes]) -> tuple[str, ...]:
    arrow, csv = _arrow("pyarrow", file.path), _arrow("pyarrow.csv", file.path)
    try:
        reader = csv.open_csv(
            _arrow_stream(file, raw, arrow),
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=_skip),
        )
        return tuple(map(str, reader.schema.names))
    except (ValueError, OSError) as error:
        raise UnreadableFile(f"{file.path.name} has no header that can be read: {_reason(error)}") from error


def _skip(_row: object) -> str:
    return "skip"


def _open_csv(file: ImportFile, raw: IO[bytes], columns: Sequence[str], note: Any) -> Any:
    """Open a CSV file so that every cell comes as the bytes it has, since one that is no UTF-8 must not end it all."""
    arrow, csv = _arrow("pyarrow", file.path), _arrow("pyarrow.csv", file.path)
    return csv.open_csv(
        _arrow_stream(file, raw, arrow),
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        convert_options=csv.ConvertOptions(
            column_types={column: arrow.binary() for column in columns}, strings_can_be_null=False
        ),
    )


def _arrow_stream(file: ImportFile, raw: IO[bytes], arrow: Any) -> Any:
    stream: Any = arrow.PythonFile(raw, mode="r")
    return arrow.CompressedInputStream(stream, "gzip") if file.is_compressed else stream


def _rows_of(columns: Sequence[list[object]]) -> Iterator[tuple[Sequence[object], RowRefusal | None]]:
    """Yield the rows of columns, and why one is refused. Only where a column has such a value is each row looked at."""
    spoilt = any(_NOT_TEXT in column for column in columns)
    longest = sum(map(_longest, columns))
    for values in zip(*columns, strict=True):
        refusal = None
        if spoilt and _NOT_TEXT in values:
            refusal = NOT_UTF8
        elif longest > ROW_BYTES_MAX and sum(map(_length, values)) > ROW_BYTES_MAX:
            refusal = TOO_LONG
        yield values, refusal


def _longest(column: list[object]) -> int:
    """Return a number of bytes that no value of a column goes beyond."""
    if set(map(type, column)) <= _TEXT_OR_NOTHING:
        return UTF8_BYTES_MAX * max(map(len, cast("Iterator[str]", filter(None, column))), default=0)
    return max(map(_length, column), default=0)


def _length(value: object) -> int:
    if value is None:
        return 0
    text = value if isinstance(value, str) else str(value)
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _decoded(cell: bytes) -> object:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return _NOT_TEXT


def _parquet_columns(file: ImportFile) -> tuple[str, ...]:
    arrow, parquet = _arrow("pyarrow", file.path), _arrow("pyarrow.parquet", file.path)
    try:
        table: Any = parquet.ParquetFile(file.path)
        try:
            empty = table.schema_arrow.empty_table()
            return tuple(map(str, flattened(empty, arrow).column_names))
        finally:
            table.close()
    except (ValueError, OSError) as error:
        raise UnreadableFile(f"{file.path.name} is not a whole Parquet file: {_reason(error)}") from error


def flattened(table: Any, arrow: Any) -> Any:
    """Return a table with the members of structs as columns of their own, by paths with dots."""
    for _ in range(NESTING_MAX):
        if not any(arrow.types.is_struct(field.type) for field in table.schema):
            break
        table = table.flatten()
    return table


def _python_values(column: Any, arrow: Any) -> list[object]:
    types, kind = arrow.types, column.type
    if types.is_binary(kind):
        try:
            return column.cast(arrow.string()).to_pylist()
        except ValueError:
            return [None if cell is None else _decoded(cell) for cell in column.to_pylist()]
    if types.is_timestamp(kind) and kind.unit == "ns":
        # Python's own times end at microseconds.
        column = column.cast(arrow.timestamp("us", kind.tz), safe=False)
    values: list[object] = column.to_pylist()
    if types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind):
        return values
    return [_plain(value) for value in values]


def _plain(value: object) -> object:
    """Return a value as JSON has it: times as RFC 3339, decimals as text, what is not a number as nothing."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, list):
        return [_plain(one) for one in cast("list[object]", value)]
    written = getattr(value, "isoformat", None)
    return str(value) if written is None else written()
