"""Keeps sections of a file on the disk, arranged for deciding, and what their rows have come to so far.

A *section* is the next rows of the file, as many as the memory may hold. Its groups (`import_grouping`) are put side
by side, in the order of their first rows, and cut into *pieces* for the processes that decide. A piece's results are
kept in a file of its own, to which what was decided is added in *steps*, each before it is committed.

Everything lies in one folder beside the result file, for the time of the import, and is readable by nobody else: it
holds what the file holds. A section counts from the moment its index stands there, which is written last.
"""

import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from knownas.batch.import_durable import replace_durably, write_durably
from knownas.batch.import_limits import INDEX_BYTES_MAX, STEP_BYTES_MAX
from knownas.batch.import_reading import RowRefusal
from knownas.batch.import_results import Tally, UnusableResults
from knownas.batch.import_rows import Content

_LENGTH_BYTES: Final = 4
_HEAD_BYTES: Final = 8
_ROWS: Final = "rows-"
_INDEX: Final = "index-"
_DONE: Final = "done-"


class StagedRow(NamedTuple):
    """A row that was read: its number in the file, and what it says or why it is refused."""

    number: int
    content: Content | None
    refusal: RowRefusal | None = None


class Piece(NamedTuple):
    """Where the rows of a piece stand in the file of its section, how many they are, and who is to take it."""

    offset: int
    length: int
    rows: int
    lane: int = 0


class Section(NamedTuple):
    """Rows of the file after one row up to another, arranged in pieces."""

    after_row: int
    last_row: int
    pieces: tuple[Piece, ...]


class Step(NamedTuple):
    """The next rows of a piece with what they come to, and a decision that only their commit brings into the log.

    `evidence` None: there was nothing to commit. `lines` are the rows' numbers and lines of the result file.
    """

    evidence: str | None
    tally: Tally
    lines: list[tuple[int, str]]


_ROWS_DECODER: Final = msgspec.json.Decoder(list[StagedRow])
_ROW_ENCODER: Final = msgspec.json.Encoder()
_INDEX_DECODER: Final = msgspec.json.Decoder(Section)
_STEP_DECODER: Final = msgspec.msgpack.Decoder(Step)
_STEP_ENCODER: Final = msgspec.msgpack.Encoder()


def staged_row(number: int, content: Content | RowRefusal) -> StagedRow:
    """Return a row with what it says, or why it is refused."""
    return StagedRow(number, None, content) if isinstance(content, RowRefusal) else StagedRow(number, content)


def written(row: StagedRow) -> bytes:
    """Write a row down."""
    # JSON, since whole numbers of any length are values of it.
    return _ROW_ENCODER.encode(row)


class Staging:
    """The folder of an import's sections."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, last_row: int) -> None:
        """Make the folder, or take away what an earlier run left there of no further use.

        That is: sections up to `last_row`, whose results are in the result file, and those that are not whole.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for unfinished in self.folder.glob("*.new"):
            unfinished.unlink()
        for index in self.folder.glob(f"{_INDEX}*"):
            if self._section(index).last_row <= last_row:
                self._remove(_after_row(index))
        whole = {_after_row(index) for index in self.folder.glob(f"{_INDEX}*")}
        for rows in self.folder.glob(f"{_ROWS}*"):
            if _after_row(rows) not in whole:
                rows.unlink()

    def close(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def find(self, after_row: int) -> Section | None:
        """Return the section that comes after a row, if an earlier run has arranged it."""
        index = self._path(_INDEX, after_row)
        return self._section(index) if index.exists() else None

    def write(self, after_row: int, last_row: int, pieces: Iterable[tuple[int, Sequence[bytes]]]) -> Section:
        """Keep a section, each piece given by its lane and its rows as `written`; durable when it returns."""
        places: list[Piece] = []
        file = os.open(self._path(_ROWS, after_row), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            offset = 0
            for lane, piece in pieces:
                end = write_durably(file, b"[" + b",".join(piece) + b"]", offset)
                places.append(Piece(offset, end - offset, len(piece), lane))
                offset = end
        finally:
            os.close(file)
        section = Section(after_row, last_row, tuple(places))
        replace_durably(self._path(_INDEX, after_row), _ROW_ENCODER.encode(section))
        return section

    def rows(self, section: Section, number: int) -> list[StagedRow]:
        """Return the rows of a piece."""
        piece = section.pieces[number]
        with self._path(_ROWS, section.after_row).open("rb") as file:
            file.seek(piece.offset)
            return _ROWS_DECODER.decode(file.read(piece.length))

    def done(self, section: Section, number: int) -> "DoneFile":
        """Return what a piece has come to so far, to be used as a context."""
        return DoneFile(self._path(_DONE, section.after_row).with_suffix(f".{number}"))

    def steps(self, section: Section) -> Iterator[Step]:
        """Yield what the rows of a section have come to, piece by piece, when all pieces are done."""
        for number in range(len(section.pieces)):
            with self.done(section, number) as done:
                yield from done.steps

    def remove(self, section: Section) -> None:
        """Take a section away whose results are in the result file."""
        self._remove(section.after_row)

    def _remove(self, after_row: int) -> None:
        self._path(_INDEX, after_row).unlink(missing_ok=True)
        self._path(_ROWS, after_row).unlink(missing_ok=True)
        for done in self.folder.glob(f"{_DONE}{after_row}.*"):
            done.unlink()

    def _section(self, index: Path) -> Section:
        try:
            with index.open("rb") as file:
                return _INDEX_DECODER.decode(file.read(INDEX_BYTES_MAX))
        except (OSError, msgspec.DecodeError) as error:
            raise UnusableResults(f"{index} can't be read ({error}); give another --results") from error

    def _path(self, kind: str, after_row: int) -> Path:
        return self.folder / f"{kind}{after_row}"


class DoneFile:
    """The steps that a piece has come through, the last of which may not have been committed. Used as a context."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._starts: list[int] = []
        self._length = 0
        self.steps: list[Step] = []

    def __enter__(self) -> Self:
        """Read what is there. A step that was not written to its end counts as not there."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        for step, end in _whole_steps(os.pread(self._file, os.fstat(self._file).st_size, 0)):
            self._note(step, end)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        os.close(self._file)

    def add(self, step: Step) -> None:
        """Add a step that is about to be committed; durable when it returns."""
        payload = _STEP_ENCODER.encode(step)
        head = len(payload).to_bytes(_LENGTH_BYTES) + zlib.crc32(payload).to_bytes(_LENGTH_BYTES)
        self._note(step, write_durably(self._file, head + payload, self._length))

    def take_back(self) -> None:
        """Take the last step away: it was not committed."""
        self.steps.pop()
        self._length = self._starts.pop()

    def _note(self, step: Step, end: int) -> None:
        self.steps.append(step)
        self._starts.append(self._length)
        self._length = end


def _whole_steps(content: bytes) -> Iterator[tuple[Step, int]]:
    start = 0
    while start + _HEAD_BYTES <= len(content):
        payload_at = start + _HEAD_BYTES
        length = int.from_bytes(content[start : start + _LENGTH_BYTES])
        payload = content[payload_at : payload_at + length]
        checksum = int.from_bytes(content[start + _LENGTH_BYTES : payload_at])
        if length > STEP_BYTES_MAX or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        start = payload_at + length
        yield _STEP_DECODER.decode(payload), start


def _after_row(path: Path) -> int:
    return int(path.name.rpartition("-")[2])
