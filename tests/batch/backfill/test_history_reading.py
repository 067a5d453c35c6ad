"""Whole columns are read as their rows would be one by one; what can't be an observation is refused with a reason."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from knownas.batch.backfill import reading
from knownas.batch.backfill.reading import Observed, Observer, time_ms
from knownas.batch.import_mapping import HISTORY_WORDS, ColumnFault, ColumnMapping, InvalidColumns
from knownas.batch.import_reading import RowReader, open_import_file
from tests.batch.backfill.histories import READING
from tests.batch.files import write_csv, write_json_lines

TIMES = ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05.678", "2026-01-02", "1767323045678", "2026-01-02T03:04:05+02:00")
NASTY = ("", "plain", "x" * 256, "x" * 257, "é" * 256, "\U0001f600", "a\0b", " padded ", "0", "null", "-1")
ROW: dict[str, Any] = {"time": TIMES[0], "email": "ann@example.com"}


def read(path: Path, *, by_rows: bool = False) -> tuple[list[Any], list[tuple[int, str]]]:
    """Read a file as observations, by columns where they are plain or by rows alone."""
    reader, observer = RowReader(open_import_file(path)), Observer(READING, 0)
    found: Sequence[Observed]
    if by_rows or path.suffix == ".jsonl":
        found = [observer.rows(reader)]
    else:
        found = [observer.block(block) for block in reader.blocks()]
    rows = [row for part in found for row in part.table.to_pylist()]
    refused = [(number, one.reason) for part in found for number, one in part.refused]
    return sorted(rows, key=lambda row: row["row_id"]), sorted(refused)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_are_read_as_their_rows_are(suffix: str, tmp_path: Path) -> None:
    """Whatever stands in the cells, reading whole columns gives the same observations and refusals as row by row."""
    chance = random.Random(3)
    # A CSV file with the character NUL in its beginning is refused as a whole.
    nasty = [one for one in NASTY if "\0" not in one or suffix != "csv"]
    for number in range(12):
        is_mixed = number % 2
        rows = [
            {
                "time": chance.choice(
                    [TIMES[0], TIMES[0], "", "yesterday"] if not is_mixed else [*TIMES, "12", "2026-13-01"]
                ),
                "email": chance.choice(nasty),
                "mp_deviceid": chance.choice([*nasty, "device"]),
                "endpoint": chance.choice(["", "login", "logout", "search", "identify"] + ["modify"] * (number % 3)),
                "environment": chance.choice(["", "production", "development"]),
                "input": chance.choice(["", "web", "crm"] + ["other"] * (number % 3 == 2)),
            }
            for _ in range(60)
        ]
        path = tmp_path / f"{number}.{suffix}"
        if suffix == "csv":
            write_csv(path, rows)
        else:
            parquet.write_table(pa.Table.from_pylist(rows), path)
        assert read(path) == read(path, by_rows=True)


def test_times_of_a_table_count_to_the_millisecond(tmp_path: Path) -> None:
    """Timestamps of Parquet, with a zone, without one (UTC) and in nanoseconds, are read as the moments they are."""
    moment = 1_767_323_045_678
    for number, kind in enumerate(
        [pa.timestamp("ms"), pa.timestamp("us", "Europe/Paris"), pa.timestamp("ns"), pa.int64()]
    ):
        values = pa.array([moment], pa.int64())
        if pa.types.is_timestamp(kind):
            values = values.cast(pa.timestamp("ms", kind.tz)).cast(kind)
        path = tmp_path / f"{number}.parquet"
        parquet.write_table(pa.table({"time": values, "email": ["ann"]}), path)
        assert [row["at_ms"] for row in read(path)[0]] == [moment]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02T03:04:05.678901Z", 1_767_323_045_678),
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59Z", None),
        ("2026-02-30", None),
        ("20260102", 20_260_102),
        (1.5, None),
        (True, None),
        ("9" * 16, None),
    ],
)
def test_a_time_is_rfc_3339_or_milliseconds(value: object, expected: int | None) -> None:
    """A time is RFC 3339, or Unix milliseconds; anything else, and what lies before 1970, is none."""
    assert time_ms(value) == expected


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"time": None}, "no_time"),
        ({"time": "soon"}, "invalid_time"),
        ({"endpoint": "modify"}, "invalid_endpoint"),
        ({"input": "nobody's"}, "invalid_input"),
        ({"environment": "staging"}, "invalid_environment"),
        ({"email": None}, "no_identities"),
        ({"email": "x" * 257}, "invalid_identity"),
    ],
)
def test_a_row_that_is_no_observation_is_refused_with_a_reason(
    changed: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """What can't be an observation is refused by itself, with a stable reason, and the others are read."""
    path = write_json_lines(tmp_path / "rows.jsonl", [ROW, {**ROW, **changed}, ROW])
    rows, refused = read(path)
    assert refused == [(2, reason)]
    assert [row["row_id"] for row in rows] == [1, 3]


def test_a_history_needs_a_time_and_knows_no_mpid() -> None:
    """Columns without a time, or with an MPID, which nobody has where a history begins, are refused before it begins."""
    mapping = ColumnMapping({}, HISTORY_WORDS)
    without = mapping.targets(["email"])
    assert isinstance(without, InvalidColumns)
    assert "when a row was observed" in without.faults[0].message
    assert isinstance(mapping.target("mpid"), ColumnFault)


def test_every_refusal_says_what_is_expected() -> None:
    """The sentences of refusals name what is allowed, and quote no value."""
    for refusal in (reading.INVALID_TIME, reading.INVALID_ENDPOINT, reading.NO_TIME, reading.INVALID_INPUT):
        assert refusal.sentence.endswith(".")
