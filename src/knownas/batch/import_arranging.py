"""Reads the next rows of a file and arranges them in pieces that can be decided at the same time."""

from collections.abc import Iterator

from knownas.batch.import_garbage import collected_afterwards
from knownas.batch.import_grouping import Grouping, Lanes, RowNames
from knownas.batch.import_limits import CHUNK_ROWS, FIRST_SECTION_ROWS, SECTION_BYTES, SECTION_GROWTH, SECTION_ROWS
from knownas.batch.import_reading import ImportFile, Row, RowReader, RowRefusal, UnreadableFile
from knownas.batch.import_rows import Reading, RowInterpreter
from knownas.batch.import_staging import Section, Staging, staged_row, written
from knownas.service.identity.question import Rules


class Arranger:
    """Reads a file once, section by section, from after a row on."""

    def __init__(self, file: ImportFile, reading: Reading, rules: Rules, staging: Staging, lanes: int = 1) -> None:
        """`lanes` is the number of those who take the pieces."""
        self._reader = RowReader(file)
        self._rows: Iterator[Row] = iter(self._reader)
        self._interpreter = RowInterpreter(reading)
        self._names = RowNames(reading, rules)
        self._staging = staging
        self._lanes = Lanes(lanes)
        self.unreadable: UnreadableFile | None = None
        """Why the file can't be read any further, if so; the rows before are arranged like those of a whole file."""
        self._last_row = 0

    def fraction_of(self, rows: int) -> float:
        """Return what part of the file some rows are, from 0 to 1, as far as one can tell by what was read of it."""
        return min(1.0, rows * self._reader.fraction / max(1, self._last_row))

    def section(self, after_row: int) -> Section | None:
        """Return the section after a row: the one that an earlier run has arranged, or a new one. None at the end."""
        section = self._staging.find(after_row) or self._arranged(after_row)
        if section is not None:
            self._last_row = section.last_row
        return section

    def _arranged(self, after_row: int) -> Section | None:
        grouping, rows = Grouping(), list[bytes]()
        size, last_row = 0, after_row
        most = min(SECTION_ROWS, max(FIRST_SECTION_ROWS, SECTION_GROWTH * after_row))
        with collected_afterwards():
            try:
                for row in self._rows:
                    if row.number <= after_row:
                        continue
                    last_row = row.number
                    rows.append(self._staged(row, grouping))
                    size += len(rows[-1])
                    if len(rows) >= most or size >= SECTION_BYTES:
                        break
            except UnreadableFile as error:
                self.unreadable = error
            if not rows:
                return None
            return self._staging.write(after_row, last_row, _pieces(self._lanes, grouping, rows))

    def _staged(self, row: Row, grouping: Grouping) -> bytes:
        content = self._interpreter.content(row)
        grouping.add(() if isinstance(content, RowRefusal) else self._names.of(content))
        return written(staged_row(row.number, content))


def _pieces(lanes: Lanes, grouping: Grouping, rows: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Cut the rows of each lane into pieces of whole groups, none much larger than a chunk if no group is."""
    begun: dict[int, list[bytes]] = {}
    for lane, group in lanes.of_groups(grouping):
        piece = begun.setdefault(lane, [])
        if piece and len(piece) + len(group) > CHUNK_ROWS:
            yield lane, piece
            piece = begun[lane] = []
        piece += [rows[place] for place in group]
    yield from begun.items()
