"""Reads rows as observations: of whom, when, by which endpoint and through which input, or why a row is refused.

What a cell means is decided by `import_rows`. Most rows of a table need none of its care, and are taken as whole
columns; a row with a cell that is anything but plain goes there by itself, as do all rows of a block that is not read
as columns. Both ways come to the same, and a test holds them against each other.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from knownas.batch.backfill.kinds import ATTRIBUTES, ENDPOINTS, ENVIRONMENTS, TYPES, arrow, observation_schema
from knownas.batch.backfill.screening import Screening
from knownas.batch.import_limits import ROW_BYTES_MAX
from knownas.batch.import_mapping import InvalidColumns, Special, Target, ToAttribute, ToIdentity
from knownas.batch.import_reading import Block, Row, RowRefusal
from knownas.batch.import_rows import Reading, RowInterpreter
from knownas.core.identity.kinds import IdentityType
from knownas.core.limits import IDENTITY_VALUE_CHARACTERS_MAX
from knownas.core.profile.event import Channel

_TIME: Final = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$"
_TIME_PATTERN: Final = re.compile(_TIME, re.ASCII)
_DIGITS_MAX: Final = 15
_LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999, which is as far as times can be written."""

_ENCODER: Final = msgspec.json.Encoder()
_STAMP: Final = IdentityType.DEVICE_APPLICATION_STAMP
_ENDPOINTS: Final[Mapping[str, int]] = {one.value: place for place, one in enumerate(ENDPOINTS)}
_ENVIRONMENTS: Final[Mapping[str, int]] = {one.value: place for place, one in enumerate(ENVIRONMENTS)}

NO_TIME: Final = RowRefusal("no_time", "The row does not say when it was observed.")
INVALID_TIME: Final = RowRefusal(
    "invalid_time", "The time is RFC 3339 (UTC where it names no zone) or Unix milliseconds, from 1970 on."
)
INVALID_ENDPOINT: Final = RowRefusal("invalid_endpoint", f"The endpoint is {', '.join(_ENDPOINTS)}.")
INVALID_INPUT: Final = RowRefusal("invalid_input", "No input of the scope has this key or name.")


@dataclass(frozen=True, slots=True)
class HistoryReading:
    """What holds for all rows of a history. `inputs` are the places of inputs by their keys and names; 0 is the usual.

    Without `screening` nothing is set aside.
    """

    reading: Reading
    inputs: Mapping[str, int]
    screening: Screening | None = None


class Observed(NamedTuple):
    """Rows that were read: the observations as a table, and the refused ones by their numbers."""

    table: Any
    refused: Sequence[tuple[int, RowRefusal]]


class Observer:
    """Reads the rows of one file. `first_row` is added to their numbers."""

    def __init__(self, history: HistoryReading, first_row: int) -> None:
        self._history = history
        self._first_row = first_row
        self._interpreter = RowInterpreter(history.reading)
        self._screened = None if history.screening is None else history.screening.screened()
        self._columns: tuple[str, ...] | None = None
        self._targets: Sequence[Target] = ()

    def rows(self, rows: Iterable[Row]) -> Observed:
        """Read rows one by one."""
        return self._without_quarantined(self._read(rows))

    def _read(self, rows: Iterable[Row]) -> Observed:
        refused: list[tuple[int, RowRefusal]] = []
        columns: dict[str, list[object]] = {field.name: [] for field in observation_schema()}
        for row in rows:
            said = self._said(row)
            if isinstance(said, RowRefusal):
                refused.append((self._first_row + row.number, said))
                continue
            for name, values in columns.items():
                values.append(said.get(name))
        return Observed(arrow().table(columns, schema=observation_schema()), refused)

    def block(self, block: Block) -> Observed:
        """Read a block of a table, as whole columns where they are plain."""
        refused = [(self._first_row + number, refusal) for number, refusal in block.unread.items()]
        plain = self._plain(block) if block.numbers else None
        if plain is None:
            found = self._read(block.rows())
            return self._without_quarantined(Observed(found.table, [*refused, *found.refused]))
        table, others = plain
        if len(others):
            found = self._read(block.rows(others))
            refused += found.refused
            table = arrow().concat_tables([table, found.table])
        return self._without_quarantined(Observed(table, refused))

    def _without_quarantined(self, found: Observed) -> Observed:
        if self._screened is None:
            return found
        return Observed(self._screened(found.table), found.refused)

    def _targets_of(self, columns: tuple[str, ...]) -> Sequence[Target]:
        if columns is not self._columns:
            self._columns = columns
            targets = self._history.reading.mapping.targets(columns, whole=False)
            self._targets = () if isinstance(targets, InvalidColumns) else targets
        return self._targets

    def _said(self, row: Row) -> Mapping[str, object] | RowRefusal:
        content = self._interpreter.content(row)
        if isinstance(content, RowRefusal):
            return content
        cells = zip(self._targets_of(row.columns), row.values, strict=True)
        given = {one: value for one, value in cells if isinstance(one, Special) and value not in (None, "")}
        if Special.TIME not in given:
            return NO_TIME
        at_ms = time_ms(given[Special.TIME])
        endpoint = _place(given.get(Special.ENDPOINT), _ENDPOINTS)
        sender = _place(given.get(Special.INPUT), self._history.inputs)
        if at_ms is None:
            return INVALID_TIME
        if endpoint is None or sender is None:
            return INVALID_ENDPOINT if endpoint is None else INVALID_INPUT
        return {
            "row_id": self._first_row + row.number,
            "at_ms": at_ms,
            "environment": _ENVIRONMENTS[content.environment],
            "endpoint": endpoint,
            "input": sender,
            ATTRIBUTES: _ENCODER.encode(content.attributes) if content.attributes else None,
            **{one.type.value: one.value for one in content.identities},
        }

    def _plain(self, block: Block) -> tuple[Any, Any] | None:
        """Return the observations of the plain rows, and the places of the others; None if columns can't be taken whole."""
        targets = self._targets_of(block.columns)
        types = [target.type for target in targets if isinstance(target, ToIdentity)]
        if (
            Special.TIME not in targets
            or len(set(types)) < len(types)
            or any(isinstance(target, ToAttribute) for target in targets)
        ):
            return None
        return _Plain(block, self._history, self._first_row).observed(targets)


