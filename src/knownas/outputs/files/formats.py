"""Writes rows as CSV or as Parquet.

Values in CSV are as they are, also those that begin like a formula of a spreadsheet: whatever is put before them to keep a spreadsheet from
computing would be another value, and meet nothing where it is compared.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from knownas.outputs.files.rows import Column, Kind, Row

MISSING: Final = "knownas is installed without Apache Arrow, which writes Parquet: pip install 'knownas[files]'"


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    PARQUET = "parquet"


class FormatMissing(Exception):
    """What writes a format is not installed."""


def can_write(file_format: Format) -> bool:
    """Whether what a format needs is installed."""
    return file_format is Format.CSV or find_spec("pyarrow") is not None


def written(file_format: Format, kind: Kind, rows: Iterable[Row]) -> bytes:
    """Return a file.

    Raises:
        FormatMissing: it can't be written here.
    """
    return _WRITERS[file_format](kind, rows)


def _csv(kind: Kind, rows: Iterable[Row]) -> bytes:
    """Write CSV as in RFC 4180, in UTF-8 with a header. Nothing is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(kind.columns)
    writer.writerows(tuple(map(_cell, row)) for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _parquet(kind: Kind, rows: Iterable[Row]) -> bytes:
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise FormatMissing(MISSING) from error
    types: Mapping[Column, Any] = {
        Column.TEXT: arrow.string(),
        Column.INTEGER: arrow.int64(),
        Column.BOOLEAN: arrow.bool_(),
    }
    columns = list(zip(*rows, strict=True)) or [()] * len(kind.columns)
    made = {
        name: arrow.array(column, types[kind.columns[name]]) for name, column in zip(kind.columns, columns, strict=True)
    }
    sink = io.BytesIO()
    parquet.write_table(arrow.table(made), sink, compression="zstd")
    return sink.getvalue()


_WRITERS: Final[Mapping[Format, Callable[[Kind, Iterable[Row]], bytes]]] = {Format.CSV: _csv, Format.PARQUET: _parquet}
