"""Reading: three formats, the same rows; a row that can't be read is refused by itself."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from knownas.batch.import_limits import BLOCK_BYTES, ROW_BYTES_MAX
from knownas.batch.import_reading import RowReader, UnreadableFile, open_import_file
from tests.batch.files import people, read_rows, write_csv, write_json_lines, write_parquet

WRITERS = {
    "a.csv": write_csv,
    "a.csv.gz": write_csv,
    "a.jsonl": write_json_lines,
    "a.ndjson.gz": write_json_lines,
    "a.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """Numbers count from 1, and all values are there in the order of the columns."""
    wanted = people(300)
    rows = read_rows(WRITERS[name](tmp_path / name, wanted))
    assert [row.number for row in rows] == list(range(1, 301))
    assert [dict(zip(row.columns, row.values, strict=True)) for row in rows] == wanted


def test_the_fraction_read_grows_to_one(tmp_path: Path) -> None:
    """A progress bar can rest on it."""
    reader = RowReader(open_import_file(write_parquet(tmp_path / "a.parquet", people(300))))
    seen = [reader.fraction for _ in reader]
    assert seen == sorted(seen)
    assert reader.fraction == 1.0


def test_a_row_with_too_many_or_too_few_cells_is_refused_alone(tmp_path: Path) -> None:
    """The rows around it keep their numbers, also when it is the last one."""
    path = tmp_path / "a.csv"
    path.write_text("email,plan\na@x.org,1\nb@x.org\n\nc@x.org,1,2\nd@x.org,4\ne@x.org\n")
    rows = read_rows(path)
    assert [(row.number, row.refusal.reason if row.refusal else None) for row in rows] == [
        (1, None),
        (2, "wrong_number_of_cells"),
        (3, "wrong_number_of_cells"),
        (4, None),
        (5, "wrong_number_of_cells"),
    ]
    assert rows[1].refusal is not None
    assert rows[1].refusal.sentence == "The row has 1 cells, the header 2."
    assert rows[3].values == ("d@x.org", "4")


def test_quotes_commas_and_line_breaks_belong_to_a_cell(tmp_path: Path) -> None:
    """As RFC 4180 has it; a byte order mark and Windows line ends are no content."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfemail,plan\r\n"a@x.org","one, two\nthree ""four"""\r\n')
    (row,) = read_rows(path)
    assert row.columns == ("email", "plan")
    assert row.values == ("a@x.org", 'one, two\nthree "four"')


def test_a_row_that_is_no_utf8_is_refused_alone(tmp_path: Path) -> None:
    """A file of Latin-1 loses only the rows where that makes a difference."""
    path = tmp_path / "a.csv"
    path.write_bytes("email,plan\na@x.org,gut\nb@x.org,schön\nc@x.org,gut\n".encode("latin-1"))
    assert [row.refusal.reason if row.refusal else None for row in read_rows(path)] == [None, "not_utf8", None]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_row_that_is_too_long_is_refused_alone(tmp_path: Path, name: str) -> None:
    """The limit is 80,000 bytes, whatever the format."""
    rows = people(3)
    rows[1]["plan"] = "x" * ROW_BYTES_MAX
    read = read_rows(WRITERS[name](tmp_path / name, rows))
    assert [row.refusal.reason if row.refusal else None for row in read] == [None, "row_too_long", None]


def test_a_quote_that_is_not_closed_ends_the_reading_with_a_reason(tmp_path: Path) -> None:
    """What came before it was read."""
    path = tmp_path / "a.csv"
    path.write_text("email,plan\n" + "a@x.org,1\n" * 500_000 + '"' + "b@x.org,1\n" * (BLOCK_BYTES // 3))
    rows = iter(RowReader(open_import_file(path)))
    assert next(rows).values == ("a@x.org", "1")
    with pytest.raises(UnreadableFile, match="a quote is not closed"):
        list(rows)


def test_a_line_that_is_no_json_object_is_refused_alone(tmp_path: Path) -> None:
    """Blank lines count as lines and are no rows; types may change from line to line."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"email":"a"}\n{"email":\n\n["b"]\n{"email":7,"more":{"deep":[1,"x"]}}\n{"email":"\xff"}\n')
    rows = read_rows(path)
    assert [(row.number, row.refusal.reason if row.refusal else None) for row in rows] == [
        (1, None),
        (2, "not_json"),
        (4, "not_json"),
        (5, None),
        (6, "not_json"),
    ]
    assert rows[3].columns == ("email", "more.deep")
    assert rows[3].values == (7, [1, "x"])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"PAR1....", "is a Parquet file"),
        ("a.jsonl", b"PAR1....", "is a Parquet file"),
        ("a.parquet", b"email\na\n", "is not a Parquet file"),
        ("a.parquet", b"PAR1....", "is not a whole Parquet file"),
        ("a.csv", gzip.compress(b"email\na\n", mtime=0), "is compressed by gzip"),
        ("a.csv.gz", b"email\na\n", "is not compressed by gzip"),
        ("a.csv.gz", gzip.compress(b"email\n" + b"a\n" * 9, mtime=0)[:20], "can't be read"),
        ("a.csv", b'{"email": "a"}\n', "is JSON"),
        ("a.jsonl", b"email\na\n", "is not JSON Lines"),
        ("a.jsonl", b'[{"email": "a"}]', "is not JSON Lines"),
        ("a.csv", "email\na\n".encode("utf-16"), "is UTF-16"),
        ("a.csv", b"email\n\0\n", "is not text"),
        ("a.csv", b"", "no header"),
        ("a.csv", b"email;plan\na;b\n", "not separated by commas"),
        ("a.xlsx", b"PK", "a name ends with .csv"),
        ("a.parquet.gz", b"PAR1", "a name ends with .csv"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_not_read(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    """The message says what it is instead, before anything is imported."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=sentence):
        open_import_file(path).columns()


def test_a_compressed_file_that_ends_too_early_says_so(tmp_path: Path) -> None:
    """The rows before its end are read."""
    whole = gzip.compress(b"".join(b'{"email": "%d"}\n' % number for number in range(50_000)))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    rows = iter(RowReader(open_import_file(path)))
    assert next(rows).number == 1
    with pytest.raises(UnreadableFile, match="can't be read after row"):
        list(rows)


def test_without_arrow_the_message_says_what_to_install(tmp_path: Path) -> None:
    """JSON Lines are read without it."""
    write_csv(tmp_path / "a.csv", people(3))
    write_json_lines(tmp_path / "a.jsonl", people(3))
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from knownas.batch.import_reading import RowReader, UnreadableFile, open_import_file\n"
        "assert len(list(RowReader(open_import_file(Path('a.jsonl'))))) == 3\n"
        "try: open_import_file(Path('a.csv')).columns()\n"
        "except UnreadableFile as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'knownas[import]'" in done.stdout