def _place(value: object, places: Mapping[str, int]) -> int | None:
    """Return the place of a word, 0 if there is none."""
    if value is None:
        return 0
    return places.get(value) if isinstance(value, str) else None


def time_ms(value: object) -> int | None:
    """Read a time: RFC 3339, UTC where it names no zone, or Unix milliseconds; None if it is neither, or out of range."""
    at_ms: int | None = None
    if type(value) is int:
        at_ms = value
    elif isinstance(value, str) and value.isascii() and value.isdecimal():
        at_ms = int(value) if len(value) <= _DIGITS_MAX else None
    elif isinstance(value, str) and _TIME_PATTERN.match(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        at_ms = _floored(moment)
    return at_ms if at_ms is not None and 0 <= at_ms <= _LATEST_MS else None


def _floored(moment: datetime) -> int:
    whole = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(whole.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


class _Plain:
    """Takes the plain rows of a block by whole columns."""

    def __init__(self, block: Block, history: HistoryReading, first_row: int) -> None:
        self._block = block
        self._history = history
        self._first_row = first_row
        self._pa, self._pc = arrow(), arrow("pyarrow.compute")
        self._count = len(block.numbers)
        self._is_plain: Any = self._pa.repeat(self._pa.scalar(value=True), self._count)

    def observed(self, targets: Sequence[Target]) -> tuple[Any, Any] | None:
        """Return the observations, and the places of rows that are not plain; None if a column is not."""
        pa, pc = self._pa, self._pc
        found: dict[str, Any] = {}
        try:
            lengths = 0
            for target, given in zip(targets, self._block.values, strict=True):
                column = self._text(given)
                if pa.types.is_string(column.type):
                    lengths = pc.add(lengths, pc.fill_null(pc.binary_length(column).cast("int64"), 0))
                self._read(target, column, found)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, _NotPlain):
            return None
        if not isinstance(lengths, int):
            self._need(pc.less_equal(lengths, ROW_BYTES_MAX))
        names_somebody = self._pa.repeat(pa.scalar(value=False), self._count)
        for kind in TYPES:
            if kind.value in found:
                names_somebody = pc.or_(names_somebody, pc.is_valid(found[kind.value]))
        self._need(names_somebody)
        numbers = pa.array(self._block.numbers, pa.int64())
        found["row_id"] = pc.add(numbers, self._first_row)
        table = self._table(found)
        places = pc.indices_nonzero(pc.invert(self._is_plain))
        return (table.filter(self._is_plain) if len(places) else table), places

    def _table(self, found: Mapping[str, Any]) -> Any:
        pa = self._pa
        columns: list[Any] = []
        for field in observation_schema():
            column = found.get(field.name)
            if column is None:
                usual = self._usual(field.name)
                column = pa.repeat(pa.scalar(usual, field.type), self._count)
            columns.append(column.cast(field.type))
        return pa.table(columns, schema=observation_schema())

    def _usual(self, name: str) -> int | None:
        if name == "environment":
            return _ENVIRONMENTS[self._history.reading.environment]
        return 0 if name in ("endpoint", "input") else None

    def _need(self, mask: Any) -> None:
        """Leave only rows plain for which something holds; where that is null, it does not."""
        mask = self._pc.fill_null(mask, fill_value=False)
        if isinstance(mask, self._pa.ChunkedArray):
            mask = mask.combine_chunks()
        self._is_plain = self._pc.and_(self._is_plain, mask)

    def _text(self, column: Any) -> Any:
        """Return a column, as text if it is text in bytes.

        Raises:
            ArrowInvalid: some of it is not UTF-8.
        """
        types = self._pa.types
        if isinstance(column, self._pa.ChunkedArray):
            column = column.combine_chunks()
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if types.is_binary(column.type) or types.is_large_string(column.type) or types.is_null(column.type):
            column = column.cast(self._pa.string())
        if types.is_string(column.type):
            # An empty cell says nothing.
            column = self._pc.replace_with_mask(
                column,
                self._pc.fill_null(self._pc.equal(column, ""), fill_value=False),
                self._pa.scalar(None, self._pa.string()),
            )
        return column

    def _read(self, target: Target, column: Any, found: dict[str, Any]) -> None:
        """Put down what a column says, under the name of the observations' column."""
        match target:
            case ToIdentity(kind):
                # Some partners send one constant for all users (idsync §5.3).
                if kind is not _STAMP or self._history.reading.channel is not Channel.PARTNER:
                    found[kind.value] = self._identity(column)
            case Special.TIME:
                found["at_ms"] = self._time(column)
            case Special.ENVIRONMENT:
                usual = _ENVIRONMENTS[self._history.reading.environment]
                found["environment"] = self._word(column, _ENVIRONMENTS, usual)
            case Special.ENDPOINT:
                found["endpoint"] = self._word(column, _ENDPOINTS, 0)
            case Special.INPUT:
                found["input"] = self._word(column, self._history.inputs, 0)
            case _:
                return

    def _identity(self, column: Any) -> Any:
        pc, types = self._pc, self._pa.types
        if types.is_integer(column.type):
            return column.cast(self._pa.string())
        if not types.is_string(column.type):
            raise _NotPlain
        short = pc.less_equal(pc.utf8_length(column), IDENTITY_VALUE_CHARACTERS_MAX)
        bare = pc.invert(pc.match_substring(column, "\0"))
        self._need(pc.fill_null(pc.and_(short, bare), fill_value=True))
        return column

    def _word(self, column: Any, places: Mapping[str, int], usual: int) -> Any:
        pa, pc = self._pa, self._pc
        if not pa.types.is_string(column.type):
            raise _NotPlain
        words = list(places)
        found = pc.index_in(column, value_set=pa.array(words, pa.string()))
        self._need(pc.or_(pc.is_null(column), pc.is_valid(found)))
        place = pa.array(list(places.values()), pa.int64()).take(pc.fill_null(found, 0))
        return pc.if_else(pc.is_valid(found), place, usual)

    def _time(self, column: Any) -> Any:
        pa, pc = self._pa, self._pc
        if pa.types.is_string(column.type):
            column = self._read_time(column)
        if pa.types.is_timestamp(column.type):
            column = (
                pc.floor_temporal(column, unit="millisecond").cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64())
            )
        if not pa.types.is_integer(column.type):
            raise _NotPlain
        column = column.cast(pa.int64())
        self._need(pc.and_(pc.greater_equal(column, 0), pc.less_equal(column, _LATEST_MS)))
        return pc.fill_null(column, 0)

    def _read_time(self, column: Any) -> Any:
        """Read texts as times, all with a zone or none.

        Raises:
            ArrowInvalid: one of them is something else.
        """
        pa, pc = self._pa, self._pc
        if not pc.all(pc.match_substring_regex(column, _TIME)).as_py():
            raise _NotPlain
        try:
            return column.cast(pa.timestamp("us", "UTC"))
        except pa.ArrowInvalid:
            return column.cast(pa.timestamp("us"))


class _NotPlain(Exception):
    """A column is not of a type that is taken as a whole."""
